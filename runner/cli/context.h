// What most verbs begin with: the state directory, the loop, the launcher, the database.
#pragma once

#include "cli/cli.h"
#include "engine/launcher.h"
#include "store/db.h"

struct cli_context {
    struct state state;
    struct loop *loop;
    struct launcher launcher;
    struct db *db; // NULL unless asked for
};
enum cli_need {
    CLI_READ = 0,     // the state directory is only named, not made
    CLI_STATE = 1,    // it is opened, and made when missing
    CLI_DATABASE = 3, // and the database in it
};
int cli_context_init(
    struct cli_context *c, const struct cli *cli, enum cli_need need, struct error *err);
void cli_context_done(struct cli_context *c); // accepts an all-zero one
DEFINE_AUTO(cli_context, struct cli_context, cli_context_done)

// "alice@host": who is at this terminal. The caller's.
char *cli_who(void);
