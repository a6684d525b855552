#include "net/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

// A part of a parsed URL, copied into memory of ours.
static char *part(CURLU *handle, CURLUPart what, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(handle, what, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

static CURLU *parse(const char *text, struct error *err)
{
    CURLU *handle = curl_url();
    if (!handle)
        abort();
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (code != CURLUE_OK) {
        AUTO_FREE char *shown = url_shown(text);
        error_set(err, ERR_PROTOCOL, "bad URL \"%s\": %s", shown, curl_url_strerror(code));
        curl_url_cleanup(handle);
        return NULL;
    }
    return handle;
}

int url_parse(const char *text, struct url *ret, struct error *err)
{
    CURLU *handle = parse(text, err);
    if (!handle)
        return -1;
    AUTO(url)
    struct url url = {
        .scheme = part(handle, CURLUPART_SCHEME, 0),
        .host = part(handle, CURLUPART_HOST, 0),
        .path = part(handle, CURLUPART_PATH, 0),
    };
    AUTO_FREE char *port = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    curl_url_cleanup(handle);
    AUTO_FREE char *shown = url_shown(text);
    if (!url.scheme || (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0))
        return error_set(err, ERR_PROTOCOL, "bad URL \"%s\": neither http nor https", shown);
    if (!url.host || !*url.host || !url.path || !port)
        return error_set(err, ERR_PROTOCOL, "bad URL \"%s\": it names no host", shown);
    size_t length = strlen(url.host);
    if (url.host[0] == '[' && url.host[length - 1] == ']') {
        memmove(url.host, url.host + 1, length - 2);
        url.host[length - 2] = '\0';
    }
    for (char *c = url.host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    url.port = (unsigned)strtoul(port, NULL, 10);
    *ret = url;
    url = (struct url){0};
    return 0;
}

void url_done(struct url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->path);
    *url = (struct url){0};
}

char *url_join(const char *base, const char *reference, struct error *err)
{
    CURLU *handle = parse(base, err);
    if (!handle)
        return NULL;
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, reference, CURLU_DISALLOW_USER);
    char *joined = code == CURLUE_OK ? part(handle, CURLUPART_URL, 0) : NULL;
    curl_url_cleanup(handle);
    if (!joined) {
        AUTO_FREE char *shown = url_shown(reference);
        error_set(err, ERR_PROTOCOL, "bad URL \"%s\": %s", shown, curl_url_strerror(code));
    }
    return joined;
}

char *url_shown(const char *text)
{
    return mem_strndup(text, strcspn(text, "?#"));
}

char *url_escape(const char *value)
{
    static const char digits[] = "0123456789ABCDEF";
    AUTO(str) struct str out;
    str_init(&out, strlen(value) * 3);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (isalnum(*p) || strchr("-._~", *p)) {
            str_putc(&out, (char)*p);
        } else {
            str_putc(&out, '%');
            str_putc(&out, digits[*p >> 4]);
            str_putc(&out, digits[*p & 15]);
        }
    }
    return str_take(&out);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0 && a->port == b->port;
}
