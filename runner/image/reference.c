#include "image/reference.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "codec/digest.h"

#define DEFAULT_REGISTRY "docker.io"
#define NAME_MAX_LENGTH  255
#define TAG_MAX          128

void reference_done(struct reference *r)
{
    free(r->registry);
    free(r->repository);
    free(r->tag);
    free(r->digest);
    *r = (struct reference){0};
}

static bool registry_ok(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-:[]", *c))
            return false;
    return *text && text[0] != '-' && text[0] != '.';
}

// Components of lower-case letters and digits with separators between them.
static bool repository_ok(const char *text)
{
    bool start = true;
    if (!*text || strlen(text) > NAME_MAX_LENGTH)
        return false;
    for (const char *c = text; *c; c++) {
        bool letter = islower((unsigned char)*c) || isdigit((unsigned char)*c);
        bool separator = strchr("._-/", *c) != NULL;
        if (!letter && !separator)
            return false;
        if (separator && (start || !c[1] || c[1] == '/'))
            return false;
        start = *c == '/';
    }
    return true;
}

static bool tag_ok(const char *text)
{
    if (!*text || strlen(text) > TAG_MAX || *text == '.' || *text == '-')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    return true;
}

// Docker's rule: what comes before the first slash is a registry when it looks like a host.
static void split_registry(char *name, struct reference *r)
{
    char *slash = strchr(name, '/');
    size_t first = slash ? (size_t)(slash - name) : 0;
    bool host = slash && (memchr(name, '.', first) || memchr(name, ':', first) ||
                             (first == 9 && memcmp(name, "localhost", 9) == 0));
    if (host) {
        r->registry = mem_strndup(name, first);
        r->repository = mem_strdup(slash + 1);
        if (strcmp(r->registry, "index.docker.io") == 0)
            mem_replace(&r->registry, DEFAULT_REGISTRY);
    } else {
        r->registry = mem_strdup(DEFAULT_REGISTRY);
        r->repository = mem_strdup(name);
    }
    if (strcmp(r->registry, DEFAULT_REGISTRY) == 0 && !strchr(r->repository, '/')) {
        char *official = mem_printf("library/%s", r->repository);
        free(r->repository);
        r->repository = official;
    }
}

int reference_parse(const char *text, struct reference *ret, struct error *err)
{
    AUTO(reference) struct reference r = {0};
    AUTO_FREE char *name = mem_strdup(text);
    char *at = strchr(name, '@');
    if (at) {
        *at = '\0';
        r.digest = mem_strdup(at + 1);
    }
    char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
    if (colon && (!slash || colon > slash)) {
        *colon = '\0';
        r.tag = mem_strdup(colon + 1);
    }
    split_registry(name, &r);
    const char *why = NULL;
    if (!registry_ok(r.registry))
        why = "the registry is not a host";
    else if (!repository_ok(r.repository))
        why = "a name is lower-case letters, digits and separators";
    else if (r.tag && !tag_ok(r.tag))
        why = "the tag is not one";
    else if (r.digest && !digest_ok(r.digest))
        why = "the digest is not sha256: and 64 hex digits";
    if (why)
        return error_set(err, ERR_CONFIG, "\"%.200s\" is not an image reference: %s", text, why);
    if (!r.tag && !r.digest)
        r.tag = mem_strdup("latest");
    *ret = r;
    r = (struct reference){0};
    return 0;
}

char *reference_name(const struct reference *r)
{
    return mem_printf("%s/%s%s%s%s%s", r->registry, r->repository, r->tag ? ":" : "",
        r->tag ? r->tag : "", r->digest ? "@" : "", r->digest ? r->digest : "");
}

const char *reference_object(const struct reference *r)
{
    return r->digest ? r->digest : r->tag;
}
