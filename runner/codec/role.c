#include "codec/role.h"

#include <stdarg.h>
#include <stdio.h>

#include "os/process.h"

void role_log(struct rpc *worker, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *line = mem_vprintf(format, args);
    va_end(args);
    struct value *params = value_map();
    value_set_str(params, "line", line);
    rpc_call(worker, "log", params, NULL, 0, RPC_WAIT_FOREVER, NULL, NULL, NULL);
}

static int run_job(struct rpc *worker, role_work_fn *work, struct error *err)
{
    AUTO(value) struct value *job = NULL;
    AUTO(value) struct value *result = NULL;
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    if (rpc_call(worker, "job", NULL, NULL, 0, RPC_WAIT_FOREVER, &job, &fds, err) < 0)
        return -1;
    int status = work(worker, job, &fds, &result, err);
    struct value *end = value_map();
    if (status < 0)
        value_set(end, "error", error_to_value(err));
    else
        value_set(end, "result", result ? take_ptr(result) : value_map());
    struct error unheard;
    if (rpc_call(worker, "done", end, NULL, 0, RPC_WAIT_FOREVER, NULL, NULL, &unheard) < 0 &&
        status == 0) {
        *err = unheard;
        return -1;
    }
    return status;
}

int role_main(const char *name, role_work_fn *work)
{
    process_harden();
    struct error err = {0};
    struct rpc *worker = rpc_connect(ROLE_SOCKET_FD, name, &err);
    if (!worker) {
        fprintf(stderr, "%s: %s (a role of davit: it is started by davit, not by hand)\n", name,
            err.message);
        return EXIT_RUNNER;
    }
    int status = run_job(worker, work, &err);
    rpc_free(worker);
    return status < 0 ? (int)error_exit_code(err.kind) : EXIT_OK;
}
