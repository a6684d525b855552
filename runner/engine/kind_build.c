// `build` stages: davit-image makes an image of the workspace; its RUN steps come back to us to be
// launched.
#include <stdlib.h>
#include <string.h>

#include "engine/run_private.h"

static void on_built(void *arg, const struct role_result *result)
{
    struct stage_run *s = arg;
    if (result->error) {
        struct error err = *result->error;
        stage_fail(s, &err);
        return;
    }
    s->outputs = value_map();
    value_set_str(s->outputs, "digest", value_get_str(result->result, "digest"));
    value_set_str(s->outputs, "reference", value_get_str(result->result, "reference"));
    value_set_bool(s->outputs, "pushed", value_length(value_get(result->result, "pushed")) > 0);
    output_note(&s->output, "image %s", value_get_str(result->result, "digest"));
    stage_end(s, STATUS_SUCCESS, 0, NULL);
}

// The map or list of the file with every text expanded.
static struct value *expand_all(struct stage_run *s, const struct value *from, struct error *err)
{
    struct value *to = value_type(from) == VALUE_LIST ? value_list() : value_map();
    struct value_cursor cursor = {.map = from};
    const char *key;
    struct value *item;
    if (value_type(from) == VALUE_LIST)
        for (size_t i = 0; i < value_length(from); i++) {
            AUTO_FREE char *text = stage_expand(s, value_text(value_at(from, i)), err);
            if (!text) {
                value_free(to);
                return NULL;
            }
            value_append_str(to, text);
        }
    while (value_type(from) == VALUE_MAP && value_next(&cursor, &key, &item)) {
        AUTO_FREE char *text = stage_expand(s, value_text(item), err);
        if (!text) {
            value_free(to);
            return NULL;
        }
        value_set_str(to, key, text);
    }
    return to;
}

static struct value *make_job(struct stage_run *s, struct error *err)
{
    const struct value *build = s->plan->stage->build;
    AUTO(value)
    struct value *job = value_copy(build); // dockerfile, target, …: as davit-image names them
    struct value *args = expand_all(s, value_get(build, "args"), err);
    struct value *tags = args ? expand_all(s, value_get(build, "tags"), err) : NULL;
    if (!tags) {
        value_free(args);
        return NULL;
    }
    value_set_str(job, "op", "build");
    value_set(job, "args", args);
    value_set(job, "tags", tags);
    if (!s->plan->push && value_get_bool(build, "push", false)) {
        output_note(&s->output, "the image is not pushed: only a push to the default branch, a tag "
                                "or a run by hand does that without a `when`");
        value_set_bool(job, "push", false);
    }
    AUTO(value) struct value *labels = value_map();
    value_set_str(labels, "org.opencontainers.image.revision", s->run->record.commit);
    value_set(job, "annotations", take_ptr(labels));
    return take_ptr(job);
}

static int start(struct stage_run *s, struct error *err)
{
    struct run *run = s->run;
    AUTO(strv) struct strv needs = {0};
    plan_needs(&run->plan, s->index, &needs);
    struct value *job = make_job(s, err);
    if (!job)
        return -1;
    if (workspace_make(run->launcher, run->record.id, s->plan->stage->name, &needs, run->checkout,
            run->checkout_foreign, &s->workspace, err) < 0) {
        value_free(job);
        return -1;
    }
    s->role = stage_image_role(s, job, on_built, err);
    return s->role ? 0 : -1;
}

static void cancel(struct stage_run *s)
{
    role_cancel(s->role);
}

static void release(struct stage_run *s)
{
    role_free(take_ptr(s->role));
    workspace_remove(&s->workspace, NULL);
    workspace_done(&s->workspace);
}

const struct stage_ops stage_kind_build = {start, cancel, release};
