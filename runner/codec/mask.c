#include "codec/mask.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"

#define STARS "***"

static void add_needle(struct mask *mask, const char *text)
{
    size_t length = strlen(text);
    if (length < MASK_LENGTH_MIN || length > MASK_NEEDLE_MAX || strv_has(&mask->needles, text))
        return;
    strv_push(&mask->needles, text);
    mask->first[(unsigned char)text[0]] = true;
    if (length > mask->longest)
        mask->longest = length;
    char **items = mask->needles.items; // insertion keeps the longest first
    for (size_t i = mask->needles.length - 1; i && strlen(items[i - 1]) < length; i--) {
        char *moved = items[i];
        items[i] = items[i - 1];
        items[i - 1] = moved;
    }
}

// Whole groups only: what the rest is encoded to depends on what follows.
static void add_groups(const char *bytes, size_t length, struct str *out)
{
    base64_encode(bytes, length / 3 * 3, out);
}

// The same text in the alphabet of URLs, which has - and _ for + and /.
static void add_both_alphabets(struct mask *mask, char *encoded)
{
    add_needle(mask, encoded);
    for (char *p = encoded; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    add_needle(mask, encoded);
}

#define LINE_BYTES 57 // what base64(1) puts into a line of 76 characters

// A secret inside a longer base64 text stands at one of three phases; whole groups of it look the
// same wherever they are. One that is longer than a line is met in lines.
static void add_base64(struct mask *mask, const char *secret)
{
    size_t length = strlen(secret);
    for (size_t phase = 0; phase < 3 && phase < length; phase++) {
        AUTO(str) struct str encoded;
        str_init(&encoded, STR_TEXT_MAX);
        add_groups(secret + phase, length - phase, &encoded);
        add_both_alphabets(mask, encoded.data);
    }
    for (size_t at = 0; length > LINE_BYTES && at < length; at += LINE_BYTES) {
        AUTO(str) struct str line;
        str_init(&line, STR_TEXT_MAX);
        add_groups(secret + at, length - at < LINE_BYTES ? length - at : LINE_BYTES, &line);
        add_needle(mask, line.data);
    }
}

// Encoders differ in the case of digits, in what they leave as it is, and in the space of a form.
static void add_url_encoded(
    struct mask *mask, const char *secret, bool lower, const char *plain, bool form)
{
    AUTO(str) struct str encoded;
    str_init(&encoded, STR_TEXT_MAX);
    for (const unsigned char *p = (const unsigned char *)secret; *p; p++) {
        char digits[8];
        snprintf(digits, sizeof digits, lower ? "%%%02x" : "%%%02X", *p);
        if (isalnum(*p) || strchr(plain, *p))
            str_putc(&encoded, (char)*p);
        else
            str_puts(&encoded, form && *p == ' ' ? "+" : digits);
    }
    add_needle(mask, encoded.data);
}

static void add_url_forms(struct mask *mask, const char *secret)
{
    static const char *const plain[] = {"-._~", "-._~/", "-._"};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        for (unsigned how = 0; how < 4; how++)
            add_url_encoded(mask, secret, how & 1, plain[i], how & 2);
}

// As a string of JSON, in a log of JSON lines.
static void add_json(struct mask *mask, const char *secret)
{
    AUTO(str) struct str escaped;
    str_init(&escaped, STR_TEXT_MAX);
    for (const char *p = secret; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_putc(&escaped, '\\');
        if (*p == '\n' || *p == '\t')
            str_puts(&escaped, *p == '\n' ? "\\n" : "\\t");
        else
            str_putc(&escaped, *p);
    }
    add_needle(mask, escaped.data);
}

void mask_add(struct mask *mask, const char *secret)
{
    add_needle(mask, secret);
    if (strlen(secret) < MASK_LENGTH_MIN)
        return;
    add_base64(mask, secret);
    add_url_forms(mask, secret);
    add_json(mask, secret);
    AUTO_FREE char *lines = mem_strdup(secret);
    char *rest = lines;
    for (char *line; (line = strsep(&rest, "\r\n"));)
        add_needle(mask, line);
}

void mask_done(struct mask *mask)
{
    strv_done(&mask->needles);
    *mask = (struct mask){0};
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
        if (!mask->first[(unsigned char)*p]) {
            at++;
            continue;
        }
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
