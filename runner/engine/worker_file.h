// runs/ID/worker: which process a run's worker is. By it the daemon finds its workers again, and
// `davit cancel` its own.
#pragma once

#include "os/process.h"
#include "store/state.h"

int worker_file_write(
    const struct state *state, int64_t run_id, struct error *err); // of this process
// 1 with a held process when the worker lives, 0 when it has gone, -1.
int worker_find(const struct state *state, int64_t run_id, struct process *ret, struct error *err);
