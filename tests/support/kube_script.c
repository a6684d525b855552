#include "support/kube_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check.h"

const struct kube_kind kube_pods = {.api_version = (char[]){"v1"},
    .kind = (char[]){"Pod"},
    .plural = (char[]){"pods"},
    .namespaced = true};

static void send_chunk(int connection, const char *piece, size_t filler)
{
    AUTO_FREE char *fill = mem_alloc(filler + 1);
    memset(fill, 'x', filler);
    AUTO_FREE char *text = mem_printf("%zx\r\n%s%s\r\n", strlen(piece) + filler, piece, fill);
    tcp_send(connection, text);
}

static void send_answer(int connection, const struct kube_row *row)
{
    const char *status = row->status ? row->status : "200 OK";
    const char *headers = row->headers ? row->headers : "";
    if (row->body) {
        tcp_reply(connection, status, headers, row->body);
        return;
    }
    AUTO_FREE char *head =
        mem_printf("HTTP/1.1 %s\r\n%sTransfer-Encoding: chunked\r\n\r\n", status, headers);
    tcp_send(connection, head);
    for (size_t i = 0; i < ROW_PIECES && row->pieces[i]; i++)
        send_chunk(connection, row->pieces[i], i == 0 ? row->filler : 0);
    if (row->end == ROW_DONE)
        tcp_send(connection, "0\r\n\r\n");
}

static const struct kube_row *row_of(const struct kube_script *s, int index)
{
    for (int i = 0; i < index; i++)
        if (!s->rows[i].want)
            return NULL;
    return s->rows[index].want ? &s->rows[index] : NULL;
}

static bool serve(int connection, const char *request, void *arg)
{
    const struct kube_script *s = arg;
    int index = __atomic_fetch_add(s->count, 1, __ATOMIC_SEQ_CST);
    const struct kube_row *row = row_of(s, index);
    if (!row || !strstr(request, row->want)) {
        AUTO_FREE char *why = mem_printf("request %d is not in the script: %.*s", index + 1,
            (int)strcspn(request, "\r"), request);
        fprintf(stderr, "%s\n", why);
        __atomic_fetch_add(s->count, 1000, __ATOMIC_SEQ_CST);
        tcp_reply(connection, "418 I'm a teapot", "", why);
        return true;
    }
    if (!row->silent)
        send_answer(connection, row);
    if (row->end == ROW_HANG)
        tcp_hang();
    if (row->end == ROW_RESET) {
        struct linger linger = {.l_onoff = 1};
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(connection);
    }
    return row->end == ROW_DONE;
}

void kube_script_start(struct kube_script *s, const struct kube_row *rows)
{
    struct error why = {0};
    s->rows = rows;
    tcp_server_start(&s->server, serve, s);
    s->cluster.context = mem_strdup("script");
    s->cluster.server = mem_strdup(s->server.origin);
    s->client = kube_client_new(s->loop, s->http, &s->cluster, NULL, &why);
    assert_non_null(s->client);
}

int kube_script_set_up(void **state)
{
    struct kube_script *s = mem_alloc(sizeof *s);
    struct error why = {0};
    s->loop = loop_new(&why);
    s->http = http_curl_new(s->loop, &why);
    assert_non_null(s->http);
    s->count =
        mmap(NULL, sizeof *s->count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s->count != MAP_FAILED);
    *state = s;
    return 0;
}

int kube_script_tear_down(void **state)
{
    struct kube_script *s = *state;
    int wanted = 0;
    while (s->rows && s->rows[wanted].want)
        wanted++;
    int count = *s->count;
    kube_client_free(s->client);
    http_client_free(s->http);
    loop_free(s->loop);
    if (s->server.pid)
        tcp_server_stop(&s->server);
    kube_cluster_done(&s->cluster);
    munmap(s->count, sizeof *s->count);
    free(s);
    if (count == wanted)
        return 0;
    fprintf(stderr, "the script has %d requests, and %d came\n", wanted, count);
    return -1;
}

int kube_script_sent(const struct kube_script *s, const char *text)
{
    AUTO_FREE char *log = tcp_server_log(&s->server);
    int count = 0;
    for (const char *at = log; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}
