#include "image/registry.h"

#include <stdlib.h>
#include <string.h>

#include "image/registry_auth.h"
#include "net/address.h"
#include "os/clock.h"

#define TRIES_MAX     5
#define REDIRECTS_MAX 5
#define WAIT_FIRST_MS 200
#define WAIT_MAX_MS   60000
#define STALL_MS      60000
#define ANSWER_MAX    ((size_t)1 << 20)

struct registry {
    const struct registry_host *host;
    char *name, *base;
    struct url own;
    struct registry_auth auth;
    bool is_public; // the address that answered is one that the world can reach
};

static bool speaks_http(const struct registry_host *host, const char *name)
{
    AUTO_FREE char *guess = mem_printf("http://%s/", name);
    AUTO(url) struct url url = {0};
    if (host->insecure && strv_has(host->insecure, name))
        return true;
    return url_parse(guess, &url, NULL) == 0 && host_is_loopback(url.host);
}

struct registry *registry_new(const struct registry_host *host, const char *name)
{
    struct registry *r = mem_alloc(sizeof *r);
    r->host = host;
    r->name = mem_strdup(name);
    bool docker = strcmp(name, "docker.io") == 0; // its API lives elsewhere
    r->base = mem_printf("%s://%s", speaks_http(host, name) ? "http" : "https",
        docker ? "registry-1.docker.io" : name);
    r->auth = (struct registry_auth){.host = host, .name = r->name, .own = &r->own};
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_auth_done(&r->auth);
    url_done(&r->own);
    free(r->name);
    free(r->base);
    free(r);
}

// "429", "5xx" and friends: the same request may succeed later.
static bool may_retry(int status)
{
    return status == 408 || status == 429 || status == 499 || status == 522 ||
           (status >= 500 && status != 501);
}

