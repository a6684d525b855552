// The values of a release's secrets: they are in a file of their own, and in the environment of its
// instances. What an instance prints goes further than that: into reports, records and logs.
#include <string.h>

#include "codec/mask.h"
#include "deploy/agent_private.h"
#include "os/file.h"

#define SECRETS_MAX ((size_t)4 << 20)

char *agent_secrets_path(int64_t revision)
{
    return mem_printf("secrets/%lld.json", (long long)revision);
}

struct value *agent_secrets(const struct agent *a, int64_t revision, struct error *err)
{
    AUTO(str) struct str text;
    AUTO_FREE char *path = agent_secrets_path(revision);
    str_init(&text, SECRETS_MAX);
    if (file_read(a->dir, path, &text, err) < 0)
        return NULL;
    struct value *secrets = value_parse(text.data, text.length, err);
    explicit_bzero(text.data, text.length);
    return secrets;
}

void agent_hide_secrets(const struct agent *a, int64_t revision, struct str *text)
{
    struct mask mask = {0};
    AUTO(str) struct str shown;
    AUTO(value) struct value *secrets = agent_secrets(a, revision, NULL);
    struct value_cursor cursor = {.map = secrets};
    const char *name;
    struct value *item;
    if (!secrets || !text->length)
        return;
    while (value_next(&cursor, &name, &item))
        if (value_text(item))
            mask_add(&mask, value_text(item));
    str_init(&shown, text->length + 1);
    mask_filter(&mask, text, true, &shown);
    str_clear(text);
    str_add(text, shown.data, shown.length);
    mask_done(&mask);
}
