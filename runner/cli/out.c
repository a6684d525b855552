#include "cli/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "os/clock.h"
#include "os/fd.h"

void out_init(struct out *out, bool json)
{
    const char *no_color = getenv("NO_COLOR");
    out->json = json;
    out->color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
}

static void write_now(const char *bytes, size_t length)
{
    fwrite(bytes, 1, length, stdout);
    if (fflush(stdout) != 0 && errno == EPIPE)
        clearerr(stdout);
}

int out_check(struct error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return errno == EPIPE ? 0 : error_errno(err, "standard output");
}

void out_text(const struct str *text)
{
    write_now(text->data, text->length);
}

void out_value(const struct value *v)
{
    AUTO_FREE char *text = value_print_indented(v);
    write_now(text, strlen(text));
}

void out_table_row(struct out_table *t, const char *const *cells)
{
    for (size_t i = 0; i < t->columns; i++)
        strv_push(&t->cells, cells[i] && *cells[i] ? cells[i] : "-");
}

void out_table_print(const struct out_table *t, struct str *out)
{
    size_t widths[16] = {0};
    for (size_t i = 0; i < t->cells.length; i++) {
        size_t width = utf8_width(t->cells.items[i], strlen(t->cells.items[i]));
        if (width > widths[i % t->columns])
            widths[i % t->columns] = width;
    }
    for (size_t i = 0; i < t->cells.length; i++) {
        const char *cell = t->cells.items[i];
        str_puts(out, cell);
        if (i % t->columns + 1 == t->columns)
            str_putc(out, '\n');
        else
            str_pad(out, ' ', widths[i % t->columns] - utf8_width(cell, strlen(cell)) + 2);
    }
}

void out_table_done(struct out_table *t)
{
    strv_done(&t->cells);
}

const char *out_ago(int64_t unix_ms, char buffer[static OUT_AGO_MAX])
{
    int64_t seconds = (clock_unix_ms() - unix_ms) / 1000;
    if (unix_ms == 0)
        snprintf(buffer, OUT_AGO_MAX, "-");
    else if (seconds < 60)
        snprintf(buffer, OUT_AGO_MAX, "%llds ago", (long long)(seconds < 0 ? 0 : seconds));
    else if (seconds < 3600)
        snprintf(buffer, OUT_AGO_MAX, "%lldm ago", (long long)(seconds / 60));
    else if (seconds < 172800)
        snprintf(buffer, OUT_AGO_MAX, "%lldh ago", (long long)(seconds / 3600));
    else
        clock_print(unix_ms, buffer);
    return buffer;
}

const char *out_elapsed(int64_t ms, char buffer[static OUT_AGO_MAX])
{
    if (ms < 0)
        snprintf(buffer, OUT_AGO_MAX, "-");
    else if (ms < 1000)
        snprintf(buffer, OUT_AGO_MAX, "%lldms", (long long)ms);
    else if (ms < 60000)
        snprintf(buffer, OUT_AGO_MAX, "%lld.%llds", (long long)(ms / 1000),
            (long long)(ms % 1000 / 100));
    else
        snprintf(buffer, OUT_AGO_MAX, "%lldm%02llds", (long long)(ms / 60000),
            (long long)(ms / 1000 % 60));
    return buffer;
}
