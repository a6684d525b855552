#include "support/tls_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "support/check.h"
#include "support/server.h"
#include "support/shell.h"

#define REQUEST_MAX ((size_t)16 << 20)

struct tls_connection {
    SSL *ssl;
    int number, log_fd;
    const struct tls_settings *settings;
    struct str out; // HTTP/2: frames of a handler, which go in one piece
};

int tls_number(const struct tls_connection *c)
{
    return c->number;
}

void tls_send(struct tls_connection *c, const void *bytes, size_t length)
{
    if (length)
        SSL_write(c->ssl, bytes, (int)length);
}

void tls_reply(struct tls_connection *c, const char *status, const char *body)
{
    AUTO_FREE char *text =
        mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    tls_send(c, text, strlen(text));
}

// --- HTTP/1.1 ---

static size_t request_length(const struct str *text)
{
    const char *end = strstr(text->data, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = (size_t)(end - text->data) + 4;
    const char *field = strcasestr(text->data, "\r\ncontent-length:");
    size_t body = field && field < end ? strtoul(field + 17, NULL, 10) : 0;
    return text->length >= head + body ? head + body : 0;
}

static void serve_requests(struct tls_connection *c)
{
    AUTO(str) struct str text;
    str_init(&text, REQUEST_MAX);
    char buffer[16384];
    for (int n; (n = SSL_read(c->ssl, buffer, sizeof buffer)) > 0;) {
        str_add(&text, buffer, (size_t)n);
        for (size_t length; (length = request_length(&text));) {
            AUTO_FREE char *request = mem_strndup(text.data, length);
            str_drop(&text, length);
            dprintf(c->log_fd, "%.*s", (int)(strstr(request, "\r\n\r\n") + 4 - request), request);
            if (!c->settings->serve(c, request, c->settings->arg))
                return;
        }
    }
}

// --- HTTP/2 (RFC 9113, section 4.1) ---

void h2_send(struct tls_connection *c, int type, int flags, unsigned stream, const void *payload,
    size_t length)
{
    unsigned char frame[9 + 16384] = {(unsigned char)(length >> 16), (unsigned char)(length >> 8),
        (unsigned char)length, (unsigned char)type, (unsigned char)flags,
        (unsigned char)(stream >> 24), (unsigned char)(stream >> 16), (unsigned char)(stream >> 8),
        (unsigned char)stream};
    if (length)
        memcpy(frame + 9, payload, length);
    str_add(&c->out, frame, 9 + length);
}

static void flush(struct tls_connection *c)
{
    tls_send(c, c->out.data, c->out.length);
    str_clear(&c->out);
}

void h2_reply(struct tls_connection *c, unsigned stream, const char *body)
{
    h2_send(c, H2_HEADERS, 4, stream, "\x88", 1); // ":status: 200", by the static table
    h2_send(c, H2_DATA, 1, stream, body, strlen(body));
}

static void put32(unsigned char *at, unsigned n)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(n >> (24 - 8 * i));
}

void h2_reset(struct tls_connection *c, unsigned stream, unsigned code)
{
    unsigned char payload[4];
    put32(payload, code);
    h2_send(c, H2_RST_STREAM, 0, stream, payload, sizeof payload);
}

void h2_refuse(struct tls_connection *c, unsigned stream, const char *body)
{
    AUTO_FREE char *head = mem_printf("\x08\x03"
                                      "403\x0f\x0d%c%zu",
        strlen(body) < 10 ? 1 : 2, strlen(body)); // ":status", "content-length"
    h2_send(c, H2_HEADERS, 4, stream, head, strlen(head));
    h2_send(c, H2_DATA, 1, stream, body, strlen(body));
    h2_reset(c, stream, 0);
}

void h2_goaway(struct tls_connection *c, unsigned last_stream, unsigned code)
{
    unsigned char payload[8];
    put32(payload, last_stream);
    put32(payload + 4, code);
    h2_send(c, H2_GOAWAY, 0, 0, payload, sizeof payload);
}

static bool read_all(struct tls_connection *c, unsigned char *to, size_t length)
{
    for (int n; length; to += n, length -= (size_t)n)
        if ((n = SSL_read(c->ssl, to, (int)length)) <= 0)
            return false;
    return true;
}

