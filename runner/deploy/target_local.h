// The target of this host: an app's agent (deploy/agent.h), asked over a connection.
//
// Agents die (an upgrade, a kill -9) without their app noticing. A connection that broke is made
// again at the next call, and the claim that went with it is taken up by its epoch; if somebody
// else has claimed meanwhile, that call is ERR_CONFLICT as any other that is fenced. Calls that
// only look, claim() and request() then ask once more; the others are ERR_NETWORK and retryable.
#pragma once

#include "deploy/target.h"
#include "os/loop.h"

// A connected socket of the app's agent, which is started if need be: the caller's, or -1.
// ERR_SYSTEM and ERR_TIMEOUT count as what may go better later.
typedef int target_local_connect_fn(void *arg, struct error *err);

// Connects at once; NULL on failure. The loop must outlive the target, and is run by its wait().
// `me` names the caller in the agent's log.
struct target *target_local_new(struct loop *loop, const char *me, target_local_connect_fn *connect,
    void *arg, struct error *err);
