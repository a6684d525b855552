// state.json: all that the agent must not forget, written whole before a call is answered. `davit
// plan` reads "live" and "releases" from it (engine/plan_deploy.c).
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "codec/digest.h"
#include "deploy/agent_private.h"
#include "deploy/fields.h"
#include "deploy/wire.h"
#include "os/file.h"

#define STATE_FILE    "state.json"
#define STATE_MAX     ((size_t)16 << 20)
#define STATE_VERSION 1
#define COUNT_MAX     (INT64_MAX / 2) // of what is counted up
#define PRESENT_MAX   1000            // instances of a set, with those that drain

static const struct field block_rows[] = {
    {"first", FIELD(struct port_block, first, FIELD_COUNT), .min = 1, .max = 65535},
    {"places", FIELD(struct port_block, places, FIELD_COUNT), .min = 1, .max = 65535},
    {"stride", FIELD(struct port_block, stride, FIELD_COUNT), .min = 1, .max = 65535},
    {0},
};

static const struct field instance_rows[] = {
    {"id", FIELD(struct kept_instance, id, FIELD_INT), .min = 1, .max = COUNT_MAX},
    {"index", FIELD(struct kept_instance, index, FIELD_COUNT), .max = INT32_MAX},
    {"port", FIELD(struct kept_instance, port, FIELD_COUNT), .max = 65535},
    {"leaving", FIELD(struct kept_instance, leaving, FIELD_BOOL)},
    {"was_ready", FIELD(struct kept_instance, was_ready, FIELD_BOOL)},
    {"restarts", FIELD(struct kept_instance, restarts, FIELD_COUNT), .max = INT32_MAX},
    {"last_end", FIELD(struct kept_instance, last_end, FIELD_TEXT)},
    {0},
};

static const struct field set_rows[] = {
    {"release", FIELD(struct agent_set, release, FIELD_INT), .min = 1, .max = INT64_MAX},
    {"slot", FIELD(struct agent_set, slot, FIELD_ENUM), .names = slot_names},
    {"desired", FIELD(struct agent_set, desired, FIELD_COUNT), .max = INSTANCES_MAX},
    {"percent", FIELD(struct agent_set, percent, FIELD_COUNT), .max = 100},
    {"retiring", FIELD(struct agent_set, retiring, FIELD_BOOL)},
    {0},
};

static const struct field agent_rows[] = {
    {"app", FIELD(struct agent, app, FIELD_STRING)},
    {"listen", FIELD(struct agent, proxy.listen, FIELD_STRING), .optional = true},
    {"epoch", FIELD(struct agent, epoch, FIELD_INT), .max = COUNT_MAX},
    {"live", FIELD(struct agent, live, FIELD_INT), .max = INT64_MAX},
    {"last_revision", FIELD(struct agent, last_revision, FIELD_INT), .max = COUNT_MAX},
    {"last_instance", FIELD(struct agent, last_instance, FIELD_INT), .max = COUNT_MAX},
    {"last", FIELD(struct agent, last, FIELD_ENUM), .names = outcome_names},
    {"abort_requested", FIELD(struct agent, abort_requested, FIELD_BOOL)},
    {"promote_requested", FIELD(struct agent, promote_requested, FIELD_BOOL)},
    {"pause_requested", FIELD(struct agent, pause_requested, FIELD_BOOL), .optional = true},
    {"promote_turns", FIELD(struct agent, promote_turns, FIELD_COUNT), .optional = true,
        .max = INT32_MAX},
    {"promote_step", FIELD(struct agent, promote_step, FIELD_COUNT), .optional = true,
        .max = INT32_MAX},
    {"abort_who", FIELD(struct agent, abort_who, FIELD_TEXT)},
    {0},
};

// What is no plain row: structs of other rooms, and lists.
static const char *const other_keys[] = {
    "version", "rollout", "position", "ports", "sets", "releases", "refused"};

struct value *agent_release(const struct agent *a, int64_t revision)
{
    for (size_t i = 0; i < value_length(a->releases); i++) {
        struct value *record = value_at(a->releases, i);
        if (value_get_int(record, "revision", 0) == revision)
            return record;
    }
    return NULL;
}

