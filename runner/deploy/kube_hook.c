// Hooks: Jobs that run once for their release. The name of a Job says whose it is, so that whoever
// comes after a driver that was killed finds it.
//
// A creation cannot be fenced. So a Job is created suspended; then the state, under the epoch, says
// that it was begun; and only then it is let run, by a write that says what was read. A Job that is
// not there although the state says that it was begun has been taken away: it may have run, and is
// not begun again.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "os/failpoint.h"

static const struct kube_kind *job_kind(struct kube_target *k, struct error *err)
{
    const struct kube_kind *kind;
    return kube_kind_find(k->client, "batch/v1", "Job", &kind, err) < 0 ? NULL : kind;
}

// NULL and 0: there is none.
static int get_job(struct kube_target *k, const struct kube_kind *kind, const char *name,
    struct value **ret, struct error *err)
{
    struct error why = {0};
    if (kube_get(k->client, kind, k->ns, name, ret, &why) == 0 || why.kind == ERR_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static bool is_suspended(const struct value *job)
{
    return value_get_bool(value_get(job, "spec"), "suspend", false);
}

// --- beginning one ---

// It ends by the hook's deadline, whatever its own is.
static void limit_time(struct value *spec, int64_t timeout_ms)
{
    int64_t seconds = (timeout_ms + 999) / 1000;
    if (value_get_int(spec, "activeDeadlineSeconds", INT64_MAX) > seconds)
        value_set_int(spec, "activeDeadlineSeconds", seconds);
}

static int create_job(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    int number, const struct kube_kind *kind, struct error *err)
{
    const struct release_hook *hook = release_hook(&release->release, number);
    AUTO(value) struct value *job = manifest_hook(&release->manifest, number, release->revision);
    AUTO(value) struct value *answer = NULL;
    struct error why = {0};
    if (!job || !hook)
        return error_set(
            err, ERR_PROTOCOL, "release %" PRId64 " has no hook %d", release->revision, number);
    struct value *spec = value_get(job, "spec");
    limit_time(spec, hook->timeout_ms);
    value_set_bool(spec, "suspend", true);
    kube_mark(job, epoch, release->revision);
    if (kube_guard(k, epoch, err) < 0)
        return -1;
    if (kube_create(k->client, kind, k->ns, job, &answer, &why) < 0 && why.http_status != 409) {
        if (err)
            *err = why;
        return -1;
    }
    if (answer)
        kube_own(k, kind, kube_name(answer), answer);
    return 0;
}

static int change_begun(void *arg, struct kube_state *state, struct error *err)
{
    (void)err;
    int number = *(const int *)arg;
    if (state->hooks < number)
        state->hooks = number;
    return 0;
}

static int let_run_once(struct kube_target *k, int64_t epoch, const struct kube_kind *kind,
    const struct value *job, struct error *err)
{
    AUTO(value) struct value *patch = value_list();
    AUTO(value) struct value *answer = NULL;
    if (kube_check_stamp(k, job, epoch, err) < 0)
        return -1;
    kube_patch_row(
        patch, "test", value_string(kube_version(job)), "metadata", "resourceVersion", NULL);
    kube_patch_row(patch, "add", value_bool(false), "spec", "suspend", NULL);
    if (kube_patch(k->client, kind, k->ns, kube_name(job), patch, &answer, err) < 0)
        return -1;
    kube_own(k, kind, kube_name(answer), answer);
    return 0;
}

static int let_run(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    const struct kube_kind *kind, const char *name, struct error *err)
{
    struct error why = {0};
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        AUTO(value) struct value *job = NULL;
        if (get_job(k, kind, name, &job, err) < 0)
            return -1;
        if (!job) // told at the next look
            return 0;
        if (!text_equal(kube_label(job, KUBE_LABEL_APP), k->app) ||
            kube_release_of(job) != release->revision)
            return error_set(err, ERR_DENIED,
                "the Job %s is there already, and is not that of release %" PRId64 " of %s", name,
                release->revision, k->app);
        if (!is_suspended(job) || let_run_once(k, epoch, kind, job, &why) == 0)
            return 0;
        if (why.kind != ERR_CONFLICT || !why.http_status)
            break;
    }
    if (err)
        *err = why;
    return -1;
}

int kube_hook_begin(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    int number, struct error *err)
{
    AUTO(kube_state) struct kube_state state = {0};
    const struct kube_kind *kind = job_kind(k, err);
    if (!kind || kube_state_read(k, &state, err) < 0)
        return -1;
    AUTO_FREE char *name = manifest_hook_name(&release->manifest, number, release->revision);
    if (state.hooks < number && create_job(k, epoch, release, number, kind, err) < 0)
        return -1;
    failpoint("deploy.hook_created");
    if (kube_state_change(k, epoch, change_begun, &number, err) < 0)
        return -1;
    failpoint("deploy.hook_begun");
    return let_run(k, epoch, release, kind, name, err);
}

// --- what has become of it ---

static int judge(struct kube_target *k, const struct kube_state *state,
    const struct kube_known *release, const struct verdict_input *in, struct snapshot *ret,
    struct error *err)
{
    bool settled = false;
    AUTO(value) struct value *found = NULL;
    const struct kube_kind *kind = job_kind(k, err);
    struct kube_watch *watch = kind ? kube_follow(k, "batch/v1", "Job", err) : NULL;
    if (!watch || kube_sync(k, err) < 0)
        return -1;
    AUTO_FREE char *name = manifest_hook_name(&release->manifest, state->hooks, release->revision);
    const struct value *job = kube_watch_get(watch, name);
    if (!job && get_job(k, kind, name, &found, err) < 0) // a watch may be behind
        return -1;
    if (!job)
        job = found;
    ret->hooks_done = state->hooks - 1;
    if (!job) {
        snprintf(ret->hook_doomed, sizeof ret->hook_doomed,
            "Job/%.100s is not there any more, and whether it has ended well is not known", name);
        return 0;
    }
    if (is_suspended(job)) {
        ret->hooks_begun = state->hooks - 1;
        return 0;
    }
    kube_look_again(k, verdict_other(in, job, &settled, ret->hook_doomed, sizeof ret->hook_doomed));
    ret->hooks_done += settled;
    return 0;
}

int kube_hook_look(struct kube_target *k, const struct kube_state *state,
    const struct verdict_input *in, struct snapshot *ret, struct error *err)
{
    ret->hooks_begun = ret->hooks_done = state->hooks;
    if (!state->hooks || state->position.phase != PHASE_FORWARD)
        return 0;
    const struct kube_known *release = kube_known(k, state->rollout.to, err);
    return release ? judge(k, state, release, in, ret, err) : -1;
}

// --- all of a release ---

static bool has_hooks(const struct kube_known *release)
{
    return release && value_length(release->manifest.hooks) > 0;
}

// One that was created and not begun, too.
int kube_hook_stamp(
    struct kube_target *k, int64_t epoch, const struct kube_known *release, struct error *err)
{
    const struct kube_kind *kind = has_hooks(release) ? job_kind(k, err) : NULL;
    if (!has_hooks(release))
        return 0;
    for (int i = 1; kind && release_hook(&release->release, i); i++) {
        AUTO(value) struct value *job = NULL;
        AUTO_FREE char *name = manifest_hook_name(&release->manifest, i, release->revision);
        if (get_job(k, kind, name, &job, err) < 0 ||
            (job && kube_stamp(k, epoch, kind, job, err) < 0))
            return -1;
    }
    return kind ? 0 : -1;
}

// Also those of rollouts that failed in between.
int kube_hook_delete(struct kube_target *k, int64_t epoch, const struct kube_known *release,
    int64_t kept, struct error *err)
{
    AUTO(value) struct value *jobs = NULL;
    AUTO_FREE char *selector = mem_printf("%s,%s=true", k->selector, KUBE_LABEL_HOOK);
    const struct kube_kind *kind = has_hooks(release) ? job_kind(k, err) : NULL;
    if (!has_hooks(release))
        return 0;
    if (!kind || kube_list(k->client, kind, k->ns, selector, &jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(jobs); i++) {
        const struct value *job = value_at(jobs, i);
        if (kube_release_of(job) != kept &&
            kube_delete_one(k, epoch, kind, kube_name(job), err) < 0)
            return -1;
    }
    return 0;
}

// --- why one has failed ---

static const struct value *newest_pod(const struct value *pods, const struct value *job)
{
    const struct value *newest = NULL;
    const char *latest = "";
    for (size_t i = 0; i < value_length(pods); i++) {
        const struct value *pod = value_at(pods, i);
        const char *made = value_get_str(value_get(pod, "metadata"), "creationTimestamp");
        if (!text_equal(kube_label(pod, "batch.kubernetes.io/job-name"), kube_name(job)) || !made ||
            strcmp(made, latest) < 0)
            continue;
        newest = pod;
        latest = made;
    }
    return newest;
}

// False: it ended well, or was never begun.
static bool explain_one(
    struct kube_target *k, const struct value *job, const struct value *pods, struct str *out)
{
    const struct value *pod = newest_pod(pods, job);
    bool settled = false;
    char doomed[256] = "";
    const struct verdict_input in = {.pods = pods};
    verdict_other(&in, job, &settled, doomed, sizeof doomed);
    if (settled)
        return false;
    str_printf(out, "hook %s\n", doomed[0] ? doomed : kube_name(job));
    const struct value *containers = kube_at(pod, "spec", "containers");
    for (size_t i = 0; i < value_length(containers); i++)
        kube_last_lines(
            k, kube_name(pod), value_get_str(value_at(containers, i), "name"), false, out);
    return true;
}

bool kube_hook_explain(struct kube_target *k, const struct kube_known *release,
    const struct value *pods, struct str *out)
{
    const struct kube_kind *kind = has_hooks(release) ? job_kind(k, NULL) : NULL;
    for (int i = 1; kind && release_hook(&release->release, i); i++) {
        AUTO(value) struct value *job = NULL;
        AUTO_FREE char *name = manifest_hook_name(&release->manifest, i, release->revision);
        if (get_job(k, kind, name, &job, NULL) < 0 || !job)
            return false;
        if (explain_one(k, job, pods, out))
            return true;
    }
    return false;
}
