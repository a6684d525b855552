// What an exec plugin is told and what it answers: ExecCredential objects.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/base64.h"
#include "kube/credential_exec.h"
#include "os/clock.h"

#define INFO_MAX ((size_t)1 << 20)

static struct value *cluster_of(const struct kube_exec *exec, const struct kube_cluster *cluster)
{
    struct value *v = value_map();
    value_set_str(v, "server", cluster->server);
    value_set_str(v, "tls-server-name", cluster->tls_server_name);
    if (cluster->insecure)
        value_set_bool(v, "insecure-skip-tls-verify", true);
    if (cluster->ca) {
        AUTO(str) struct str data;
        str_init(&data, INFO_MAX);
        base64_encode(cluster->ca, strlen(cluster->ca), &data);
        value_set_str(v, "certificate-authority-data", data.data);
    }
    value_set_str(v, "proxy-url", cluster->proxy);
    if (exec->config)
        value_set(v, "config", value_copy(exec->config));
    return v;
}

char *kube_exec_info(const struct kube_exec *exec, const struct kube_cluster *cluster)
{
    AUTO(value) struct value *info = value_map();
    struct value *spec = value_map();
    value_set_str(info, "apiVersion", exec->api_version);
    value_set_str(info, "kind", "ExecCredential");
    value_set_bool(spec, "interactive", false);
    if (exec->provide_cluster)
        value_set(spec, "cluster", cluster_of(exec, cluster));
    value_set(info, "spec", spec);
    return value_print(info);
}

// RFC 3339, to the millisecond.
static bool parse_time(const char *text, int64_t *ret_unix_ms)
{
    struct tm tm = {0};
    int end = 0, ms = 0, hours = 0, minutes = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
            &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 ||
        !end)
        return false;
    const char *at = text + end;
    if (*at == '.') {
        int scale = 100;
        for (at++; *at >= '0' && *at <= '9'; at++, scale /= 10)
            ms += scale * (*at - '0');
    }
    int sign = *at == '-' ? -1 : 1;
    bool utc = (*at == 'Z' || *at == 'z') && !at[1];
    end = 0;
    if (!utc && ((*at != '+' && *at != '-') ||
                    sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || at[1 + end]))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    int64_t seconds = (int64_t)timegm(&tm) - sign * (hours * 3600 + minutes * 60);
    *ret_unix_ms = seconds * 1000 + ms;
    return true;
}

static int take_expiry(const struct value *status, struct kube_credential *ret, struct error *err)
{
    const char *text = value_get_str(status, "expirationTimestamp");
    if (!text)
        return 0;
    if (!parse_time(text, &ret->expires_unix_ms))
        return error_set(
            err, ERR_CONFIG, "its expirationTimestamp \"%.40s\" is not a time (RFC 3339)", text);
    if (ret->expires_unix_ms <= clock_unix_ms())
        return error_set(err, ERR_CONFIG, "its credential has expired already, at %.40s", text);
    return 0;
}

static bool is_pem(const char *text)
{
    return strstr(text, "-----BEGIN ") != NULL;
}

static int take_status(const struct value *status, struct kube_credential *ret, struct error *err)
{
    const char *token = value_get_str(status, "token");
    const char *cert = value_get_str(status, "clientCertificateData");
    const char *key = value_get_str(status, "clientKeyData");
    if (!cert != !key)
        return error_set(err, ERR_CONFIG,
            "it gave a %s without a %s: clientCertificateData and clientKeyData come together",
            cert ? "certificate" : "key", cert ? "key" : "certificate");
    if (!token && !cert)
        return error_set(err, ERR_CONFIG, "it gave neither a token nor a certificate");
    if (cert && (!is_pem(cert) || !is_pem(key)))
        return error_set(err, ERR_CONFIG, "its certificate or key is not PEM");
    if (token && !kube_token_ok(token))
        return error_set(err, ERR_CONFIG, "its token holds what no token can");
    ret->token = mem_strdup_opt(token);
    ret->cert = mem_strdup_opt(cert);
    ret->key = mem_strdup_opt(key);
    return take_expiry(status, ret, err);
}

int kube_exec_answer(const struct kube_exec *exec, const char *text, size_t length,
    struct kube_credential *ret, struct error *err)
{
    AUTO(kube_credential) struct kube_credential c = {0};
    struct error why = {0};
    AUTO(value) struct value *answer = value_parse(text, length, &why);
    if (!answer)
        return error_set(err, ERR_CONFIG, "its answer is %s", why.message);
    const char *version = value_get_str(answer, "apiVersion"),
               *kind = value_get_str(answer, "kind");
    if (!text_equal(kind, "ExecCredential"))
        return error_set(err, ERR_CONFIG,
            "it answered a \"%.60s\" in the place of an ExecCredential", kind ? kind : "");
    if (!text_equal(version, exec->api_version))
        return error_set(err, ERR_CONFIG, "it answered apiVersion \"%.60s\", and was asked for %s",
            version ? version : "", exec->api_version);
    if (take_status(value_get(answer, "status"), &c, err) < 0)
        return -1;
    *ret = c;
    c = (struct kube_credential){0};
    return 0;
}
