#include "engine/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/confine.h"
#include "engine/manifests.h"
#include "engine/run_private.h"

struct render {
    struct stage_run *stage;
    const struct value *command; // its item of `manifests`; lent
    struct value *tool;          // davit-image's answer for its image
    struct role *role;
    struct child *child;
    struct str text;
    bool too_long;
    render_ended_fn *ended;
};

static const struct value *next_command(const struct stage_run *s)
{
    const struct value *items = value_get(s->plan->stage->deploy, "manifests");
    size_t done = value_length(s->rendered);
    for (size_t i = 0; i < value_length(items); i++)
        if (value_type(value_at(items, i)) == VALUE_MAP && done-- == 0)
            return value_at(items, i);
    return NULL;
}

bool render_wanted(const struct stage_run *s)
{
    return next_command(s) != NULL;
}

static void end(struct render *r, enum status status, int exit_code, const char *reason)
{
    struct stage_run *s = r->stage;
    render_ended_fn *ended = r->ended;
    if (status == STATUS_SUCCESS) {
        if (!s->rendered)
            s->rendered = value_list();
        value_append(s->rendered, value_string_n(r->text.data, r->text.length));
    }
    render_free(take_ptr(s->render));
    if (status != STATUS_SUCCESS)
        stage_end(s, status, exit_code, reason);
    else
        ended(s);
}

static void fail(struct render *r, const struct error *why)
{
    struct stage_run *s = r->stage;
    struct error err = *why;
    render_free(take_ptr(s->render));
    stage_fail(s, &err);
}

// --- the command ---

static void on_text(void *arg, const char *bytes, size_t length)
{
    struct render *r = arg;
    if (r->text.length + length > MANIFESTS_TEXT_MAX)
        r->too_long = true;
    if (!r->too_long)
        str_add(&r->text, bytes, length);
    else
        child_kill(r->child);
}

static void on_output(void *arg, const char *bytes, size_t length)
{
    struct render *r = arg;
    output_add(&r->stage->output, bytes, length);
}

static void fail_to_run(struct render *r, struct error err)
{
    if (err.kind == ERR_NOT_FOUND && r->tool)
        error_set(&err, ERR_NOT_FOUND,
            "there is neither bash nor sh in the image %s: `render` needs one of them",
            value_get_str(r->command, "image"));
    fail(r, &err);
}

static void on_ended(void *arg, const struct child_result *result)
{
    struct render *r = arg;
    struct stage_run *s = r->stage;
    AUTO(str) struct str reason;
    str_init(&reason, 2 * ERROR_MESSAGE_MAX);
    output_end(&s->output);
    str_puts(&reason, "manifests: render: ");
    if (r->too_long) {
        str_printf(&reason, "it printed more than %zu KiB", MANIFESTS_TEXT_MAX >> 10);
        end(r, STATUS_FAILURE, EXIT_STAGE_FAILED, reason.data);
        return;
    }
    child_result_print(result, &reason);
    switch (result->end) {
    case CHILD_EXITED:
        if (result->code && s->output.last_line[0])
            str_printf(&reason, ": %s", s->output.last_line);
        end(r, result->code ? STATUS_FAILURE : STATUS_SUCCESS, result->code, reason.data);
        return;
    case CHILD_SIGNALLED:
        end(r, STATUS_FAILURE, 128 + result->code, reason.data);
        return;
    case CHILD_TIMED_OUT:
        end(r, STATUS_TIMEOUT, EXIT_TIMED_OUT, reason.data);
        return;
    case CHILD_WAS_CANCELLED:
        end(r, STATUS_CANCELLED, EXIT_CANCELLED, "cancelled");
        return;
    case CHILD_NOT_RUN:
        fail_to_run(r, result->err);
        return;
    case CHILD_LOST:
        end(r, STATUS_ERROR, EXIT_RUNNER, reason.data);
        return;
    }
}

static int execute(struct render *r, struct error *err)
{
    struct stage_run *s = r->stage;
    struct run *run = s->run;
    AUTO_FREE char *images = state_path(run->launcher->state, "images");
    const struct surroundings around = {
        .workspace = &s->workspace,
        .script = value_get_str(r->command, "render"),
        .image = r->tool,
        .images_path = images,
        .cgroup = s->cgroup,
    };
    struct confinement c;
    confine_stage(s->plan, &run->context, &around, &c);
    const struct child_options options = {
        .timeout_ms = s->plan->stage->timeout_ms,
        .grace_ms = run->options.grace_ms,
        .capture = true,
        .output = on_output,
        .text = on_text,
        .ended = on_ended,
        .arg = r,
    };
    r->child = child_start(run->launcher->loop, &run->launcher->host, &c.spec, &options, err);
    confinement_done(&c);
    return r->child ? 0 : -1;
}

// --- its image and its workspace ---

static void on_image(void *arg, const struct role_result *result)
{
    struct stage_run *s = arg;
    struct render *r = s->render;
    struct error err = {0};
    if (result->error)
        err = *result->error;
    else
        r->tool = value_share(result->result);
    role_free(take_ptr(r->role));
    if (!r->tool || execute(r, &err) < 0)
        fail(r, &err);
}

static int start_image(struct render *r, const char *image, struct error *err)
{
    struct stage_run *s = r->stage;
    if (!s->run->launcher->host.privileged)
        return error_set(err, ERR_UNSUPPORTED, "`image:` needs davit to run as root (yet)");
    AUTO_FREE char *reference = stage_expand(s, image, err);
    if (!reference)
        return -1;
    struct value *job = value_map();
    value_set_str(job, "op", "unpack");
    value_set_str(job, "reference", reference);
    r->role = stage_image_role(s, job, on_image, err);
    return r->role ? 0 : -1;
}

static int make_workspace(struct stage_run *s, struct error *err)
{
    AUTO(strv) struct strv needs = {0};
    if (s->workspace.writable) // of the command before
        return 0;
    plan_needs(&s->run->plan, s->index, &needs);
    return workspace_make(s->run->launcher, s->run->record.id, s->plan->stage->name, &needs,
        s->run->checkout, s->run->checkout_foreign, &s->workspace, err);
}

int render_start(struct stage_run *s, render_ended_fn *ended, struct error *err)
{
    struct render *r = mem_alloc(sizeof *r);
    s->render = r;
    r->stage = s;
    r->command = next_command(s);
    r->ended = ended;
    str_init(&r->text, MANIFESTS_TEXT_MAX);
    const char *image = value_get_str(r->command, "image");
    if (make_workspace(s, err) < 0)
        return -1;
    return image ? start_image(r, image, err) : execute(r, err);
}

void render_cancel(struct render *r)
{
    if (r->child)
        child_cancel(r->child);
    else
        role_cancel(r->role);
}

void render_free(struct render *r)
{
    if (!r)
        return;
    child_free(r->child);
    role_free(r->role);
    value_free(r->tool);
    str_done(&r->text);
    free(r);
}
