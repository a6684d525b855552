// `run` stages: the user's commands, in a sandbox, on an overlay of the checkout.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/confine.h"
#include "engine/run_private.h"

// --- the end ---

static void succeed(struct stage_run *s)
{
    const struct stage *stage = s->plan->stage;
    struct error err = {0};
    if (workspace_take_artifacts(s->run->launcher, s->run->record.id, stage->name, &s->workspace,
            &stage->artifacts, &err) < 0) {
        stage_fail(s, &err);
        return;
    }
    cache_close(take_ptr(s->cache), true);
    stage_end(s, STATUS_SUCCESS, 0, NULL);
}

static void on_output(void *arg, const char *bytes, size_t length)
{
    struct stage_run *s = arg;
    output_add(&s->output, bytes, length);
}

static void fail_to_run(struct stage_run *s, const struct error *why)
{
    struct error err = *why;
    if (err.kind == ERR_NOT_FOUND && s->image)
        error_set(&err, ERR_NOT_FOUND,
            "there is neither bash nor sh in the image %s: `run` needs one of them",
            s->plan->stage->image);
    stage_fail(s, &err);
}

static void on_ended(void *arg, const struct child_result *result)
{
    struct stage_run *s = arg;
    AUTO(str) struct str reason;
    char timeout[DURATION_TEXT_MAX];
    str_init(&reason, 2 * ERROR_MESSAGE_MAX);
    output_end(&s->output);
    child_result_print(result, &reason);
    switch (result->end) {
    case CHILD_EXITED:
        if (result->code == 0) {
            succeed(s);
            return;
        }
        if (s->output.last_line[0])
            str_printf(&reason, ": %s", s->output.last_line);
        stage_end(s, STATUS_FAILURE, result->code, reason.data);
        return;
    case CHILD_SIGNALLED:
        stage_end(s, STATUS_FAILURE, 128 + result->code, reason.data);
        return;
    case CHILD_TIMED_OUT:
        str_printf(&reason, " after %s", duration_print(s->plan->stage->timeout_ms, timeout));
        stage_end(s, STATUS_TIMEOUT, EXIT_TIMED_OUT, reason.data);
        return;
    case CHILD_WAS_CANCELLED:
        stage_end(s, STATUS_CANCELLED, EXIT_CANCELLED, "cancelled");
        return;
    case CHILD_NOT_RUN:
        fail_to_run(s, &result->err);
        return;
    case CHILD_LOST:
        stage_end(s, STATUS_ERROR, EXIT_RUNNER, reason.data);
        return;
    }
}

// --- the beginning: workspace, image, cache, then the command ---

static void execute(struct stage_run *s)
{
    struct run *run = s->run;
    const struct stage *stage = s->plan->stage;
    AUTO_FREE char *images = state_path(run->launcher->state, "images");
    VEC(struct sandbox_mount) caches = {0};
    for (size_t i = 0; s->cache && i < stage->cache_paths.length; i++)
        vec_push(&caches, cache_mount(s->cache, i));
    struct surroundings around = {
        .workspace = &s->workspace,
        .image = s->image,
        .images_path = images,
        .caches = caches.items,
        .cache_count = caches.length,
        .cgroup = s->cgroup,
    };
    struct confinement c;
    confine_stage(s->plan, &run->context, &around, &c);
    struct child_options options = {
        .timeout_ms = stage->timeout_ms,
        .grace_ms = run->options.grace_ms,
        .capture = true,
        .output = on_output,
        .ended = on_ended,
        .arg = s,
    };
    struct error err = {0};
    s->child = child_start(run->launcher->loop, &run->launcher->host, &c.spec, &options, &err);
    confinement_done(&c);
    vec_free(&caches);
    if (!s->child)
        stage_fail(s, &err);
}

static void on_cache_ready(void *arg, const struct error *why)
{
    struct stage_run *s = arg;
    if (why) {
        struct error err = *why;
        stage_fail(s, &err);
        return;
    }
    output_note(&s->output, "cache: %s", cache_hit(s->cache) ? "found" : "empty");
    execute(s);
}

static int open_cache(struct stage_run *s, struct error *err)
{
    const struct stage *stage = s->plan->stage;
    if (!stage->cache_key) {
        execute(s);
        return 0;
    }
    AUTO_FREE char *key = stage_expand(s, stage->cache_key, err);
    if (!key)
        return error_wrap(err, "cache key");
    AUTO(strv) struct strv targets = {0};
    strv_each (path, &stage->cache_paths)
        strv_push_take(&targets, cache_target(*path));
    s->cache = cache_open(s->run->launcher, s->run->record.repository, key, &targets,
        s->run->record.trusted, on_cache_ready, s, err);
    return s->cache ? 0 : -1;
}

static void on_image(void *arg, const struct role_result *result)
{
    struct stage_run *s = arg;
    struct error err = {0};
    if (result->error) {
        err = *result->error;
        role_free(take_ptr(s->role));
        stage_fail(s, &err);
        return;
    }
    s->image = value_share(result->result);
    role_free(take_ptr(s->role));
    if (open_cache(s, &err) < 0)
        stage_fail(s, &err);
}

static int start(struct stage_run *s, struct error *err)
{
    struct run *run = s->run;
    const struct stage *stage = s->plan->stage;
    AUTO(strv) struct strv needs = {0};
    if (stage->image && !run->launcher->host.privileged) // said before it is pulled
        return error_set(err, ERR_UNSUPPORTED, "`image:` needs davit to run as root (yet)");
    if (stage->image) {
        AUTO_FREE char *reference = stage_expand(s, stage->image, err);
        if (!reference)
            return -1;
        struct value *job = value_map();
        value_set_str(job, "op", "unpack");
        value_set_str(job, "reference", reference);
        s->role = stage_image_role(s, job, on_image, err);
        if (!s->role)
            return -1;
    }
    plan_needs(&run->plan, s->index, &needs);
    if (workspace_make(run->launcher, run->record.id, stage->name, &needs, run->checkout,
            run->checkout_foreign, &s->workspace, err) < 0)
        return -1;
    return s->role ? 0 : open_cache(s, err);
}

static void cancel(struct stage_run *s)
{
    if (s->child)
        child_cancel(s->child);
    else if (s->role)
        role_cancel(s->role);
    else // waiting for its cache
        stage_end(s, STATUS_CANCELLED, EXIT_CANCELLED, "cancelled");
}

static void release(struct stage_run *s)
{
    child_free(take_ptr(s->child));
    role_free(take_ptr(s->role));
    cache_close(take_ptr(s->cache), false);
    workspace_remove(&s->workspace, NULL);
    workspace_done(&s->workspace);
}

const struct stage_ops stage_kind_run = {start, cancel, release};
