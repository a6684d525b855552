#include "kube/object.h"

#include <stdarg.h>

const char *kube_name(const struct value *object)
{
    return value_get_str(value_get(object, "metadata"), "name");
}

const char *kube_uid(const struct value *object)
{
    return value_get_str(value_get(object, "metadata"), "uid");
}

const char *kube_version(const struct value *object)
{
    return value_get_str(value_get(object, "metadata"), "resourceVersion");
}

const char *kube_label(const struct value *object, const char *key)
{
    return value_get_str(kube_at(object, "metadata", "labels"), key);
}

const char *kube_annotation(const struct value *object, const char *key)
{
    return value_get_str(kube_at(object, "metadata", "annotations"), key);
}

struct value *kube_at_keys(const struct value *v, const char *const *keys)
{
    struct value *at = NULL;
    for (; *keys; keys++) {
        at = value_get(v, *keys);
        v = at;
    }
    return at;
}

// RFC 6901, section 3: "~" is "~0", "/" is "~1".
static void add_component(struct str *path, const char *component)
{
    str_putc(path, '/');
    for (; *component; component++)
        if (*component == '~')
            str_puts(path, "~0");
        else if (*component == '/')
            str_puts(path, "~1");
        else
            str_putc(path, *component);
}

void kube_patch_row(struct value *patch, const char *op, struct value *v, ...)
{
    AUTO(str) struct str path;
    str_init(&path, STR_TEXT_MAX);
    va_list components;
    va_start(components, v);
    for (const char *c; (c = va_arg(components, const char *));)
        add_component(&path, c);
    va_end(components);
    struct value *row = value_map();
    value_set_str(row, "op", op);
    value_set_str(row, "path", path.data);
    if (v)
        value_set(row, "value", v);
    value_append(patch, row);
}