char *agent_layer_path(const struct agent *a, const char *digest)
{
    return mem_printf("%s/images/layers/%s", a->state_path, digest + strlen("sha256:"));
}

// --- writing ---

static struct value *set_to_value(const struct agent_set *set)
{
    struct value *v = fields_write(set, set_rows), *instances = value_list();
    vec_each (instance, &set->instances)
        value_append(instances, fields_write(&(*instance)->kept, instance_rows));
    value_set(v, "instances", instances);
    return v;
}

int agent_save(struct agent *a, struct error *err)
{
    AUTO(value) struct value *v = value_map();
    value_set_int(v, "version", STATE_VERSION);
    struct value *plain = fields_write(a, agent_rows);
    struct value_cursor cursor = {.map = plain};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item))
        value_set(v, key, value_share(item));
    value_free(plain);
    if (a->rollout.to)
        value_set(v, "rollout", rollout_to_value(&a->rollout));
    value_set(v, "position", position_to_value(&a->position));
    struct value *ports = value_list(), *sets = value_list();
    vec_each (block, &a->blocks)
        value_append(ports, fields_write(block, block_rows));
    vec_each (set, &a->sets)
        value_append(sets, set_to_value(*set));
    value_set(v, "ports", ports);
    value_set(v, "sets", sets);
    value_set(v, "releases", value_share(a->releases));
    value_set(v, "refused", value_share(a->refused));
    AUTO_FREE char *text = value_print(v);
    if (text_equal(a->saved, text)) // what is as it was needs no room on a full disk
        return 0;
    mem_replace(&a->saved, NULL);
    if (file_replace(a->dir, STATE_FILE, 0600, text, strlen(text), err) < 0)
        return -1;
    a->saved = take_ptr(text);
    return 0;
}

// --- reading ---

// What the tables cannot say. Nobody but davit writes the file; but what is wrong in it must not
// become a path, a port, or an endless loop.

static int wrong(struct error *err, const char *what, int64_t number)
{
    return error_set(err, ERR_PROTOCOL, "%s %lld cannot be", what, (long long)number);
}

static int check_block(const struct port_block *block, struct error *err)
{
    int64_t count = (int64_t)block->places * block->stride;
    return block->first + count <= 65536 ? 0 : wrong(err, "a block of ports at", block->first);
}

static int check_instance(
    const struct agent *a, const struct agent_instance *instance, struct error *err)
{
    const struct kept_instance *kept = &instance->kept;
    size_t ports = instance->release->ports.items.length;
    if (kept->port && (size_t)kept->port + ports > 65536)
        return wrong(err, "an instance at port", kept->port);
    vec_each (set, &a->sets)
        vec_each (other, &(*set)->instances)
            if (*other != instance && (*other)->kept.id == kept->id)
                return wrong(err, "a second instance", kept->id);
    return 0;
}

static int check_releases(const struct agent *a, struct error *err)
{
    for (size_t i = 0; i < value_length(a->releases); i++) {
        const struct value *record = value_at(a->releases, i);
        const struct value *layers = value_get(value_get(record, "image"), "layers");
        int64_t revision = value_get_int(record, "revision", 0);
        if (revision < 1 || revision > a->last_revision)
            return wrong(err, "release", revision);
        for (size_t k = 0; k < value_length(layers); k++) {
            const char *layer = value_text(value_at(layers, k));
            if (!layer || !digest_ok(layer))
                return wrong(err, "a layer of release", revision);
        }
    }
    for (size_t i = 0; i < value_length(a->refused); i++)
        if (!value_get_str(value_at(a->refused, i), "commit"))
            return wrong(err, "refused commit", (int64_t)i);
    return 0;
}

static int load_set(struct agent *a, const struct value *v, struct error *err)
{
    struct agent_set read = {0};
    const struct value *instances = value_get(v, "instances");
    AUTO(value) struct value *plain = value_copy(v);
    value_set(plain, "instances", NULL);
    if (fields_read(plain, "set", set_rows, &read, err) < 0)
        return -1;
    struct agent_set *set = set_add(a, read.release, read.slot, err);
    if (!set)
        return -1;
    set->desired = read.desired;
    set->percent = read.percent;
    set->retiring = read.retiring;
    if (value_length(instances) > PRESENT_MAX)
        return wrong(err, "a set of instances numbering", (int64_t)value_length(instances));
    for (size_t i = 0; i < value_length(instances); i++) {
        struct agent_instance *instance = instance_new(a, &set->spec);
        vec_push(&set->instances, instance);
        if (fields_read(value_at(instances, i), "instance", instance_rows, &instance->kept, err) <
                0 ||
            check_instance(a, instance, err) < 0)
            return -1;
    }
    return 0;
}

