// SHA-256 (FIPS 180-4), streaming and at once, and the OCI form of a digest: "sha256:" and 64
// lowercase hex digits.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE 65 // with the NUL
#define DIGEST_SIZE     72 // "sha256:" + hex + NUL

struct sha256 {
    _Alignas(8) unsigned char state[112];
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *bytes, size_t length);
// Ends it; h must be initialised again before it is used again.
void sha256_hex(struct sha256 *h, char ret[static SHA256_HEX_SIZE]);

// "sha256:…" of all the bytes.
void digest_bytes(const void *bytes, size_t length, char ret[static DIGEST_SIZE]);
// Of what is left in fd; *ret_length may be NULL.
int digest_fd(int fd, char ret[static DIGEST_SIZE], uint64_t *ret_length, struct error *err);
// Ends h and writes the OCI form.
void digest_finish(struct sha256 *h, char ret[static DIGEST_SIZE]);
bool digest_ok(const char *digest); // is it the OCI form of a sha256?
