// Reaps the daemon's children whose end nobody else waits for: agents and resumed rollouts.
#pragma once

#include "os/loop.h"

struct reaper;

struct reaper *reaper_new(struct loop *loop);
void reaper_free(struct reaper *r); // accepts NULL; the children live on

// Takes the child's pidfd.
void reaper_take(struct reaper *r, int pidfd);
