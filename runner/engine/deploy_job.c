#include "engine/deploy_job.h"

#include <string.h>
#include <unistd.h>

#include "engine/manifests.h"
#include "os/fd.h"

const struct environment *deploy_cluster(const struct stage_run *s)
{
    const struct environment *e = stage_environment(s->run->pipeline, s->plan->stage);
    return environment_is_kubernetes(e) ? e : NULL;
}

struct value *deploy_cluster_value(const struct environment *environment)
{
    struct value *v = value_map();
    value_set_str(v, "context", environment->context);
    value_set_str(v, "namespace", environment->namespace);
    return v;
}

struct value *deploy_place(const struct pipeline *p, const struct stage *stage)
{
    const struct environment *environment = stage_environment(p, stage);
    struct value *v = value_map();
    value_set_str(v, "app", value_get_str(stage->deploy, "app"));
    if (environment_is_kubernetes(environment))
        value_set(v, "cluster", deploy_cluster_value(environment));
    return v;
}

// What `${{ }}` in manifests stands for, but for env.NAME: these are in "env".
static struct value *values_of(const struct stage_run *s)
{
    const struct value *deploy = s->plan->stage->deploy;
    struct value *v = value_map();
    value_set_str(v, "app", value_get_str(deploy, "app"));
    value_set_str(v, "environment", value_get_str(deploy, "environment"));
    value_set_str(v, "image", value_get_str(s->image, "reference"));
    context_add_values(&s->run->context, v);
    return v;
}

static int add_manifests(struct stage_run *s, struct value *document, struct error *err)
{
    const struct run *run = s->run;
    AUTO(strv) struct strv needs = {0}, directories = {0};
    struct value *manifests = NULL;
    plan_needs(&run->plan, s->index, &needs);
    workspace_directories(run->launcher, run->record.id, &needs, run->checkout, &directories);
    if (manifests_read(&directories, value_get(s->plan->stage->deploy, "manifests"), s->rendered,
            &manifests, err) < 0)
        return -1;
    value_set(document, "manifests", manifests);
    return 0;
}

// What the app gets: plain values in the job, secrets (and what is long) in a sealed file of memory
// that only the role can read.
static int add_environment(struct stage_run *s, struct value *job, int *ret_fd, struct error *err)
{
    struct value *env = value_map(), *secrets = value_map();
    AUTO(value) struct value *document = value_map();
    vec_each (item, &s->plan->env.items)
        value_set_str(item->secret ? secrets : env, item->name, item->value);
    value_set(job, "env", env);
    value_set(document, "secrets", secrets);
    if (deploy_cluster(s) && add_manifests(s, document, err) < 0)
        return -1;
    AUTO_FREE char *text = value_print(document);
    *ret_fd = fd_memory("job", text, strlen(text), err);
    explicit_bzero(text, strlen(text));
    return *ret_fd < 0 ? -1 : 0;
}

// Names this driver among all that may come to the app: who resumes the same run is the same one.
static char *identity_of(const struct run *run)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return mem_printf("%s/run-%lld-%.8s", host, (long long)run->record.id, run->record.trace_id);
}

int deploy_job(
    struct stage_run *s, const char *op, struct value **ret_job, int *ret_fd, struct error *err)
{
    struct run *run = s->run;
    const struct stage *stage = s->plan->stage;
    AUTO(value) struct value *job = deploy_place(run->pipeline, stage);
    value_set_str(job, "op", op);
    value_set(job, "spec", value_copy(stage->deploy));
    value_set(job, "image", value_copy(s->image));
    // A tree with changes of its own is not what the commit says: nobody is to judge it by that.
    value_set_str(job, "commit", run->context.dirty ? "" : run->record.commit);
    value_set_str(job, "message", run->record.message);
    // Who pushed, git does not say: the commit's author, whose name may be anything, stands for
    // them.
    const char *person = run->record.who ? run->record.who : run->record.author;
    AUTO_FREE char *who = mem_printf("%.100s", person ? person : "?");
    value_set_str(job, "who", who);
    value_set_str(job, "why", run->record.why ? run->record.why : "run by hand");
    value_set_str(job, "trace_id", run->record.trace_id);
    AUTO_FREE char *id = mem_printf("%lld", (long long)run->record.id);
    value_set_str(job, "run", id);
    AUTO_FREE char *identity = identity_of(run);
    value_set_str(job, "identity", identity);
    if (deploy_cluster(s))
        value_set(job, "values", values_of(s));
    if (add_environment(s, job, ret_fd, err) < 0)
        return -1;
    *ret_job = take_ptr(job);
    return 0;
}
