#include "codec/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, struct str *out)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i += 3) {
        unsigned bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < length ? at[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            str_putc(out, i + k <= length ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
}

bool base64_decode(const char *text, struct str *out)
{
    unsigned bits = 0, held = 0, count = 0, padding = 0;
    for (; *text; text++) {
        if (strchr(" \t\r\n", *text))
            continue;
        if (*text == '=') {
            padding++;
            continue;
        }
        const char *digit = strchr(digits, *text);
        if (!digit || padding)
            return false;
        bits = bits << 6 | (unsigned)(digit - digits);
        held += 6;
        count++;
        if (held < 8)
            continue;
        held -= 8;
        str_putc(out, (char)(bits >> held & 0xff));
    }
    return count % 4 != 1 && padding <= 2 && !out->overflow;
}
