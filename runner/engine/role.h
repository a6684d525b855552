// One role process doing one job for a stage: launched, answered (engine/broker.c), and its end
// reported.
#pragma once

#include "codec/value.h"
#include "engine/child.h"
#include "engine/launcher.h"
#include "engine/output.h"

struct role;

struct role_result {
    struct value *result;      // of its `done`; NULL when it failed. Lent
    const struct error *error; // why; NULL when it succeeded
    enum child_end end; // TIMED_OUT and WAS_CANCELLED tell apart what `error` only says in words
    bool crashed;       // ended by a signal, alone or with its sandbox, without a word
};
typedef void role_ended_fn(void *arg, const struct role_result *result);
typedef int role_journal_fn(void *arg, const struct value *event, struct error *err);

struct role_spec {
    enum program program;
    const char *name;   // of the stage: for errors and the cgroup
    const char *cgroup; // "RUN/STAGE"; NULL: none
    struct value *job;  // taken
    int job_fd;         // passed along with the job (secrets); -1 or 0: none. Not owned
    const struct sandbox_mount *mounts; // lent until role_start() returns
    size_t mount_count;
    enum sandbox_network network;     // of the role itself
    enum sandbox_network run_network; // of the RUN steps that it asks for
    sandbox_caps caps;
    int64_t timeout_ms, grace_ms;
    struct output *output; // its log lines, its stderr, and the output of RUN steps; may be NULL
    struct mask *mask;     // credentials that it is given are added; may be NULL
    const char *app;       // the one whose agent connect_agent gives; NULL: none
    bool new_app;          // connect_agent may make an app that is not on this host yet
    // deploy only: it may reach the cluster of that context of the kubeconfig (NULL: the current
    // one), in that namespace (NULL: the context's)
    bool cluster;
    const char *context, *kube_namespace;
    // role_do(): SIGINT, SIGTERM and SIGHUP cancel it instead of ending us; a second one kills it
    bool heeds;
    role_journal_fn *journal; // deploy only
    role_ended_fn *ended;     // exactly once, from the loop; role_free() may be called in it
    void *arg;
};

struct role *role_start(struct launcher *launcher, const struct role_spec *spec, struct error *err);
// For verbs that do one thing: starts it and runs the launcher's (idle) loop until it has ended.
// *ret_result is the caller's. `ended` and `arg` of the spec are not used.
int role_do(struct launcher *launcher, const struct role_spec *spec, struct value **ret_result,
    struct error *err);
void role_cancel(struct role *role);
void role_free(struct role *role); // accepts NULL; what still runs is killed
