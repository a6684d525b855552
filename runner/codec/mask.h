// Secrets out of a stream of bytes: each occurrence becomes "***", also where it was cut into
// several writes, in the lines of a multi-line secret, and in its base64, URL-encoded and JSON
// forms.
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "base/vec.h"

// Shorter values would mask half of every log ("a", "1"): they are not masked, and `davit plan`
// warns of them.
#define MASK_LENGTH_MIN 6

// Nor is a form of one that is longer than this, and which no process could be handed anyway.
#define MASK_NEEDLE_MAX ((size_t)512 << 10)

struct mask {
    struct strv needles; // longest first
    size_t longest;
    bool first[256]; // bytes that a needle begins with: of most a look is enough
};

void mask_add(struct mask *mask, const char *secret);
void mask_done(struct mask *mask);

// Moves from `pending` to `out` what can be decided: everything but a tail that is the beginning of
// a secret. At the end of the stream (`last`) that too.
void mask_filter(const struct mask *mask, struct str *pending, bool last, struct str *out);
// A whole text at once (davit's own messages); the caller's to free.
char *mask_text(const struct mask *mask, const char *text);
