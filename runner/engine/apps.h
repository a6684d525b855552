// What is known of the apps on this host without asking their agents.
#pragma once

#include "codec/value.h"
#include "store/state.h"

// An app's state.json (deploy/agent.h); NULL when it has none or it cannot be read.
struct value *apps_state(const struct state *state, const char *app);
// The images that releases need: {APP: [digest]}; null for an app whose state cannot be read.
int apps_images(const struct state *state, struct value **ret, struct error *err);
