#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum exit_code exit_code;
} kinds[] = {
    [ERR_NONE] = {"none", EXIT_OK},
    [ERR_USAGE] = {"usage", EXIT_USAGE},
    [ERR_CONFIG] = {"config", EXIT_USAGE},
    [ERR_SYSTEM] = {"system", EXIT_RUNNER},
    [ERR_NETWORK] = {"network", EXIT_RUNNER},
    [ERR_REMOTE] = {"remote", EXIT_RUNNER},
    [ERR_PROTOCOL] = {"protocol", EXIT_RUNNER},
    [ERR_NOT_FOUND] = {"not found", EXIT_USAGE},
    [ERR_CONFLICT] = {"conflict", EXIT_HELD},
    [ERR_DENIED] = {"denied", EXIT_STAGE_FAILED},
    [ERR_LIMIT] = {"limit", EXIT_RUNNER},
    [ERR_TIMEOUT] = {"timeout", EXIT_TIMED_OUT},
    [ERR_CANCELLED] = {"cancelled", EXIT_CANCELLED},
    [ERR_UNSUPPORTED] = {"unsupported", EXIT_USAGE},
    [ERR_FAILED] = {"failed", EXIT_STAGE_FAILED},
    [ERR_INTERNAL] = {"internal", EXIT_RUNNER},
};

static void mark_cut(char *message, size_t size, int wanted)
{
    if (wanted >= 0 && (size_t)wanted >= size)
        memcpy(message + size - 4, "...", 4);
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    if (!err)
        return -1;
    *err = (struct error){.kind = kind};
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    mark_cut(err->message, sizeof err->message, n);
    return -1;
}

int error_errno(struct error *err, const char *format, ...)
{
    int saved = errno;
    if (!err)
        return -1;
    *err = (struct error){
        .kind = ERR_SYSTEM,
        .os_errno = saved,
        .retryable = saved == EAGAIN || saved == EINTR || saved == EBUSY,
    };
    char what[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    int n = snprintf(err->message, sizeof err->message, "%s: %s", what, strerror(saved));
    mark_cut(err->message, sizeof err->message, n);
    return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
    if (!err)
        return -1;
    char context[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    char inner[ERROR_MESSAGE_MAX];
    memcpy(inner, err->message, sizeof inner);
    int n = snprintf(err->message, sizeof err->message, "%s: %s", context, inner);
    mark_cut(err->message, sizeof err->message, n);
    return -1;
}

const char *error_kind_name(enum error_kind kind)
{
    return kinds[kind].name;
}

enum exit_code error_exit_code(enum error_kind kind)
{
    return kinds[kind].exit_code;
}
