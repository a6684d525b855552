#include "engine/role.h"

#include <fcntl.h>
#include <signal.h>

#include <stdlib.h>

#include "engine/cluster.h"
#include "engine/role_private.h"
#include "os/fd.h"

static void on_output(void *arg, const char *bytes, size_t length)
{
    struct role *role = arg;
    if (role->spec.output)
        output_add(role->spec.output, bytes, length);
}

// Its own word, if it gave one; else what its end says.
static void explain_end(struct role *role, const struct child_result *end)
{
    if (role->failed)
        return;
    AUTO(str) struct str how;
    str_init(&how, ERROR_MESSAGE_MAX);
    child_result_print(end, &how);
    enum error_kind kind = end->end == CHILD_TIMED_OUT       ? ERR_TIMEOUT
                           : end->end == CHILD_WAS_CANCELLED ? ERR_CANCELLED
                                                             : ERR_INTERNAL;
    error_set(&role->error, kind, "%s: %s", program_name(role->spec.program), how.data);
    role->failed = true;
}

static void on_ended(void *arg, const struct child_result *end)
{
    struct role *role = arg;
    bool spoke = role->failed || role->result;
    if (!role->result) // one that was asked to end may still have had something to say
        explain_end(role, end);
    role->spec.ended(role->spec.arg,
        &(struct role_result){
            .result = role->failed ? NULL : role->result,
            .error = role->failed ? &role->error : NULL,
            .end = end->end,
            .crashed = !spoke && (end->end == CHILD_SIGNALLED || end->end == CHILD_LOST),
        });
}

static void on_closed(struct rpc *rpc, const struct error *why)
{
    struct role *role = rpc_arg(rpc);
    if (why && !role->failed) {
        role->error = *why;
        role->failed = true;
    }
    rpc_free(take_ptr(role->rpc));
    broker_end(role);
    if (why)
        child_cancel(role->child); // it broke the protocol
}

static void pass_variables(struct strv *environment, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (getenv(names[i]))
            strv_pushf(environment, "%s=%s", names[i], getenv(names[i]));
}

static int launch(struct role *role, int socket, struct error *err)
{
    const struct role_spec *spec = &role->spec;
    int program = launcher_program(role->launcher, spec->program, err);
    if (program < 0)
        return -1;
    AUTO(strv) struct strv argv = {0}, environment = {0};
    strv_push(&argv, program_name(spec->program));
    strv_push(&environment, "PATH=/usr/bin:/bin");
    static const char *const passed[] = {"DAVIT_FAILPOINT", "SSL_CERT_FILE", "ASAN_OPTIONS"};
    static const char *const proxies[] = {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"};
    pass_variables(&environment, passed, ARRAY_LEN(passed));
    if (spec->cluster) // a kubeconfig without a proxy-url leaves it to them
        pass_variables(&environment, proxies, ARRAY_LEN(proxies));
    struct sandbox_spec sandbox = {
        .name = role->name,
        .network = spec->network,
        .mounts = spec->mounts,
        .mount_count = spec->mount_count,
        .exec_fd = program,
        .argv = strv_argv(&argv),
        .environment = strv_argv(&environment),
        .caps = spec->caps,
        .socket_fd = socket,
        .cgroup = role->cgroup,
    };
    struct child_options options = {
        .timeout_ms = spec->timeout_ms,
        .grace_ms = spec->grace_ms,
        .capture = true,
        .output = on_output,
        .ended = on_ended,
        .arg = role,
    };
    role->child = child_start(role->launcher->loop, &role->launcher->host, &sandbox, &options, err);
    return role->child ? 0 : -1;
}

struct role *role_start(struct launcher *launcher, const struct role_spec *spec, struct error *err)
{
    struct role *role = mem_alloc(sizeof *role);
    int pair[2] = {-1, -1};
    role->launcher = launcher;
    role->spec = *spec;
    role->name = mem_strdup(spec->name);
    // A cgroup of its own below the stage's: a role and the RUN steps that it asks for are separate
    // sandboxes.
    if (spec->cgroup)
        role->cgroup = mem_printf("%s/%s", spec->cgroup, program_name(spec->program));
    role->job = spec->job;
    role->job_fd = -1;
    if (spec->cluster)
        role->cluster =
            cluster_link_new(launcher->loop, spec->context, spec->kube_namespace, spec->mask);
    if (ipc_pair(pair, err) < 0 || launch(role, pair[1], err) < 0)
        goto fail;
    role->rpc = rpc_serve(
        launcher->loop, pair[0], broker_methods, MAY(spec->program), on_closed, role, err);
    if (!role->rpc)
        goto fail;
    if (spec->job_fd > 0)
        role->job_fd = fcntl(spec->job_fd, F_DUPFD_CLOEXEC, 0);
    fd_close(pair[1]);
    return role;
fail:
    if (!role->rpc)
        fd_close(pair[0]);
    fd_close(pair[1]);
    role_free(role);
    return NULL;
}

struct waiting {
    struct loop *loop;
    struct role *role;
    int signals; // how often a person asked it to end
    struct value *result;
    struct error error;
    bool failed;
};

static void on_awaited(void *arg, const struct role_result *result)
{
    struct waiting *w = arg;
    w->failed = result->error != NULL;
    if (result->error)
        w->error = *result->error;
    else
        w->result = value_share(result->result);
    loop_stop(w->loop);
}

static void on_signal(void *arg, int signal)
{
    (void)signal;
    struct waiting *w = arg;
    if (!w->role)
        return;
    if (w->signals++)
        child_kill(w->role->child); // a person insists
    else
        role_cancel(w->role);
}

static int heed_signals(struct waiting *w, struct error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    return loop_signals(w->loop, signals, ARRAY_LEN(signals), on_signal, w, err);
}

int role_do(struct launcher *launcher, const struct role_spec *spec, struct value **ret_result,
    struct error *err)
{
    struct waiting w = {.loop = launcher->loop};
    struct role_spec copy = *spec;
    copy.ended = on_awaited;
    copy.arg = &w;
    if (spec->heeds && heed_signals(&w, err) < 0)
        return -1;
    w.role = role_start(launcher, &copy, err);
    if (!w.role)
        return -1;
    int status = loop_run(launcher->loop, err);
    role_free(take_ptr(w.role));
    if (status < 0)
        return -1;
    if (w.failed) {
        if (err)
            *err = w.error;
        return -1;
    }
    *ret_result = w.result;
    return 0;
}

void role_cancel(struct role *role)
{
    child_cancel(role->child);
}

void role_free(struct role *role)
{
    if (!role)
        return;
    broker_end(role);
    child_free(role->child);
    rpc_free(role->rpc);
    value_free(role->job);
    value_free(role->result);
    fd_close(role->job_fd);
    free(role->name);
    free(role->cgroup);
    free(role);
}
