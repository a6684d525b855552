// Starts the real davit-agent as a verb would (engine/launcher.h).
#pragma once

#include "base/error.h"
#include "store/state.h"

// A connection to the app's agent, which is started when it does not run. fd or -1.
int agent_start(const struct state *state, const char *app, struct error *err);
