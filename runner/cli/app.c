#include "cli/app.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/outcome.h"
#include "engine/role.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

#define ABORT_GRACE_MS 900000 // a rollout that is told to stop goes back first

// Two commands are two drivers, even at the same terminal.
static char *identity_of(const char *who, const char *op)
{
    return mem_printf("%s/%s-%d-%lld", who, op, (int)getpid(), (long long)clock_unix_ms());
}

int app_call_with(struct cli *cli, const char *op, const char *app,
    const struct place_options *where, struct value *job, int fd, bool drives, struct value **ret,
    struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(value) struct value *owned = job ? job : value_map();
    AUTO(place) struct place place = {0};
    AUTO_FREE char *who = cli_who();
    AUTO_FREE char *identity = identity_of(who, op);
    struct mask mask = {0};
    struct output output;
    if (place_find(cli, app, where, &place, err) < 0 ||
        cli_context_init(&context, cli, CLI_STATE, err) < 0)
        return -1;
    value_set_str(owned, "op", op);
    value_set_str(owned, "app", app);
    value_set_str(owned, "who", who);
    value_set_str(owned, "identity", identity);
    if (place.cluster)
        value_set(owned, "cluster", value_share(place.cluster));
    output_init(&output, &mask, -1, cli->out.json ? STDERR_FILENO : STDOUT_FILENO, app, 0,
        cli->out.color, 0);
    struct role_spec spec = {
        .program = PROGRAM_DEPLOY,
        .name = op,
        .job = value_share(owned),
        .job_fd = fd,
        .network = SANDBOX_NETWORK_HOST, // health checks and gates reach the instances
        .grace_ms = ABORT_GRACE_MS,
        .output = &output,
        .mask = &mask,
        .app = place.cluster ? NULL : app,
        .cluster = place.cluster != NULL,
        .context = value_get_str(place.cluster, "context"),
        .kube_namespace = value_get_str(place.cluster, "namespace"),
        .heeds = drives,
    };
    signal(SIGPIPE, SIG_IGN); // what is under way does not depend on who reads of it
    int status = role_do(&context.launcher, &spec, ret, err);
    output_end(&output);
    output_done(&output);
    return status;
}

int app_call(struct cli *cli, const char *op, const char *app, const struct place_options *where,
    struct value *job, bool drives, struct value **ret, struct error *err)
{
    return app_call_with(cli, op, app, where, job, -1, drives, ret, err);
}

int app_ask_text(struct cli *cli, const char *op, const char *app,
    const struct place_options *where, struct value *job, const char *document, struct str *out,
    struct value **ret, struct error *err)
{
    AUTO(value) struct value *owned = job ? job : value_map();
    size_t length = document ? strlen(document) : 0;
    AUTO_FD int fd = memfd_create("answer", MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "memfd_create");
    if (fd_write_all(fd, document ? document : "", length, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, "the job's document");
    if (app_call_with(cli, op, app, where, value_share(owned), fd, false, ret, err) < 0)
        return -1;
    if (lseek(fd, (off_t)length, SEEK_SET) < 0)
        return error_errno(err, "the answer");
    return fd_read_all(fd, out, err);
}

int app_report(const struct cli *cli, const struct value *result)
{
    const struct outcome_end *how = outcome_end(value_get_str(result, "outcome"));
    if (cli->out.json) {
        out_value(result);
        return how ? (int)how->exit_code : EXIT_RUNNER;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    const struct value *lines = value_get(result, "report");
    for (size_t i = 0; i < value_length(lines); i++)
        str_printf(&text, "%s\n", value_text(value_at(lines, i)));
    out_text(&text);
    return how ? (int)how->exit_code : EXIT_RUNNER;
}

void app_print_place(const struct value *answer, struct str *out)
{
    const char *context = value_get_str(answer, "context");
    str_puts(out, value_get_str(answer, "app"));
    if (context)
        str_printf(out, " on %s (context %s, namespace %s)", value_get_str(answer, "target"),
            context, value_get_str(answer, "namespace"));
}

int app_list(const struct cli *cli, struct strv *ret, struct error *err)
{
    AUTO_FREE char *state =
        cli->common.state ? mem_strdup(cli->common.state) : state_default_path();
    AUTO_FREE char *path = path_join(state ? state : ".", "apps");
    AUTO(strv) struct strv names = {0};
    struct error why = {0};
    if (dir_list(AT_FDCWD, path, &names, &why) < 0 && why.kind != ERR_NOT_FOUND) {
        *err = why;
        return -1;
    }
    strv_each (name, &names)
        if ((*name)[0] != '.')
            strv_push(ret, *name);
    return 0;
}
