#include "tools/load_response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "codec/value.h"

#define HEAD_MAX ((size_t)64 << 10)

void response_init(struct response *r)
{
    *r = (struct response){0};
    str_init(&r->body, RESPONSE_BODY_MAX);
    str_init(&r->line, HEAD_MAX);
    response_begin(r);
}

void response_done(struct response *r)
{
    str_done(&r->body);
    str_done(&r->line);
}

void response_begin(struct response *r)
{
    struct str body = r->body, line = r->line;
    str_clear(&body);
    str_clear(&line);
    *r = (struct response){.body = body, .line = line, .head_left = HEAD_MAX};
}

// The whole of it is there.
static void finish(struct response *r)
{
    r->part = RESPONSE_DONE;
    if (r->version[0] || !r->json)
        return;
    AUTO(value) struct value *tree = value_parse(r->body.data, r->body.length, NULL);
    const char *version = value_get_str(tree, "version");
    if (version)
        snprintf(r->version, sizeof r->version, "%s", version);
}

static void read_status(struct response *r, const char *line)
{
    int64_t status;
    if (strncmp(line, "HTTP/1.", 7) != 0 || !line[7] || line[8] != ' ' || strlen(line) < 12 ||
        (line[12] && line[12] != ' ')) {
        r->part = RESPONSE_BAD;
        return;
    }
    char digits[4] = {line[9], line[10], line[11], '\0'};
    if (!int_parse(digits, 100, 599, &status)) {
        r->part = RESPONSE_BAD;
        return;
    }
    r->status = (int)status;
    r->close = line[7] == '0';
    r->part = RESPONSE_HEADERS;
}

static void read_header(struct response *r, const char *line)
{
    const char *value = strchr(line, ':');
    if (!value || value == line) {
        r->part = RESPONSE_BAD;
        return;
    }
    size_t name = (size_t)(value - line);
    value += 1 + strspn(value + 1, " \t");
    if (name == 14 && strncasecmp(line, "content-length", name) == 0) {
        int64_t length;
        bool good = int_parse(value, 0, INT64_MAX, &length);
        if (!good || (r->has_length && r->left != (uint64_t)length))
            r->part = RESPONSE_BAD;
        r->has_length = true;
        r->left = good ? (uint64_t)length : 0;
    } else if (name == 17 && strncasecmp(line, "transfer-encoding", name) == 0) {
        r->chunked = true;
        if (strcasecmp(value, "chunked") != 0)
            r->part = RESPONSE_BAD;
    } else if (name == 10 && strncasecmp(line, "connection", name) == 0) {
        r->close = r->close || strcasecmp(value, "close") == 0;
    } else if (name == 12 && strncasecmp(line, "content-type", name) == 0) {
        r->json = strncasecmp(value, "application/json", 16) == 0;
    } else if (name == 13 && strncasecmp(line, "x-app-version", name) == 0) {
        snprintf(r->version, sizeof r->version, "%s", value);
    }
}

// The empty line after the headers: what follows, if anything (RFC 9112, 6.3)?
static void end_headers(struct response *r)
{
    if (r->status < 200) {
        response_begin(r); // an interim response: the real one comes after it
    } else if (r->chunked && r->has_length) {
        r->part = RESPONSE_BAD; // two lengths: a proxy and we might believe different ones
    } else if (r->status == 204 || r->status == 304) {
        finish(r);
    } else if (r->chunked) {
        r->part = RESPONSE_CHUNK_SIZE;
    } else if (!r->has_length) {
        r->part = RESPONSE_TO_END;
        r->close = true;
        r->left = UINT64_MAX;
    } else if (r->left) {
        r->part = RESPONSE_LENGTH;
    } else {
        finish(r);
    }
}

static void read_chunk_size(struct response *r, const char *line)
{
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    if (!digits || digits > 15 || (line[digits] && line[digits] != ';' && line[digits] != ' ')) {
        r->part = RESPONSE_BAD;
        return;
    }
    r->left = strtoull(line, NULL, 16);
    r->part = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILERS;
}

static void read_line(struct response *r, const char *line)
{
    switch (r->part) {
    case RESPONSE_STATUS:
        read_status(r, line);
        break;
    case RESPONSE_HEADERS:
        if (*line)
            read_header(r, line);
        else
            end_headers(r);
        break;
    case RESPONSE_CHUNK_SIZE:
        read_chunk_size(r, line);
        break;
    case RESPONSE_CHUNK_END:
        r->part = *line ? RESPONSE_BAD : RESPONSE_CHUNK_SIZE;
        break;
    case RESPONSE_TRAILERS:
        if (!*line)
            finish(r);
        break;
    default:
        r->part = RESPONSE_BAD;
    }
}

static size_t feed_line(struct response *r, const char *bytes, size_t length)
{
    const char *end = memchr(bytes, '\n', length);
    size_t used = end ? (size_t)(end - bytes) + 1 : length;
    // The framing of chunks is bounded with the chunks: only the head has a budget of its own.
    bool framing = r->part == RESPONSE_CHUNK_SIZE || r->part == RESPONSE_CHUNK_END;
    if (used > (framing ? HEAD_MAX - r->line.length : r->head_left)) {
        r->part = RESPONSE_BAD;
        return used;
    }
    if (!framing)
        r->head_left -= used;
    str_add(&r->line, bytes, end ? used - 1 : used);
    if (!end)
        return used;
    if (r->line.length && r->line.data[r->line.length - 1] == '\r')
        r->line.data[--r->line.length] = '\0';
    if (memchr(r->line.data, '\0', r->line.length))
        r->part = RESPONSE_BAD;
    else
        read_line(r, r->line.data);
    str_clear(&r->line);
    return used;
}

static size_t feed_body(struct response *r, const char *bytes, size_t length)
{
    size_t used = length < r->left ? length : (size_t)r->left;
    str_add(&r->body, bytes, used);
    if (r->body.overflow) {
        r->part = RESPONSE_BAD;
        return used;
    }
    if (r->part == RESPONSE_TO_END)
        return used;
    r->left -= used;
    if (!r->left && r->part == RESPONSE_LENGTH)
        finish(r);
    else if (!r->left)
        r->part = RESPONSE_CHUNK_END;
    return used;
}

size_t response_feed(struct response *r, const char *bytes, size_t length)
{
    size_t used = 0;
    while (used < length && r->part < RESPONSE_DONE) {
        bool body =
            r->part == RESPONSE_LENGTH || r->part == RESPONSE_CHUNK || r->part == RESPONSE_TO_END;
        used += (body ? feed_body : feed_line)(r, bytes + used, length - used);
    }
    return used;
}

void response_end(struct response *r)
{
    if (r->part == RESPONSE_TO_END)
        finish(r);
    else if (r->part != RESPONSE_DONE)
        r->part = RESPONSE_BAD;
}
