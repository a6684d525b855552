// Calls between davit's processes: JSON messages on an ipc socket.
//
//     {"id": 7, "op": "spawn", …}                     a call; "id" is chosen by the caller
//     {"reply": 7, …}                                 its answer
//     {"reply": 7, "error": {"kind": …, "message": …}}  its failure, a struct error whole
//     {"op": "changed", …}                            a notice: no id, no answer
//
// The first call of a connection is "hello" with the protocol's version; rpc handles it, and
// refuses every other call before it. Descriptors travel beside a message. A peer that breaks the
// form, or does not read its answers, is cut off.
#pragma once

#include "codec/value.h"
#include "os/ipc.h"
#include "os/loop.h"

#define RPC_PROTOCOL 1

struct rpc;

// One row per operation that a peer may ask for; a row without a name ends the table. `allow` is a
// mask: the call is refused unless it meets the mask given to rpc_serve() (which peer this is, what
// it may ask for).
typedef void rpc_handler_fn(struct rpc *rpc, int64_t id, struct value *params, struct ipc_fds *fds);
struct rpc_method {
    const char *op;
    unsigned allow;
    rpc_handler_fn
        *handler; // answers by rpc_reply() or rpc_fail(), at once or later; params and fds are lent
};
// The connection has ended (why is NULL when the peer just closed it). The owner calls rpc_free(),
// here or later.
typedef void rpc_closed_fn(struct rpc *rpc, const struct error *why);

// The serving end, on a loop. Takes fd.
struct rpc *rpc_serve(struct loop *loop, int fd, const struct rpc_method *methods, unsigned allow,
    rpc_closed_fn *closed, void *arg, struct error *err);
void rpc_free(struct rpc *rpc); // accepts NULL; closes the connection; fine in a handler
void *rpc_arg(const struct rpc *rpc);
int rpc_fd(const struct rpc *rpc);

// Answers; result may be NULL and is taken. Descriptors stay the caller's. A peer that has gone is
// not an error here: `closed` tells it.
void rpc_reply(struct rpc *rpc, int64_t id, struct value *result, const int *fds, size_t fd_count);
void rpc_fail(struct rpc *rpc, int64_t id, const struct error *why);
void rpc_notify(struct rpc *rpc, const char *op, struct value *params); // takes params

// The calling end: blocking calls, which is what a role program wants. Takes fd and says hello;
// NULL on failure, and then fd is closed. `me` names the caller in the peer's errors.
struct rpc *rpc_connect(int fd, const char *me, struct error *err);
#define RPC_WAIT_FOREVER (-1)
// Takes params (may be NULL). *ret (may be NULL where the answer is of no interest) is the
// caller's. The peer's failure comes back as its own struct error. Notices that arrive meanwhile
// are kept.
int rpc_call(struct rpc *rpc, const char *op, struct value *params, const int *fds, size_t fd_count,
    int timeout_ms, struct value **ret, struct ipc_fds *ret_fds, struct error *err);
// The next notice, waiting at most timeout_ms: 1, 0 on time-out, -1 when the peer has gone. *ret is
// the caller's.
int rpc_notice(struct rpc *rpc, int timeout_ms, struct value **ret, struct error *err);

// A call or notice has failed because of the connection, not because the peer said no: it is of no
// use any more.
bool rpc_broken(const struct rpc *rpc);

struct value *error_to_value(const struct error *err);
void error_from_value(const struct value *v, struct error *ret);

DEFINE_AUTO_PTR(rpc, struct rpc, rpc_free)
