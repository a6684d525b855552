// Who we are: what stands in the kubeconfig, or what the credentials said last.
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "kube/client_private.h"
#include "os/clock.h"

static bool expires_within(const struct kube_client *c, int64_t ms)
{
    int64_t end = c->credential.expires_unix_ms;
    return end && end - clock_unix_ms() < ms;
}

static void on_fetched(void *arg, const struct kube_credential *credential, const struct error *err)
{
    struct kube_client *c = arg;
    c->fetching = false;
    if (err) {
        // What we have is good for a few seconds more: perhaps it goes better then.
        bool usable = c->generation && !expires_within(c, 0);
        kube_calls_resume(c, usable ? NULL : err);
        return;
    }
    kube_credential_done(&c->credential);
    c->credential = (struct kube_credential){
        .token = mem_strdup_opt(credential->token),
        .cert = mem_strdup_opt(credential->cert),
        .key = mem_strdup_opt(credential->key),
        .expires_unix_ms = credential->expires_unix_ms,
    };
    c->generation++;
    kube_calls_resume(c, NULL);
}

enum kube_auth kube_auth_need(struct kube_client *c, uint64_t refused, struct error *err)
{
    if (!c->cluster->dynamic)
        return KUBE_AUTH_READY;
    if (c->fetching)
        return KUBE_AUTH_PENDING;
    bool stale = !c->generation || expires_within(c, KUBE_EXPIRY_LEEWAY_MS);
    bool is_refused = refused && refused == c->generation;
    if (!stale && !is_refused)
        return KUBE_AUTH_READY;
    if (is_refused) // a failure to renew must not bring it back
        c->credential.expires_unix_ms = 1;
    c->fetching = true;
    const struct kube_credentials *from = c->credentials;
    if (from->fetch(from->arg, is_refused, on_fetched, c, err) == 0)
        return KUBE_AUTH_PENDING;
    c->fetching = false;
    error_wrap(err, "credentials");
    return KUBE_AUTH_FAILED;
}

void kube_auth_headers(const struct kube_client *c, struct strv *headers)
{
    const struct kube_cluster *cluster = c->cluster;
    const char *token = c->credential.token ? c->credential.token : cluster->token;
    if (token) {
        strv_pushf(headers, "Authorization: Bearer %s", token);
    } else if (cluster->username) {
        const char *password = cluster->password ? cluster->password : "";
        AUTO_FREE char *pair = mem_printf("%s:%s", cluster->username, password);
        AUTO(str) struct str encoded;
        str_init(&encoded, strlen(pair) * 2 + 4);
        base64_encode(pair, strlen(pair), &encoded);
        strv_pushf(headers, "Authorization: Basic %s", encoded.data);
    }
    strv_copy(headers, &cluster->impersonate);
}

void kube_auth_done(struct kube_client *c)
{
    if (c->fetching)
        c->credentials->cancel(c->credentials->arg);
    kube_credential_done(&c->credential);
}
