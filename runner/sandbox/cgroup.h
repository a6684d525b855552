// A control group per sandbox: for its end (everything in it dies at once) and, where the
// controllers are, its limits.
//
// On cgroup v2 a child is born into its group. Where v1 still has the controllers (hybrid hosts),
// moving a process costs up to 10 ms, so v1 groups are made only for a limit that a spec declares.
#pragma once

#include "sandbox/plan.h"

struct cgroup {
    char *path;     // v2 directory; NULL when there is none
    int fd;         // of it, for CLONE_INTO_CGROUP; -1 when there is none
    struct strv v1; // v1 directories
};
#define CGROUP_NONE ((struct cgroup){.fd = -1})

// Makes the group of spec->cgroup with the spec's limits. Without cgroup v2, or unprivileged, there
// is none and that is not an error, unless a limit was declared that nothing else can hold.
int cgroup_make(const struct sandbox_spec *spec, const struct sandbox_host *host,
    struct cgroup *ret, struct error *err);
// Moves a process into the v1 groups (v2: it was born there).
int cgroup_join(const struct cgroup *group, pid_t pid, struct error *err);
void cgroup_kill(const struct cgroup *group);
// Ends and removes a group with all below it, by its name below davit's own: of a launcher that
// died.
void cgroup_sweep(const struct sandbox_host *host, const char *name);
// Removes the directories, which must be empty of processes; retries briefly while the kernel
// empties them.
void cgroup_remove(struct cgroup *group);
