#include "image/registry_auth.h"

#include <stdlib.h>
#include <string.h>

#include "image/challenge.h"

#define TOKEN_ANSWER_MAX ((size_t)256 << 10)

void registry_auth_done(struct registry_auth *a)
{
    vec_each (t, &a->tokens) {
        free(t->scope);
        free(t->header);
    }
    vec_free(&a->tokens);
    free(a->basic);
    value_free(a->credentials);
}

const char *registry_auth_header(const struct registry_auth *a, const char *scope)
{
    vec_each (t, &a->tokens)
        if (strcmp(t->scope, scope) == 0)
            return t->header;
    return a->basic;
}

static void remember_token(struct registry_auth *a, const char *scope, char *header)
{
    vec_each (t, &a->tokens)
        if (strcmp(t->scope, scope) == 0) {
            free(t->header);
            t->header = header;
            return;
        }
    *vec_add(&a->tokens) = (struct registry_token){.scope = mem_strdup(scope), .header = header};
}

// Where a registry's tokens come from when it is not the registry itself.
static const struct {
    const char *registry, *realm;
} known_realms[] = {
    {"docker.io", "auth.docker.io"},
    {"registry.gitlab.com", "gitlab.com"},
};

// May the realm be told the registry's credentials?
static bool realm_ok(const struct registry_auth *a, const struct url *realm)
{
    if (url_same_origin(realm, a->own))
        return true;
    if (strcmp(realm->scheme, "https") != 0 || realm->port != 443)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(known_realms); i++)
        if (strcmp(known_realms[i].registry, a->name) == 0 &&
            strcmp(known_realms[i].realm, realm->host) == 0)
            return true;
    const struct value *realms = value_get(a->credentials, "realms");
    for (size_t i = 0; i < value_length(realms); i++)
        if (text_equal(value_text(value_at(realms, i)), realm->host))
            return true;
    return false;
}

static char *token_url(const struct challenge *c, const char *scope)
{
    AUTO_FREE char *service = url_escape(c->service ? c->service : "");
    AUTO_FREE char *escaped = url_escape(scope);
    return mem_printf(
        "%s%sservice=%s&scope=%s", c->realm, strchr(c->realm, '?') ? "&" : "?", service, escaped);
}

static int fetch_token(struct registry_auth *a, const struct challenge *c, const char *scope,
    bool public_only, struct error *err)
{
    AUTO(url) struct url realm = {0};
    AUTO(strv) struct strv headers = {0};
    AUTO_FREE char *url = token_url(c, scope);
    const char *user = value_get_str(a->credentials, "username");
    const char *password = value_get_str(a->credentials, "password");
    if (url_parse(c->realm, &realm, err) < 0)
        return error_wrap(err, "the realm that %s names", a->name);
    if (user && password && !realm_ok(a, &realm))
        return error_set(err, ERR_DENIED,
            "%s asks for its credentials to be sent to %s, another host: name it under the "
            "registry's realms if they belong together",
            a->name, realm.host);
    if (user && password)
        strv_push_take(&headers, basic_header(user, password));
    const struct http_request request = {.url = url,
        .headers = &headers,
        .body_max = TOKEN_ANSWER_MAX,
        .public_only = public_only && !url_same_origin(&realm, a->own)};
    struct http_response response = {0};
    if (http_do(a->host->loop, a->host->http, &request, &response, err) < 0)
        return error_wrap(err, "a token for %s", a->name);
    AUTO(value)
    struct value *answer =
        response.status == 200 ? value_parse(response.body.data, response.body.length, NULL) : NULL;
    int status = response.status;
    http_response_done(&response);
    const char *token = value_get_str(answer, "token");
    if (!token)
        token = value_get_str(answer, "access_token");
    if (!token)
        return error_set(err, status == 401 || status == 403 ? ERR_DENIED : ERR_REMOTE,
            "%s gives no token for %s (HTTP %d)", realm.host, scope, status);
    remember_token(a, scope, mem_printf("Authorization: Bearer %s", token));
    return 0;
}

int registry_auth_meet(struct registry_auth *a, const char *header, const char *scope,
    bool public_only, struct error *err)
{
    AUTO(challenge) struct challenge c = {0};
    if (!header || !challenge_parse(header, &c))
        return error_set(
            err, ERR_DENIED, "%s wants to be logged in to, in a way that is not known", a->name);
    if (!a->asked && a->host->credentials(a->host->arg, a->name, &a->credentials, err) < 0)
        return error_wrap(err, "credentials for %s", a->name);
    a->asked = true;
    if (c.scheme == CHALLENGE_BEARER)
        return fetch_token(a, &c, scope, public_only, err);
    const char *user = value_get_str(a->credentials, "username");
    const char *password = value_get_str(a->credentials, "password");
    if (!user || !password)
        return error_set(err, ERR_DENIED,
            "%s wants to be logged in to, and there are no credentials for it", a->name);
    if (a->basic)
        return error_set(
            err, ERR_DENIED, "%s does not accept the credentials of \"%s\"", a->name, user);
    a->basic = basic_header(user, password);
    return 0;
}
