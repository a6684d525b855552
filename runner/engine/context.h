// What a run is about: the event, the commit, and what stages are told of them.
#pragma once

#include "pipeline/model.h"
#include "store/runs.h"

struct context {
    const struct run_record *run; // lent: repository, event, ref, branch, tag, commit, …
    enum event_kind event;
    int64_t commit_unix;  // 0: no commit
    char *email;          // of the commit's author; NULL: no commit
    char *default_branch; // NULL: unknown
    bool dirty;           // the checkout has changes that no commit has
};
void context_done(struct context *c);

// From the `commit` map of a davit-git job (git/role.h) into the run and the context; NULL: no
// commit.
void context_set_commit(struct context *c, struct run_record *run, const struct value *commit);

// Whether a run of this event may write caches, push images and deploy without an explicit `when`:
// by hand, a tag, or a push to the default branch. *ret_rule says which rule decided, in words.
bool context_trusted(const struct context *c, const char **ret_rule);

// The variables that every stage gets (CI, CI_COMMIT_SHA, …, SOURCE_DATE_EPOCH, TRACEPARENT), as
// NAME=value.
void context_variables(const struct context *c, const char *stage, struct strv *ret);

// "git.sha", "git.short_sha", "git.branch", "git.tag", as far as they have a value, into a map.
void context_add_values(const struct context *c, struct value *values);

// A new W3C trace id (Trace Context, 3.2.2.3): 32 lowercase hex digits, the caller's.
char *context_new_trace_id(void);
