#include "kube/cluster.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void wipe(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    mem_freep(secret);
}

void kube_cluster_done(struct kube_cluster *c)
{
    wipe(&c->key);
    wipe(&c->token);
    wipe(&c->password);
    wipe(&c->proxy);
    free(c->context);
    free(c->server);
    free(c->namespace);
    free(c->ca);
    free(c->tls_server_name);
    free(c->cert);
    free(c->username);
    strv_done(&c->impersonate);
    *c = (struct kube_cluster){0};
}

// --- between processes ---

static const struct text_field {
    const char *key;
    size_t offset;
    bool needed;
} texts[] = {
    {"context", offsetof(struct kube_cluster, context), true},
    {"server", offsetof(struct kube_cluster, server), true},
    {"namespace", offsetof(struct kube_cluster, namespace), true},
    {"ca", offsetof(struct kube_cluster, ca), false},
    {"tls_server_name", offsetof(struct kube_cluster, tls_server_name), false},
    {"proxy", offsetof(struct kube_cluster, proxy), false},
    {"cert", offsetof(struct kube_cluster, cert), false},
    {"key", offsetof(struct kube_cluster, key), false},
    {"token", offsetof(struct kube_cluster, token), false},
    {"username", offsetof(struct kube_cluster, username), false},
    {"password", offsetof(struct kube_cluster, password), false},
};

struct value *kube_cluster_to_value(const struct kube_cluster *c)
{
    struct value *v = value_map();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        value_set_str(
            v, texts[i].key, *(char *const *)(const void *)((const char *)c + texts[i].offset));
    value_set_bool(v, "insecure", c->insecure);
    value_set_bool(v, "dynamic", c->dynamic);
    value_set_strv(v, "impersonate", &c->impersonate);
    return v;
}

static int take_text(
    const struct value *v, const struct text_field *field, char **slot, struct error *err)
{
    const char *text;
    if (!field->needed && !value_get(v, field->key))
        return 0;
    if (value_need_str(v, field->key, &text, err) < 0)
        return -1;
    *slot = mem_strdup(text);
    return 0;
}

int kube_cluster_from_value(const struct value *v, struct kube_cluster *ret, struct error *err)
{
    AUTO(kube_cluster) struct kube_cluster c = {0};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (take_text(v, &texts[i], (char **)(void *)((char *)&c + texts[i].offset), err) < 0)
            return -1;
    if (!c.cert != !c.key)
        return error_set(err, ERR_PROTOCOL, "\"cert\" and \"key\" come together");
    if (value_need_strv(v, "impersonate", &c.impersonate, err) < 0)
        return -1;
    c.insecure = value_get_bool(v, "insecure", false);
    c.dynamic = value_get_bool(v, "dynamic", false);
    *ret = c;
    c = (struct kube_cluster){0};
    return 0;
}

// --- credentials ---

void kube_credential_done(struct kube_credential *c)
{
    wipe(&c->token);
    wipe(&c->key);
    free(c->cert);
    *c = (struct kube_credential){0};
}

struct value *kube_credential_to_value(const struct kube_credential *c)
{
    struct value *v = value_map();
    value_set_str(v, "token", c->token);
    value_set_str(v, "cert", c->cert);
    value_set_str(v, "key", c->key);
    if (c->expires_unix_ms)
        value_set_int(v, "expires_unix_ms", c->expires_unix_ms);
    return v;
}

int kube_credential_from_value(
    const struct value *v, struct kube_credential *ret, struct error *err)
{
    const char *token = value_get_str(v, "token"), *cert = value_get_str(v, "cert"),
               *key = value_get_str(v, "key");
    if (!cert != !key || (!token && !cert))
        return error_set(err, ERR_PROTOCOL,
            "a credential is a \"token\", or a \"cert\" with its \"key\", or both");
    *ret = (struct kube_credential){
        .token = mem_strdup_opt(token),
        .cert = mem_strdup_opt(cert),
        .key = mem_strdup_opt(key),
        .expires_unix_ms = value_get_int(v, "expires_unix_ms", 0),
    };
    return 0;
}

struct http_peer kube_cluster_peer(
    const struct kube_cluster *c, const struct kube_credential *credential)
{
    bool own = credential && credential->cert;
    return (struct http_peer){
        .ca = c->ca,
        .cert = own ? credential->cert : c->cert,
        .key = own ? credential->key : c->key,
        .server_name = c->tls_server_name,
        .insecure = c->insecure,
        .proxy = c->proxy,
    };
}

bool kube_token_ok(const char *token)
{
    const char *c = token;
    while (*c > ' ' && *c < 0x7f)
        c++;
    return c > token && !*c;
}
