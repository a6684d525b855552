// gzip by ISA-L, level 1: about zlib's level-1 size at seven times its speed.
//
// What comes out depends on the bytes that went in and on how they were cut into pieces, so a
// caller that wants the same bytes every time cuts them the same way every time. Every x86-64
// processor with SSE4.2 then makes the same bytes (tried: Nehalem to Skylake, without AVX-512);
// others make other ones, which changes a layer's digest but not its diff id.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"

struct gzip_writer;
typedef int gzip_sink_fn(void *arg, const void *bytes, size_t length, struct error *err);

struct gzip_writer *gzip_writer_new(gzip_sink_fn *sink, void *arg);
void gzip_writer_free(struct gzip_writer *w); // accepts NULL
// `last` ends the stream; nothing may follow it.
int gzip_add(struct gzip_writer *w, const void *bytes, size_t length, bool last, struct error *err);

DEFINE_AUTO_PTR(gzip_writer, struct gzip_writer, gzip_writer_free)
