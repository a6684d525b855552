// RUN --mount: cache mounts; the other kinds are not there yet.
#include <stdlib.h>
#include <string.h>

#include "image/build_state.h"
#include "os/file.h"

struct mount {
    char *type, *id, *target;
};

static void mount_done(struct mount *m)
{
    free(m->type);
    free(m->id);
    free(m->target);
}
DEFINE_AUTO(mount, struct mount, mount_done)

#define error_at(place, ...) diag_error(diags, file->source, place, __VA_ARGS__)

static bool read_option(const struct dockerfile *file, struct diag_place place, const char *option,
    struct mount *m, struct diag_list *diags)
{
    const char *equals = strchr(option, '=');
    AUTO_FREE char *name = mem_strndup(option, equals ? (size_t)(equals - option) : strlen(option));
    const char *value = equals ? equals + 1 : "";
    if (strcmp(name, "type") == 0) {
        mem_replace(&m->type, value);
    } else if (strcmp(name, "id") == 0) {
        mem_replace(&m->id, value);
    } else if (strcmp(name, "target") == 0 || strcmp(name, "dst") == 0 ||
               strcmp(name, "destination") == 0) {
        mem_replace(&m->target, value);
    } else if (strcmp(name, "sharing") != 0 || strcmp(value, "shared") != 0) {
        error_at(place, "--mount: the option \"%s\" is not supported yet", option);
        return false;
    }
    return true;
}

// A directory name below mounts/ that stands for the id: what people write need not be one.
static void hash_id(const char *id, char ret[static SHA256_HEX_SIZE])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, id, strlen(id));
    sha256_hex(&h, ret);
}

static bool read_mount(const struct dockerfile *file, const struct docker_flag *flag,
    const char *text, struct mount *m, struct diag_list *diags)
{
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        AUTO_FREE char *option = mem_strndup(at, length);
        if (!read_option(file, flag->place, option, m, diags))
            return false;
        if (!at[length])
            break;
        at += length + 1;
    }
    if (!m->type || strcmp(m->type, "cache") != 0) {
        error_at(flag->place, "--mount=type=%s is not supported yet, only type=cache",
            m->type ? m->type : "bind");
        return false;
    }
    if (!m->target || !*m->target) {
        error_at(flag->place, "--mount=type=cache needs a target=");
        return false;
    }
    return true;
}

struct value *build_mounts(const struct instruction *in, const struct dockerfile *file,
    const struct variables *variables, const char *directory, struct diag_list *diags)
{
    AUTO(value) struct value *list = value_list();
    bool fine = true;
    vec_each (flag, &in->flags) {
        AUTO(mount) struct mount m = {0};
        if (strcmp(flag->name, "mount") != 0)
            continue;
        AUTO_FREE char *text = variables ? expand_word(&flag->value, file, variables, diags)
                                         : mem_strdup(flag->value.text);
        if (!text || !read_mount(file, flag, text, &m, diags)) {
            fine = false;
            continue;
        }
        AUTO_FREE char *joined = m.target[0] == '/'
                                     ? mem_strdup(m.target)
                                     : mem_printf("%s/%s", directory ? directory : "", m.target);
        AUTO_FREE char *clean = path_clean(joined);
        AUTO_FREE char *target = mem_printf("/%s", clean);
        char id[SHA256_HEX_SIZE];
        hash_id(m.id && *m.id ? m.id : target, id);
        struct value *entry = value_map();
        value_set_str(entry, "id", id);
        value_set_str(entry, "target", target);
        value_append(list, entry);
    }
    return fine ? take_ptr(list) : NULL;
}
