// Named points where the crash tests make davit die or stop. In builds without DAVIT_FAILPOINTS
// this does nothing and costs a call to an empty function.
//
//     DAVIT_FAILPOINT=deploy.act:3=kill    SIGKILL to itself when "deploy.act" is passed for the
//     third time DAVIT_FAILPOINT=agent.saved:1=stop   SIGSTOP
//
// Several are separated by commas. A role inherits the variable from its worker.
#pragma once

void failpoint(const char *name);
