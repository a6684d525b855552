#include "deploy/role.h"

#include <string.h>

#include "deploy/role_jobs.h"

static const struct job {
    const char *op;
    session_job_fn *work;
} jobs[] = {
    {"deploy", session_deploy},
    {"resume", session_resume},
    {"rollback", session_rollback},
    {"print_rollback", session_print_rollback},
    {"plan", session_plan},
    {"abort", session_do_abort},
    {"promote", session_do_promote},
    {"pause", session_do_pause},
    {"allow", session_do_allow},
    {"down", session_do_down},
    {"adopt", session_do_adopt},
    {"eject", session_do_eject},
    {"status", session_status},
    {"history", session_history},
    {"logs", session_logs},
};

int deploy_work(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    const char *op;
    if (value_need_str(job, "op", &op, err) < 0)
        return -1;
    const struct job *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(jobs) && !found; i++)
        if (strcmp(op, jobs[i].op) == 0)
            found = &jobs[i];
    if (!found)
        return error_set(err, ERR_PROTOCOL, "davit-deploy has no job \"%s\"", op);
    AUTO(session) struct session s = {0};
    if (session_open(&s, worker, job, err) < 0)
        return -1;
    return found->work(&s, fds, ret_result, err);
}
