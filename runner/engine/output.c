#include "engine/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/fd.h"

// A longer line is broken, so that nothing waits for a newline that never comes.
#define LINE_MAX ((size_t)64 << 10)
// What the mask holds back, and a line that comes out of it at once.
#define HELD_MAX (MASK_NEEDLE_MAX + LINE_MAX)
#define TEXT_MAX (2 * HELD_MAX)

void output_init(struct output *o, const struct mask *mask, int log_fd, int live_fd,
    const char *name, int width, bool color, int64_t began_ms)
{
    *o = (struct output){
        .mask = mask,
        .log_fd = log_fd,
        .live_fd = live_fd,
        .prefix = color ? mem_printf("\033[36m%-*s |\033[0m ", width, name)
                        : mem_printf("%-*s | ", width, name),
        .began_ms = began_ms,
    };
    str_init(&o->pending, HELD_MAX);
    str_init(&o->line, TEXT_MAX);
}

static void write_log(struct output *o, const char *line, size_t length)
{
    if (o->log_fd < 0 || o->cut)
        return;
    int64_t at = clock_monotonic_ms() - o->began_ms;
    AUTO(str) struct str text;
    str_init(&text, TEXT_MAX + 64);
    str_printf(&text, "%lld.%03lld ", (long long)(at / 1000), (long long)(at % 1000));
    str_add(&text, line, length);
    str_putc(&text, '\n');
    if (o->written + text.length > OUTPUT_LOG_MAX) {
        o->cut = true;
        str_clear(&text);
        str_printf(&text, "-- the log ends here: a stage may write %llu MiB --\n",
            (unsigned long long)(OUTPUT_LOG_MAX >> 20));
    }
    if (fd_write_all(o->log_fd, text.data, text.length, NULL) < 0)
        fd_reset(&o->log_fd); // a full disk must not stop the stage
    o->written += text.length;
}

static void write_live(struct output *o, const char *line, size_t length)
{
    if (o->live_fd < 0)
        return;
    AUTO(str) struct str text;
    str_init(&text, TEXT_MAX + 256);
    str_puts(&text, o->prefix);
    str_add(&text, line, length);
    str_putc(&text, '\n');
    if (fd_write_all(o->live_fd, text.data, text.length, NULL) < 0)
        o->live_fd = -1; // the reader has gone: the run goes on
}

// What a failure's reason quotes: not the shell's echo of a command, and nothing that a terminal
// would obey.
static void remember(struct output *o, const char *line, size_t length)
{
    if (!length || text_starts(line, "+ "))
        return;
    size_t most = sizeof o->last_line - 1;
    snprintf(o->last_line, sizeof o->last_line, "%.*s", (int)(length < most ? length : most), line);
    text_make_printable(o->last_line);
}

static void end_line(struct output *o, const char *line, size_t length)
{
    if (length && line[length - 1] == '\r')
        length--;
    write_log(o, line, length);
    write_live(o, line, length);
    remember(o, line, length);
}

static void split(struct output *o)
{
    size_t at = 0;
    for (char *newline; (newline = memchr(o->line.data + at, '\n', o->line.length - at));) {
        size_t end = (size_t)(newline - o->line.data);
        end_line(o, o->line.data + at, end - at);
        at = end + 1;
    }
    str_drop(&o->line, at);
    if (o->line.length > LINE_MAX) {
        end_line(o, o->line.data, o->line.length);
        str_clear(&o->line);
    }
}

// The mask holds back a tail that may be the beginning of a secret; all else is shown as soon as
// its line has ended.
void output_add(struct output *o, const char *bytes, size_t length)
{
    while (length) {
        size_t part = length < LINE_MAX ? length : LINE_MAX;
        str_add(&o->pending, bytes, part);
        mask_filter(o->mask, &o->pending, false, &o->line);
        split(o);
        bytes += part;
        length -= part;
    }
}

void output_end(struct output *o)
{
    mask_filter(o->mask, &o->pending, true, &o->line);
    split(o);
    if (o->line.length)
        end_line(o, o->line.data, o->line.length);
    str_clear(&o->line);
}

void output_note(struct output *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *raw = mem_vprintf(format, args);
    va_end(args);
    AUTO_FREE char *text = mask_text(o->mask, raw);
    output_end(o);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        end_line(o, line, strlen(line));
}

void output_done(struct output *o)
{
    fd_close(o->log_fd);
    free(o->prefix);
    str_done(&o->pending);
    str_done(&o->line);
    *o = (struct output){.log_fd = -1, .live_fd = -1};
}
