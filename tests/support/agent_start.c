#include "support/agent_start.h"

#include "engine/launcher.h"

int agent_start(const struct state *state, const char *app, struct error *err)
{
    struct launcher launcher;
    if (launcher_init(&launcher, NULL, state, err) < 0)
        return -1;
    int fd = launcher_connect_agent(&launcher, app, AGENT_CREATE, err);
    launcher_done(&launcher);
    return fd;
}
