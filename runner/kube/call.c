// One call to the API server: tries it, waits, tries again, and reads the answer.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kube/client_private.h"
#include "os/clock.h"

#define TIMEOUT_MS    30000
#define NEW_SERVER_MS 15000 // since it last did not answer

struct kube_call {
    struct kube_client *client;
    struct kube_call *next;
    int64_t id;
    char *method, *path, *content_type, *body, *asked;
    int64_t timeout_ms;
    struct kube_call_options options;
    kube_reply_fn *done;
    void *arg;

    int64_t http_id; // -1: none under way
    struct loop_timer timer;
    int tries;
    uint64_t generation; // of the credential that was sent
    uint64_t refused;    // the one that was answered by 401; 0: none yet
    bool waiting;        // for the credentials
    bool has_waited;     // what they gave is sent, however soon it ends
    bool failed;         // they failed, as `failure` says
    struct error failure;
};

static void call_free(struct kube_call *call)
{
    struct kube_client *c = call->client;
    for (struct kube_call **at = &c->calls; *at; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            break;
        }
    loop_timer_stop(&call->timer);
    if (call->http_id >= 0)
        c->http->ops->cancel(c->http, call->http_id);
    free(call->method);
    free(call->path);
    free(call->content_type);
    free(call->body);
    free(call->asked);
    free(call);
}

// The call is gone before its owner hears of it: that may free the client.
static void finish(struct kube_call *call, const struct kube_reply *reply, const struct error *err)
{
    kube_reply_fn *done = call->done;
    kube_done_fn *plain = call->options.done;
    void *arg = call->arg;
    call_free(call);
    if (plain)
        plain(arg, reply->value, err);
    else
        done(arg, reply, err);
}

static void fail(struct kube_call *call, int64_t retry_after_ms, const struct error *err)
{
    struct error copy = *err;
    finish(call, &(struct kube_reply){.retry_after_ms = retry_after_ms}, &copy);
}

static bool is_read(const struct kube_call *call)
{
    return strcmp(call->method, "GET") == 0;
}

static void on_response(void *arg, struct http_response *response, const struct error *err);

static int send_once(struct kube_call *call, struct error *err)
{
    struct kube_client *c = call->client;
    AUTO(kube_raw) struct kube_raw raw = {0};
    kube_connect(c, call->path, &raw);
    strv_push(&raw.headers, "Accept: application/json");
    if (call->body)
        strv_pushf(&raw.headers, "Content-Type: %s", call->content_type);
    raw.request.method = call->method;
    raw.request.body = call->body;
    raw.request.body_length = call->body ? strlen(call->body) : 0;
    raw.request.timeout_ms = call->options.sink ? -1 : call->timeout_ms;
    raw.request.body_max = KUBE_ANSWER_MAX;
    raw.request.sink = call->options.sink;
    raw.request.sink_arg = call->options.sink_arg;
    raw.request.on_head = call->options.on_head;
    call->generation = c->generation;
    call->tries++;
    c->requests++;
    call->http_id = http_start(c->http, &raw.request, on_response, call, err);
    return call->http_id < 0 ? -1 : 0;
}

// Sends it, or lets it wait for the credentials.
static int attempt(struct kube_call *call, struct error *err)
{
    enum kube_auth auth =
        call->has_waited ? KUBE_AUTH_READY : kube_auth_need(call->client, call->refused, err);
    call->has_waited = false;
    switch (auth) {
    case KUBE_AUTH_READY:
        break;
    case KUBE_AUTH_PENDING:
        call->waiting = true;
        return 0;
    case KUBE_AUTH_FAILED:
        return error_wrap(err, "%s", call->asked);
    }
    return send_once(call, err);
}

static void on_time(struct loop_timer *timer)
{
    struct kube_call *call = timer->arg;
    struct error err = {0};
    if (call->failed)
        fail(call, -1, &call->failure);
    else if (attempt(call, &err) < 0)
        fail(call, -1, &err);
}

static void again(struct kube_call *call, int64_t wait_ms)
{
    struct loop *loop = call->client->loop;
    loop_timer_start(loop, &call->timer, clock_monotonic_ms() + wait_ms, on_time, call);
}

void kube_calls_resume(struct kube_client *c, const struct error *err)
{
    for (struct kube_call *call = c->calls; call; call = call->next) {
        if (!call->waiting)
            continue;
        call->waiting = false;
        call->has_waited = true;
        call->failed = err != NULL;
        if (err) {
            call->failure = *err;
            error_wrap(&call->failure, "%s: credentials", call->asked);
        }
        again(call, 0); // from the loop: its end may end others in this list
    }
}