static void serve_streams(struct tls_connection *c)
{
    unsigned char head[24], payload[16384];
    int count = 0;
    if (!read_all(c, head, 24)) // the preface
        return;
    h2_send(c, H2_SETTINGS, 0, 0, NULL, 0);
    flush(c);
    while (read_all(c, head, 9)) {
        size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        unsigned stream =
            (unsigned)head[5] << 24 | (unsigned)head[6] << 16 | (unsigned)head[7] << 8 | head[8];
        if (length > sizeof payload || !read_all(c, payload, length))
            return;
        if (head[3] == H2_SETTINGS && !(head[4] & 1))
            h2_send(c, H2_SETTINGS, 1, 0, NULL, 0);
        bool request = head[3] == H2_HEADERS || head[3] == H2_DATA;
        bool due = c->settings->early ? head[3] == H2_HEADERS : request && head[4] & 1;
        bool more = true;
        if (due) { // END_STREAM, or not waited for
            dprintf(c->log_fd, "stream %u\n", stream);
            more = c->settings->streams(c, stream, ++count, c->settings->arg);
        }
        flush(c);
        if (!more)
            return;
    }
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
    const unsigned char *in, unsigned in_length, void *arg)
{
    (void)ssl;
    const struct tls_settings *settings = arg;
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    size_t skipped = settings->streams ? 0 : 3, left = settings->serve ? 0 : 9;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_length, both + skipped,
            (unsigned)(sizeof both - 1 - skipped - left), in, in_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

// --- connections ---

static SSL_CTX *context(const struct tls_settings *settings)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(ctx, settings->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, settings->key, SSL_FILETYPE_PEM) != 1)
        fail_msg("%s or %s cannot be used", settings->cert, settings->key);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)settings);
    if (settings->client_ca) {
        assert_int_equal(SSL_CTX_load_verify_locations(ctx, settings->client_ca, NULL), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"davit", 5);
    }
    return ctx;
}

// In order: what the client has still sent must not turn into a reset, which would take our last
// words with it.
static void leave(int fd)
{
    char rest[4096];
    shutdown(fd, SHUT_WR);
    while (read(fd, rest, sizeof rest) > 0)
        ;
}

static void serve_connection(
    SSL_CTX *ctx, int fd, int number, int log_fd, const struct tls_settings *settings)
{
    struct tls_connection c = {
        .ssl = SSL_new(ctx), .number = number, .log_fd = log_fd, .settings = settings};
    SSL_set_fd(c.ssl, fd);
    if (SSL_accept(c.ssl) != 1) {
        leave(fd);
        return;
    }
    char client[256] = "-";
    X509 *certificate = SSL_get0_peer_certificate(c.ssl);
    if (certificate)
        X509_NAME_get_text_by_NID(
            X509_get_subject_name(certificate), NID_commonName, client, sizeof client);
    const char *name = SSL_get_servername(c.ssl, TLSEXT_NAMETYPE_host_name);
    dprintf(log_fd, "connection %d: name %s client %s\n", number, name ? name : "-", client);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    SSL_get0_alpn_selected(c.ssl, &protocol, &length);
    str_init(&c.out, REQUEST_MAX);
    if (length == 2 && settings->streams)
        serve_streams(&c);
    else if (settings->serve)
        serve_requests(&c);
    SSL_shutdown(c.ssl);
    leave(fd);
}

static void run(int listener, int log_fd, const void *arg)
{
    const struct tls_settings *settings = arg;
    SSL_CTX *ctx = context(settings);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (int number = 1;; number++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            serve_connection(ctx, fd, number, log_fd, settings);
            _exit(0);
        }
        close(fd);
    }
}

void tls_server_start(struct tls_server *server, const struct tls_settings *settings)
{
    server->pid = server_start(run, settings, &server->port, &server->log_fd);
    snprintf(server->origin, sizeof server->origin, "https://127.0.0.1:%d", server->port);
}

void tls_server_stop(struct tls_server *server)
{
    server_stop(server->pid, server->log_fd);
}

char *tls_server_log(const struct tls_server *server)
{
    return server_log(server->log_fd);
}

void tls_make_certificates(const char *directory, const char *names)
{
    shell(directory,
        "for name in ca ca2; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        " -nodes -days 9 -subj /CN=$name -keyout $name.key -out $name.pem 2>/dev/null; done\n"
        "for name in %s; do\n"
        "  names=DNS:$name,DNS:localhost,IP:127.0.0.1\n"
        "  case $name in only-*) names=DNS:$name ;; esac\n"
        "  echo subjectAltName=$names >$name.ext\n"
        "  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=$name"
        " -keyout $name.key -out $name.csr 2>/dev/null\n"
        "  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9"
        " -extfile $name.ext -out $name.pem 2>/dev/null\n"
        "done",
        names);
}
