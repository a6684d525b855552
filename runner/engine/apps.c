#include "engine/apps.h"

#include <fcntl.h>

#include "os/file.h"

#define STATE_MAX ((size_t)16 << 20)

struct value *apps_state(const struct state *state, const char *app)
{
    AUTO_FREE char *path = state_path(state, "apps/%s/state.json", app);
    AUTO(str) struct str text;
    str_init(&text, STATE_MAX);
    if (file_read(AT_FDCWD, path, &text, NULL) < 0)
        return NULL;
    return value_parse(text.data, text.length, NULL);
}

int apps_images(const struct state *state, struct value **ret, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    AUTO(value) struct value *all = value_map();
    struct error why = {0};
    if (dir_list(state->dir, "apps", &names, &why) < 0 && why.kind != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    strv_each (name, &names) {
        if ((*name)[0] == '.')
            continue;
        AUTO(value) struct value *app = apps_state(state, *name);
        const struct value *releases = value_get(app, "releases");
        struct value *digests = app ? value_list() : value_null();
        for (size_t i = 0; i < value_length(releases); i++)
            value_append_str(
                digests, value_get_str(value_get(value_at(releases, i), "image"), "digest"));
        value_set(all, *name, digests);
    }
    *ret = take_ptr(all);
    return 0;
}
