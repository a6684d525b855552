#include "net/http_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// When nothing comes from the other end any more, not even an acknowledgement, the connection ends
// within USER_TIMEOUT_MS; without these, one whose other end has vanished would take all further
// requests of an HTTP/2 client for a quarter of an hour.
#define KEEPALIVE_IDLE_S     15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT      3
#define USER_TIMEOUT_MS      30000

// Of a connection for bodies: less than a server waits before it closes one, for a request that
// meets its end on the way may have been done or not.
#define MAX_IDLE_S 30L

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg, (void)purpose;
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) // a Unix socket has none of them
        setsockopt(
            fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
    return CURL_SOCKOPT_OK;
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, &blob);
}

static void set_trust(CURL *easy, const struct http_peer *peer)
{
    if (peer->ca) { // and then nothing but that
        set_blob(easy, CURLOPT_CAINFO_BLOB, peer->ca);
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (peer->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_identity(CURL *easy, const struct http_peer *peer)
{
    if (!peer->cert || !peer->key)
        return;
    set_blob(easy, CURLOPT_SSLCERT_BLOB, peer->cert);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, peer->key);
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, ""); // else OpenSSL would ask the terminal
}

// A proxy that settings name is meant for this server, whatever NO_PROXY says of others. With
// socks5, names are resolved by the proxy, as by other clients of such settings: libcurl calls that
// socks5h.
static void set_proxy(CURL *easy, const char *proxy)
{
    static const char socks5[] = "socks5://";
    size_t length = sizeof socks5 - 1;
    AUTO_FREE char *renamed = NULL;
    if (strncmp(proxy, socks5, length) == 0)
        renamed = mem_printf("socks5h://%s", proxy + length);
    curl_easy_setopt(easy, CURLOPT_PROXY, renamed ? renamed : proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

static CURLU *url_of(const char *text)
{
    CURLU *url = curl_url();
    if (!url)
        abort();
    curl_url_set(url, CURLUPART_URL, text, 0);
    return url;
}

// libcurl verifies and asks for the name in the URL: that becomes the server's, and the connection
// still goes to where the URL says.
static int set_server_name(struct http_transfer *t, const char *name, struct error *err)
{
    CURLU *url = url_of(t->url);
    AUTO_FREE char *host = url_part(url, CURLUPART_HOST, 0);
    AUTO_FREE char *port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    bool v6 = strchr(name, ':') && name[0] != '[';
    AUTO_FREE char *bracketed = v6 ? mem_printf("[%s]", name) : mem_strdup(name);
    if (curl_url_set(url, CURLUPART_HOST, bracketed, 0) == CURLUE_OK)
        t->url_renamed = url_part(url, CURLUPART_URL, 0);
    curl_url_cleanup(url);
    AUTO_FREE char *target = mem_printf("::%s:%s", host, port);
    t->connect_to = curl_slist_append(NULL, target);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
    if (!t->url_renamed)
        return error_set(err, ERR_CONFIG, "\"%s\" is not a server's name", name);
    return 0;
}

char *http_peer_host_header(const char *text)
{
    CURLU *url = url_of(text);
    AUTO_FREE char *host = url_part(url, CURLUPART_HOST, 0);
    AUTO_FREE char *port = url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    curl_url_cleanup(url);
    return mem_printf("Host: %s%s%s", host, port ? ":" : "", port ? port : "");
}

bool http_peer_is_apart(const struct http_transfer *t)
{
    return t->peered && http_transfer_sends_body(t);
}

int http_peer_apply(struct http_transfer *t, const struct http_peer *peer, struct error *err)
{
    CURL *easy = t->easy;
    t->peered = true;
    t->request.peer = NULL; // it was lent for now only
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
    if (http_peer_is_apart(t)) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_IDLE_S);
    } else { // where a connection is being made, wait to learn whether it takes several requests
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    set_trust(easy, peer);
    set_identity(easy, peer);
    if (peer->proxy)
        set_proxy(easy, peer->proxy);
    if (peer->server_name && strcmp(t->first.scheme, "https") == 0)
        return set_server_name(t, peer->server_name, err);
    return 0;
}
