// Tables that say what a YAML file may hold, and the walk that reads a file by one of them.
//
// One table drives the reading, the defaults, "did you mean" and the documentation of a file. The
// walk finds every mistake at once, and makes a value tree in one shape out of all the ways in
// which a thing may be written: what has a short form looks as if it had been written long, what is
// absent has its default. Keys come in the table's order, those that the file chooses in the
// file's.
#pragma once

#include "codec/value.h"
#include "codec/yaml.h"

enum schema_type {
    SCHEMA_STRING,   // a scalar as it is written
    SCHEMA_LINES,    // a scalar or a list of them: a string, joined by newlines
    SCHEMA_BOOL,     // true or false
    SCHEMA_INT,      // min to max
    SCHEMA_DURATION, // min to max milliseconds: an integer, under KEY_ms. Or one of choices: a
                     // string, under KEY
    SCHEMA_SIZE,     // an integer, of bytes
    SCHEMA_CPU,      // "1.5": an integer, under KEY_percent
    SCHEMA_ENUM,     // one of choices
    SCHEMA_MAP,      // of the keys in rows
    SCHEMA_DICT,     // of keys that the file chooses; each value is as rows[0] says
    SCHEMA_LIST,     // each item is as rows[0] says
    SCHEMA_KIND,     // one of rows with its settings, `KIND` or `KIND: {…}`: {"kind": KIND, …}
};

enum schema_flag {
    SCHEMA_REQUIRED = 1,
    SCHEMA_LATER = 2,      // understood, and not there yet: an error that says so
    SCHEMA_EMPTY = 4,      // MAP, DICT, LIST: absent is the same as empty
    SCHEMA_SINGLE = 8,     // LIST: one item may stand without brackets
    SCHEMA_OR_SCALAR = 16, // MAP: a scalar is fine too, and stays a string
    SCHEMA_BLANK = 32,     // STRING: "" is fine
    SCHEMA_EXPRESSION = 64 // STRING: `${{ }}` is expanded here (see schema_walk)
};

struct schema_row;
struct schema_walk;
// Further checks of a scalar of the right type (of a DICT: of each key). Reports by schema_wrong().
typedef void schema_check_fn(
    struct schema_walk *w, const struct schema_row *row, const struct yaml_node *node);

struct schema_row {
    const char *key; // NULL ends a table; of rows[0] of a DICT or LIST: what an entry is called in
                     // messages ("stage" in `stage "test"`), or "" for nothing special
    enum schema_type type;
    unsigned flags;
    const char *fallback; // the default, as a file would say it; NULL: absent stays absent
    int64_t min, max;     // INT; DURATION, where a max of 0 is none
    const char *const *choices, *const *later; // ENUM: what is there; what is understood only.
                                               // DURATION: words that may stand for one, or NULL
    const struct schema_row *rows;
    const char *shorthand; // MAP: what is no map stands for {shorthand: …}
    schema_check_fn *check;
    const char *also; // other tools' names for the key, with a space around each
    const char *doc;  // one line
};

struct schema_walk {
    const struct diag_source *source;
    struct diag_list *diags;
    // Called for every string with `${{` in it. NULL: it means nothing in this file.
    schema_check_fn *expression;
    void *arg;
    // The walk's own; all-zero at first.
    const struct schema_frame *at;
    size_t suggested, patterns; // work done so far: it is bounded
};

// Reads the file's root by the table. Always a map, the caller's; what was wrong is left out of it.
struct value *schema_read(
    struct schema_walk *w, const struct schema_row *rows, const struct yaml_node *root);

// An error at the node, beginning with where it is: `timeout of stage "test" ` + the message.
void schema_wrong(struct schema_walk *w, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The key of the enclosing entry that is called `what` ("stage"); NULL when there is none.
const char *schema_entry(const struct schema_walk *w, const char *what);
// `; did you mean "…"?`, or "". `candidates` ends with NULL. The work that this costs is bounded
// for each walk, so that no file can make it long.
struct schema_hint {
    char text[128];
};
struct schema_hint schema_suggest(
    struct schema_walk *w, const char *word, const char *const *candidates);
