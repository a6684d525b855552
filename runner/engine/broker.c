// What a role may ask of its worker: one row per request, and who may make it. Everything that
// comes here is foreign: a role has read what users wrote.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cluster.h"
#include "engine/credentials.h"
#include "engine/role_private.h"
#include "os/fd.h"
#include "os/file.h"

static struct role *role_of(struct rpc *rpc)
{
    return rpc_arg(rpc);
}

static void give_job(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)params;
    (void)fds;
    struct role *role = role_of(rpc);
    if (!role->job) {
        struct error why;
        error_set(&why, ERR_DENIED, "the job was given already");
        rpc_fail(rpc, id, &why);
        return;
    }
    rpc_reply(rpc, id, take_ptr(role->job), &role->job_fd, role->job_fd >= 0 ? 1 : 0);
    fd_reset(&role->job_fd);
}

static void take_done(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct value *result = value_get(params, "result");
    if (result && !role->result)
        role->result = value_share(result);
    if (!result) {
        error_from_value(value_get(params, "error"), &role->error);
        role->failed = true;
    }
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void take_log(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    const char *line = value_get_str(params, "line");
    if (line && role->spec.output)
        output_note(role->spec.output, "%s", line);
    rpc_reply(rpc, id, NULL, NULL, 0);
}

static void write_journal(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct error err = {0};
    if (role->spec.journal && role->spec.journal(role->spec.arg, params, &err) < 0)
        rpc_fail(rpc, id, &err);
    else
        rpc_reply(rpc, id, NULL, NULL, 0);
}

static void give_credentials(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct error err = {0};
    const char *registry;
    struct credentials found = {0};
    if (value_need_str(params, "registry", &registry, &err) < 0 ||
        credentials_find(registry, &found, &err) < 0) {
        rpc_fail(rpc, id, &err);
        return;
    }
    struct value *answer = value_map();
    value_set_str(answer, "username", found.username);
    value_set_str(answer, "password", found.password);
    if (found.password && role->spec.mask)
        mask_add(role->spec.mask, found.password);
    credentials_done(&found);
    rpc_reply(rpc, id, answer, NULL, 0);
}

static void connect_agent(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct error err = {0};
    const char *app;
    AUTO_FD int agent = -1;
    if (value_need_str(params, "app", &app, &err) < 0)
        agent = -1;
    else if (!text_equal(app, role->spec.app))
        error_set(&err, ERR_DENIED, "another app's agent may not be asked for here");
    else
        agent = launcher_connect_agent(
            role->launcher, app, role->spec.new_app ? AGENT_CREATE : AGENT_START, &err);
    if (agent < 0)
        rpc_fail(rpc, id, &err);
    else
        rpc_reply(rpc, id, NULL, &agent, 1);
}

// --- the cluster ---

static int cluster_denied(struct error *err)
{
    return error_set(err, ERR_DENIED, "no cluster may be asked for here");
}

static void give_cluster(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)params, (void)fds;
    struct role *role = role_of(rpc);
    struct error err = {0};
    struct value *answer = NULL;
    if (role->cluster)
        answer = cluster_link_read(role->cluster, &err);
    else
        cluster_denied(&err);
    if (answer)
        rpc_reply(rpc, id, answer, NULL, 0);
    else
        rpc_fail(rpc, id, &err);
}

static void give_cluster_credential(
    struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct error err = {0};
    AUTO_FD int credential = role->cluster ? cluster_link_credential(role->cluster,
                                                 value_get_bool(params, "refused", false), &err)
                                           : cluster_denied(&err);
    if (credential >= 0)
        rpc_reply(rpc, id, NULL, &credential, 1);
    else
        rpc_fail(rpc, id, &err);
}

// --- the image store's directories, named by the role ---

