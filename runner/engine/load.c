#include "engine/load.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/expand.h"
#include "engine/gitdir.h"
#include "engine/secrets.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"

#define GIT_TIMEOUT_MS 600000
#define DOTENV_FILE    ".env"
#define REPOSITORY     "/repo" // where davit-git sees what it is to look at
#define OUT            "/out"

// The nearest directory at or above `directory` that holds `.git`; NULL when there is none.
static char *find_top(const char *directory)
{
    char path[PATH_MAX];
    if (!realpath(directory, path))
        return NULL;
    for (;;) {
        AUTO_FREE char *git = path_join(path, ".git");
        if (file_exists(AT_FDCWD, git))
            return mem_strdup(path);
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            return NULL;
        *slash = '\0';
    }
}

static int describe(struct run *run, struct error *err)
{
    const char *top = run->record.repository;
    AUTO(strv) struct strv elsewhere = {0};
    if (gitdir_find(top, &elsewhere, err) < 0)
        return -1;
    // Of a linked worktree each part is where it is outside: they name each other.
    const char *seen = elsewhere.length ? top : REPOSITORY;
    struct sandbox_mount mounts[3] = {
        {.kind = SANDBOX_BIND_READ, .target = seen, .source = top, .foreign = true}};
    size_t count = 1;
    strv_each (path, &elsewhere)
        mounts[count++] = (struct sandbox_mount){
            .kind = SANDBOX_BIND_READ, .target = *path, .source = *path, .foreign = true};
    struct value *job = value_map();
    value_set_str(job, "op", "describe");
    value_set_str(job, "directory", seen);
    struct role_spec spec = {
        .program = PROGRAM_GIT,
        .name = "git",
        .job = job,
        .mounts = mounts,
        .mount_count = count,
        .timeout_ms = GIT_TIMEOUT_MS,
        .grace_ms = run->options.grace_ms,
    };
    AUTO(value) struct value *found = NULL;
    if (role_do(run->launcher, &spec, &found, err) < 0)
        return -1;
    context_set_commit(&run->context, &run->record, value_get(found, "commit"));
    mem_replace(&run->record.branch, value_get_str(found, "branch"));
    mem_replace(&run->record.tag, value_get_str(found, "tag"));
    mem_replace(&run->context.default_branch, value_get_str(found, "default_branch"));
    run->context.dirty = value_get_bool(found, "dirty", false);
    return 0;
}

// `.env` beside the pipeline, or the one that a person named (which must be there).
static int read_dotenv(struct run *run, int directory, struct diag_list *diags, struct error *err)
{
    const char *named = run->options.dotenv;
    struct str text;
    struct error why = {0};
    str_init(&text, DOTENV_MAX);
    int status = named ? file_read(AT_FDCWD, named, &text, &why) : -1;
    if (!named) {
        AUTO_FD int fd =
            file_open_beneath(directory, DOTENV_FILE, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &why);
        status = fd < 0 ? -1 : fd_read_all(fd, &text, &why);
    }
    if (status < 0) {
        str_done(&text);
        if (!named && why.kind == ERR_NOT_FOUND)
            return 0;
        *err = why;
        return named ? error_wrap(err, "the .env file") : error_wrap(err, DOTENV_FILE);
    }
    run->files->dotenv = (struct diag_source){
        .path = mem_strdup(named ? named : DOTENV_FILE), .length = text.length};
    run->files->dotenv.text = str_take(&text);
    dotenv_parse(&run->files->dotenv, &run->dotenv, diags);
    return 0;
}

