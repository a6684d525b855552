// davit-deploy's jobs, by the files that hold them; what they answer is in role.h. The session is
// open.
#pragma once

#include "deploy/role_session.h"

typedef int session_job_fn(
    struct session *s, const struct ipc_fds *fds, struct value **ret_result, struct error *err);

// role_deploy.c
session_job_fn session_deploy, session_resume;
// Claims; from a driver that died a moment ago when its claim runs out. ERR_CONFLICT from one that
// lives.
int session_claim_from_the_dead(struct session *s, const char *run, struct error *err);
// role_rollback.c
session_job_fn session_rollback;
// role_print.c
session_job_fn session_print_rollback;
// role_plan.c
session_job_fn session_plan;
// role_requests.c
session_job_fn session_do_abort, session_do_promote, session_do_pause, session_do_allow,
    session_do_down;
// role_adopt.c
session_job_fn session_do_adopt, session_do_eject;
// role_show.c
session_job_fn session_status, session_history, session_logs;
