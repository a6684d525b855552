#include "engine/context.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SHORT_ID  8
#define WORKSPACE "/workspace"

void context_done(struct context *c)
{
    free(c->email);
    free(c->default_branch);
    *c = (struct context){0};
}

void context_set_commit(struct context *c, struct run_record *run, const struct value *commit)
{
    if (!commit)
        return;
    mem_replace(&run->commit, value_get_str(commit, "id"));
    mem_replace(&run->message, value_get_str(commit, "message"));
    mem_replace(&run->author, value_get_str(commit, "author"));
    mem_replace(&c->email, value_get_str(commit, "email"));
    c->commit_unix = value_get_int(commit, "time", 0);
}

bool context_trusted(const struct context *c, const char **ret_rule)
{
    switch (c->event) {
    case EVENT_MANUAL:
        *ret_rule = "run by hand";
        return true;
    case EVENT_TAG:
        *ret_rule = "a tag";
        return true;
    case EVENT_SCHEDULE:
        *ret_rule = "on schedule";
        return true;
    case EVENT_PUSH:
        *ret_rule = "a push to the default branch";
        if (c->default_branch && text_equal(c->run->branch, c->default_branch))
            return true;
        *ret_rule = "a push to another branch than the default one";
        return false;
    case EVENT_PULL_REQUEST:
        *ret_rule = "a pull request";
        return false;
    }
    return false;
}

static void add(struct strv *ret, const char *name, const char *value)
{
    if (value)
        strv_pushf(ret, "%s=%s", name, value);
}

void context_add_values(const struct context *c, struct value *values)
{
    const struct run_record *run = c->run;
    AUTO_FREE char *short_sha = run->commit ? mem_strndup(run->commit, SHORT_ID) : NULL;
    value_set_str(values, "git.sha", run->commit);
    value_set_str(values, "git.short_sha", short_sha);
    value_set_str(values, "git.branch", run->branch);
    value_set_str(values, "git.tag", run->tag);
}

static void add_random_hex(struct str *out, size_t bytes)
{
    unsigned char raw[16];
    if (getrandom(raw, bytes, 0) != (ssize_t)bytes)
        abort(); // the kernel's pool is ready long before davit runs
    for (size_t i = 0; i < bytes; i++)
        str_printf(out, "%02x", raw[i]);
}

char *context_new_trace_id(void)
{
    struct str id;
    str_init(&id, 32);
    add_random_hex(&id, 16);
    return str_take(&id);
}

void context_variables(const struct context *c, const char *stage, struct strv *ret)
{
    const struct run_record *run = c->run;
    strv_push(ret, "CI=true");
    strv_push(ret, "DAVIT=true");
    add(ret, "CI_COMMIT_SHA", run->commit);
    if (run->commit)
        strv_pushf(ret, "CI_COMMIT_SHORT_SHA=%.*s", SHORT_ID, run->commit);
    add(ret, "CI_COMMIT_BRANCH", run->branch);
    add(ret, "CI_COMMIT_TAG", run->tag);
    add(ret, "CI_COMMIT_REF_NAME", run->tag ? run->tag : run->branch);
    add(ret, "CI_COMMIT_MESSAGE", run->message);
    add(ret, "CI_COMMIT_AUTHOR", run->author);
    add(ret, "CI_COMMIT_BEFORE_SHA", run->before);
    add(ret, "CI_PIPELINE_EVENT", event_name(c->event));
    add(ret, "CI_JOB_NAME", stage);
    strv_pushf(ret, "CI_PIPELINE_ID=%lld", (long long)run->id);
    strv_pushf(ret, "CI_PIPELINE_NUMBER=%lld", (long long)run->id);
    strv_push(ret, "CI_PROJECT_DIR=" WORKSPACE);
    strv_pushf(ret, "SOURCE_DATE_EPOCH=%lld", (long long)c->commit_unix);
    AUTO(str) struct str parent;
    str_init(&parent, 64);
    str_printf(&parent, "00-%s-", run->trace_id);
    add_random_hex(&parent, 8);
    str_puts(&parent, "-01");
    add(ret, "TRACEPARENT", parent.data);
}
