#include "engine/cluster.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/rpc.h"
#include "kube/config.h"
#include "os/fd.h"

#define CREDENTIAL_MAX ((size_t)96 << 10) // as text: it must go into a socket's buffer at once
#define AUTHORITY_MAX  ((size_t)64 << 10) // and a cluster into a message

struct waiter {
    int fd; // the writing end
    bool refused;
};

struct cluster_link {
    struct loop *loop;
    char *context, *kube_namespace;
    struct mask *mask;
    struct kube_cluster cluster;
    struct kube_source source;
    struct kube_login *login; // NULL: not read yet, or not dynamic
    VEC(struct waiter) waiting;
    bool fetching, fetching_refused;
    struct loop_timer failed; // a fetch could not begin: `error` says why
    struct error error;
};

struct cluster_link *cluster_link_new(
    struct loop *loop, const char *context, const char *kube_namespace, struct mask *mask)
{
    struct cluster_link *l = mem_alloc(sizeof *l);
    *l = (struct cluster_link){
        .loop = loop,
        .context = mem_strdup_opt(context),
        .kube_namespace = mem_strdup_opt(kube_namespace),
        .mask = mask,
    };
    return l;
}

static void forget(struct cluster_link *l)
{
    loop_timer_stop(&l->failed);
    kube_login_free(take_ptr(l->login));
    kube_cluster_done(&l->cluster);
    kube_source_done(&l->source);
    l->fetching = false;
}

void cluster_link_free(struct cluster_link *l)
{
    if (!l)
        return;
    forget(l);
    vec_each (waiter, &l->waiting)
        fd_close(waiter->fd);
    vec_free(&l->waiting);
    free(l->context);
    free(l->kube_namespace);
    free(l);
}

// --- secrets ---

static void hide(struct cluster_link *l, const char *secret)
{
    if (l->mask && secret)
        mask_add(l->mask, secret);
}

static void hide_cluster(struct cluster_link *l)
{
    const struct kube_cluster *c = &l->cluster;
    hide(l, c->token);
    hide(l, c->key);
    hide(l, c->password);
    if (c->username && c->password) { // as "Authorization: Basic" has them
        AUTO_FREE char *pair = mem_printf("%s:%s", c->username, c->password);
        hide(l, pair);
    }
    const char *at = c->proxy ? strrchr(c->proxy, '@') : NULL;
    const char *user = at ? strstr(c->proxy, "://") + 3 : NULL;
    const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
    if (colon) {
        AUTO_FREE char *password = mem_strndup(colon + 1, (size_t)(at - colon - 1));
        hide(l, password);
    }
}

// --- the cluster ---

static int read_config(struct cluster_link *l, struct error *err)
{
    AUTO(kube_config) struct kube_config *config = kube_config_load(NULL, err);
    AUTO(kube_cluster) struct kube_cluster cluster = {0};
    struct kube_source source = {0};
    if (!config || kube_config_cluster(config, l->context, &cluster, &source, err) < 0)
        return -1;
    if (cluster.ca && strlen(cluster.ca) > AUTHORITY_MAX) {
        kube_source_done(&source);
        return error_set(err, ERR_LIMIT,
            "the certificate authority of context %s is larger than %zu KiB", cluster.context,
            AUTHORITY_MAX >> 10);
    }
    forget(l);
    l->cluster = cluster;
    l->source = source;
    cluster = (struct kube_cluster){0};
    if (l->kube_namespace)
        mem_replace(&l->cluster.namespace, l->kube_namespace);
    // The current context may change while we run; the cluster does not.
    mem_replace(&l->context, l->cluster.context);
    if (l->cluster.dynamic)
        l->login = kube_login_new(l->loop, &l->source, &l->cluster);
    hide_cluster(l);
    return 0;
}

static void answer_waiting(struct cluster_link *l, const struct value *document, bool refused_too);

struct value *cluster_link_read(struct cluster_link *l, struct error *err)
{
    if (read_config(l, err) < 0)
        return NULL;
    if (l->waiting.length) {
        AUTO(value) struct value *document = value_map();
        struct error why;
        error_set(&why, ERR_CANCELLED, "the kubeconfig was read anew");
        value_set(document, "error", error_to_value(&why));
        answer_waiting(l, document, true);
    }
    return kube_cluster_to_value(&l->cluster);
}

// --- its credential ---

// Whoever waits reads what fits into the socket at once; who has gone is nobody's loss.
static void answer_waiting(struct cluster_link *l, const struct value *document, bool refused_too)
{
    AUTO_FREE char *text = value_print(document);
    size_t kept = 0;
    vec_each (waiter, &l->waiting) {
        if (waiter->refused && !refused_too) {
            l->waiting.items[kept++] = *waiter;
            continue;
        }
        send(waiter->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        fd_close(waiter->fd);
    }
    l->waiting.length = kept;
    explicit_bzero(text, strlen(text));
}

static void begin_fetch(struct cluster_link *l);

static void end_fetch(
    struct cluster_link *l, const struct kube_credential *credential, const struct error *err)
{
    AUTO(value)
    struct value *document = credential ? kube_credential_to_value(credential) : value_map();
    if (err)
        value_set(document, "error", error_to_value(err));
    l->fetching = false;
    answer_waiting(l, document, l->fetching_refused || err);
    if (l->waiting.length)
        begin_fetch(l);
}

static void on_credential(
    void *arg, const struct kube_credential *credential, const struct error *err)
{
    struct cluster_link *l = arg;
    struct error why;
    if (err) {
        end_fetch(l, NULL, err);
        return;
    }
    hide(l, credential->token);
    hide(l, credential->key);
    size_t length = (credential->token ? strlen(credential->token) : 0) +
                    (credential->cert ? strlen(credential->cert) + strlen(credential->key) : 0);
    if (length <= CREDENTIAL_MAX) {
        end_fetch(l, credential, NULL);
        return;
    }
    error_set(&why, ERR_LIMIT, "the credential is larger than %zu KiB", CREDENTIAL_MAX >> 10);
    end_fetch(l, NULL, &why);
}

static void on_failed(struct loop_timer *timer)
{
    struct cluster_link *l = timer->arg;
    end_fetch(l, NULL, &l->error);
}

static void begin_fetch(struct cluster_link *l)
{
    struct kube_credentials from = kube_login_credentials(l->login);
    l->fetching = true;
    l->fetching_refused = false;
    vec_each (waiter, &l->waiting)
        l->fetching_refused |= waiter->refused;
    l->error = (struct error){0};
    if (from.fetch(from.arg, l->fetching_refused, on_credential, l, &l->error) < 0)
        loop_timer_start(l->loop, &l->failed, loop_now(l->loop), on_failed, l);
}

int cluster_link_credential(struct cluster_link *l, bool refused, struct error *err)
{
    int pair[2];
    if (!l->cluster.context && read_config(l, err) < 0)
        return -1;
    if (!l->login)
        return error_set(
            err, ERR_DENIED, "context %s has no credential to ask for", l->cluster.context);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, "socketpair");
    vec_push(&l->waiting, ((struct waiter){.fd = pair[1], .refused = refused}));
    if (!l->fetching)
        begin_fetch(l);
    return pair[0];
}
