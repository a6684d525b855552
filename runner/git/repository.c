#include "git/repository.h"

#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/text.h"
#include "git/refname.h"

#define SHORT_ID    8
#define MESSAGE_MAX ((size_t)16 << 10) // six times as long where every byte is escaped
#define AUTHOR_MAX  ((size_t)256)

// Formats that libgit2 would open and then read wrongly: as empty, or with stale refs.
static const struct format {
    const char *key, *known, *meaning;
} formats[] = {
    {"extensions.objectformat", "sha1", "objects are named by"},
    {"extensions.refstorage", "files", "refs are stored as"},
};

static int check_formats(git_repository *repository, struct error *err)
{
    AUTO(git_config) git_config *config = NULL;
    int status = git_repository_config_snapshot(&config, repository);
    if (status < 0)
        return library_error(err, status, "its configuration");
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        const struct format *format = &formats[i];
        const char *value = NULL;
        status = git_config_get_string(&value, config, format->key);
        if (status == GIT_ENOTFOUND || (status == 0 && strcmp(value, format->known) == 0))
            continue;
        if (status < 0)
            return library_error(err, status, "%s", format->key);
        return error_set(err, ERR_UNSUPPORTED, "its %s \"%s\" (%s): davit reads only \"%s\"",
            format->meaning, value, format->key, format->known);
    }
    return 0;
}

static int open_at(const char *path, unsigned flags, git_repository **ret, struct error *err)
{
    AUTO(git_repository) git_repository *repository = NULL;
    int status = git_repository_open_ext(&repository, path, flags, NULL);
    if (status == GIT_ENOTFOUND)
        return 0;
    if (status < 0)
        return library_error(err, status, "%s", path);
    if (check_formats(repository, err) < 0)
        return error_wrap(err, "%s", path);
    *ret = take_ptr(repository);
    return 1;
}

git_repository *repository_open(const char *path, struct error *err)
{
    git_repository *repository = NULL;
    struct stat st;
    if (stat(path, &st) < 0)
        error_set(err, ERR_NOT_FOUND, "%s: there is no such directory", path);
    else if (open_at(path, GIT_REPOSITORY_OPEN_NO_SEARCH, &repository, err) == 0)
        error_set(err, ERR_NOT_FOUND,
            "%s: is not a git repository (a bare one, or a directory with .git)", path);
    return repository;
}

int repository_find(const char *directory, git_repository **ret, struct error *err)
{
    return open_at(directory, 0, ret, err);
}

bool repository_refname_ok(const char *name)
{
    int valid = 0;
    return refname_ok(name) && git_reference_name_is_valid(&valid, name) == 0 && valid;
}

static bool is_id(const char *text)
{
    return strlen(text) == GIT_OID_HEXSZ && strspn(text, "0123456789abcdefABCDEF") == GIT_OID_HEXSZ;
}

git_commit *repository_commit(git_repository *repository, const char *name, struct error *err)
{
    git_oid id;
    int status;
    if (is_id(name)) {
        status = git_oid_fromstr(&id, name);
    } else if (strcmp(name, "HEAD") == 0 || repository_refname_ok(name)) {
        status = git_reference_name_to_id(&id, repository, name);
    } else { // the name is not repeated: it may be made to mislead
        error_set(err, ERR_DENIED,
            "what was asked for is neither a commit (40 hex digits) nor the full name of a ref "
            "that davit takes (refs/heads/…, refs/tags/…)");
        return NULL;
    }
    AUTO(git_object) git_object *object = NULL;
    if (status == 0)
        status = git_object_lookup(&object, repository, &id, GIT_OBJECT_ANY);
    git_object *commit = NULL;
    if (status == 0)
        status = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
    if (status < 0)
        library_error(err, status, "%s", name);
    return (git_commit *)commit;
}

// At most `max` bytes, cut before a character rather than in it.
static struct value *text_value(const char *text, size_t max)
{
    size_t length = text ? strlen(text) : 0;
    if (length <= max)
        return value_string_n(text ? text : "", length);
    length = max;
    while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return value_string_n(text, length);
}

struct value *commit_to_value(const git_commit *commit)
{
    char id[GIT_OID_HEXSZ + 1];
    git_oid_tostr(id, sizeof id, git_commit_id(commit));
    const git_signature *author = git_commit_author(commit);
    struct value *v = value_map();
    value_set_str(v, "id", id);
    value_set(v, "short", value_string_n(id, SHORT_ID));
    value_set(v, "message", text_value(git_commit_message(commit), MESSAGE_MAX));
    value_set(v, "author", text_value(author->name, AUTHOR_MAX));
    value_set(v, "email", text_value(author->email, AUTHOR_MAX));
    value_set_int(v, "time", git_commit_time(commit));
    return v;
}
