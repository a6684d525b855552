// The door of a role program (davit-git, davit-image, davit-deploy), and what its worker and it say
// to each other.
//
// A role is launched sandboxed with one socket to its worker. It asks for its job, does it, and
// reports:
//
//     job   {}                   the job, as the role documents it, with descriptors
//     log   {line}               a line of output of the stage
//     done  {result} or {error}  the end; the worker then waits for the role to exit
//
// Of what only the worker can do, a role asks as far as the worker's table (engine/broker.c) lets
// that role:
//
//     image   spawn {…}                 a RUN step, see image/role.h: {exit} or {signal}
//     image   credentials {registry}    {username, password}, or {} where there are none
//     deploy  connect_agent {app}       a connected socket of the app's agent
//     deploy  journal {event, …}        on disk before it answers
//     deploy  cluster {}                the kube_cluster (kube/cluster.h) of the context that the
//                                       worker was told, as a map; the kubeconfig is read each time
//     deploy  cluster_credential {refused?: the last one was}
//                                       at once, a descriptor: one JSON document comes on it when
//                                       it is there, and then the end of the file: {token?, cert?,
//                                       key?, expires_unix_ms?} or {error}
#pragma once

#include "codec/rpc.h"

#define ROLE_SOCKET_FD 3

// Does the job: 0 with *ret_result (may stay NULL), or -1. Parameters are lent.
typedef int role_work_fn(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err);

// main() of a role: connects, fetches the job, works, reports. Returns the exit code: 0, or that of
// the error's kind.
int role_main(const char *name, role_work_fn *work);

// One line for the stage's log; a worker that has gone is noticed at the next call that matters.
void role_log(struct rpc *worker, const char *format, ...) __attribute__((format(printf, 2, 3)));
