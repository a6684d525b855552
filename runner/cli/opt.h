// Typed option tables: a row per option parses it, checks it, and writes its line of the help.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"

enum opt_type {
    OPT_FLAG,   // bool
    OPT_STRING, // const char *, lent from argv
    OPT_NUMBER, // int64_t, `min` to `max`
    OPT_CHOICE, // const char *, one of `choices`
    OPT_LIST,   // struct strv, each use adds one
};

struct opt {
    char letter; // 0: none
    const char *name;
    enum opt_type type;
    size_t offset;
    const char *value; // what the help calls it; NULL for flags
    const char *help;
    const char *const *choices;
    int64_t min, max;
    bool hidden; // davit's own use
};

// Rows are written with these, which refuse a field of another type at compile time.
#define OPT_FIELD_(type, field, wanted)                                                            \
    (offsetof(type, field) +                                                                       \
        0 * sizeof(                                                                                \
                char[__builtin_types_compatible_p(typeof(((type *)0)->field), wanted) ? 1 : -1]))
#define OPT_FLAG(c, name, type, field, help)                                                       \
    {                                                                                              \
        c, name, OPT_FLAG, OPT_FIELD_(type, field, bool), NULL, help, NULL, 0, 0, false            \
    }
#define OPT_STRING(c, name, type, field, value, help)                                              \
    {                                                                                              \
        c, name, OPT_STRING, OPT_FIELD_(type, field, const char *), value, help, NULL, 0, 0, false \
    }
#define OPT_NUMBER(c, name, type, field, min, max, value, help)                                    \
    {                                                                                              \
        c, name, OPT_NUMBER, OPT_FIELD_(type, field, int64_t), value, help, NULL, min, max, false  \
    }
#define OPT_CHOICE(c, name, type, field, choices, value, help)                                     \
    {                                                                                              \
        c, name, OPT_CHOICE, OPT_FIELD_(type, field, const char *), value, help, choices, 0, 0,    \
            false                                                                                  \
    }
#define OPT_LIST(c, name, type, field, value, help)                                                \
    {                                                                                              \
        c, name, OPT_LIST, OPT_FIELD_(type, field, struct strv), value, help, NULL, 0, 0, false    \
    }
#define OPT_HIDDEN_NUMBER(name, type, field)                                                       \
    {                                                                                              \
        0, name, OPT_NUMBER, OPT_FIELD_(type, field, int64_t), "N", NULL, NULL, 0, INT64_MAX, true \
    }
#define OPT_END                                                                                    \
    {                                                                                              \
        0, NULL, OPT_FLAG, 0, NULL, NULL, NULL, 0, 0, false                                        \
    }

// Parses argv (without the program's and the verb's names) into `options`, by both tables (either
// may be NULL); what is no option goes to `rest`. Options may stand behind arguments; "--" ends
// them. ERR_USAGE with a "did you mean".
int opt_parse(const struct opt *own, const struct opt *common, char *const *argv, void *options,
    void *common_options, struct strv *rest, struct error *err);
void opt_help(const struct opt *table, struct str *out);
