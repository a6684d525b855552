// Keeps the agents of this host's apps alive while the daemon runs: it holds a connection to each,
// and starts an agent again whose connection has closed. So after a reboot the apps come back with
// the daemon.
//
// An app is one that has STATE/apps/APP/state.json; those that come later are noticed, and one that
// was taken away (`davit down`) is let go. Agents outlive the daemon.
#pragma once

#include "engine/launcher.h"
#include "serve/reaper.h"

struct agents;

struct agents *agents_new(struct launcher *launcher, struct reaper *reaper, struct error *err);
void agents_free(struct agents *agents); // accepts NULL
