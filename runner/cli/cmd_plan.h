// `davit plan`, which is also `davit run --dry-run`.
#pragma once

#include "cli/cli.h"

// Prints what a run of the checkout would do. The exit code, or -1.
int plan_checkout(struct cli *cli, const char *file, const char *directory, const char *env_file,
    struct error *err);
