// The job "build".
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "image/role_host.h"
#include "os/fd.h"
#include "os/file.h"

#define STEPS_TOLD_MAX 300
#define STEP_TEXT_MAX  200

struct build_caller {
    struct image_host *host;
    bool always;
};

static int find_base(void *arg, const char *reference, struct image *ret, struct error *err)
{
    struct build_caller *c = arg;
    return image_host_find(c->host, reference, c->always, ret, err);
}

static void log_line(void *arg, const char *line)
{
    struct build_caller *c = arg;
    role_log(c->host->worker, "%s", line);
}

static int make_caches(struct store *store, const struct value *caches, struct error *err)
{
    for (size_t i = 0; i < value_length(caches); i++) {
        AUTO_FREE char *path = path_join("mounts", value_get_str(value_at(caches, i), "id"));
        if (dir_make(store->dir, path, 0755, err) < 0)
            return -1;
    }
    return 0;
}

static int spawn(
    void *arg, const struct build_run *run, int *ret_code, int *ret_signal, struct error *err)
{
    struct build_caller *c = arg;
    struct value *params = value_map();
    if (make_caches(&c->host->store, run->caches, err) < 0) {
        value_free(params);
        return -1;
    }
    value_set_strv(params, "argv", run->argv);
    value_set_strv(params, "env", run->environment);
    value_set_str(params, "directory", run->directory);
    value_set_int(params, "uid", run->ids.uid);
    value_set_int(params, "gid", run->ids.gid);
    value_set_strv(params, "layers", run->layers);
    value_set_str(params, "upper", run->upper);
    value_set_str(params, "work", run->work);
    value_set_str(params, "network", run->network);
    value_set(params, "caches", value_copy(run->caches));
    AUTO(value) struct value *answer = NULL;
    if (rpc_call(c->host->worker, "spawn", params, NULL, 0, RPC_WAIT_FOREVER, &answer, NULL, err) <
        0)
        return -1;
    int64_t signal = value_get_int(answer, "signal", 0), code = 0;
    if (signal <= 0 && value_need_int(answer, "exit", 0, 255, &code, err) < 0)
        return error_wrap(err, "the worker's answer");
    *ret_signal = (int)signal;
    *ret_code = (int)code;
    return 0;
}

static int read_args(const struct value *job, struct variables *args, struct error *err)
{
    struct value_cursor c = {.map = value_get(job, "args")};
    const char *name;
    struct value *item;
    while (c.map && value_next(&c, &name, &item)) {
        if (!value_text(item))
            return error_set(err, ERR_PROTOCOL, "the build argument \"%s\" is not a string", name);
        variables_set(args, name, value_text(item));
    }
    return 0;
}

// Cut so that the answer fits a packet, whatever the Dockerfile's size.
static struct value *steps_of(const struct build_result *result)
{
    struct value *list = value_list();
    vec_each (step, &result->steps) {
        if (value_length(list) >= STEPS_TOLD_MAX)
            break;
        struct value *v = value_map();
        AUTO_FREE char *text = mem_printf("%.*s", STEP_TEXT_MAX, step->text);
        value_set_str(v, "text", text);
        value_set_bool(v, "cached", step->cached);
        value_set_int(v, "ms", step->ms);
        value_append(list, v);
    }
    return list;
}

static int check_tags(const struct strv *tags, struct error *err)
{
    strv_each (tag, tags) {
        AUTO(reference) struct reference r = {0};
        if (reference_parse(*tag, &r, err) < 0)
            return -1;
        if (r.digest)
            return error_set(err, ERR_CONFIG, "\"%s\" is not a tag: it has a digest", *tag);
    }
    return 0;
}

// What happens to a finished image: tags, pushes, the pin.
static int deliver(struct image_host *h, const struct value *job, const struct image *image,
    const struct strv *tags, struct value *result, struct error *err)
{
    const char *pin = value_get_str(job, "pin");
    struct value *pushed = value_list();
    value_set(result, "pushed", pushed);
    strv_each (tag, tags)
        if (image_host_tag(h, image, *tag, err) < 0)
            return -1;
    if (pin && image_host_unpack(h, image, pin, result, err) < 0)
        return -1;
    if (value_get_bool(job, "push", false))
        strv_each (tag, tags)
            if (image_host_push(h, image, *tag, pushed, err) < 0)
                return -1;
    return image_host_describe(image, tags->length ? tags->items[0] : NULL, result, err);
}

int image_job_build(
    struct image_host *h, const struct value *job, struct value *result, struct error *err)
{
    AUTO(strv) struct strv tags = {0};
    AUTO(variables) struct variables args = {0};
    AUTO(build_result) struct build_result built = {0};
    const char *context = value_get_str(job, "context");
    const char *dockerfile = value_get_str(job, "dockerfile");
    const char *network = value_get_str(job, "network");
    struct build_caller caller = {.host = h, .always = value_get_bool(job, "always", false)};
    if (value_need_strv(job, "tags", &tags, err) < 0 || check_tags(&tags, err) < 0 ||
        read_args(job, &args, err) < 0)
        return -1;
    AUTO_FD int dir = dir_open(AT_FDCWD, context ? context : "/workspace", err);
    if (dir < 0)
        return error_wrap(err, "the build context");
    const struct build_options options = {
        .context = dir,
        .dockerfile = dockerfile ? dockerfile : "Dockerfile",
        .target = value_get_str(job, "target"),
        .args = &args,
        .network = network ? network : "none",
        .labels = value_get(job, "labels"),
        .annotations = value_get(job, "annotations"),
    };
    const struct build_host host = {
        .base = find_base, .run = spawn, .log = log_line, .arg = &caller};
    if (build_image(&h->store, &options, &host, &built, err) < 0)
        return -1;
    value_set(result, "steps", steps_of(&built));
    return deliver(h, job, &built.image, &tags, result, err);
}
