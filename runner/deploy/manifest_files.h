// All manifests of a deploy: read, with what `${{ }}` in them stands for. Pure.
#pragma once

#include "deploy/manifest.h"
#include "deploy/release.h"

// Where values come from. All of it is lent, and may be NULL.
struct manifest_origin {
    const struct value *values;  // {"app", "environment", "image", "git.sha", …}: by whole name
    const struct value *env;     // map of strings: `${{ env.NAME }}`
    const struct value *secrets; // a map by their names, which no manifest may ask for
    bool checked_only;           // there is no run: what a run may have a value for has one
};

struct manifest_files {
    struct diag_source *sources; // what diags point into
    struct value *objects;       // list
};
// `files`: [{"path", "text"}], which must outlive *ret, as that must the diagnostics. -1 when there
// was a mistake; *ret is to be freed in any case.
int manifest_files_read(const struct value *files, const struct manifest_origin *origin,
    struct manifest_files *ret, struct diag_list *diags);
void manifest_files_done(struct manifest_files *f); // accepts an all-zero struct
DEFINE_AUTO(manifest_files, struct manifest_files, manifest_files_done)

// Names of the Jobs that a pipeline's `deploy` section makes hooks, in the order of running.
void manifest_hook_names(const struct value *section, struct strv *ret);

// Whether the release's strategy and gates can be carried out with what it applies: ERR_CONFIG.
int manifest_check(const struct manifest *m, const struct release *r, struct error *err);

// The mistakes as one error (ERR_CONFIG): "k8s/web.yaml:3:5: …; …".
int manifest_files_error(const struct diag_list *diags, struct error *err);
