#include "kube/client.h"

#include <stdlib.h>
#include <string.h>

#include "kube/client_private.h"
#include "net/url.h"

struct kube_client *kube_client_new(struct loop *loop, struct http_client *http,
    const struct kube_cluster *cluster, const struct kube_credentials *credentials,
    struct error *err)
{
    AUTO(url) struct url url = {0};
    if (url_parse(cluster->server, &url, err) < 0) {
        error_wrap(err, "context %s: server", cluster->context);
        return NULL;
    }
    if (cluster->dynamic && !credentials) {
        error_set(err, ERR_INTERNAL, "context %s: nobody says who we are", cluster->context);
        return NULL;
    }
    struct kube_client *c = mem_alloc(sizeof *c);
    c->loop = loop;
    c->http = http;
    c->cluster = cluster;
    c->credentials = credentials;
    return c;
}

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    kube_calls_cancel(c);
    kube_auth_done(c);
    kube_groups_done(c);
    free(c);
}

int64_t kube_client_requests(const struct kube_client *c)
{
    return c->requests;
}

struct loop *kube_client_loop(const struct kube_client *c)
{
    return c->loop;
}

void kube_connect(const struct kube_client *c, const char *path, struct kube_raw *ret)
{
    ret->url = mem_printf("%s%s", c->cluster->server, path);
    kube_auth_headers(c, &ret->headers);
    ret->peer = kube_cluster_peer(c->cluster, c->generation ? &c->credential : NULL);
    ret->request.peer = &ret->peer;
    ret->request.url = ret->url;
    ret->request.headers = &ret->headers;
}

void kube_raw_done(struct kube_raw *r)
{
    strv_done(&r->headers);
    free(r->url);
    *r = (struct kube_raw){0};
}

// --- one request, in the background ---

int64_t kube_start(struct kube_client *c, const struct kube_request *request, kube_done_fn *done,
    void *arg, struct error *err)
{
    const struct kube_call_options options = {.done = done};
    return kube_call_start(c, request, &options, NULL, arg, err);
}

// --- one request, to its end ---

struct waiting {
    struct loop *loop;
    bool over;
    int status;
    struct value **ret;
    struct str *text;
    struct error *err;
};

// What is over the maximum is cut at the front.
static void keep_tail(struct str *out, const struct str *text)
{
    size_t over = text->length > out->maximum ? text->length - out->maximum : 0;
    str_clear(out);
    str_add(out, text->data + over, text->length - over);
}

static void on_over(void *arg, const struct kube_reply *reply, const struct error *err)
{
    struct waiting *w = arg;
    w->over = true;
    loop_stop(w->loop);
    if (err) {
        w->status = -1;
        if (w->err)
            *w->err = *err;
    } else if (w->text) {
        keep_tail(w->text, reply->text);
    } else if (w->ret) {
        *w->ret = value_share(reply->value);
    }
}

// A loop_stop() of somebody else's does not end it: a write is not left behind half known.
static int run(struct kube_client *c, const struct kube_request *request,
    const struct kube_call_options *options, struct waiting *w)
{
    w->loop = c->loop;
    int64_t id = kube_call_start(c, request, options, on_over, w, w->err);
    if (id < 0)
        return -1;
    while (!w->over)
        if (loop_run(c->loop, w->err) < 0) {
            kube_cancel(c, id);
            return -1;
        }
    return w->status;
}

int kube_do(struct kube_client *c, const struct kube_request *request, struct value **ret,
    struct error *err)
{
    struct waiting w = {.ret = ret, .err = err};
    return run(c, request, &(struct kube_call_options){0}, &w);
}

int kube_do_text(struct kube_client *c, const char *path, struct str *out, struct error *err)
{
    struct waiting w = {.text = out, .err = err};
    const struct kube_request request = {.path = path};
    return run(c, &request, &(struct kube_call_options){.text = true}, &w);
}

// --- an own HTTP request ---

int kube_raw_request(
    struct kube_client *c, const char *path, struct kube_raw *ret, struct error *err)
{
    // A request of the client's own waits for the first credential, and proves it.
    const struct kube_request hello = {.path = "/version"};
    bool unknown = c->cluster->dynamic && !c->generation;
    if (unknown && kube_do(c, &hello, NULL, err) < 0)
        return -1;
    kube_auth_need(c, 0, NULL); // what is about to end serves this once; the next gets the new one
    kube_connect(c, path, ret);
    return 0;
}
