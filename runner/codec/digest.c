// libcrypto's block functions rather than its EVP layer: the first EVP_Digest* of a process costs
// 0.9 ms of set-up, which is as much as everything else that a stage costs (see ARCHITECTURE.md,
// "What starts how fast").
#define OPENSSL_SUPPRESS_DEPRECATED
#include "codec/digest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "struct sha256 must hold the state");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sha256), "and its alignment");

static SHA256_CTX *context(struct sha256 *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void sha256_init(struct sha256 *h)
{
    SHA256_Init(context(h));
}

void sha256_add(struct sha256 *h, const void *bytes, size_t length)
{
    SHA256_Update(context(h), bytes, length);
}

void sha256_hex(struct sha256 *h, char ret[static SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[SHA256_SIZE];
    SHA256_Final(raw, context(h));
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        ret[2 * i] = digits[raw[i] >> 4];
        ret[2 * i + 1] = digits[raw[i] & 15];
    }
    ret[2 * SHA256_SIZE] = '\0';
}

void digest_finish(struct sha256 *h, char ret[static DIGEST_SIZE])
{
    memcpy(ret, "sha256:", 7);
    char hex[SHA256_HEX_SIZE];
    sha256_hex(h, hex);
    memcpy(ret + 7, hex, sizeof hex);
}

void digest_bytes(const void *bytes, size_t length, char ret[static DIGEST_SIZE])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, bytes, length);
    digest_finish(&h, ret);
}

int digest_fd(int fd, char ret[static DIGEST_SIZE], uint64_t *ret_length, struct error *err)
{
    char buffer[65536];
    struct sha256 h;
    uint64_t total = 0;
    sha256_init(&h);
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, "read");
        sha256_add(&h, buffer, (size_t)n);
        total += (uint64_t)n;
    }
    digest_finish(&h, ret);
    if (ret_length)
        *ret_length = total;
    return 0;
}

bool digest_ok(const char *digest)
{
    return strlen(digest) == DIGEST_SIZE - 1 && memcmp(digest, "sha256:", 7) == 0 &&
           strspn(digest + 7, "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}
