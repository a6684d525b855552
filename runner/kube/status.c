// What the API server said, as an error of ours. Pure.
//
// What a real server (1.36) answers, and what therefore is looked at:
// - a JSON Patch whose `test` fails, or whose path is not there: 422, reason Invalid, empty
//   details, and a message that says nothing. Content that is not valid is 422 Invalid as well, but
//   with details.causes;
// - server-side apply on other managers' fields: 409 with a cause of reason FieldManagerConflict
//   for each field, whose message holds the manager in quotes;
// - server-side apply with a resourceVersion that is not the object's: 409 without causes. Where
//   the object is gone the version is not looked at: it is created. A uid is: 409;
// - an API group that is not there: 404 as plain text, without a Status.
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "kube/client_private.h"

#define TEXT_SHOWN 200
#define FIELDS_MAX 4096

// The part after the collection's parents: "/apis/apps/v1/namespaces/NS/deployments/web" is about
// "deployments/web".
static const char *subject(const char *path)
{
    const char *at = path;
    int skip = text_starts(path, "/apis/") ? 3 : text_starts(path, "/api/") ? 2 : 0;
    for (; skip && at; skip--)
        at = strchr(at + 1, '/');
    if (!at || !at[0] || !at[1] || at == path)
        return path;
    if (text_starts(at, "/namespaces/")) {
        const char *of = strchr(at + strlen("/namespaces/"), '/');
        if (of)
            at = of;
    }
    return at + 1;
}

char *kube_asked(const char *method, const char *path)
{
    AUTO_FREE char *plain = mem_strndup(path, strcspn(path, "?"));
    return mem_printf("%s %s", method, subject(plain));
}

bool kube_is_failure(const struct value *v)
{
    return text_equal(value_get_str(v, "kind"), "Status") &&
           text_equal(value_get_str(v, "status"), "Failure");
}

// `conflict with "NAME" using apps/v1`: NAME, or nothing.
static char *manager_of(const struct value *cause)
{
    const char *message = value_get_str(cause, "message");
    const char *open = message ? strchr(message, '"') : NULL;
    const char *close = open ? strchr(open + 1, '"') : NULL;
    return close ? mem_strndup(open + 1, (size_t)(close - open) - 1) : NULL;
}

static bool is_conflict(const struct value *cause)
{
    return text_equal(value_get_str(cause, "reason"), "FieldManagerConflict") &&
           value_get_str(cause, "field");
}

static void add_fields(const struct value *causes, const char *manager, struct strv *fields)
{
    for (size_t i = 0; i < value_length(causes); i++) {
        const struct value *cause = value_at(causes, i);
        AUTO_FREE char *of = manager_of(cause);
        if (is_conflict(cause) && text_equal(of, manager))
            strv_push(fields, value_get_str(cause, "field"));
    }
    strv_sort(fields);
}

// `"hpa" has .spec.replicas; "kubectl" has .data.a, .data.b`: empty when nobody has anything. The
// server names them in any order: here they are sorted.
static void print_managers(const struct value *causes, struct str *out)
{
    AUTO(strv) struct strv managers = {0};
    for (size_t i = 0; i < value_length(causes); i++) {
        AUTO_FREE char *manager = manager_of(value_at(causes, i));
        if (is_conflict(value_at(causes, i)) && manager && !strv_has(&managers, manager))
            strv_push(&managers, manager);
    }
    strv_sort(&managers);
    strv_each (manager, &managers) {
        AUTO(strv) struct strv fields = {0};
        add_fields(causes, *manager, &fields);
        str_printf(out, "%s\"%s\" has", out->length ? "; " : "", *manager);
        strv_each (field, &fields)
            str_printf(out, "%s %s", field == fields.items ? "" : ",", *field);
    }
}

static enum error_kind kind_of(int status, bool patch_failed)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 422:
        return patch_failed ? ERR_CONFLICT : ERR_REMOTE;
    default:
        return ERR_REMOTE;
    }
}

// The server's own words on one line; a part of the body when it is no Status.
static void print_message(const struct kube_answered *a, struct str *out)
{
    const char *message = value_get_str(a->body, "message");
    if (!message && a->text && !kube_is_failure(a->body))
        message = a->text->data;
    AUTO_FREE char *line = mem_strndup(message ? message : "", ERROR_MESSAGE_MAX);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\t' || *c == '\r')
            *c = ' ';
    text_make_printable(line);
    size_t length = strlen(line);
    while (length && line[length - 1] == ' ')
        line[--length] = '\0';
    const char *reason = value_get_str(a->body, "reason");
    str_printf(out, "%.*s", a->body ? ERROR_MESSAGE_MAX : TEXT_SHOWN,
        length   ? line
        : reason ? reason
                 : "no reason was given");
}

int kube_status_check(const struct kube_answered *a, struct error *err)
{
    bool failure = kube_is_failure(a->body);
    if (a->status / 100 == 2 && !failure)
        return 0;
    const struct value *causes = kube_at(a->body, "details", "causes");
    int status = failure ? (int)value_get_int(a->body, "code", a->status) : a->status;
    if (status / 100 == 2)
        status = 500; // "Failure" and nothing more
    bool patch_failed = status == 422 && a->json_patch && value_length(causes) == 0;
    AUTO(str) struct str why;
    str_init(&why, FIELDS_MAX);
    if (status == 409)
        print_managers(causes, &why);
    if (why.length) {
        error_set(err, ERR_CONFLICT, "%s: fields belong to other managers: %s", a->asked, why.data);
    } else {
        print_message(a, &why);
        error_set(err, kind_of(status, patch_failed), "%s: HTTP %d: %s", a->asked, status,
            patch_failed ? "the object is not as the patch expects (a test failed, or a path is "
                           "not there)"
                         : why.data);
    }
    if (err) {
        err->http_status = status;
        err->retryable = status == 429 || status / 100 == 5;
    }
    return -1;
}
