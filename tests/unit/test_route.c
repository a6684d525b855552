// Where requests go: buckets from weights, and the nginx.conf that looks them up.
#include <string.h>

#include "deploy/route.h"
#include "support/check.h"

static int count_of(const struct route *route, int port)
{
    int count = 0;
    for (int i = 0; i < ROUTE_BUCKETS; i++)
        count += route->port[i] == port;
    return count;
}

static void add_ports(struct route_set *set, int first, int count)
{
    for (int i = 0; i < count; i++)
        vec_push(&set->ports, first + i);
}

static void every_instance_has_its_share(void **state)
{
    static const struct row {
        int percent[2], instances[2];
        int wanted[2][3]; // of the sets' instances
        int nobody;
    } rows[] = {
        {{100, 0}, {2, 0}, {{50, 50}, {0}}, 0}, {{100, 0}, {3, 0}, {{34, 33, 33}, {0}}, 0},
        {{67, 33}, {2, 1}, {{34, 33}, {33}}, 0}, {{95, 5}, {2, 3}, {{48, 47}, {2, 2, 1}}, 0},
        {{1, 99}, {1, 1}, {{1}, {99}}, 0},
        {{100, 0}, {0, 0}, {{0}, {0}}, 100}, // nobody is ready: 503
        {{0, 0}, {2, 2}, {{0}, {0}}, 100},   // nothing is live yet
        {{50, 50}, {1, 0}, {{50}, {0}}, 50}, // a share is not taken over unasked
    };
    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        struct route_set sets[2] = {
            {.percent = rows[r].percent[0]}, {.percent = rows[r].percent[1]}};
        struct route route;
        for (int s = 0; s < 2; s++)
            add_ports(&sets[s], 100 * (s + 1), rows[r].instances[s]);
        route_plan(sets, 2, &route);
        for (int s = 0; s < 2; s++)
            for (int i = 0; i < 3; i++)
                if (count_of(&route, 100 * (s + 1) + i) != rows[r].wanted[s][i])
                    fail_msg("row %zu: instance %d of set %d has %d of 100", r, i, s,
                        count_of(&route, 100 * (s + 1) + i));
        assert_int_equal(count_of(&route, 0), rows[r].nobody);
        vec_free(&sets[0].ports);
        vec_free(&sets[1].ports);
    }
}

static void every_port_is_known_from_the_start(void **state)
{
    static const struct route_range ranges[] = {{20000, 2}, {20400, 1}};
    static const char *const wanted[] = {"/davit/ports/20000 port20000;\n",
        "/davit/ports/20001 port20001;\n", "/davit/ports/20400 port20400;\n",
        "upstream port20400 { server 127.0.0.1:20400 ", "listen 127.0.0.1:8080;\n",
        "root /davit/route/$bucket;\n", "        1% 98;\n        * 99;\n"};
    (void)state;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    route_config("127.0.0.1:8080", ranges, ARRAY_LEN(ranges), &text);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!strstr(text.data, wanted[i]))
            fail_msg("\"%s\" is not in the configuration", wanted[i]);
}

TEST_MAIN(cmocka_unit_test(every_instance_has_its_share),
    cmocka_unit_test(every_port_is_known_from_the_start))
