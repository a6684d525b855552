#include "deploy/role_release.h"

#include <string.h>

#include "codec/role.h"
#include "deploy/manifest_files.h"
#include "deploy/role_cluster.h"
#include "deploy/spec.h"
#include "os/clock.h"

static void tell(const struct session *s, const char *text)
{
    AUTO_FREE char *copy = mem_strdup(text);
    char *rest = copy;
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));)
        role_log(s->worker, "%s", line);
}

// From the files' texts to what is applied.
static int build_manifest(
    struct session *s, const struct value *document, struct manifest *ret, struct error *err)
{
    AUTO(manifest_files) struct manifest_files files = {0};
    AUTO(diag) struct diag_list diags = {0};
    const struct value *spec = value_get(s->job, "spec");
    const struct value *env = value_get(s->job, "env"), *secrets = value_get(document, "secrets");
    const struct manifest_origin origin = {
        .values = value_get(s->job, "values"), .env = env, .secrets = secrets};
    AUTO(str) struct str said;
    str_init(&said, STR_TEXT_MAX);
    int status = manifest_files_read(value_get(document, "manifests"), &origin, &files, &diags);
    diag_print(&diags, false, &said);
    tell(s, said.data);
    if (status < 0)
        return manifest_files_error(&diags, err);
    AUTO(strv) struct strv hooks = {0};
    manifest_hook_names(spec, &hooks);
    const struct manifest_input input = {
        .objects = files.objects,
        .app = s->app,
        .namespace = role_cluster_namespace(s->cluster),
        .service = value_get_str(spec, "service"),
        .hooks = &hooks,
        .image = value_get_str(value_get(s->job, "values"), "image"),
        .env = value_length(env) ? env : NULL,
        .secrets = value_length(secrets) ? secrets : NULL,
    };
    if (manifest_build(&input, ret, err) < 0)
        return error_wrap(err, "manifests");
    strv_each (note, &ret->notes)
        role_log(s->worker, "%s", *note);
    return 0;
}

// Where an autoscaler has found what the app needs now, the new release begins with as many.
static int replicas_of(const struct session *s, const struct manifest *manifest)
{
    if (!manifest || !manifest->workload)
        return 1;
    int count = manifest->replicas;
    for (size_t i = 0; i < ARRAY_LEN(s->seen.sets) && manifest_autoscaler(manifest); i++) {
        const struct set_state *set = &s->seen.sets[i];
        if (s->seen.live && set->release == s->seen.live && set->present > count)
            count = set->present;
    }
    return count < INSTANCES_MAX ? count : INSTANCES_MAX;
}

static int make(const struct session *s, const struct release_image *image,
    const struct manifest *manifest, const struct release *live, struct release *ret,
    struct error *err)
{
    AUTO(value) struct value *none = value_map();
    AUTO(value) struct value *applied = manifest ? manifest_to_value(manifest) : NULL;
    const struct value *env = value_get(s->job, "env");
    const struct spec_origin origin = {
        .commit = session_text(s, "commit"),
        .who = s->who,
        .why = session_text(s, "why"),
        .run = session_text(s, "run"),
        .trace_id = session_text(s, "trace_id"),
        .created_unix_ms = clock_unix_ms(),
        .image = image,
        .env = env ? env : none,
        .manifest = applied,
        .replicas = replicas_of(s, manifest),
    };
    return spec_release(value_get(s->job, "spec"), &origin, live, ret, err);
}

int role_release(struct session *s, const struct value *document, const struct release *live,
    struct release *ret, struct value **ret_secrets, struct error *err)
{
    AUTO(release) struct release made = {0}; // holds the image
    AUTO(manifest) struct manifest manifest = {0};
    const struct value *image = value_get(s->job, "image");
    const char *reference;
    if (!s->cluster) {
        struct value *secrets = value_get(document, "secrets");
        bool any = value_length(secrets) > 0;
        if (spec_image(image, &made.image, err) < 0 ||
            make(s, &made.image, NULL, live, ret, err) < 0)
            return -1;
        *ret_secrets = any ? value_share(secrets) : NULL;
        return 0;
    }
    if (value_need_str(image, "reference", &reference, err) < 0 ||
        build_manifest(s, document, &manifest, err) < 0)
        return -1;
    spec_image_reference(reference, &made.image);
    if (make(s, &made.image, &manifest, live, ret, err) < 0 ||
        manifest_check(&manifest, ret, err) < 0)
        return -1;
    *ret_secrets = take_ptr(manifest.secrets);
    return 0;
}