static void stop_waiting(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

static int wait_ms(struct registry *r, int64_t ms, struct error *err)
{
    struct loop_timer timer = {0};
    int64_t capped = ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
    loop_timer_start(
        r->host->loop, &timer, clock_monotonic_ms() + capped, stop_waiting, r->host->loop);
    int status = loop_run(r->host->loop, err);
    loop_timer_stop(&timer);
    return status;
}

// The registry's own words, {"errors": [{"code": …, "message": …}]}, or a part of the body.
static int refuse(struct registry *r, const struct registry_call *call,
    const struct http_response *response, struct error *err)
{
    AUTO(value) struct value *body = value_parse(response->body.data, response->body.length, NULL);
    const struct value *first = value_at(value_get(body, "errors"), 0);
    const char *code = value_get_str(first, "code"), *message = value_get_str(first, "message");
    int status = response->status;
    enum error_kind kind = status == 404                    ? ERR_NOT_FOUND
                           : status == 401 || status == 403 ? ERR_DENIED
                                                            : ERR_REMOTE;
    error_set(err, kind, "%s: %s %s: HTTP %d%s%s%s%s", r->name, call->method, call->repository,
        status, code ? " " : "", code ? code : "", message ? ": " : "", message ? message : "");
    if (err) {
        err->http_status = status;
        err->retryable = may_retry(status);
    }
    return -1;
}

static void add_headers(struct registry *r, const struct registry_call *call, bool own,
    const char *scope, struct strv *headers)
{
    const char *authorization = own ? registry_auth_header(&r->auth, scope) : NULL;
    if (authorization)
        strv_push(headers, authorization);
    if (call->accept)
        strv_pushf(headers, "Accept: %s", call->accept);
    if (call->content_type || call->body || call->body_fd > 0)
        strv_pushf(headers, "Content-Type: %s",
            call->content_type ? call->content_type : "application/octet-stream");
}

// One request to one URL.
static int send_to(struct registry *r, const struct registry_call *call, const char *url,
    const char *scope, struct http_response *ret, struct error *err)
{
    AUTO(url) struct url parsed = {0};
    AUTO(strv) struct strv headers = {0};
    if (url_parse(url, &parsed, err) < 0)
        return -1;
    bool own = url_same_origin(&parsed, &r->own);
    if (strcmp(r->own.scheme, "https") == 0 && strcmp(parsed.scheme, "http") == 0)
        return error_set(err, ERR_DENIED, "it leads from https to http, at %s", parsed.host);
    add_headers(r, call, own, scope, &headers);
    const struct http_request request = {
        .method = call->method,
        .url = url,
        .headers = &headers,
        .body = call->body,
        .body_length = call->body_length,
        .body_fd = call->body_fd,
        .timeout_ms = -1,
        .stall_ms = STALL_MS,
        .body_max = call->body_max ? call->body_max : ANSWER_MAX,
        .sink = call->sink,
        .sink_arg = call->sink_arg,
        .public_only = !own && r->is_public,
    };
    if (http_do(r->host->loop, r->host->http, &request, ret, err) < 0)
        return -1;
    if (own)
        r->is_public = *ret->peer && !address_is_private(ret->peer);
    return 0;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// One try: redirects are followed and one challenge is met.
static int try_once(struct registry *r, const struct registry_call *call, const char *scope,
    struct http_response *ret, struct error *err)
{
    AUTO_FREE char *url =
        call->url[0] == '/' ? mem_printf("%s%s", r->base, call->url) : mem_strdup(call->url);
    bool challenged = false;
    for (int hops = 0; hops <= REDIRECTS_MAX;) {
        struct http_response response = {0};
        if (send_to(r, call, url, scope, &response, err) < 0)
            return error_wrap(err, "%s", r->name);
        const char *location = http_response_header(&response, "location");
        AUTO(url) struct url at = {0};
        bool own = url_parse(url, &at, NULL) == 0 && url_same_origin(&at, &r->own);
        if (response.status == 401 && own && !challenged) {
            const char *header = http_response_header(&response, "www-authenticate");
            int status = registry_auth_meet(&r->auth, header, scope, r->is_public, err);
            http_response_done(&response);
            if (status < 0)
                return -1;
            challenged = true;
        } else if (is_redirect(response.status) && location) {
            char *next = url_join(url, location, err);
            http_response_done(&response);
            if (!next)
                return error_wrap(err, "%s", r->name);
            free(url);
            url = next;
            hops++;
        } else {
            *ret = response;
            return 0;
        }
    }
    return error_set(err, ERR_PROTOCOL, "%s: more than %d redirects", r->name, REDIRECTS_MAX);
}

// Is another try worth it, and how long to wait before it? A transfer that broke off is safe to
// repeat unless it has a sink (which has had bytes already) or changes something.
static bool again(const struct registry_call *call, int status,
    const struct http_response *response, const struct error *err, int number, int64_t *ret_wait)
{
    *ret_wait = (int64_t)WAIT_FIRST_MS << (2 * number);
    if (number + 1 >= TRIES_MAX)
        return false;
    if (status < 0) {
        bool harmless =
            !call->sink && (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0);
        return err->retryable || (harmless && err->kind == ERR_NETWORK && number < 2);
    }
    int64_t asked = http_retry_after_ms(response);
    if (asked >= 0)
        *ret_wait = asked;
    return may_retry(response->status);
}

int registry_send(struct registry *r, const struct registry_call *call, struct http_response *ret,
    struct error *err)
{
    AUTO_FREE char *scope =
        mem_printf("repository:%s:%s", call->repository, call->push ? "pull,push" : "pull");
    if (!r->own.host && url_parse(r->base, &r->own, err) < 0)
        return -1;
    for (int number = 0;; number++) {
        struct http_response response = {0};
        struct error why = {0};
        int64_t wait;
        int status = try_once(r, call, scope, &response, &why);
        if (!again(call, status, &response, &why, number, &wait)) {
            if (status < 0) {
                if (err)
                    *err = why;
                return -1;
            }
            bool fine = response.status / 100 == 2 || (response.status == 404 && call->absent_fine);
            if (!fine)
                refuse(r, call, &response, err);
            if (fine)
                *ret = response;
            else
                http_response_done(&response);
            return fine ? 0 : -1;
        }
        AUTO_FREE char *line = mem_printf("%s%s; trying again in %lld ms",
            status < 0 ? "" : r->name, status < 0 ? why.message : ": busy",
            (long long)(wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait));
        r->host->log(r->host->arg, line);
        http_response_done(&response);
        if (wait_ms(r, wait, err) < 0)
            return -1;
    }
}
