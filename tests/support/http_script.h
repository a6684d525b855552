// An HTTP client that answers by script, from the loop: for faults that no real server shows on
// demand.
#pragma once

#include "net/http.h"
#include "os/loop.h"

// Of several rows with the same url each one but the last is for one request.
struct http_answer {
    const char *url; // of the request
    int64_t after_ms;
    int status;             // 0: no answer, `body` is the error
    const char *headers[4]; // "name: value"
    const char *body;
};

#define HTTP_SCRIPT_MAX 32
struct http_script {
    struct http_client client; // the first member
    struct loop *loop;
    const struct http_answer *answers; // ends with a row without url; a url that is not there never
                                       // gets an answer
    struct http_script_call {
        struct http_script *script;
        const struct http_answer *answer;
        http_done_fn *done; // NULL: over, or cancelled
        void *arg;
        struct loop_timer timer;
    } calls[HTTP_SCRIPT_MAX];
    uint32_t used;      // rows that are over, by bit
    size_t count;       // requests so far
    int open;           // of those, not over
    int64_t timeout_ms; // of the last request
};

void http_script_init(struct http_script *s, struct loop *loop, const struct http_answer *answers);
