// davit's own log: levels, fields that stay for a while, and a sink that is handed in.
//
// A record is built whole and handed to the sink in one call, so that records of several processes
// on one pipe do not tear (each is one write of at most PIPE_BUF bytes). Errors are logged where
// they are handled, not on their way up.
#pragma once

#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_record {
    enum log_level level;
    const char *message;                // one line; C0 and C1 controls are already made visible
    const char *trace_id, *run, *stage; // NULL where there is none
};

typedef void log_sink_fn(void *arg, const struct log_record *record);

// The one piece of global state in davit. Before log_to() is called, records of LOG_WARNING and
// above go to stderr as text.
void log_to(log_sink_fn *sink, void *arg, enum log_level least);
// Fields of every record from now on; the strings are copied, NULL clears.
void log_set_run(const char *trace_id, const char *run);

void log_write(enum log_level level, const char *stage, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(...)   log_write(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...)   log_write(LOG_ERROR, NULL, __VA_ARGS__)

const char *log_level_name(enum log_level level);

// Sinks. `arg` is the descriptor, cast with log_fd(): the log does not own it.
#define log_fd(fd) ((void *)(intptr_t)(fd))
log_sink_fn log_sink_text; // "davit: warning: message"
log_sink_fn log_sink_json; // {"ts":…,"level":…,"msg":…,"trace_id":…,"run":…,"stage":…}, facts:
                           // OpenTelemetry names
