#include "image/challenge.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

void challenge_done(struct challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct challenge){0};
}

static const char *skip(const char *p)
{
    return p + strspn(p, " \t,");
}

static size_t token_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || (p[n] && strchr("!#$%&'*+-.^_`|~", p[n])))
        n++;
    return n;
}

// A token or a quoted string; *at is left behind it.
static char *read_value(const char **at)
{
    const char *p = *at;
    if (*p != '"') {
        size_t n = token_length(p);
        *at = p + n;
        return mem_strndup(p, n);
    }
    AUTO(str) struct str text;
    str_init(&text, 8192);
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        str_putc(&text, *p);
    }
    *at = *p ? p + 1 : p;
    return str_take(&text);
}

static void read_parameters(const char **at, struct challenge *c)
{
    for (const char *p = skip(*at); *p; p = skip(p)) {
        size_t n = token_length(p);
        if (!n || p[n] != '=')
            return; // the next challenge
        const char *name = p;
        p += n + 1;
        char *value = read_value(&p);
        char **slot = n == 5 && !strncasecmp(name, "realm", n)     ? &c->realm
                      : n == 7 && !strncasecmp(name, "service", n) ? &c->service
                      : n == 5 && !strncasecmp(name, "scope", n)   ? &c->scope
                                                                   : NULL;
        if (slot && !*slot)
            *slot = value;
        else
            free(value);
        *at = p;
    }
}

bool challenge_parse(const char *header, struct challenge *ret)
{
    bool found = false;
    for (const char *p = skip(header); *p; p = skip(p)) {
        struct challenge c = {0};
        size_t n = token_length(p);
        bool bearer = n == 6 && strncasecmp(p, "Bearer", n) == 0;
        bool basic = n == 5 && strncasecmp(p, "Basic", n) == 0;
        p += n ? n : 1;
        read_parameters(&p, &c);
        c.scheme = bearer ? CHALLENGE_BEARER : CHALLENGE_BASIC;
        if ((bearer && c.realm) || (basic && !found)) {
            if (found)
                challenge_done(ret);
            *ret = c;
            found = true;
            if (bearer)
                return true;
        } else {
            challenge_done(&c);
        }
    }
    return found;
}

char *basic_header(const char *username, const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    AUTO_FREE char *pair = mem_printf("%s:%s", username, password);
    size_t length = strlen(pair);
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    str_puts(&out, "Authorization: Basic ");
    for (size_t i = 0; i < length; i += 3) {
        unsigned long bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < length ? (unsigned char)pair[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            str_putc(&out, i + k > length ? '=' : digits[bits >> (18 - 6 * k) & 63]);
    }
    explicit_bzero(pair, length);
    return str_take(&out);
}
