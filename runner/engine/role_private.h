// Between role.c (a role's life) and broker.c (what it may ask).
#pragma once

#include "codec/rpc.h"
#include "engine/role.h"

struct cluster_link;
struct run_step;

struct role {
    struct launcher *launcher;
    struct role_spec spec; // pointers into the caller's memory are not used after role_start(), but
                           // output, mask and arg
    char *name, *cgroup;
    struct child *child;
    struct rpc *rpc;
    struct value *job, *result;
    int job_fd;
    bool failed; // `error` is its own word
    struct error error;
    VEC(struct run_step *) steps; // RUN steps under way
    struct cluster_link *cluster; // NULL: it may ask for none
};

// The bits of rpc_method.allow: which program may ask.
#define MAY(program) (1u << (program))
extern const struct rpc_method broker_methods[];

void broker_end(struct role *role); // kills and frees what runs for it
