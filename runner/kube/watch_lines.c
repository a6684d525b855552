#include "kube/watch_lines.h"

#include <string.h>

void kube_lines_init(struct kube_lines *l, size_t maximum)
{
    str_init(&l->part, maximum);
}

void kube_lines_done(struct kube_lines *l)
{
    str_done(&l->part);
}

int kube_lines_feed(struct kube_lines *l, const char *bytes, size_t length, kube_line_fn *take,
    void *arg, struct error *err)
{
    for (const char *end; (end = memchr(bytes, '\n', length));) {
        size_t piece = (size_t)(end - bytes);
        const char *line = bytes;
        size_t line_length = piece;
        if (l->part.length) {
            str_add(&l->part, bytes, piece);
            if (str_check(&l->part, "an event", err) < 0)
                return -1;
            line = l->part.data;
            line_length = l->part.length;
        }
        if (line_length && take(arg, line, line_length, err) < 0)
            return -1;
        str_clear(&l->part);
        bytes = end + 1;
        length -= piece + 1;
    }
    str_add(&l->part, bytes, length);
    return str_check(&l->part, "an event", err);
}
