#include "net/http.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/loop.h"

void http_response_done(struct http_response *r)
{
    strv_done(&r->headers);
    str_done(&r->body);
    free(r->effective_url);
    free(r->peer);
    *r = (struct http_response){0};
}

const char *http_response_header(const struct http_response *r, const char *name)
{
    size_t length = strlen(name);
    strv_each (header, &r->headers)
        if (strncmp(*header, name, length) == 0 && (*header)[length] == ':')
            return *header + length + 1 + strspn(*header + length + 1, " \t");
    return NULL;
}

void http_client_free(struct http_client *client)
{
    if (client)
        client->ops->free(client);
}

int64_t http_retry_after_ms(const struct http_response *response)
{
    const char *text = http_response_header(response, "retry-after");
    int64_t seconds;
    struct tm date = {0};
    if (!text)
        return -1;
    if (int_parse(text, 0, INT32_MAX, &seconds))
        return seconds * 1000;
    if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date))
        return -1;
    int64_t ms = (int64_t)timegm(&date) * 1000 - clock_unix_ms();
    return ms > 0 ? ms : 0;
}

struct waiting {
    struct loop *loop;
    struct http_response *ret;
    struct error *err;
    int status;
};

static void on_done(void *arg, struct http_response *response, const struct error *err)
{
    struct waiting *w = arg;
    loop_stop(w->loop);
    if (err) {
        w->status = -1;
        if (w->err)
            *w->err = *err;
        return;
    }
    *w->ret = *response;
    *response = (struct http_response){0};
}

int http_do(struct loop *loop, struct http_client *client, const struct http_request *request,
    struct http_response *ret, struct error *err)
{
    struct waiting w = {.loop = loop, .ret = ret, .err = err};
    int64_t id = http_start(client, request, on_done, &w, err);
    if (id < 0)
        return -1;
    if (loop_run(loop, err) < 0) {
        client->ops->cancel(client, id);
        return -1;
    }
    return w.status;
}
