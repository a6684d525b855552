// `deploy` stages: davit-deploy carries out the rollout. On this host davit-image unpacks and pins
// what is deployed before; a cluster's nodes pull it by themselves.
#include <stdlib.h>
#include <string.h>

#include "engine/deploy_job.h"
#include "engine/outcome.h"
#include "engine/render.h"
#include "engine/run_private.h"
#include "os/clock.h"
#include "os/fd.h"

// A rollout that is told to stop goes back first: traffic, then capacity. That takes what it takes.
#define DEPLOY_GRACE_MS 900000

#define DEPLOY_ATTEMPTS 3 // a deploy role that a signal killed goes on from where it was

static int start_deploy(struct stage_run *s, const char *op, struct error *err);

static void report(struct stage_run *s, const struct value *result)
{
    const struct value *lines = value_get(result, "report");
    for (size_t i = 0; i < value_length(lines); i++)
        output_note(&s->output, "%s", value_text(value_at(lines, i)));
}

// What instances wrote and answered is among the texts: a copy without the run's secrets.
static struct value *without_secrets(const struct stage_run *s, const struct value *v)
{
    const struct mask *mask = &s->run->mask;
    if (value_type(v) == VALUE_STRING) {
        AUTO_FREE char *masked = mask_text(mask, value_text(v));
        return value_string(masked);
    }
    if (value_type(v) == VALUE_LIST) {
        struct value *list = value_list();
        for (size_t i = 0; i < value_length(v); i++)
            value_append(list, without_secrets(s, value_at(v, i)));
        return list;
    }
    if (value_type(v) != VALUE_MAP)
        return value_copy(v);
    struct value *map = value_map();
    struct value_cursor cursor = {.map = v};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item))
        value_set(map, key, without_secrets(s, item));
    return map;
}

// The outcome and the app's name, which the daemon goes by, stay as they are.
static struct value *outputs_of(const struct stage_run *s, const struct value *result)
{
    struct value *outputs = without_secrets(s, result);
    value_set_str(outputs, "outcome", value_get_str(result, "outcome"));
    value_set_str(outputs, "app", value_get_str(result, "app"));
    return outputs;
}

static void end(struct stage_run *s, const struct value *result, enum child_end how_it_ended)
{
    const char *outcome = value_get_str(result, "outcome");
    const char *reason = value_get_str(result, "reason");
    const struct outcome_end *how = outcome_end(outcome);
    value_free(s->outputs);
    s->outputs = outputs_of(s, result);
    report(s, result);
    if (!how) {
        stage_end(s, STATUS_ERROR, EXIT_RUNNER, "davit-deploy ended without an outcome");
        return;
    }
    bool fine = how->status == STATUS_SUCCESS;
    bool said = strcmp(outcome, status_name(how->status)) == 0; // by the status already
    AUTO_FREE char *why =
        said && reason ? mem_strdup(reason)
                       : mem_printf("%s%s%s", outcome, reason ? ": " : "", reason ? reason : "");
    if (how_it_ended == CHILD_TIMED_OUT && !fine)
        stage_end(s, STATUS_TIMEOUT, EXIT_TIMED_OUT, why);
    else
        stage_end(s, how->status, (int)how->exit_code, fine ? NULL : why);
}

static void on_deployed(void *arg, const struct role_result *result)
{
    struct stage_run *s = arg;
    struct error err = {0};
    if (!result->error) {
        AUTO(value) struct value *copy = value_share(result->result);
        enum child_end how_it_ended = result->end;
        role_free(take_ptr(s->role));
        end(s, copy, how_it_ended);
        return;
    }
    err = *result->error;
    bool again = result->crashed && ++s->attempts < DEPLOY_ATTEMPTS;
    role_free(take_ptr(s->role));
    if (again) {
        output_note(&s->output, "%s; it goes on from where it was", err.message);
        if (start_deploy(s, "resume", &err) == 0)
            return;
    }
    stage_fail(s, &err);
}

static int journal(void *arg, const struct value *event, struct error *err)
{
    struct stage_run *s = arg;
    AUTO(value) struct value *shown = without_secrets(s, event);
    AUTO_FREE char *detail = value_print(shown);
    const char *what = value_get_str(event, "event");
    return events_add(s->run->db, s->run->record.id, s->plan->stage->name, what ? what : "note",
        detail, clock_unix_ms(), err);
}

