#include "git/role.h"

#include <string.h>
#include <sys/stat.h>

#include "git/checkout.h"
#include "git/describe.h"
#include "git/refs.h"
#include "os/fd.h"

static git_repository *open_named(const struct value *job, struct error *err)
{
    const char *path;
    return value_need_str(job, "repository", &path, err) < 0 ? NULL : repository_open(path, err);
}

static int do_refs(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    if (fds->count != 1)
        return error_set(err, ERR_PROTOCOL, "refs: wants one descriptor to write to");
    AUTO(git_repository) git_repository *repository = open_named(job, err);
    if (!repository)
        return -1;
    size_t refused = 0;
    AUTO(value) struct value *listing = refs_list(repository, &refused, err);
    if (!listing)
        return error_wrap(err, "%s", git_repository_path(repository));
    if (refused)
        role_log(worker, "%zu branches or tags with names that davit does not take are left out",
            refused);
    AUTO_FREE char *text = value_print(listing);
    if (fd_write_all(fds->fd[0], text, strlen(text), err) < 0)
        return error_wrap(err, "the listing");
    *ret_result = value_map();
    value_set_int(*ret_result, "refs", (int64_t)value_length(value_get(listing, "refs")));
    return 0;
}

static int do_checkout(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    (void)fds;
    const char *name, *directory;
    AUTO(strv) struct strv notices = {0};
    if (value_need_str(job, "commit", &name, err) < 0 ||
        value_need_str(job, "directory", &directory, err) < 0)
        return -1;
    AUTO(git_repository) git_repository *repository = open_named(job, err);
    AUTO(git_commit)
    git_commit *commit = repository ? repository_commit(repository, name, err) : NULL;
    if (!commit)
        return repository ? error_wrap(err, "%s", git_repository_path(repository)) : -1;
    umask(022); // modes are the commit's
    int status = checkout_write(repository, commit, directory, &notices, err);
    strv_each (notice, &notices)
        role_log(worker, "%s", *notice);
    if (status < 0)
        return error_wrap(err, "checkout of %s", git_oid_tostr_s(git_commit_id(commit)));
    *ret_result = value_map();
    value_set(*ret_result, "commit", commit_to_value(commit));
    return 0;
}

static int do_describe(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    (void)worker;
    (void)fds;
    const char *directory;
    if (value_need_str(job, "directory", &directory, err) < 0)
        return -1;
    *ret_result = describe(directory, err);
    return *ret_result ? 0 : -1;
}

static const struct job {
    const char *op;
    role_work_fn *work;
} jobs[] = {{"refs", do_refs}, {"checkout", do_checkout}, {"describe", do_describe}};

int git_work(struct rpc *worker, const struct value *job, const struct ipc_fds *fds,
    struct value **ret_result, struct error *err)
{
    const char *op;
    if (value_need_str(job, "op", &op, err) < 0 || library_start(err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        if (strcmp(op, jobs[i].op) == 0)
            return jobs[i].work(worker, job, fds, ret_result, err);
    return error_set(err, ERR_PROTOCOL, "davit-git has no job \"%s\"", op);
}
