// An HTTP/1.1 response (RFC 9112) as it arrives, piece by piece.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define RESPONSE_BODY_MAX    ((size_t)2 << 20)
#define RESPONSE_VERSION_MAX 64

enum response_part {
    RESPONSE_STATUS,
    RESPONSE_HEADERS,
    RESPONSE_LENGTH, // a body of `left` more bytes
    RESPONSE_CHUNK_SIZE,
    RESPONSE_CHUNK, // `left` more bytes of this chunk
    RESPONSE_CHUNK_END,
    RESPONSE_TRAILERS,
    RESPONSE_TO_END, // a body that ends with the connection
    RESPONSE_DONE,
    RESPONSE_BAD, // no HTTP, or more of it than we take in
};

struct response {
    enum response_part part; // RESPONSE_DONE: the fields below are whole
    int status;
    bool close;                         // the connection ends after this response
    char version[RESPONSE_VERSION_MAX]; // of the application: X-App-Version, or "version" in a JSON
                                        // body; "" when there is none
    struct str body;

    bool has_length, chunked, json;
    uint64_t left;
    size_t head_left; // how much of status line, headers and trailers we still take in
    struct str line;
};

void response_init(struct response *r);
void response_done(struct response *r);
void response_begin(struct response *r); // forgets the one before
// Takes in bytes up to the end of the response; returns how many it took.
size_t response_feed(struct response *r, const char *bytes, size_t length);
// The peer has closed: a body that ends so is whole now, all else that is not is RESPONSE_BAD.
void response_end(struct response *r);
