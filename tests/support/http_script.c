#include "support/http_script.h"

#include <string.h>

#include "support/check.h"

static void on_time(struct loop_timer *timer)
{
    struct http_script_call *call = timer->arg;
    const struct http_answer *answer = call->answer;
    http_done_fn *done = call->done;
    call->done = NULL;
    call->script->open--;
    struct error err = {0};
    if (!answer->status) {
        error_set(&err, ERR_NETWORK, "%s", answer->body);
        done(call->arg, NULL, &err);
        return;
    }
    struct http_response response = {.status = answer->status, .elapsed_ms = answer->after_ms};
    str_init(&response.body, STR_TEXT_MAX);
    if (answer->body)
        str_puts(&response.body, answer->body);
    for (size_t i = 0; i < ARRAY_LEN(answer->headers) && answer->headers[i]; i++)
        strv_push(&response.headers, answer->headers[i]);
    done(call->arg, &response, NULL);
    strv_done(&response.headers);
    str_done(&response.body);
}

static const struct http_answer *find(
    const struct http_script *s, const struct http_answer *from, const char *url)
{
    while (from->url && (strcmp(from->url, url) != 0 || (s->used & (1u << (from - s->answers)))))
        from++;
    return from;
}

static int64_t script_start(struct http_client *client, const struct http_request *request,
    http_done_fn *done, void *arg, struct error *err)
{
    struct http_script *s = (struct http_script *)client;
    (void)err;
    assert_true(s->count < HTTP_SCRIPT_MAX);
    struct http_script_call *call = &s->calls[s->count++];
    *call = (struct http_script_call){.script = s, .done = done, .arg = arg};
    s->open++;
    s->timeout_ms = request->timeout_ms;
    const struct http_answer *answer = find(s, s->answers, request->url);
    if (answer->url && find(s, answer + 1, request->url)->url)
        s->used |= 1u << (answer - s->answers);
    call->answer = answer;
    if (answer->url)
        loop_timer_start(
            s->loop, &call->timer, loop_now(s->loop) + answer->after_ms, on_time, call);
    return (int64_t)s->count;
}

static void script_cancel(struct http_client *client, int64_t id)
{
    struct http_script *s = (struct http_script *)client;
    struct http_script_call *call = &s->calls[id - 1];
    assert_non_null(call->done);
    loop_timer_stop(&call->timer);
    call->done = NULL;
    s->open--;
}

static const struct http_ops ops = {.start = script_start, .cancel = script_cancel};

void http_script_init(struct http_script *s, struct loop *loop, const struct http_answer *answers)
{
    *s = (struct http_script){.client.ops = &ops, .loop = loop, .answers = answers};
}
