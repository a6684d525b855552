#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/schedule.h"

// A schedule out of a short notation: a line a stage, "name: need need", "!" after the name: runs
// on failure only,
// "*": on both, "-": not selected. Names are single letters.
static void parse(struct schedule *s, const char *const *lines)
{
    static char names[32];
    for (size_t i = 0; lines[i]; i++)
        names[i] = lines[i][0];
    for (size_t i = 0; lines[i]; i++) {
        struct node *n = vec_add(&s->nodes);
        char mark = lines[i][1];
        n->on_success = mark != '!';
        n->on_failure = mark == '!' || mark == '*';
        if (mark == '-') {
            n->state = NODE_SKIPPED;
            n->skipped = SKIP_NOT_SELECTED;
        }
        const char *colon = strchr(lines[i], ':');
        for (const char *p = colon ? colon + 1 : ""; *p; p++)
            if (*p != ' ')
                vec_push(&n->needs, (size_t)(strchr(names, *p) - names));
    }
    schedule_prepare(s);
}

// Runs it with unlimited parallelism: what starts together ends together, `failing` fail. Writes
// the waves ("ab c").
static void run(const char *const *lines, const char *failing, char *waves)
{
    struct schedule s = {0};
    parse(&s, lines);
    *waves = '\0';
    while (!schedule_finished(&s)) {
        char wave[32] = "";
        size_t next;
        while (schedule_next(&s, &next)) {
            schedule_started(&s, next);
            strncat(wave, lines[next], 1);
        }
        if (!*wave)
            break;
        strcat(waves, *waves ? " " : "");
        strcat(waves, wave);
        for (char *p = wave; *p; p++)
            for (size_t i = 0; lines[i]; i++)
                if (lines[i][0] == *p)
                    schedule_ended(&s, i, !strchr(failing, *p));
    }
    if (!schedule_finished(&s))
        strcat(waves, " STUCK");
    schedule_done(&s);
}

static void stages_start_when_their_last_need_ends(void **state)
{
    (void)state;
    static const struct {
        const char *lines[8], *failing, *waves;
    } rows[] = {
        {{"a", "b: a", "c: b"}, "", "a b c"}, {{"a", "b", "c: a b"}, "", "ab c"},
        {{"a: b", "b"}, "", "b a"}, // needs may point forward
        {{"a", "b: a", "c: b"}, "b", "a b"}, {{"a", "b: a", "c"}, "a", "ac"},
        {{"a", "b: a", "n!: b"}, "", "a b"},
        {{"a", "b: a", "n!: b"}, "a", "a n"}, // a failure further up counts
        {{"a", "b: a", "n!"}, "b", "a b n"},  // without needs: after all
        {{"a", "b: a", "n!"}, "", "a b"}, {{"a", "c*: a"}, "a", "a c"}, {{"a", "c*: a"}, "", "a c"},
        {{"a-", "b: a"}, "", ""}, {{"a-", "b", "n!"}, "b", "b n"},
        {{"a", "n!: a", "z: n"}, "",
            "a z"}, // a notifier that had no cause does not hold anybody up
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char waves[64];
        run(rows[i].lines, rows[i].failing, waves);
        if (strcmp(waves, rows[i].waves) != 0)
            fail_msg("row %zu: wanted \"%s\", got \"%s\"", i, rows[i].waves, waves);
    }
}

static void a_skip_says_why(void **state)
{
    (void)state;
    static const char *const lines[] = {"a", "b: a", "c: b", NULL};
    struct schedule s = {0};
    size_t next;
    parse(&s, lines);
    assert_true(schedule_next(&s, &next));
    schedule_started(&s, next);
    schedule_ended(&s, next, false);
    assert_false(schedule_next(&s, &next));
    assert_int_equal(s.nodes.items[1].skipped, SKIP_NEED_FAILED);
    assert_int_equal(s.nodes.items[2].skipped, SKIP_NEED_FAILED);
    assert_int_equal(s.nodes.items[2].by, 0); // the one that failed, not the one between
    schedule_done(&s);
}

static void nothing_starts_after_a_cancel(void **state)
{
    (void)state;
    static const char *const lines[] = {"a", "b", "c: a", "n!", NULL};
    struct schedule s = {0};
    size_t next;
    parse(&s, lines);
    assert_true(schedule_next(&s, &next));
    schedule_started(&s, next);
    schedule_cancel(&s);
    assert_false(schedule_finished(&s));
    schedule_ended(&s, next, false);
    assert_false(schedule_next(&s, &next));
    assert_true(schedule_finished(&s));
    schedule_done(&s);
}

// Random graphs: the order respects the needs, and every stage ends in exactly one state.
static void random_graphs_end_and_respect_their_needs(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 3000; seed++) {
        srandom(seed);
        struct schedule s = {0};
        size_t count = 1 + (size_t)random() % 20, started = 0;
        for (size_t i = 0; i < count; i++) {
            struct node *n = vec_add(&s.nodes);
            n->on_success = random() % 5 != 0;
            n->on_failure = !n->on_success || random() % 5 == 0;
            for (size_t j = 0; j < i; j++)
                if (random() % 4 == 0)
                    vec_push(&s.nodes.items[i].needs, j);
        }
        schedule_prepare(&s);
        for (size_t next; !schedule_finished(&s);) {
            while (random() % 3 && schedule_next(&s, &next)) {
                struct node *n = &s.nodes.items[next];
                assert_int_equal(n->state, NODE_WAITING);
                vec_each (need, &n->needs)
                    assert_true(s.nodes.items[*need].state > NODE_RUNNING);
                schedule_started(&s, next);
                started++;
            }
            for (size_t i = 0; i < count; i++)
                if (s.nodes.items[i].state == NODE_RUNNING && random() % 2)
                    schedule_ended(&s, i, random() % 4 != 0);
        }
        assert_in_range(started, 0, count);
        schedule_done(&s);
    }
}

TEST_MAIN(cmocka_unit_test(stages_start_when_their_last_need_ends),
    cmocka_unit_test(a_skip_says_why), cmocka_unit_test(nothing_starts_after_a_cancel),
    cmocka_unit_test(random_graphs_end_and_respect_their_needs))
