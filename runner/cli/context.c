#include "cli/context.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/fd.h"

int cli_context_init(
    struct cli_context *c, const struct cli *cli, enum cli_need need, struct error *err)
{
    *c = (struct cli_context){.state.dir = -1};
    if (need & CLI_STATE) {
        if (state_open(cli->common.state, &c->state, err) < 0)
            return -1;
    } else {
        c->state.path = cli->common.state ? mem_strdup(cli->common.state) : state_default_path();
    }
    c->loop = loop_new(err);
    if (!c->loop || launcher_init(&c->launcher, c->loop, &c->state, err) < 0)
        goto fail;
    if ((need & CLI_DATABASE) == CLI_DATABASE) {
        AUTO_FREE char *path = state_path(&c->state, "davit.db");
        c->db = db_open(path, err);
        if (!c->db)
            goto fail;
    }
    return 0;
fail:
    cli_context_done(c);
    return -1;
}

void cli_context_done(struct cli_context *c)
{
    if (!c->state.path)
        return;
    db_close(c->db);
    launcher_done(&c->launcher);
    loop_free(c->loop);
    state_done(&c->state);
    *c = (struct cli_context){.state.dir = -1};
}

char *cli_who(void)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    const struct passwd *user = getpwuid(getuid());
    const char *sudo = getenv("SUDO_USER"); // the person, not the role that they took
    return mem_printf("%s@%s", sudo && getuid() == 0 ? sudo : user ? user->pw_name : "?", host);
}