static int load_lists(struct agent *a, const struct value *v, struct error *err)
{
    const struct value *ports = value_get(v, "ports"), *sets = value_get(v, "sets");
    for (size_t i = 0; i < value_length(ports); i++) {
        struct port_block block = {0};
        if (fields_read(value_at(ports, i), "ports", block_rows, &block, err) < 0 ||
            check_block(&block, err) < 0)
            return -1;
        vec_push(&a->blocks, block);
    }
    for (size_t i = 0; i < value_length(sets); i++)
        if (load_set(a, value_at(sets, i), err) < 0)
            return -1;
    return 0;
}

static int load_value(struct agent *a, const struct value *v, struct error *err)
{
    int64_t version;
    if (value_need_int(v, "version", 1, INT64_MAX, &version, err) < 0)
        return -1;
    if (version > STATE_VERSION)
        return error_set(err, ERR_UNSUPPORTED,
            "it was written by a newer davit (version %lld, this one knows %d)", (long long)version,
            STATE_VERSION);
    AUTO(value) struct value *plain = value_copy(v);
    for (size_t i = 0; i < ARRAY_LEN(other_keys); i++)
        value_set(plain, other_keys[i], NULL);
    char *app = take_ptr(a->app);
    int status = fields_read(plain, "state", agent_rows, a, err);
    free(a->app);
    a->app = app; // as we were started, not as the file says
    struct value *releases = value_get(v, "releases"), *refused = value_get(v, "refused");
    const struct value *rollout = value_get(v, "rollout");
    if (status < 0 || position_from_value(value_get(v, "position"), &a->position, err) < 0 ||
        (rollout && rollout_from_value(rollout, &a->rollout, err) < 0))
        return -1;
    if (value_type(releases) != VALUE_LIST || value_type(refused) != VALUE_LIST)
        return error_set(err, ERR_PROTOCOL, "\"releases\" or \"refused\" is no list");
    a->releases = value_copy(releases);
    a->refused = value_copy(refused);
    return check_releases(a, err) < 0 ? -1 : load_lists(a, v, err);
}

int agent_load(struct agent *a, struct error *err)
{
    AUTO(str) struct str text;
    struct error why = {0};
    str_init(&text, STATE_MAX);
    if (file_read(a->dir, STATE_FILE, &text, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND) {
            a->releases = value_list();
            a->refused = value_list();
            return 0;
        }
        *err = why;
        return -1;
    }
    AUTO(value) struct value *v = value_parse(text.data, text.length, err);
    if (!v || load_value(a, v, err) < 0)
        return error_wrap(err, "%s/apps/%s/%s", a->state_path, a->app, STATE_FILE);
    a->saved = mem_strdup(text.data);
    return 0;
}

void agent_forget(struct agent *a)
{
    vec_each (set, &a->sets)
        set_free(*set);
    vec_free(&a->sets);
    vec_free(&a->blocks);
    value_free(take_ptr(a->releases));
    value_free(take_ptr(a->refused));
    mem_replace(&a->saved, NULL);
}

// --- what no state needs any more ---

static void sweep(struct agent *a, const char *path, const char *suffix)
{
    AUTO(strv) struct strv names = {0};
    struct error err = {0};
    if (dir_list(a->dir, path, &names, &err) < 0) {
        if (err.kind != ERR_NOT_FOUND)
            log_warning("%s", err.message);
        return;
    }
    strv_each (name, &names) {
        AUTO_FREE char *full = path_join(path, *name);
        int64_t revision = strtoll(*name, NULL, 10);
        if (text_ends(*name, suffix) && !agent_release(a, revision) &&
            dir_remove_tree(a->dir, full, &err) < 0)
            log_warning("%s", err.message);
    }
}

void agent_sweep(struct agent *a)
{
    sweep(a, "secrets", ".json");
    sweep(a, "logs", "");
}
