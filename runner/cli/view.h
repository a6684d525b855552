// How runs, stages and plans look: as text, and as values for `-o json`.
#pragma once

#include "cli/cli.h"
#include "engine/plan.h"
#include "store/runs.h"

// To standard error, with colours on a terminal.
void view_diagnostics(struct diag_list *diags);

struct value *view_run(
    const struct run_record *run, const struct stage_list *stages); // stages may be NULL
void view_run_text(const struct cli *cli, const struct run_record *run,
    const struct stage_list *stages, struct str *out);

struct launcher;
struct kube_previews; // engine/kube_preview.h
struct value *view_plan(
    const struct plan *plan, const struct launcher *launcher, const struct kube_previews *previews);
void view_plan_text(const struct plan *plan, const struct launcher *launcher,
    const struct kube_previews *previews, struct str *out);
