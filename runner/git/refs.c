#include "git/refs.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "git/refname.h"

#define REFS_MAX 100000

struct listed {
    char *name;
    git_oid commit;
};
struct listing {
    git_repository *repository;
    git_odb *odb;
    VEC(struct listed) refs;
    size_t refused;
};

static void listing_done(struct listing *l)
{
    vec_each (ref, &l->refs)
        free(ref->name);
    vec_free(&l->refs);
    git_odb_free(l->odb);
}
DEFINE_AUTO(listing, struct listing, listing_done)

// False: a symbolic ref to nowhere, or a tag on something else. A branch is a commit by git's own
// rule; one whose commit is missing must not look as if it had been deleted.
static bool find_commit(const struct listing *l, const git_reference *ref, git_oid *ret)
{
    AUTO(git_reference) git_reference *resolved = NULL;
    if (git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC) { // others it would read once more
        if (git_reference_resolve(&resolved, ref) < 0)
            return false;
        ref = resolved;
    }
    // packed-refs tells what an annotated tag stands for, without a look at the object.
    const git_oid *peeled = git_reference_target_peel(ref);
    *ret = peeled ? *peeled : *git_reference_target(ref);
    if (refname_branch(git_reference_name(ref)))
        return !git_oid_is_zero(ret); // zeros mean "no commit" in an event
    size_t size;
    git_object_t type;
    if (git_odb_read_header(&size, &type, l->odb, ret) < 0)
        return false;
    if (type != GIT_OBJECT_TAG)
        return type == GIT_OBJECT_COMMIT;
    AUTO(git_object) git_object *commit = NULL;
    if (git_reference_peel(&commit, ref, GIT_OBJECT_COMMIT) < 0)
        return false;
    *ret = *git_object_id(commit);
    return true;
}

static int add(struct listing *l, const git_reference *ref, struct error *err)
{
    const char *name = git_reference_name(ref);
    git_oid commit;
    if (!repository_refname_ok(name)) {
        l->refused++;
        return 0;
    }
    if (!find_commit(l, ref, &commit))
        return 0;
    if (l->refs.length == REFS_MAX)
        return error_set(err, ERR_LIMIT, "it has more than %d branches and tags", REFS_MAX);
    struct listed *item = vec_add(&l->refs);
    item->name = mem_strdup(name);
    item->commit = commit;
    return 0;
}

static int add_all(struct listing *l, const char *glob, struct error *err)
{
    AUTO(git_reference_iterator) git_reference_iterator *iterator = NULL;
    int status = git_reference_iterator_glob_new(&iterator, l->repository, glob);
    while (status == 0) {
        AUTO(git_reference) git_reference *ref = NULL;
        status = git_reference_next(&ref, iterator);
        if (status == 0 && add(l, ref, err) < 0)
            return -1;
    }
    return status == GIT_ITEROVER ? 0 : library_error(err, status, "listing %s", glob);
}

static int by_name(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static struct value *listing_to_value(struct listing *l)
{
    if (l->refs.length)
        qsort(l->refs.items, l->refs.length, sizeof *l->refs.items, by_name);
    struct value *refs = value_list();
    vec_each (ref, &l->refs) {
        char id[GIT_OID_HEXSZ + 1];
        struct value *item = value_map();
        value_set_str(item, "name", ref->name);
        value_set_str(item, "id", git_oid_tostr(id, sizeof id, &ref->commit));
        value_append(refs, item);
    }
    struct value *v = value_map();
    value_set(v, "refs", refs);
    AUTO(git_reference) git_reference *head = NULL;
    if (git_reference_lookup(&head, l->repository, "HEAD") == 0 &&
        git_reference_type(head) == GIT_REFERENCE_SYMBOLIC &&
        repository_refname_ok(git_reference_symbolic_target(head)))
        value_set_str(v, "head", git_reference_symbolic_target(head));
    return v;
}

struct value *refs_list(git_repository *repository, size_t *ret_refused, struct error *err)
{
    AUTO(listing) struct listing l = {.repository = repository};
    int status = git_repository_odb(&l.odb, repository);
    if (status < 0) {
        library_error(err, status, "its objects");
        return NULL;
    }
    if (add_all(&l, "refs/heads/*", err) < 0 || add_all(&l, "refs/tags/*", err) < 0)
        return NULL;
    struct value *v = listing_to_value(&l);
    *ret_refused = l.refused;
    return v;
}