static int start_deploy(struct stage_run *s, const char *op, struct error *err)
{
    struct run *run = s->run;
    const struct stage *stage = s->plan->stage;
    AUTO_FD int fd = -1;
    struct value *job = NULL;
    if (deploy_job(s, op, &job, &fd, err) < 0)
        return -1;
    const struct environment *cluster = deploy_cluster(s);
    struct role_spec spec = {
        .program = PROGRAM_DEPLOY,
        .name = stage->name,
        .cgroup = s->cgroup,
        .job = job,
        .job_fd = fd,
        .network = SANDBOX_NETWORK_HOST, // its gates reach the instances, it the cluster
        .timeout_ms = stage->timeout_ms,
        .grace_ms = DEPLOY_GRACE_MS,
        .output = &s->output,
        .mask = &run->mask,
        .app = cluster ? NULL : value_get_str(stage->deploy, "app"),
        .new_app = true,
        .cluster = cluster != NULL,
        .context = cluster ? cluster->context : NULL,
        .kube_namespace = cluster ? cluster->namespace : NULL,
        .journal = journal,
        .ended = on_deployed,
        .arg = s,
    };
    s->role = role_start(run->launcher, &spec, err);
    return s->role ? 0 : -1;
}

static void on_unpacked(void *arg, const struct role_result *result)
{
    struct stage_run *s = arg;
    struct error err = {0};
    if (result->error)
        err = *result->error;
    else
        s->image = value_share(result->result);
    role_free(take_ptr(s->role));
    if (!s->image || start_deploy(s, "deploy", &err) < 0)
        stage_fail(s, &err);
}

static const struct stage_run *find_maker(const struct stage_run *s, const char *image)
{
    vec_each (other, &s->run->stages)
        if (strcmp(other->plan->stage->name, image) == 0)
            return other;
    return NULL;
}

// The digest that a build stage of this run made (for a cluster, with the registry that it was
// pushed to), or a reference as the file has it.
static char *image_reference(struct stage_run *s, struct error *err)
{
    const char *image = value_get_str(s->plan->stage->deploy, "image");
    const struct stage_run *maker = find_maker(s, image);
    if (!maker)
        return stage_expand(s, image, err);
    const char *digest = value_get_str(maker->outputs, "digest");
    if (!digest) {
        error_set(err, ERR_FAILED, "stage \"%s\" has made no image in this run", image);
        return NULL;
    }
    if (!deploy_cluster(s))
        return mem_strdup(digest);
    if (!value_get_bool(maker->outputs, "pushed", false)) {
        error_set(err, ERR_FAILED,
            "the image of stage \"%s\" was not pushed, and kubernetes pulls it from a registry: "
            "only a push to the default branch, a tag or a run by hand pushes without a `when`",
            image);
        return NULL;
    }
    return mem_strdup(value_get_str(maker->outputs, "reference"));
}

static void on_rendered(struct stage_run *s);

// What commands print of the manifests comes first.
static int go_on(struct stage_run *s, struct error *err)
{
    return render_wanted(s) ? render_start(s, on_rendered, err) : start_deploy(s, "deploy", err);
}

static void on_rendered(struct stage_run *s)
{
    struct error err = {0};
    if (go_on(s, &err) < 0)
        stage_fail(s, &err);
}

static int start_on_cluster(struct stage_run *s, const char *reference, struct error *err)
{
    s->image = value_map();
    value_set_str(s->image, "reference", reference);
    return go_on(s, err);
}

static int start(struct stage_run *s, struct error *err)
{
    AUTO_FREE char *reference = image_reference(s, err);
    if (!reference)
        return -1;
    if (deploy_cluster(s))
        return start_on_cluster(s, reference, err);
    struct value *job = value_map();
    value_set_str(job, "op", "unpack");
    value_set_str(job, "reference", reference);
    value_set_str(job, "pin", value_get_str(s->plan->stage->deploy, "app"));
    s->role = stage_image_role(s, job, on_unpacked, err);
    return s->role ? 0 : -1;
}

static void cancel(struct stage_run *s)
{
    if (s->render)
        render_cancel(s->render);
    else
        role_cancel(s->role);
}

static void release(struct stage_run *s)
{
    render_free(take_ptr(s->render));
    role_free(take_ptr(s->role));
    if (s->workspace.writable)
        workspace_remove(&s->workspace, NULL);
    workspace_done(&s->workspace);
}

const struct stage_ops stage_kind_deploy = {start, cancel, release};
