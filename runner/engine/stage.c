#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/deploy_job.h"
#include "engine/expand.h"
#include "engine/run_private.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

#define IMAGES_MOUNT    "/store" // where davit-image sees the image store
#define WORKSPACE_MOUNT "/workspace"

static int record(struct stage_run *s)
{
    AUTO_FREE char *outputs = s->outputs ? value_print(s->outputs) : NULL;
    AUTO_FREE char *name = mem_strdup(s->plan->stage->name);
    AUTO_FREE char *kind = mem_strdup(stage_kind_name(s->plan->stage->kind));
    struct stage_record row = {
        .name = name,
        .kind = kind,
        .reason = s->reason,
        .outputs = outputs,
        .position = (int)s->index,
        .status = s->status,
        .exit_code = s->exit_code,
        .started_ms = s->started_ms,
        .finished_ms = s->finished_ms,
    };
    struct error err = {0};
    s->unrecorded = stages_put(s->run->db, s->run->record.id, &row, &err) < 0;
    if (s->unrecorded)
        output_note(&s->run->own, "the journal cannot be written: %s", err.message);
    return s->unrecorded ? -1 : 0;
}

void stage_record_again(struct stage_run *s)
{
    if (s->unrecorded)
        record(s);
}

static int open_log(const struct stage_run *s, struct error *err)
{
    AUTO_FREE char *path =
        mem_printf("runs/%lld/logs/%s.log", (long long)s->run->record.id, s->plan->stage->name);
    int fd =
        openat(s->run->launcher->state->dir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return fd < 0 ? error_errno(err, "%s", path) : fd;
}

static int name_width(const struct run *run)
{
    size_t width = 0;
    vec_each (s, &run->plan.stages) {
        size_t n = strlen(s->stage->name);
        width = n > width ? n : width;
    }
    return (int)width;
}

// The log, the masks of the secrets that it gets, its cgroup.
static int prepare(struct stage_run *s, struct error *err)
{
    struct run *run = s->run;
    vec_each (value, &s->plan->env.items)
        if (value->secret)
            mask_add(&run->mask, value->value);
    int log = open_log(s, err);
    if (log < 0)
        return -1;
    output_init(&s->output, &run->mask, log, run->options.live_fd, s->plan->stage->name,
        name_width(run), run->options.color, run->began_ms);
    s->has_output = true;
    s->cgroup = mem_printf("run-%lld/%s", (long long)run->record.id, s->plan->stage->name);
    return 0;
}

void stage_start(struct stage_run *s)
{
    struct error err = {0};
    s->status = STATUS_RUNNING;
    s->started_ms = clock_unix_ms();
    if (s->plan->stage->kind ==
        STAGE_DEPLOY) { // should we die, the daemon resumes the app's rollout
        s->outputs = deploy_place(s->run->pipeline, s->plan->stage);
    }
    record(s);
    if (prepare(s, &err) < 0 || s->ops->start(s, &err) < 0)
        stage_fail(s, &err);
}

void stage_end(struct stage_run *s, enum status status, int exit_code, const char *reason)
{
    s->status = status;
    s->exit_code = exit_code;
    s->finished_ms = clock_unix_ms();
    if (reason)
        s->reason = mask_text(&s->run->mask, reason);
    if (s->has_output && s->reason && status != STATUS_SUCCESS)
        output_note(&s->output, "%s: %s", status_name(status), s->reason);
    else if (s->has_output)
        output_end(&s->output);
    if (record(s) < 0 && status == STATUS_SUCCESS) {
        // What comes after it builds on what was persisted of it.
        s->status = STATUS_ERROR;
        s->exit_code = EXIT_RUNNER;
        mem_replace(&s->reason, "the journal cannot be written");
    }
    s->ops->free(s); // its cache is wanted by others, its workspace by nobody
    run_stage_ended(s);
}

static enum status status_of(enum error_kind kind)
{
    switch (kind) {
    case ERR_TIMEOUT:
        return STATUS_TIMEOUT;
    case ERR_CANCELLED:
        return STATUS_CANCELLED;
    case ERR_CONFIG:
    case ERR_FAILED:
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_UNSUPPORTED:
    case ERR_CONFLICT:
        return STATUS_FAILURE;
    default:
        return STATUS_ERROR;
    }
}

void stage_fail(struct stage_run *s, const struct error *err)
{
    stage_end(s, status_of(err->kind), (int)error_exit_code(err->kind), err->message);
}

void stage_cancel(struct stage_run *s)
{
    if (s->status == STATUS_RUNNING)
        s->ops->cancel(s);
}

void stage_done(struct stage_run *s)
{
    s->ops->free(s);
    if (s->has_output)
        output_done(&s->output);
    value_free(s->outputs);
    value_free(s->image);
    value_free(s->rendered);
    free(s->reason);
    free(s->cgroup);
}

char *stage_expand(struct stage_run *s, const char *text, struct error *err)
{
    AUTO_FD int checkout = open(s->run->checkout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct expander e = {.context = &s->run->context, .env = &s->plan->env, .checkout = checkout};
    return expand(&e, text, err);
}

struct role *stage_image_role(
    struct stage_run *s, struct value *job, role_ended_fn *ended, struct error *err)
{
    struct run *run = s->run;
    AUTO_FREE char *images = state_path(run->launcher->state, "images");
    if (launcher_make_owned(run->launcher, images, err) < 0) {
        value_free(job);
        return NULL;
    }
    value_set_str(job, "store", IMAGES_MOUNT);
    struct sandbox_mount mounts[2] = {
        {.kind = SANDBOX_BIND, .target = IMAGES_MOUNT, .source = images}};
    size_t count = 1;
    if (s->workspace.writable) {
        value_set_str(job, "context", WORKSPACE_MOUNT);
        mounts[count++] = (struct sandbox_mount){
            .kind = SANDBOX_OVERLAY,
            .target = WORKSPACE_MOUNT,
            .lowers = &s->workspace.lowers,
            .foreign_lowers = s->workspace.foreign_lowers,
        };
    }
    static const enum sandbox_network networks[] = {
        [NETWORK_NONE] = SANDBOX_NETWORK_NONE,
        [NETWORK_EGRESS] = SANDBOX_NETWORK_EGRESS,
        [NETWORK_HOST] = SANDBOX_NETWORK_HOST,
    };
    struct role_spec spec = {
        .program = PROGRAM_IMAGE,
        .name = s->plan->stage->name,
        .cgroup = s->cgroup,
        .job = job,
        .mounts = mounts,
        .mount_count = count,
        .network = SANDBOX_NETWORK_HOST, // registries
        .run_network = networks[s->plan->stage->network],
        .caps = sandbox_caps_image,
        .timeout_ms = s->plan->stage->timeout_ms,
        .grace_ms = run->options.grace_ms,
        .output = &s->output,
        .mask = &run->mask,
        .ended = ended,
        .arg = s,
    };
    return role_start(run->launcher, &spec, err);
}
