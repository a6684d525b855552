#include "base/text.h"

#include <string.h>

// The sequence's length by its first byte, 0 where no sequence begins so.
static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

// The first continuation byte is where overlong forms, surrogates and the upper bound are decided.
static bool second_ok(unsigned char first, unsigned char second)
{
    unsigned char low = 0x80, high = 0xbf;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    return second >= low && second <= high;
}

size_t utf8_valid_prefix(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < length) {
        size_t n = sequence_length(bytes[at]);
        if (n == 0 || n > length - at)
            return at;
        if (n > 1 && !second_ok(bytes[at], bytes[at + 1]))
            return at;
        for (size_t i = 2; i < n; i++)
            if ((bytes[at + i] & 0xc0) != 0x80)
                return at;
        at += n;
    }
    return length;
}

size_t utf8_width(const char *text, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

void text_make_printable(char *text)
{
    unsigned char *p = (unsigned char *)text;
    while (*p) {
        size_t n = sequence_length(*p);
        bool whole = n && utf8_valid_prefix((char *)p, strnlen((char *)p, n)) == n;
        bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
        if (whole && !control) {
            p += n;
            continue;
        }
        *p++ = '?';
        if (whole && n == 2)
            *p++ = '?';
    }
}
