#include "net/http_transfer.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/address.h"
#include "net/http_peer.h"
#include "os/clock.h"

#define CONNECT_TIMEOUT_MS 10000
#define BODY_MAX           ((size_t)1 << 20)
#define HEADERS_MAX        200
#define HEADER_BYTES_MAX   65536

void http_transfer_fail(struct http_transfer *t, enum error_kind kind, const char *format, ...)
{
    if (t->failed)
        return;
    char what[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    error_set(&t->failure, kind, "%s", what);
    t->failed = true;
}

static int status_of(const struct http_transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    size_t length = size * count, end = length;
    t->moved_ms = clock_monotonic_ms();
    if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { // of a new response: 100, then 200
        strv_done(&t->response.headers);
        return length;
    }
    t->header_bytes += length;
    if (t->header_bytes > HEADER_BYTES_MAX || t->response.headers.length >= HEADERS_MAX) {
        http_transfer_fail(t, ERR_LIMIT, "the answer's headers are too large");
        return 0;
    }
    while (end && isspace((unsigned char)bytes[end - 1]))
        end--;
    if (!end && t->request.on_head && status_of(t) / 100 == 2)
        t->request.on_head(t->request.sink_arg);
    const char *colon = memchr(bytes, ':', end);
    if (!colon)
        return length;
    char *line = mem_strndup(bytes, end);
    for (char *c = line; *c && *c != ':'; c++)
        *c = (char)tolower((unsigned char)*c);
    strv_push_take(&t->response.headers, line);
    return length;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    size_t length = size * count;
    t->moved_ms = clock_monotonic_ms();
    if (t->request.sink && status_of(t) / 100 == 2) {
        if (t->request.sink(t->request.sink_arg, bytes, length, &t->failure) == 0)
            return length;
        t->failed = true;
        return 0;
    }
    str_add(&t->response.body, bytes, length);
    if (!t->response.body.overflow)
        return length;
    http_transfer_fail(
        t, ERR_LIMIT, "the answer is larger than %zu bytes", t->response.body.maximum);
    return 0;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    size_t room = size * count;
    uint64_t left = t->body_size - t->sent;
    size_t length = left < room ? (size_t)left : room;
    t->moved_ms = clock_monotonic_ms();
    if (t->request.body_fd > 0) {
        ssize_t n =
            pread(t->request.body_fd, buffer, length, (off_t)(t->request.body_offset + t->sent));
        if (n < 0 || (n == 0 && length > 0)) {
            http_transfer_fail(t, ERR_SYSTEM, "the file being sent cannot be read, or has shrunk");
            return CURL_READFUNC_ABORT;
        }
        length = (size_t)n;
    } else if (length) {
        memcpy(buffer, (const char *)t->request.body + t->sent, length);
    }
    t->sent += length;
    return length;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_transfer *t = arg;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->body_size)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool may_be_sent_again(const struct http_transfer *t)
{
    return strcmp(t->method, "GET") == 0 || strcmp(t->method, "HEAD") == 0;
}

// The connection stands and nothing was sent yet; or libcurl, on a new one, is about to send again
// what a kept connection did not answer.
static int on_connected(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)local, (void)peer_port, (void)local_port;
    struct http_transfer *t = arg;
    if (t->peered && t->began && !may_be_sent_again(t)) {
        http_transfer_fail(
            t, ERR_NETWORK, "the connection was closed before an answer: it may have been done");
        return CURL_PREREQFUNC_ABORT;
    }
    t->began = true;
    mem_replace(&t->response.peer, peer);
    if (!t->request.public_only || !address_is_private(peer))
        return CURL_PREREQFUNC_OK;
    http_transfer_fail(t, ERR_DENIED,
        "its address, %s, is not a public one: a foreign server must not send davit there", peer);
    return CURL_PREREQFUNC_ABORT;
}

bool http_transfer_sends_body(const struct http_transfer *t)
{
    return t->body_size || strcmp(t->method, "POST") == 0 || strcmp(t->method, "PUT") == 0 ||
           strcmp(t->method, "PATCH") == 0;
}

// What depends on the hop: its URL, method and headers.
static void set_hop(struct http_transfer *t)
{
    CURL *easy = t->easy;
    curl_slist_free_all(t->headers);
    // No "Expect: 100-continue": a server that ignores it would cost a second.
    t->headers = curl_slist_append(NULL, "Expect:");
    if (!t->strayed)
        strv_each (header, &t->own_headers)
            t->headers = curl_slist_append(t->headers, *header);
    if (t->request.once)
        t->headers = curl_slist_append(t->headers, "Connection: close");
    if (t->url_renamed) {
        AUTO_FREE char *host = http_peer_host_header(t->url);
        t->headers = curl_slist_append(t->headers, host);
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_URL, t->url_renamed ? t->url_renamed : t->url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->strayed ? NULL : t->unix_socket);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (http_transfer_sends_body(t)) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->body_size);
    }
    bool head = strcmp(t->method, "HEAD") == 0;
    if (head)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, head ? NULL : t->method);
    t->sent = 0;
}

