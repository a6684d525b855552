#include "image/gzip.h"

#include <isa-l/igzip_lib.h>
#include <stdint.h>
#include <stdlib.h>

#define LEVEL       1
#define OUTPUT_SIZE ((size_t)256 << 10)

struct gzip_writer {
    struct isal_zstream stream;
    gzip_sink_fn *sink;
    void *arg;
    unsigned char level_buffer[ISAL_DEF_LVL1_DEFAULT];
    unsigned char output[OUTPUT_SIZE];
};

struct gzip_writer *gzip_writer_new(gzip_sink_fn *sink, void *arg)
{
    struct gzip_writer *w = mem_alloc(sizeof *w);
    isal_deflate_init(&w->stream);
    w->stream.level = LEVEL;
    w->stream.level_buf = w->level_buffer;
    w->stream.level_buf_size = sizeof w->level_buffer;
    w->stream.gzip_flag = IGZIP_GZIP;
    w->stream.flush = NO_FLUSH;
    w->sink = sink;
    w->arg = arg;
    return w;
}

void gzip_writer_free(struct gzip_writer *w)
{
    free(w);
}

int gzip_add(struct gzip_writer *w, const void *bytes, size_t length, bool last, struct error *err)
{
    w->stream.next_in = (uint8_t *)(uintptr_t)bytes; // ISA-L takes no const; it only reads
    w->stream.avail_in = (uint32_t)length;
    w->stream.end_of_stream = last;
    do {
        w->stream.next_out = w->output;
        w->stream.avail_out = OUTPUT_SIZE;
        if (isal_deflate(&w->stream) != COMP_OK)
            return error_set(err, ERR_INTERNAL, "ISA-L cannot compress");
        size_t made = OUTPUT_SIZE - w->stream.avail_out;
        if (made && w->sink(w->arg, w->output, made, err) < 0)
            return -1;
    } while (w->stream.avail_out == 0 || w->stream.avail_in);
    return 0;
}
