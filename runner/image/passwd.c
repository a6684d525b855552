#include "image/passwd.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/str.h"
#include "base/text.h"

#define ID_MAX     4294967294 // -1 means "leave it" to chown(2)
#define FIELDS     7
#define FIELD_ID   2
#define FIELD_GID  3 // passwd(5)
#define FIELD_HOME 5

// Splits one line; the fields lie in `line`, which is cut up.
static size_t split(char *line, char *fields[static FIELDS])
{
    size_t n = 0;
    for (size_t i = 0; i < FIELDS; i++)
        fields[i] = line + strlen(line); // what is not there is empty
    for (char *p = line; n < FIELDS && p; n++) {
        fields[n] = p;
        p = strchr(p, ':');
        if (p)
            *p++ = '\0';
    }
    return n;
}

static bool id_parse(const char *text, int64_t *ret)
{
    return int_parse(text, 0, ID_MAX, ret);
}

// The line whose name is `name`, or whose id is `id` when name is NULL; cut into fields. The caller
// frees *ret_line.
static bool find(
    const char *text, const char *name, int64_t id, char **ret_line, char *fields[static FIELDS])
{
    for (const char *at = text; at && *at;) {
        size_t length = strcspn(at, "\n");
        char *line = mem_strndup(at, length);
        size_t n = split(line, fields);
        int64_t found;
        if (n > FIELD_ID && id_parse(fields[FIELD_ID], &found) &&
            (name ? strcmp(fields[0], name) == 0 : found == id)) {
            *ret_line = line;
            return true;
        }
        free(line);
        at += length;
        at += *at == '\n';
    }
    return false;
}

static int find_group(const char *group, const char *name, gid_t *ret, struct error *err)
{
    int64_t id;
    char *fields[FIELDS];
    AUTO_FREE char *line = NULL;
    if (!id_parse(name, &id)) {
        if (!find(group, name, 0, &line, fields) || !id_parse(fields[FIELD_ID], &id))
            return error_set(err, ERR_CONFIG,
                "the image has no group \"%s\" in /etc/group; give its number", name);
    }
    *ret = (gid_t)id;
    return 0;
}

static int64_t primary_group(char *const *fields)
{
    int64_t gid;
    return id_parse(fields[FIELD_GID], &gid) ? gid : 0;
}

static int resolve(const char *passwd, const char *group, const char *spec, bool number_is_both,
    struct ids *ret, char **ret_home, struct error *err)
{
    const char *colon = strchr(spec, ':');
    AUTO_FREE char *user = mem_strndup(spec, colon ? (size_t)(colon - spec) : strlen(spec));
    AUTO_FREE char *line = NULL;
    char *fields[FIELDS];
    int64_t uid = 0, gid = 0;
    bool number = !*user || id_parse(user, &uid);
    bool known = find(passwd, number ? NULL : user, uid, &line, fields);
    if (!number && (!known || !id_parse(fields[FIELD_ID], &uid)))
        return error_set(
            err, ERR_CONFIG, "the image has no user \"%s\" in /etc/passwd; give its number", user);
    if (number && number_is_both)
        gid = uid;
    else if (known)
        gid = primary_group(fields);
    struct ids ids = {.uid = (uid_t)uid, .gid = (gid_t)gid};
    if (colon && find_group(group, colon + 1, &ids.gid, err) < 0)
        return -1;
    if (ret_home)
        *ret_home = mem_strdup(known && *fields[FIELD_HOME] ? fields[FIELD_HOME] : "/");
    *ret = ids;
    return 0;
}

int passwd_owner(
    const char *passwd, const char *group, const char *spec, struct ids *ret, struct error *err)
{
    return resolve(passwd, group, spec, true, ret, NULL, err);
}

int passwd_user(const char *passwd, const char *group, const char *spec, struct ids *ret,
    char **ret_home, struct error *err)
{
    return resolve(passwd, group, spec, false, ret, ret_home, err);
}
