#include "kube/credential.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kube/credential_exec.h"
#include "os/clock.h"
#include "os/file.h"

#define TOKEN_MAX ((size_t)1 << 20)

struct kube_login {
    struct loop *loop;
    const struct kube_source *source;
    const struct kube_cluster *cluster;
    struct kube_credential known; // all-zero: none
    struct kube_plugin *plugin;   // under way
    struct loop_timer answer;     // `known` is the answer
    kube_credential_fn *done;     // of the fetch under way
    void *done_arg;
};

void kube_source_done(struct kube_source *s)
{
    struct kube_exec *exec = s->exec;
    free(s->token_file);
    if (exec) {
        free(exec->place);
        free(exec->api_version);
        free(exec->command);
        free(exec->install_hint);
        strv_done(&exec->args);
        strv_done(&exec->env);
        value_free(exec->config);
        free(exec);
    }
    *s = (struct kube_source){0};
}

struct kube_login *kube_login_new(
    struct loop *loop, const struct kube_source *source, const struct kube_cluster *cluster)
{
    struct kube_login *l = mem_alloc(sizeof *l);
    *l = (struct kube_login){.loop = loop, .source = source, .cluster = cluster};
    return l;
}

static void cancel(void *arg)
{
    struct kube_login *l = arg;
    loop_timer_stop(&l->answer);
    kube_plugin_free(take_ptr(l->plugin));
}

void kube_login_free(struct kube_login *l)
{
    if (!l)
        return;
    cancel(l);
    kube_credential_done(&l->known);
    free(l);
}

static void on_answer(struct loop_timer *timer)
{
    struct kube_login *l = timer->arg;
    l->done(l->done_arg, &l->known, NULL);
}

// With what is known, as soon as the loop runs.
static int answer(struct kube_login *l)
{
    loop_timer_start(l->loop, &l->answer, clock_monotonic_ms(), on_answer, l);
    return 0;
}

static bool is_fresh(const struct kube_credential *c)
{
    bool there = c->token || c->cert;
    return there &&
           (!c->expires_unix_ms || c->expires_unix_ms - clock_unix_ms() > KUBE_EXPIRY_LEEWAY_MS);
}

// --- a token file ---

static char *read_token(const char *path, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, TOKEN_MAX);
    if (file_read(AT_FDCWD, path, &text, err) < 0) {
        error_wrap(err, "token file");
        return NULL;
    }
    while (text.length && strchr(" \t\r\n", text.data[text.length - 1]))
        text.data[--text.length] = '\0';
    const char *token = text.data + strspn(text.data, " \t\r\n");
    if (kube_token_ok(token))
        return mem_strdup(token);
    error_set(err, ERR_CONFIG, "token file: %s: %s", path,
        *token ? "what it holds is no token" : "it is empty");
    return NULL;
}

static int fetch_file(struct kube_login *l, bool refused, struct error *err)
{
    struct error why = {0};
    if (refused)
        kube_credential_done(&l->known);
    else if (is_fresh(&l->known))
        return answer(l);
    char *token = read_token(l->source->token_file, &why);
    if (!token && !l->known.token) {
        if (err)
            *err = why;
        return -1;
    }
    if (token) {
        kube_credential_done(&l->known);
        l->known.token = token;
    }
    int64_t period_ms = l->source->token_period_ms;
    l->known.expires_unix_ms = clock_unix_ms() + (period_ms ? period_ms : KUBE_TOKEN_PERIOD_MS);
    return answer(l);
}

// --- a plugin ---

static void on_plugin(void *arg, struct kube_credential *credential, const struct error *err)
{
    struct kube_login *l = arg;
    struct error why = {0};
    if (err)
        why = *err;
    else {
        kube_credential_done(&l->known);
        l->known = *credential;
        *credential = (struct kube_credential){0};
    }
    kube_plugin_free(take_ptr(l->plugin));
    l->done(l->done_arg, err ? NULL : &l->known, err ? &why : NULL);
}

static int fetch_exec(struct kube_login *l, bool refused, struct error *err)
{
    if (!refused && is_fresh(&l->known))
        return answer(l);
    kube_credential_done(&l->known);
    l->plugin = kube_plugin_start(l->loop, l->source->exec, l->cluster, on_plugin, l, err);
    return l->plugin ? 0 : -1;
}

static int fetch(
    void *arg, bool refused, kube_credential_fn *done, void *done_arg, struct error *err)
{
    struct kube_login *l = arg;
    l->done = done;
    l->done_arg = done_arg;
    if (l->source->exec)
        return fetch_exec(l, refused, err);
    if (l->source->token_file)
        return fetch_file(l, refused, err);
    return error_set(err, ERR_INTERNAL, "credentials of a cluster that asks for none");
}

struct kube_credentials kube_login_credentials(struct kube_login *l)
{
    return (struct kube_credentials){.fetch = fetch, .cancel = cancel, .arg = l};
}
