#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/text.h"
#include "tools/load_client.h"

static int refuse(const char *url, struct error *err)
{
    return error_set(err, ERR_USAGE,
        "%s: want http://ADDRESS:PORT/PATH with a loopback address (127.0.0.1, [::1]), localhost, "
        "or "
        "the address of a Service of scripts/cluster (10.96.x.x)",
        url);
}

// Services have addresses in 10.96.0.0/16 (tests/cluster), in a network without a way out.
static bool is_ours(struct in_addr address)
{
    uint32_t bits = ntohl(address.s_addr);
    return bits >> 24 == IN_LOOPBACKNET || bits >> 16 == (10 << 8 | 96);
}

int load_url_parse(const char *url, struct load_options *options, char **ret_host, char **ret_path,
    struct error *err)
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return refuse(url, err);
    const char *authority = url + sizeof scheme - 1;
    size_t length = strcspn(authority, "/");
    AUTO_FREE char *host = mem_strndup(authority, length);
    AUTO_FREE char *name = mem_strdup(host);
    char *colon = strrchr(name, ':');
    int64_t port = 80;
    if (colon && !strchr(colon, ']')) {
        if (!int_parse(colon + 1, 1, 65535, &port))
            return refuse(url, err);
        *colon = '\0';
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (strcmp(name, "[::1]") == 0) {
        v6.sin6_addr = in6addr_loopback;
        memcpy(&options->address, &v6, sizeof v6);
        options->address_length = sizeof v6;
    } else {
        const char *address = strcmp(name, "localhost") == 0 ? "127.0.0.1" : name;
        if (inet_pton(AF_INET, address, &v4.sin_addr) != 1 || !is_ours(v4.sin_addr))
            return refuse(url, err);
        memcpy(&options->address, &v4, sizeof v4);
        options->address_length = sizeof v4;
    }
    // The text goes into a request's head: nothing in it may end a line or a word there.
    const char *path = authority[length] ? authority + length : "/";
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return refuse(url, err);
    *ret_host = take_ptr(host);
    *ret_path = mem_strdup(path);
    return 0;
}