// "layers/NAME" or "work/NAME/…": two plain components, so that no name leads out of the store.
static int store_path(
    const struct role *role, const char *name, const char *below, char **ret, struct error *err)
{
    const char *slash = strchr(name, '/');
    AUTO_FREE char *parent = mem_strndup(name, slash ? (size_t)(slash - name) : 0);
    if (!slash || strcmp(parent, below) != 0 || !path_component_ok(slash + 1))
        return error_set(err, ERR_DENIED, "\"%s\" is not a directory of the store", name);
    *ret = state_path(role->launcher->state, "images/%s", name);
    return 0;
}

static int store_layers(
    const struct role *role, const struct value *params, struct strv *ret, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    if (value_need_strv(params, "layers", &names, err) < 0)
        return -1;
    strv_each (name, &names) {
        char *path = NULL;
        if (store_path(role, *name, "layers", &path, err) < 0)
            return -1;
        strv_push_take(ret, path);
    }
    return 0;
}

// --- RUN steps ---

struct run_step {
    struct role *role;
    struct child *child;
    int64_t id;
};

static void end_step(struct run_step *step)
{
    struct role *role = step->role;
    for (size_t i = 0; i < role->steps.length; i++)
        if (role->steps.items[i] == step) {
            role->steps.items[i] = role->steps.items[--role->steps.length];
            break;
        }
    child_free(step->child);
    free(step);
}

void broker_end(struct role *role)
{
    cluster_link_free(take_ptr(role->cluster));
    while (role->steps.length)
        end_step(role->steps.items[0]);
    vec_free(&role->steps);
}

static void on_step_output(void *arg, const char *bytes, size_t length)
{
    struct run_step *step = arg;
    if (step->role->spec.output)
        output_add(step->role->spec.output, bytes, length);
}

static void on_step_ended(void *arg, const struct child_result *result)
{
    struct run_step *step = arg;
    struct rpc *rpc = step->role->rpc;
    if (step->role->spec.output)
        output_end(step->role->spec.output);
    if (result->end == CHILD_EXITED || result->end == CHILD_SIGNALLED) {
        struct value *answer = value_map();
        value_set_int(answer, result->end == CHILD_EXITED ? "exit" : "signal", result->code);
        rpc_reply(rpc, step->id, answer, NULL, 0);
    } else {
        struct error why;
        AUTO(str) struct str how;
        str_init(&how, ERROR_MESSAGE_MAX);
        child_result_print(result, &how);
        error_set(&why, ERR_FAILED, "%s", how.data);
        rpc_fail(rpc, step->id, result->end == CHILD_NOT_RUN ? &result->err : &why);
    }
    end_step(step);
}

// What a RUN step's description turns into; strings live here until the launch.
struct step_plan {
    struct strv argv, environment, layers, texts;
    VEC(struct sandbox_mount) mounts;
    char *writable;
};

static void step_plan_done(struct step_plan *plan)
{
    strv_done(&plan->argv);
    strv_done(&plan->environment);
    strv_done(&plan->layers);
    strv_done(&plan->texts);
    vec_free(&plan->mounts);
    free(plan->writable);
}

static const char *keep(struct step_plan *plan, char *text)
{
    strv_push_take(&plan->texts, text);
    return text;
}

static int plan_caches(
    const struct role *role, const struct value *params, struct step_plan *plan, struct error *err)
{
    const struct value *caches = value_get(params, "caches");
    for (size_t i = 0; i < value_length(caches); i++) {
        const char *id, *target;
        const struct value *cache = value_at(caches, i);
        if (value_need_str(cache, "id", &id, err) < 0 ||
            value_need_str(cache, "target", &target, err) < 0)
            return -1;
        if (!path_component_ok(id) || target[0] != '/')
            return error_set(
                err, ERR_DENIED, "a cache \"%s\" at \"%s\" may not be mounted", id, target);
        vec_push(&plan->mounts,
            ((struct sandbox_mount){
                .kind = SANDBOX_BIND,
                .target = keep(plan, mem_strdup(target)),
                .source = keep(plan, state_path(role->launcher->state, "images/mounts/%s", id)),
            }));
    }
    return 0;
}

