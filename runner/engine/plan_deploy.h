// What a deploy stage would do on this host: its steps, with instance counts and traffic.
//
// Reads the agent's state file, never its socket: a plan disturbs nobody.
#pragma once

#include "pipeline/model.h"
#include "store/state.h"

void plan_deploy_text(const struct stage *stage, const struct state *state, struct str *out);
struct value *plan_deploy_value(const struct stage *stage, const struct state *state);
