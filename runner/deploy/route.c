#include "deploy/route.h"

#include <string.h>

void route_plan(const struct route_set *sets, size_t count, struct route *ret)
{
    *ret = (struct route){0};
    int next = 0;
    for (size_t s = 0; s < count; s++) {
        int ports = (int)sets[s].ports.length;
        for (int i = 0; i < sets[s].percent && next < ROUTE_BUCKETS; i++)
            ret->port[next++] = ports ? sets[s].ports.items[i % ports] : 0;
    }
}

bool route_equal(const struct route *a, const struct route *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// Every choice of a request is one look-up of a symbolic link: $realpath_root is resolved for each
// request, so a rename of `route` is a switch.
static const char head[] =
    "# Written by davit; changes are lost.\n"
    "worker_processes 2;\n"
    "worker_rlimit_nofile 16384;\n"
    "pid /tmp/nginx.pid;\n"
    "error_log stderr warn;\n"
    "events { worker_connections 8000; }\n"
    "http {\n"
    "    access_log off;\n"
    "    server_tokens off;\n"
    "    client_body_temp_path /tmp/body;\n"
    "    proxy_temp_path /tmp/proxy;\n"
    "    fastcgi_temp_path /tmp/fastcgi;\n"
    "    uwsgi_temp_path /tmp/uwsgi;\n"
    "    scgi_temp_path /tmp/scgi;\n"
    "    # Requests are the app's business: their size, and how long it takes to read one.\n"
    "    client_max_body_size 0;\n"
    "    # So are headers: cookies and policies of some ten kilobytes are met.\n"
    "    large_client_header_buffers 4 32k;\n"
    "    proxy_buffer_size 32k;\n"
    "    proxy_buffers 8 32k;\n"
    "    keepalive_requests 100000;\n"
    "    proxy_http_version 1.1;\n"
    "    # A body is passed on as it comes, so that a request that has chosen an instance is a\n"
    "    # connection to it: the instance is not drained before that ends.\n"
    "    proxy_request_buffering off;\n"
    "    proxy_max_temp_file_size 0;\n"
    "    proxy_connect_timeout 5s;\n"
    "    proxy_set_header Host $http_host;\n"
    "    proxy_set_header X-Real-IP $remote_addr;\n"
    "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
    "    proxy_set_header X-Forwarded-Proto $scheme;\n"
    "    proxy_set_header X-Forwarded-Host $http_host;\n"
    "    map_hash_max_size 16384;\n"
    "    map_hash_bucket_size 128;\n"
    "    map $http_upgrade $connection_header { default upgrade; \"\" \"\"; }\n"
    "    proxy_set_header Upgrade $http_upgrade;\n"
    "    proxy_set_header Connection $connection_header;\n";

static void add_buckets(struct str *out)
{
    str_puts(out, "    split_clients $request_id $bucket {\n");
    for (int i = 0; i < ROUTE_BUCKETS - 1; i++)
        str_printf(out, "        1%% %d;\n", i);
    str_printf(out, "        * %d;\n    }\n", ROUTE_BUCKETS - 1);
}

static void add_ports(const struct route_range *ranges, size_t count, struct str *out)
{
    str_puts(out, "    map $realpath_root $instance {\n        default none;\n");
    for (size_t r = 0; r < count; r++)
        for (int i = 0; i < ranges[r].count; i++)
            str_printf(out, "        %s/ports/%d port%d;\n", ROUTE_PREFIX, ranges[r].first + i,
                ranges[r].first + i);
    str_puts(out, "    }\n");
    // Idle connections end soon: whoever has left the traffic has none a second later.
    for (size_t r = 0; r < count; r++)
        for (int i = 0; i < ranges[r].count; i++)
            str_printf(out,
                "    upstream port%d { server 127.0.0.1:%d max_fails=0; keepalive 64; "
                "keepalive_timeout 1s; keepalive_requests 100000; }\n",
                ranges[r].first + i, ranges[r].first + i);
}

void route_config(
    const char *listen, const struct route_range *ranges, size_t count, struct str *out)
{
    str_puts(out, head);
    add_buckets(out);
    add_ports(ranges, count, out);
    str_printf(out,
        "    server {\n"
        "        listen %s;\n"
        "        root %s/route/$bucket;\n"
        "        location / {\n"
        "            if ($instance = none) { return 503; }\n"
        "            proxy_pass http://$instance;\n"
        "        }\n"
        "    }\n"
        "}\n",
        listen, ROUTE_PREFIX);
}