static void set_options(struct http_transfer *t, const char *ca_file)
{
    CURL *easy = t->easy;
    int64_t connect_ms = t->request.connect_timeout_ms;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->trouble);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms ? connect_ms : CONNECT_TIMEOUT_MS));
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, t->request.once ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, t->request.once ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "davit");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 128L << 10);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, t);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    if (ca_file) { // and then only what that file holds
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static int measure_body(struct http_transfer *t, struct error *err)
{
    t->body_size = t->request.body_length;
    if (t->request.body_fd <= 0)
        return 0;
    struct stat st;
    if (fstat(t->request.body_fd, &st) < 0)
        return error_errno(err, "the file to send");
    uint64_t size = (uint64_t)st.st_size;
    t->body_size = size > t->request.body_offset ? size - t->request.body_offset : 0;
    return 0;
}

struct http_transfer *http_transfer_new(
    const struct http_request *request, const char *ca_file, struct error *err)
{
    struct http_transfer *t = mem_alloc(sizeof *t);
    t->request = *request;
    if (request->headers)
        strv_copy(&t->own_headers, request->headers);
    t->method = mem_strdup(request->method ? request->method : "GET");
    t->url = mem_strdup(request->url);
    t->unix_socket = mem_strdup_opt(request->unix_socket);
    t->started_ms = t->moved_ms = clock_monotonic_ms();
    t->response.peer = mem_strdup("");
    str_init(&t->response.body, request->body_max ? request->body_max : BODY_MAX);
    t->easy = curl_easy_init();
    if (!t->easy)
        abort();
    if (url_parse(t->url, &t->first, err) < 0 || measure_body(t, err) < 0) {
        http_transfer_free(t);
        return NULL;
    }
    set_options(t, request->ca_file ? request->ca_file : ca_file);
    if (request->peer && http_peer_apply(t, request->peer, err) < 0) {
        http_transfer_free(t);
        return NULL;
    }
    set_hop(t);
    return t;
}

void http_transfer_free(struct http_transfer *t)
{
    if (!t)
        return;
    loop_timer_stop(&t->timer);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    strv_done(&t->own_headers);
    http_response_done(&t->response);
    url_done(&t->first);
    free(t->method);
    free(t->url);
    free(t->url_renamed);
    free(t->unix_socket);
    free(t);
}

static enum error_kind kind_of(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERR_PROTOCOL;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_CONFIG;
    default:
        return ERR_NETWORK;
    }
}

static bool never_sent(const struct http_transfer *t, CURLcode code)
{
    enum error_kind kind = kind_of(code);
    long bytes = 0; // of what took libcurl several writes (HTTP/2), not all are counted
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return (t->peered ? !t->began : bytes == 0) && code != CURLE_PEER_FAILED_VERIFICATION &&
           kind != ERR_PROTOCOL && kind != ERR_CONFIG;
}

static enum http_next fail(struct http_transfer *t, CURLcode code)
{
    if (!t->failed) {
        const char *why = t->trouble[0] ? t->trouble : curl_easy_strerror(code);
        error_set(&t->failure, kind_of(code), "%s", why);
        t->failure.retryable = never_sent(t, code);
        t->failed = true;
    } else if (t->peered && t->failure.kind == ERR_TIMEOUT) {
        t->failure.retryable = !t->began;
    }
    AUTO_FREE char *shown = url_shown(t->url);
    error_wrap(&t->failure, "%s %s", t->method, shown);
    return HTTP_FAILED;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Sets up the next hop. The method and the body stay, but for 303 and a POST that 301 or 302 answer
// (RFC 9110, 15.4).
static enum http_next redirect(struct http_transfer *t, int status, const char *location)
{
    AUTO(url) struct url to = {0};
    AUTO_FREE char *target = url_join(t->url, location, &t->failure);
    if (!target || url_parse(target, &to, &t->failure) < 0) {
        t->failed = true;
        return fail(t, CURLE_OK);
    }
    t->strayed |= !url_same_origin(&t->first, &to);
    if (strcmp(t->first.scheme, "https") == 0 && strcmp(to.scheme, "http") == 0) {
        http_transfer_fail(t, ERR_DENIED, "redirected from https to http, at %s", to.host);
        return fail(t, CURLE_OK);
    }
    if (++t->hops > t->request.redirects) {
        http_transfer_fail(t, ERR_PROTOCOL, "more than %u redirects", t->request.redirects);
        return fail(t, CURLE_OK);
    }
    bool head = strcmp(t->method, "HEAD") == 0, post = strcmp(t->method, "POST") == 0;
    if ((status == 303 && !head) || (status <= 302 && post)) {
        mem_replace(&t->method, "GET");
        t->body_size = 0;
    }
    mem_replace(&t->url, target);
    strv_done(&t->response.headers);
    str_clear(&t->response.body);
    t->header_bytes = 0;
    set_hop(t);
    return HTTP_REDIRECT;
}

enum http_next http_transfer_finish(struct http_transfer *t, CURLcode code)
{
    if (code != CURLE_OK || t->failed)
        return fail(t, code);
    int status = status_of(t);
    const char *location = http_response_header(&t->response, "location");
    if (t->request.redirects && !t->peered && is_redirect(status) && location)
        return redirect(t, status, location);
    t->response.status = status;
    t->response.elapsed_ms = clock_monotonic_ms() - t->started_ms;
    t->response.effective_url = mem_strdup(t->url);
    return HTTP_RESPONSE;
}
