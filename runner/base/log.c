#include "base/log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/str.h"

#define RECORD_MAX 4096 // PIPE_BUF: one record is one atomic write

static struct {
    log_sink_fn *sink;
    void *arg;
    enum log_level least;
    char *trace_id, *run;
} the_log = {.sink = log_sink_text, .arg = (void *)(intptr_t)STDERR_FILENO, .least = LOG_WARNING};

void log_to(log_sink_fn *sink, void *arg, enum log_level least)
{
    the_log.sink = sink;
    the_log.arg = arg;
    the_log.least = least;
}

void log_set_run(const char *trace_id, const char *run)
{
    mem_replace(&the_log.trace_id, trace_id);
    mem_replace(&the_log.run, run);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}

// A message may quote foreign text: no control character reaches a terminal or breaks a line.
static void add_visible(struct str *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            str_printf(out, "\\x%02x", *p);
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            str_printf(out, "\\u%04x", *++p);
        else
            str_putc(out, (char)*p);
    }
}

void log_write(enum log_level level, const char *stage, const char *format, ...)
{
    if (level < the_log.least)
        return;
    va_list args;
    va_start(args, format);
    AUTO_FREE char *raw = mem_vprintf(format, args);
    va_end(args);
    AUTO(str) struct str message;
    str_init(&message, RECORD_MAX * 4);
    add_visible(&message, raw);
    the_log.sink(the_log.arg, &(struct log_record){
                                  .level = level,
                                  .message = message.data,
                                  .trace_id = the_log.trace_id,
                                  .run = the_log.run,
                                  .stage = stage,
                              });
}

static void write_line(void *arg, struct str *line)
{
    str_putc(line, '\n');
    // A log that cannot be written has nowhere to say so.
    if (write((int)(intptr_t)arg, line->data, line->length) < 0)
        return;
}

void log_sink_text(void *arg, const struct log_record *record)
{
    AUTO(str) struct str line;
    str_init(&line, RECORD_MAX);
    str_puts(&line, "davit: ");
    if (record->level != LOG_INFO)
        str_printf(&line, "%s: ", log_level_name(record->level));
    if (record->stage)
        str_printf(&line, "%s: ", record->stage);
    str_printf(&line, "%.*s", RECORD_MAX - 256, record->message);
    write_line(arg, &line);
}

static void add_field(struct str *line, const char *name, const char *value)
{
    if (!value)
        return;
    str_printf(line, ",\"%s\":\"", name);
    for (const char *p = value; *p && line->length < RECORD_MAX - 256; p++) {
        if (*p == '"' || *p == '\\')
            str_putc(line, '\\');
        str_putc(line, *p);
    }
    str_putc(line, '"');
}

void log_sink_json(void *arg, const struct log_record *record)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    AUTO(str) struct str line;
    str_init(&line, RECORD_MAX);
    str_printf(&line, "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\"", stamp, now.tv_nsec / 1000000,
        log_level_name(record->level));
    add_field(&line, "trace_id", record->trace_id);
    add_field(&line, "run", record->run);
    add_field(&line, "stage", record->stage);
    add_field(&line, "msg", record->message);
    str_putc(&line, '}');
    write_line(arg, &line);
}
