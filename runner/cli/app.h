// Verbs on an app: each is one job of davit-deploy (deploy/role.h).
#pragma once

#include "cli/context.h"
#include "cli/place.h"

// Runs the job for `app` where `where` says that it is (all are filled into it; job is taken). What
// davit-deploy says on the way is shown. *ret is the caller's. `drives`: it may drive a rollout,
// which a signal takes back.
int app_call(struct cli *cli, const char *op, const char *app, const struct place_options *where,
    struct value *job, bool drives, struct value **ret, struct error *err);
// The same with a descriptor that goes with the job; -1: none.
int app_call_with(struct cli *cli, const char *op, const char *app,
    const struct place_options *where, struct value *job, int fd, bool drives, struct value **ret,
    struct error *err);
// The same for a job that answers with a text, which may be long: by a file of memory, which has
// `document` (may be NULL) for it first. Appends to out.
int app_ask_text(struct cli *cli, const char *op, const char *app,
    const struct place_options *where, struct value *job, const char *document, struct str *out,
    struct value **ret, struct error *err);
// Prints the report of a rollout; the exit code of its outcome.
int app_report(const struct cli *cli, const struct value *result);
// "gin-app", "gin-app on kubernetes (context lab, namespace gin)": of what a status or history
// says.
void app_print_place(const struct value *answer, struct str *out);
// The names of the apps on this host.
int app_list(const struct cli *cli, struct strv *ret, struct error *err);
