#include "cli/opt.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define COLUMN 26 // where the help texts begin

// Both tables with the structs that they fill.
struct tables {
    const struct opt *table[2];
    char *target[2];
};

static int set(const struct opt *o, char *target, const char *value, struct error *err)
{
    void *field = target + o->offset;
    switch (o->type) {
    case OPT_FLAG:
        *(bool *)field = true;
        return 0;
    case OPT_STRING:
        *(const char **)field = value;
        return 0;
    case OPT_LIST:
        strv_push(field, value);
        return 0;
    case OPT_NUMBER:
        if (!int_parse(value, o->min, o->max, field))
            return error_set(err, ERR_USAGE, "--%s: \"%s\" is not a number from %lld to %lld",
                o->name, value, (long long)o->min, (long long)o->max);
        return 0;
    case OPT_CHOICE:
        for (const char *const *choice = o->choices; *choice; choice++)
            if (strcmp(*choice, value) == 0) {
                *(const char **)field = *choice;
                return 0;
            }
        break;
    }
    AUTO(str) struct str known;
    str_init(&known, 400);
    for (const char *const *choice = o->choices; *choice; choice++)
        str_printf(&known, "%s%s", known.length ? ", " : "", *choice);
    return error_set(err, ERR_USAGE, "--%s: \"%s\" is none of %s", o->name, value, known.data);
}

static const struct opt *find(
    const struct tables *t, const char *name, size_t length, char letter, char **ret_target)
{
    for (size_t i = 0; i < 2; i++)
        for (const struct opt *o = t->table[i]; o && o->name; o++) {
            bool by_name = name && strlen(o->name) == length && memcmp(o->name, name, length) == 0;
            if (by_name || (!name && o->letter == letter)) {
                *ret_target = t->target[i];
                return o;
            }
        }
    return NULL;
}

static int unknown(const struct tables *t, const char *name, struct error *err)
{
    const char *names[128] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        for (const struct opt *o = t->table[i]; o && o->name && n < 127; o++)
            if (!o->hidden)
                names[n++] = o->name;
    const char *near = suggest(name, names);
    return error_set(err, ERR_USAGE, "there is no option --%s%s%s%s", name,
        near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static int parse_long(
    const struct tables *t, const char *arg, char *const **next, struct error *err)
{
    size_t length = strcspn(arg, "=");
    const char *value = arg[length] ? arg + length + 1 : NULL;
    char *target = NULL;
    const struct opt *o = find(t, arg, length, 0, &target);
    if (!o) {
        AUTO_FREE char *name = mem_strndup(arg, length);
        return unknown(t, name, err);
    }
    if (o->type == OPT_FLAG && value)
        return error_set(err, ERR_USAGE, "--%s takes no value", o->name);
    if (o->type != OPT_FLAG && !value && !(value = *(*next)++)) {
        (*next)--;
        return error_set(err, ERR_USAGE, "--%s wants %s", o->name, o->value);
    }
    return set(o, target, value, err);
}

static int parse_short(
    const struct tables *t, const char *letters, char *const **next, struct error *err)
{
    for (; *letters; letters++) {
        char *target = NULL;
        const struct opt *o = find(t, NULL, 0, *letters, &target);
        if (!o)
            return error_set(err, ERR_USAGE, "there is no option -%c", *letters);
        if (o->type == OPT_FLAG) {
            set(o, target, NULL, err);
            continue;
        }
        const char *value = letters[1] ? letters + 1 : **next;
        if (!value)
            return error_set(err, ERR_USAGE, "-%c wants %s", *letters, o->value);
        if (!letters[1])
            (*next)++;
        return set(o, target, value, err);
    }
    return 0;
}

int opt_parse(const struct opt *own, const struct opt *common, char *const *argv, void *options,
    void *common_options, struct strv *rest, struct error *err)
{
    struct tables t = {{own, common}, {options, common_options}};
    while (*argv) {
        const char *arg = *argv++;
        if (strcmp(arg, "--") == 0)
            break;
        int status = 0;
        if (text_starts(arg, "--"))
            status = parse_long(&t, arg + 2, &argv, err);
        else if (arg[0] == '-' && arg[1])
            status = parse_short(&t, arg + 1, &argv, err);
        else
            strv_push(rest, arg);
        if (status < 0)
            return -1;
    }
    while (*argv)
        strv_push(rest, *argv++);
    return 0;
}

void opt_help(const struct opt *table, struct str *out)
{
    for (; table && table->name; table++) {
        if (table->hidden)
            continue;
        size_t start = out->length;
        if (table->letter)
            str_printf(out, "  -%c, --%s", table->letter, table->name);
        else
            str_printf(out, "      --%s", table->name);
        if (table->value)
            str_printf(out, " %s", table->value);
        size_t width = out->length - start;
        if (width + 2 > COLUMN) {
            str_putc(out, '\n');
            width = 0;
        }
        str_pad(out, ' ', COLUMN - width);
        str_printf(out, "%s\n", table->help);
    }
}
