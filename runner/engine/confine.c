#include "engine/confine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/workspace.h"
#include "os/file.h"

#define HOME_DIRECTORY "/home/davit"
#define DEFAULT_PATH   "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// A shell that ends at the first failure, also of a pipe's left side. bash knows how; of the others
// only some do, so they are asked. `+ command` is echoed; the script reaches the shell as it was
// written.
static const char probe[] = "(set -o pipefail) 2>/dev/null && set -o pipefail; set -e; "
                            "eval \"set -x\n$1\"";

static bool exists_in(const char *dir, const char *path)
{
    AUTO_FREE char *full = path_join(dir, path);
    return file_exists(AT_FDCWD, full);
}

static bool has_bash(const struct confinement *c)
{
    if (!c->layers.length)
        return exists_in("/usr/bin", "bash");
    strv_each (layer, &c->layers)
        if (exists_in(*layer, "usr/bin/bash") || exists_in(*layer, "bin/bash"))
            return true;
    return false;
}

static void set_command(struct confinement *c, const char *script)
{
    if (has_bash(c)) {
        static const char *const bash[] = {
            "bash", "--noprofile", "--norc", "-exo", "pipefail", "-c"};
        for (size_t i = 0; i < ARRAY_LEN(bash); i++)
            strv_push(&c->argv, bash[i]);
        strv_push(&c->argv, script);
        return;
    }
    static const char *const shell[] = {"sh", "-c", probe, "sh"};
    for (size_t i = 0; i < ARRAY_LEN(shell); i++)
        strv_push(&c->argv, shell[i]);
    strv_push(&c->argv, script);
}

// Later values win: a NAME=value replaces an earlier one of that name.
static void put(struct strv *environment, const char *item)
{
    size_t name = strcspn(item, "=") + 1;
    strv_each (old, environment)
        if (strncmp(*old, item, name) == 0) {
            mem_replace(old, item);
            return;
        }
    strv_push(environment, item);
}

// The image's own environment, davit's variables, then the file's (which cannot name davit's:
// pipeline/check.c).
static void set_environment(struct confinement *c, const struct plan_stage *s,
    const struct context *context, const struct value *image, bool secrets)
{
    AUTO(strv) struct strv own = {0};
    put(&c->environment, "PATH=" DEFAULT_PATH);
    const struct value *from_image = value_get(value_get(image, "config"), "env");
    for (size_t i = 0; i < value_length(from_image); i++)
        put(&c->environment, value_text(value_at(from_image, i)));
    put(&c->environment, "HOME=" HOME_DIRECTORY);
    context_variables(context, s->stage->name, &own);
    strv_each (item, &own)
        put(&c->environment, *item);
    vec_each (value, &s->env.items) {
        if (value->secret && !secrets)
            continue;
        AUTO_FREE char *item = mem_printf("%s=%s", value->name, value->value);
        put(&c->environment, item);
    }
}

static void set_mounts(struct confinement *c, const struct surroundings *around)
{
    if (c->layers.length) // an image's own /tmp is read-only like the rest of it
        vec_push(&c->mounts,
            ((struct sandbox_mount){.kind = SANDBOX_TMPFS, .target = "/tmp", .mode = 01777}));
    vec_push(&c->mounts, ((struct sandbox_mount){.kind = SANDBOX_TMPFS, .target = HOME_DIRECTORY}));
    vec_push(&c->mounts, ((struct sandbox_mount){
                             .kind = SANDBOX_OVERLAY,
                             .target = WORKSPACE,
                             .lowers = &around->workspace->lowers,
                             .foreign_lowers = around->workspace->foreign_lowers,
                             .writable = around->workspace->writable,
                         }));
    for (size_t i = 0; i < around->cache_count; i++)
        vec_push(&c->mounts, around->caches[i]);
}

static enum sandbox_network network_of(const struct stage *stage)
{
    switch (stage->network) {
    case NETWORK_EGRESS:
        return SANDBOX_NETWORK_EGRESS;
    case NETWORK_HOST:
        return SANDBOX_NETWORK_HOST;
    case NETWORK_NONE:
        break;
    }
    return SANDBOX_NETWORK_NONE;
}

void confine_stage(const struct plan_stage *s, const struct context *context,
    const struct surroundings *around, struct confinement *ret)
{
    const struct stage *stage = s->stage;
    *ret = (struct confinement){0};
    const struct value *layers = value_get(around->image, "layers");
    for (size_t i = 0; i < value_length(layers); i++)
        strv_push_take(
            &ret->layers, path_join(around->images_path, value_text(value_at(layers, i))));
    set_command(ret, around->script ? around->script : stage->run);
    set_environment(ret, s, context, around->image, !around->script);
    set_mounts(ret, around);
    ret->spec = (struct sandbox_spec){
        .name = stage->name,
        .network = network_of(stage),
        .root = ret->layers.length ? SANDBOX_ROOT_LAYERS : SANDBOX_ROOT_SKELETON,
        .layers = &ret->layers,
        .mounts = ret->mounts.items,
        .mount_count = ret->mounts.length,
        .argv = strv_argv(&ret->argv),
        .environment = strv_argv(&ret->environment),
        .directory = WORKSPACE,
        .limits = {.memory = stage->memory,
            .processes = stage->processes,
            .cpu_percent = stage->cpu_percent},
        .cgroup = around->cgroup,
    };
}

void confinement_done(struct confinement *c)
{
    strv_done(&c->argv);
    strv_done(&c->environment);
    strv_done(&c->layers);
    vec_free(&c->mounts);
}