static int64_t wait_before(const struct kube_call *call, const struct kube_attempt *attempt)
{
    return call->options.impatient ? -1 : kube_retry_wait(attempt);
}

static void no_answer(struct kube_call *call, const struct error *err)
{
    bool connection = err->kind == ERR_NETWORK || err->kind == ERR_TIMEOUT;
    if (connection)
        call->client->unanswered_ms = clock_monotonic_ms();
    const struct kube_attempt attempt = {
        .method = call->method,
        .tries = call->tries,
        .timed_out = err->kind == ERR_TIMEOUT,
        .retry_after_ms = -1,
    };
    int64_t wait_ms = connection ? wait_before(call, &attempt) : -1;
    if (wait_ms >= 0) {
        again(call, wait_ms);
        return;
    }
    struct error wrapped = *err;
    wrapped.retryable |= connection && is_read(call); // nothing can have changed
    error_wrap(&wrapped, "%s", call->asked);
    fail(call, -1, &wrapped);
}

// A server that has just started answers before it knows all accounts and rights.
static bool may_not_know_us_yet(const struct kube_client *c, int status)
{
    return (status == 401 || status == 403) && c->unanswered_ms &&
           clock_monotonic_ms() < c->unanswered_ms + NEW_SERVER_MS;
}

static void no_success(struct kube_call *call, int64_t retry_after_ms, struct error *err)
{
    err->retryable |= may_not_know_us_yet(call->client, err->http_status);
    const struct kube_attempt attempt = {
        .method = call->method,
        .tries = call->tries,
        .answered = true,
        .status = err->http_status,
        .retry_after_ms = retry_after_ms,
    };
    int64_t wait_ms = wait_before(call, &attempt);
    if (wait_ms >= 0)
        again(call, wait_ms);
    else
        fail(call, retry_after_ms, err);
}

static bool may_ask_who_we_are(const struct kube_call *call, int status)
{
    return status == 401 && call->client->cluster->dynamic && !call->refused;
}

static bool is_json_patch(const struct kube_call *call)
{
    return text_equal(call->content_type, "application/json-patch+json");
}

static void on_response(void *arg, struct http_response *response, const struct error *err)
{
    struct kube_call *call = arg;
    call->http_id = -1;
    if (err) {
        no_answer(call, err);
        return;
    }
    bool good = response->status / 100 == 2, unread = call->options.text || call->options.sink;
    struct error why = {0};
    AUTO(value)
    struct value *body =
        good && unread ? NULL : value_parse(response->body.data, response->body.length, &why);
    const struct kube_answered answered = {
        .asked = call->asked,
        .status = response->status,
        .json_patch = is_json_patch(call),
        .body = body,
        .text = &response->body,
    };
    struct kube_reply reply = {.value = body, .retry_after_ms = http_retry_after_ms(response)};
    struct error refusal = {0};
    if (kube_status_check(&answered, &refusal) < 0) {
        if (may_ask_who_we_are(call, refusal.http_status)) {
            call->refused = call->generation;
            again(call, 0);
        } else {
            no_success(call, reply.retry_after_ms, &refusal);
        }
    } else if (!unread && !body) {
        error_wrap(&why, "%s", call->asked);
        fail(call, -1, &why);
    } else {
        reply.text = &response->body;
        finish(call, &reply, NULL);
    }
}

int64_t kube_call_start(struct kube_client *c, const struct kube_request *request,
    const struct kube_call_options *options, kube_reply_fn *done, void *arg, struct error *err)
{
    struct kube_call *call = mem_alloc(sizeof *call);
    const char *type = request->content_type ? request->content_type : "application/json";
    call->client = c;
    call->id = ++c->last_id;
    call->http_id = -1;
    call->method = mem_strdup(request->method ? request->method : "GET");
    call->path = mem_strdup(request->path);
    call->asked = kube_asked(call->method, call->path);
    call->content_type = mem_strdup(type);
    call->body = request->body ? value_print(request->body) : NULL;
    call->timeout_ms = request->timeout_ms ? request->timeout_ms : TIMEOUT_MS;
    call->options = *options;
    call->done = done;
    call->arg = arg;
    call->next = c->calls;
    c->calls = call;
    if (attempt(call, err) == 0)
        return call->id;
    call_free(call);
    return -1;
}

void kube_cancel(struct kube_client *c, int64_t id)
{
    for (struct kube_call *call = c->calls; call && id >= 0; call = call->next)
        if (call->id == id) {
            call_free(call);
            return;
        }
}

void kube_calls_cancel(struct kube_client *c)
{
    while (c->calls)
        call_free(c->calls);
}
