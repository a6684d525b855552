// The command line: one row per verb.
#pragma once

#include "cli/opt.h"
#include "cli/out.h"

// Options that every verb takes.
struct cli_common {
    const char *state;  // --state
    const char *output; // -o: "text" or "json"
    bool help;
};

struct cli {
    struct cli_common common;
    struct out out;
    struct strv args;   // what is no option
    char *const *words; // the whole command, from the verb on; ends with NULL
};

struct command {
    const char *name;
    const char *arguments; // of the usage line: "[FILE]"
    const char *summary;   // one line
    const char *help;      // paragraphs and examples
    const struct opt *options;
    size_t options_size; // of the struct that they fill; zeroed before
    size_t args_min, args_max;
    // Returns the exit code, or -1 with *err: the error is printed and its kind decides the code.
    int (*run)(struct cli *cli, void *options, struct error *err);
};

// The whole of `davit`: finds the verb, parses, runs. Returns the exit code.
int cli_main(int argc, char **argv);

// Each in its own cmd_*.c.
extern const struct command cmd_run, cmd_plan, cmd_validate, cmd_serve, cmd_rollback, cmd_status,
    cmd_history, cmd_logs, cmd_runs, cmd_show, cmd_cancel, cmd_resume, cmd_pause, cmd_promote,
    cmd_abort, cmd_allow, cmd_down, cmd_adopt, cmd_eject, cmd_build, cmd_image, cmd_doctor;
