#include "git/describe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "git/refname.h"

#define ORIGIN "refs/remotes/origin/"

// A file that a sparse checkout leaves out is missing on purpose; libgit2 calls it deleted.
static bool left_out(git_index *index, const git_status_entry *entry)
{
    if (entry->status != GIT_STATUS_WT_DELETED)
        return false;
    const char *path = entry->index_to_workdir->old_file.path;
    const git_index_entry *known = git_index_get_bypath(index, path, 0);
    return known && (known->flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE);
}

static int is_dirty(git_repository *repository, bool *ret, struct error *err)
{
    AUTO(git_status_list) git_status_list *list = NULL;
    AUTO(git_index) git_index *index = NULL;
    git_status_options options = {
        .version = GIT_STATUS_OPTIONS_VERSION,
        .flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES,
    };
    int status = git_repository_index(&index, repository);
    if (status == 0)
        status = git_status_list_new(&list, repository, &options);
    if (status < 0)
        return library_error(err, status, "comparing the working copy");
    *ret = false;
    for (size_t i = 0; i < git_status_list_entrycount(list); i++)
        *ret = *ret || !left_out(index, git_status_byindex(list, i));
    return 0;
}

struct candidate {
    git_repository *repository;
    const git_oid *commit;
    char *best; // the tag's short name
    bool best_annotated;
};

static int consider_tag(const char *name, git_oid *id, void *arg)
{
    struct candidate *c = arg;
    AUTO(git_object) git_object *object = NULL;
    AUTO(git_object) git_object *commit = NULL;
    if (!repository_refname_ok(name) ||
        git_object_lookup(&object, c->repository, id, GIT_OBJECT_ANY) < 0 ||
        git_object_peel(&commit, object, GIT_OBJECT_COMMIT) < 0 ||
        !git_oid_equal(git_object_id(commit), c->commit))
        return 0;
    bool annotated = git_object_type(object) == GIT_OBJECT_TAG;
    const char *tag = refname_tag(name);
    if (c->best && (c->best_annotated > annotated ||
                       (c->best_annotated == annotated && strverscmp(c->best, tag) > 0)))
        return 0;
    mem_replace(&c->best, tag);
    c->best_annotated = annotated;
    return 0;
}

static bool branch_exists(git_repository *repository, const char *branch)
{
    AUTO_FREE char *local = mem_printf("refs/heads/%s", branch);
    AUTO_FREE char *remote = mem_printf(ORIGIN "%s", branch);
    git_oid id;
    return repository_refname_ok(local) &&
           (git_reference_name_to_id(&id, repository, local) == 0 ||
               git_reference_name_to_id(&id, repository, remote) == 0);
}

static void add_default_branch(git_repository *repository, struct value *v)
{
    AUTO(git_reference) git_reference *head = NULL;
    AUTO(git_config) git_config *config = NULL;
    const char *candidates[] = {NULL, NULL, "main", "master"};
    if (git_reference_lookup(&head, repository, ORIGIN "HEAD") == 0 &&
        git_reference_type(head) == GIT_REFERENCE_SYMBOLIC &&
        text_starts(git_reference_symbolic_target(head), ORIGIN))
        candidates[0] = git_reference_symbolic_target(head) + strlen(ORIGIN);
    if (git_repository_config_snapshot(&config, repository) == 0)
        git_config_get_string(&candidates[1], config, "init.defaultBranch");
    for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
        if (candidates[i] && branch_exists(repository, candidates[i])) {
            value_set_str(v, "default_branch", candidates[i]);
            return;
        }
}

static int add_head(git_repository *repository, struct value *v, struct error *err)
{
    AUTO(git_reference) git_reference *head = NULL;
    int status = git_reference_lookup(&head, repository, "HEAD");
    if (status < 0)
        return library_error(err, status, "HEAD");
    if (git_reference_type(head) == GIT_REFERENCE_SYMBOLIC &&
        repository_refname_ok(git_reference_symbolic_target(head)))
        value_set_str(v, "branch", refname_branch(git_reference_symbolic_target(head)));
    if (git_repository_head_unborn(repository) == 1)
        return 0;
    AUTO(git_commit) git_commit *commit = repository_commit(repository, "HEAD", err);
    if (!commit)
        return -1;
    value_set(v, "commit", commit_to_value(commit));
    struct candidate tag = {.repository = repository, .commit = git_commit_id(commit)};
    git_tag_foreach(repository, consider_tag, &tag);
    value_set_str(v, "tag", tag.best);
    free(tag.best);
    return 0;
}

static bool holds(const char *directory, const char *path)
{
    size_t length = strlen(directory);
    return text_starts(path, directory) &&
           (path[length] == '\0' || path[length] == '/' || directory[length - 1] == '/');
}

// core.worktree may name any directory: only one that holds what was asked for is believed.
static char *find_toplevel(git_repository *repository, const char *directory, struct error *err)
{
    const char *said = git_repository_workdir(repository);
    AUTO_FREE char *real = realpath(directory, NULL);
    AUTO_FREE char *top = said ? realpath(said, NULL) : NULL;
    if (!said)
        error_set(err, ERR_CONFIG, "%s: is in a bare repository, which has no files to work on",
            directory);
    else if (!real || !top)
        error_errno(err, "%s", top ? directory : said);
    else if (!holds(top, real))
        error_set(err, ERR_CONFIG,
            "%s: its repository has its files in %s (core.worktree), which does not hold it",
            directory, top);
    else
        return take_ptr(top);
    return NULL;
}

struct value *describe(const char *directory, struct error *err)
{
    AUTO(git_repository) git_repository *repository = NULL;
    AUTO(value) struct value *v = value_map();
    struct stat st;
    if (stat(directory, &st) < 0 || !S_ISDIR(st.st_mode)) {
        error_set(err, ERR_NOT_FOUND, "%s: there is no such directory", directory);
        return NULL;
    }
    int found = repository_find(directory, &repository, err);
    if (found < 0)
        return NULL;
    AUTO_FREE char *top =
        found ? find_toplevel(repository, directory, err) : realpath(directory, NULL);
    bool dirty = false;
    if (!found && !top)
        error_errno(err, "%s", directory);
    if (!top ||
        (found && (add_head(repository, v, err) < 0 || is_dirty(repository, &dirty, err) < 0)))
        return NULL;
    if (found)
        add_default_branch(repository, v);
    value_set_bool(v, "dirty", dirty);
    value_set_str(v, "toplevel", top);
    return take_ptr(v);
}
