// An API server that misbehaves on cue: a script of requests, in the order in which they come, and
// what happens to each.
#pragma once

#include "kube/client.h"
#include "net/http_curl.h"
#include "support/tcp_server.h"

enum row_end {
    ROW_DONE,  // the answer is complete
    ROW_HANG,  // it never is: the connection stays open and silent
    ROW_CUT,   // the connection is closed in the middle
    ROW_RESET, // the same, by RST
};

#define ROW_PIECES 8
struct kube_row {
    const char *want;               // a part of the request (head and body), or its beginning
    const char *status;             // "200 OK" when NULL
    const char *headers;            // each ended by \r\n; may be NULL
    const char *body;               // with a Content-Length; else
    const char *pieces[ROW_PIECES]; // each a chunk of its own
    size_t filler;                  // that many bytes 'x' follow the first piece
    enum row_end end;
    bool silent; // not even a head comes before that end
};

struct kube_script {
    struct loop *loop;
    struct http_client *http;
    struct kube_cluster cluster;
    struct kube_client *client;
    struct tcp_server server;
    const struct kube_row *rows; // ends with a row without `want`
    int *count;                  // of requests so far; shared with the server's processes
};

// What comes when the script has ended, or is not wanted, is answered by 418 and counted.
void kube_script_start(struct kube_script *s, const struct kube_row *rows);
// For cmocka: *state is a struct kube_script that is not started yet. The server must have been
// asked for exactly what the script has.
int kube_script_set_up(void **state);
int kube_script_tear_down(void **state);
// How often that text stands in what was sent to the server.
int kube_script_sent(const struct kube_script *s, const char *text);

extern const struct kube_kind kube_pods;
