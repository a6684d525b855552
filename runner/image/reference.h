// References to images, as people write them: [registry[:port]/]name[:tag][@digest].
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

struct reference {
    char *registry;   // "host" or "host:port"; what Docker means when nothing is said: docker.io
    char *repository; // "library/alpine"
    char *tag;        // NULL when only a digest is given
    char *digest;     // NULL when none is
};

// ERR_CONFIG with what is wrong.
int reference_parse(const char *text, struct reference *ret, struct error *err);
void reference_done(struct reference *r); // accepts an all-zero one
DEFINE_AUTO(reference, struct reference, reference_done)

// The one way to write it, "docker.io/library/alpine:latest": a tag's name in the store; the
// caller's.
char *reference_name(const struct reference *r);
// What the registry calls it in a path: the digest, else the tag.
const char *reference_object(const struct reference *r);