// `upper` and `work` must be those of one directory below work/.
static int plan_writable(
    const struct role *role, const struct value *params, struct step_plan *plan, struct error *err)
{
    const char *upper, *work;
    if (value_need_str(params, "upper", &upper, err) < 0 ||
        value_need_str(params, "work", &work, err) < 0)
        return -1;
    size_t n = strlen(upper), m = strlen(work);
    if (!text_ends(upper, "/upper") || !text_ends(work, "/work") || n - 6 != m - 5 ||
        memcmp(upper, work, n - 6) != 0)
        return error_set(
            err, ERR_DENIED, "\"%s\" and \"%s\" are not an overlay's directories", upper, work);
    AUTO_FREE char *name = mem_strndup(upper, n - 6);
    return store_path(role, name, "work", &plan->writable, err);
}

static int plan_step(const struct role *role, const struct value *params, struct step_plan *plan,
    struct sandbox_spec *ret, struct error *err)
{
    int64_t uid, gid;
    const char *directory = value_get_str(params, "directory");
    if (value_need_strv(params, "argv", &plan->argv, err) < 0 ||
        value_need_strv(params, "env", &plan->environment, err) < 0 ||
        value_need_int(params, "uid", 0, SANDBOX_ID_COUNT - 1, &uid, err) < 0 ||
        value_need_int(params, "gid", 0, SANDBOX_ID_COUNT - 1, &gid, err) < 0 ||
        store_layers(role, params, &plan->layers, err) < 0 ||
        plan_writable(role, params, plan, err) < 0 || plan_caches(role, params, plan, err) < 0)
        return -1;
    if (!plan->argv.length || (directory && directory[0] != '/'))
        return error_set(
            err, ERR_PROTOCOL, "a step without a command, or in no absolute directory");
    *ret = (struct sandbox_spec){
        .name = role->name,
        .network = role->spec.run_network, // the stage's word, not the role's
        .root = SANDBOX_ROOT_LAYERS,
        .layers = &plan->layers,
        .writable = plan->writable,
        .mounts = plan->mounts.items,
        .mount_count = plan->mounts.length,
        .argv = strv_argv(&plan->argv),
        .environment = strv_argv(&plan->environment),
        .directory = directory,
        .uid = (uint32_t)uid,
        .gid = (uint32_t)gid,
        .caps = sandbox_caps_run,
    };
    return 0;
}

static void spawn_step(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds)
{
    (void)fds;
    struct role *role = role_of(rpc);
    struct step_plan plan = {0};
    struct sandbox_spec spec;
    struct error err = {0};
    struct run_step *step = mem_alloc(sizeof *step);
    *step = (struct run_step){.role = role, .id = id};
    struct child_options options = {
        .grace_ms = role->spec.grace_ms,
        .capture = true,
        .output = on_step_output,
        .ended = on_step_ended,
        .arg = step,
    };
    if (plan_step(role, params, &plan, &spec, &err) == 0) {
        AUTO_FREE char *cgroup = NULL;
        if (role->spec.cgroup)
            cgroup = mem_printf("%s/run-%lld", role->spec.cgroup, (long long)id);
        spec.cgroup = cgroup;
        step->child =
            child_start(role->launcher->loop, &role->launcher->host, &spec, &options, &err);
    }
    step_plan_done(&plan);
    if (!step->child) {
        free(step);
        rpc_fail(rpc, id, &err);
        return;
    }
    vec_push(&role->steps, step);
}

#define ALL (MAY(PROGRAM_GIT) | MAY(PROGRAM_IMAGE) | MAY(PROGRAM_DEPLOY))

const struct rpc_method broker_methods[] = {
    {"job", ALL, give_job},
    {"log", ALL, take_log},
    {"done", ALL, take_done},
    {"spawn", MAY(PROGRAM_IMAGE), spawn_step},
    {"credentials", MAY(PROGRAM_IMAGE), give_credentials},
    {"connect_agent", MAY(PROGRAM_DEPLOY), connect_agent},
    {"journal", MAY(PROGRAM_DEPLOY), write_journal},
    {"cluster", MAY(PROGRAM_DEPLOY), give_cluster},
    {"cluster_credential", MAY(PROGRAM_DEPLOY), give_cluster_credential},
    {0},
};