// Reads the pipeline in `directory` and makes the plan of it.
static int read_pipeline(struct run *run, int directory, bool callers_environment,
    struct diag_list *diags, struct error *err)
{
    const char *file = run->options.file ? run->options.file : run->record.file;
    bool named = run->options.file != NULL;
    if (pipeline_read(named ? AT_FDCWD : directory, file, &run->files->pipeline, err) < 0)
        return -1;
    run->pipeline = pipeline_parse(&run->files->pipeline, diags);
    if (!run->pipeline || read_dotenv(run, directory, diags, err) < 0)
        return -1;
    mem_replace(&run->record.pipeline, run->pipeline->name);
    const char *rule;
    run->record.trusted = context_trusted(&run->context, &rule);
    AUTO(strv) struct strv wanted = {0}, names = {0}, values = {0};
    vec_each (stage, &run->pipeline->stages)
        strv_copy(&wanted, &stage->secrets);
    if (secrets_read(run->options.secret_files, &wanted, &names, &values, err) < 0)
        return -1;
    struct expander expander = {.context = &run->context, .checkout = -1};
    const struct expr_lookup lookup = expander_lookup(&expander);
    struct env_sources sources = {
        .lookup = &lookup,
        .dotenv = &run->dotenv,
        .caller = callers_environment ? environ : NULL,
        .secret_names = &names,
        .secret_values = &values,
    };
    if (plan_make(run->pipeline, &run->context, &sources, &run->plan, diags) < 0)
        return -1;
    // What a manifest has wrong is known before anything starts, too.
    run->files->previews = kube_previews_new(run->pipeline, &run->plan, run->checkout, diags);
    return 0;
}

int load_checkout(struct run *run, struct diag_list *diags, struct error *err)
{
    const char *directory = run->options.directory ? run->options.directory : ".";
    char here[PATH_MAX];
    if (!realpath(directory, here)) {
        error_errno(err, "%s", directory);
        err->kind = ERR_USAGE;
        return -1;
    }
    AUTO_FREE char *top = find_top(here);
    run->record.repository = mem_strdup(top ? top : here);
    if (top && describe(run, err) < 0)
        return error_wrap(err, "%s", top);
    mem_replace(&run->checkout, here);
    run->checkout_foreign = true;
    AUTO_FREE char *below = path_join(here, "");
    if (run->db && text_starts(run->launcher->state->path, below))
        return error_set(err, ERR_CONFIG,
            "davit's state (%s) lies in the checkout: name another place with --state or "
            "DAVIT_STATE",
            run->launcher->state->path);
    AUTO_FD int dir = dir_open(AT_FDCWD, here, err);
    if (dir < 0)
        return -1;
    return read_pipeline(run, dir, true, diags, err);
}

int load_start_clone(struct run *run, role_ended_fn *ready, struct error *err)
{
    run->checkout =
        state_path(run->launcher->state, "runs/%lld/checkout", (long long)run->record.id);
    if (launcher_make_owned(run->launcher, run->checkout, err) < 0)
        return -1;
    struct sandbox_mount mounts[] = {
        {.kind = SANDBOX_BIND_READ,
            .target = REPOSITORY,
            .source = run->record.repository,
            .foreign = true},
        {.kind = SANDBOX_BIND, .target = OUT, .source = run->checkout},
    };
    struct value *job = value_map();
    value_set_str(job, "op", "checkout");
    value_set_str(job, "repository", REPOSITORY);
    value_set_str(job, "commit", run->record.commit);
    value_set_str(job, "directory", OUT);
    AUTO_FREE char *cgroup = mem_printf("run-%lld/git", (long long)run->record.id);
    struct role_spec spec = {
        .program = PROGRAM_GIT,
        .name = "git",
        .cgroup = cgroup,
        .job = job,
        .mounts = mounts,
        .mount_count = ARRAY_LEN(mounts),
        .timeout_ms = GIT_TIMEOUT_MS,
        .grace_ms = run->options.grace_ms,
        .output = &run->own,
        .ended = ready,
        .arg = run,
    };
    run->git = role_start(run->launcher, &spec, err);
    return run->git ? 0 : -1;
}

int load_cloned(
    struct run *run, const struct value *cloned, struct diag_list *diags, struct error *err)
{
    context_set_commit(&run->context, &run->record, value_get(cloned, "commit"));
    AUTO_FD int dir = dir_open(AT_FDCWD, run->checkout, err);
    return dir < 0 ? -1 : read_pipeline(run, dir, false, diags, err);
}
