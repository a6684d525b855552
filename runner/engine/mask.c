#include "engine/mask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STARS "***"

static void add_needle(struct mask *mask, const char *text)
{
    size_t length = strlen(text);
    if (length < MASK_LENGTH_MIN || strv_has(&mask->needles, text))
        return;
    strv_push(&mask->needles, text);
    if (length > mask->longest)
        mask->longest = length;
    char **items = mask->needles.items; // insertion keeps the longest first
    for (size_t i = mask->needles.length - 1; i && strlen(items[i - 1]) < length; i--) {
        char *moved = items[i];
        items[i] = items[i - 1];
        items[i - 1] = moved;
    }
}

static void base64(const char *bytes, size_t length, struct str *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)bytes;
    for (; length >= 3; p += 3, length -= 3) {
        str_putc(out, digits[p[0] >> 2]);
        str_putc(out, digits[(p[0] & 3) << 4 | p[1] >> 4]);
        str_putc(out, digits[(p[1] & 15) << 2 | p[2] >> 6]);
        str_putc(out, digits[p[2] & 63]);
    }
}

// A secret inside a longer base64 text stands at one of three phases; whole groups of it look the
// same wherever they are.
static void add_base64(struct mask *mask, const char *secret)
{
    size_t length = strlen(secret);
    for (size_t phase = 0; phase < 3 && phase < length; phase++) {
        AUTO(str) struct str encoded;
        str_init(&encoded, STR_TEXT_MAX);
        base64(secret + phase, length - phase, &encoded);
        add_needle(mask, encoded.data);
    }
}

static void add_url_encoded(struct mask *mask, const char *secret)
{
    AUTO(str) struct str encoded;
    str_init(&encoded, STR_TEXT_MAX);
    for (const unsigned char *p = (const unsigned char *)secret; *p; p++) {
        if (isalnum(*p) || strchr("-._~", *p))
            str_putc(&encoded, (char)*p);
        else
            str_printf(&encoded, "%%%02X", *p);
    }
    add_needle(mask, encoded.data);
}

void mask_add(struct mask *mask, const char *secret)
{
    add_needle(mask, secret);
    if (strlen(secret) < MASK_LENGTH_MIN)
        return;
    add_base64(mask, secret);
    add_url_encoded(mask, secret);
    AUTO_FREE char *lines = mem_strdup(secret);
    char *rest = lines;
    for (char *line; (line = strsep(&rest, "\r\n"));)
        add_needle(mask, line);
}

void mask_done(struct mask *mask)
{
    strv_done(&mask->needles);
    mask->longest = 0;
}

// The length of the secret that begins at p, 0 for none.
static size_t secret_at(const struct mask *mask, const char *p, size_t left)
{
    strv_each (needle, &mask->needles) {
        size_t length = strlen(*needle);
        if (length <= left && memcmp(p, *needle, length) == 0)
            return length;
    }
    return 0;
}

// Whether all that is left at p could be the beginning of a longer secret.
static bool may_begin_at(const struct mask *mask, const char *p, size_t left)
{
    strv_each (needle, &mask->needles)
        if (left < strlen(*needle) && memcmp(p, *needle, left) == 0)
            return true;
    return false;
}

void mask_filter(const struct mask *mask, struct str *pending, bool last, struct str *out)
{
    size_t at = 0, plain = 0, length = pending->length;
    if (!mask->longest)
        at = length;
    while (at < length) {
        const char *p = pending->data + at;
        size_t left = length - at;
        size_t secret = secret_at(mask, p, left);
        if (secret) {
            str_add(out, pending->data + plain, at - plain);
            str_puts(out, STARS);
            at += secret;
            plain = at;
        } else if (!last && left < mask->longest && may_begin_at(mask, p, left)) {
            break;
        } else {
            at++;
        }
    }
    str_add(out, pending->data + plain, at - plain);
    str_drop(pending, at);
}

char *mask_text(const struct mask *mask, const char *text)
{
    AUTO(str) struct str pending;
    struct str out;
    str_init(&pending, STR_TEXT_MAX);
    str_init(&out, STR_TEXT_MAX);
    str_puts(&pending, text);
    mask_filter(mask, &pending, true, &out);
    return str_take(&out);
}
