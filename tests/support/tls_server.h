// A TLS server that a test scripts, HTTP/1.1 or bare HTTP/2 frames. Each connection has a process
// of its own; all of them write into one log.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct tls_connection;

// HTTP/1.1: called with each whole request; false closes the connection.
typedef bool tls_serve_fn(struct tls_connection *c, const char *request, void *arg);
// HTTP/2: called for each request, once it is whole; false closes the connection. nth: from 1 on.
typedef bool tls_stream_fn(struct tls_connection *c, unsigned stream, int nth, void *arg);

struct tls_server {
    pid_t pid;
    int port; // on 127.0.0.1
    int log_fd;
    char origin[40]; // "https://127.0.0.1:PORT"
};

struct tls_settings {
    const char *cert, *key; // files
    const char *client_ca;  // a file: asks for a certificate of that authority, and insists
    tls_serve_fn *serve;    // one of both, or both
    tls_stream_fn *streams;
    bool early; // streams: called before the body has come
    void *arg;
};

void tls_server_start(struct tls_server *server, const struct tls_settings *settings);
void tls_server_stop(struct tls_server *server);
// "connection 1: name NAME client CN\n" for each that was accepted ("-": none), and for each
// request its first bytes up to the end of the head (HTTP/1.1), or "stream 1\n". The caller's.
char *tls_server_log(const struct tls_server *server);

// For handlers.
void tls_send(struct tls_connection *c, const void *bytes, size_t length);
void tls_reply(struct tls_connection *c, const char *status, const char *body);
// The connection's number, from 1 on, of this server.
int tls_number(const struct tls_connection *c);

enum { H2_DATA = 0, H2_HEADERS = 1, H2_RST_STREAM = 3, H2_SETTINGS = 4, H2_GOAWAY = 7 };
void h2_send(struct tls_connection *c, int type, int flags, unsigned stream, const void *payload,
    size_t length);
void h2_reply(struct tls_connection *c, unsigned stream, const char *body); // 200
// 403 with a body, and a reset of the stream in the same packet.
void h2_refuse(struct tls_connection *c, unsigned stream, const char *body);
void h2_reset(struct tls_connection *c, unsigned stream, unsigned code);
void h2_goaway(struct tls_connection *c, unsigned last_stream, unsigned code);

// An authority ca.pem, ca2.pem (another), and in `directory` below it for each name of the list
// NAME.pem and NAME.key, signed by ca; a server's names NAME, localhost and 127.0.0.1 unless it
// begins with "only-": then NAME alone.
void tls_make_certificates(const char *directory, const char *names);
