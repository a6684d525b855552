#include "deploy/spec.h"

#include <stdio.h>
#include <string.h>

#include "codec/digest.h"

#define LAYERS "layers/"

static void copy_image(struct release_image *to, const struct release_image *from)
{
    to->reference = mem_strdup(from->reference);
    to->digest = mem_strdup_opt(from->digest);
    strv_copy(&to->layers, &from->layers);
    strv_copy(&to->config.entrypoint, &from->config.entrypoint);
    strv_copy(&to->config.cmd, &from->config.cmd);
    strv_copy(&to->config.env, &from->config.env);
    to->config.user = mem_strdup_opt(from->config.user);
    to->config.workdir = mem_strdup_opt(from->config.workdir);
    to->config.stopsignal = mem_strdup_opt(from->config.stopsignal);
}

// An image that says nothing about it has "" there.
static char *text_or_null(const struct value *config, const char *key)
{
    const char *text = value_get_str(config, key);
    return text && *text ? mem_strdup(text) : NULL;
}

int spec_image(const struct value *answer, struct release_image *ret, struct error *err)
{
    const char *reference, *digest;
    AUTO(strv) struct strv layers = {0};
    const struct value *config = value_get(answer, "config");
    if (value_need_str(answer, "reference", &reference, err) < 0 ||
        value_need_str(answer, "digest", &digest, err) < 0 ||
        value_need_strv(answer, "layers", &layers, err) < 0 ||
        value_need_strv(config, "entrypoint", &ret->config.entrypoint, err) < 0 ||
        value_need_strv(config, "cmd", &ret->config.cmd, err) < 0 ||
        value_need_strv(config, "env", &ret->config.env, err) < 0)
        return error_wrap(err, "image");
    for (size_t i = layers.length; i--;) {
        const char *hex = layers.items[i];
        if (!text_starts(hex, LAYERS))
            return error_set(err, ERR_PROTOCOL, "image: \"%s\" is not a layer of the store", hex);
        strv_pushf(&ret->layers, "sha256:%s", hex + strlen(LAYERS));
        if (!digest_ok(ret->layers.items[ret->layers.length - 1]))
            return error_set(err, ERR_PROTOCOL, "image: \"%s\" is not a layer of the store", hex);
    }
    ret->reference = mem_strdup(reference);
    ret->digest = mem_strdup(digest);
    ret->config.user = text_or_null(config, "user");
    ret->config.workdir = text_or_null(config, "workdir");
    ret->config.stopsignal = text_or_null(config, "stopsignal");
    return 0;
}

void spec_image_reference(const char *reference, struct release_image *ret)
{
    const char *at = strrchr(reference, '@');
    ret->reference = mem_strdup(reference);
    ret->digest = at && digest_ok(at + 1) ? mem_strdup(at + 1) : NULL;
}

static void set_origin(struct release *r, const struct spec_origin *origin)
{
    r->created_unix_ms = origin->created_unix_ms;
    mem_replace(&r->who, origin->who);
    mem_replace(&r->why, origin->why);
    mem_replace(&r->run, origin->run);
    mem_replace(&r->trace_id, origin->trace_id);
}

int spec_release(const struct value *section, const struct spec_origin *origin,
    const struct release *live, struct release *ret, struct error *err)
{
    if (release_from_section(section, ret, err) < 0)
        return -1;
    set_origin(ret, origin);
    mem_replace(&ret->commit, origin->commit);
    copy_image(&ret->image, origin->image);
    ret->env = value_copy(origin->env);
    if (origin->manifest) {
        ret->manifest = value_copy(origin->manifest);
        ret->instances = origin->replicas;
    }
    if (live)
        ret->slot = ret->strategy.kind == STRATEGY_ROLLING ? live->slot : slot_other(live->slot);
    return 0;
}

int spec_again(const struct release *earlier, const struct spec_origin *origin,
    const struct release *live, const struct target_caps *caps, struct release *ret,
    struct error *err)
{
    AUTO(value) struct value *record = release_to_value(earlier);
    if (release_from_value(record, ret, err) < 0)
        return -1;
    set_origin(ret, origin);
    ret->revision = 0;
    ret->hooks_run = 0;
    ret->outcome = OUTCOME_PENDING;
    mem_replace(&ret->reason, NULL);
    ret->times = (struct rollout_times){0};
    if (!live)
        return 0;
    bool in_place = caps->native_rolling && earlier->strategy.kind == STRATEGY_ROLLING &&
                    live->strategy.kind == STRATEGY_ROLLING;
    ret->slot = in_place ? live->slot : slot_other(live->slot);
    return 0;
}

// A Job that is late is ended by its cluster, which says more of it than a driver can.
#define HOOK_GRACE_MS 30000

// A release that is gone back to was seen to run with what its hooks have made.
static void set_hooks(const struct release *to, struct rollout *r)
{
    const struct release_hook *hook;
    r->hooks_before = (int)to->hooks.before.items.length;
    r->hooks_after = (int)to->hooks.after.items.length;
    for (int i = 1; (hook = release_hook(to, i)); i++)
        if (hook->timeout_ms > r->hook_deadline_ms)
            r->hook_deadline_ms = hook->timeout_ms;
    if (r->hook_deadline_ms)
        r->hook_deadline_ms += HOOK_GRACE_MS;
}

static int copy_text(char *to, size_t size, const char *text, const char *what, struct error *err)
{
    if (strlen(text) >= size)
        return error_set(err, ERR_LIMIT, "%s is longer than %zu bytes: %s", what, size - 1, text);
    memcpy(to, text, strlen(text) + 1);
    return 0;
}

int spec_rollout(const struct release *to, const struct release *live, bool rollback,
    const struct target_caps *caps, struct rollout *ret, struct error *err)
{
    bool rolling = to->strategy.kind == STRATEGY_ROLLING;
    bool native =
        caps->native_rolling && rolling && (!rollback || (live && live->slot == to->slot));
    bool gates_before = to->gates.before_switch.items.length > 0;
    if (native && gates_before && !rollback)
        return error_set(err, ERR_UNSUPPORTED,
            "gates before_switch need a switch, and this target replaces instances by itself: use "
            "after_switch, or the strategy blue-green");
    struct rollout r = {
        .to = to->revision,
        .to_count = to->instances,
        .to_slot = to->slot,
        .strategy = rollback ? STRATEGY_ROLLBACK : to->strategy.kind,
        .native_rolling = native && live,
        .applies = caps->applies,
        .gates_before = !rollback && gates_before,
        .gates_after = !rollback && to->gates.after_switch.items.length > 0,
        .progress_deadline_ms = to->deadline_ms,
        .began_unix_ms = to->created_unix_ms,
    };
    if (r.strategy == STRATEGY_BLUE_GREEN) {
        r.manual_promotion = to->strategy.promotion == PROMOTION_MANUAL;
        r.scale_down_delay_ms = to->strategy.scale_down_delay_ms;
    }
    if (r.strategy == STRATEGY_CANARY) {
        if (caps->weight == WEIGHT_NONE)
            return error_set(err, ERR_UNSUPPORTED,
                "the strategy canary needs a share of the traffic for the new instances, and this "
                "target sends all of it to one side: use blue-green");
        r.canary = to->strategy.canary;
        r.by_ratio = caps->weight == WEIGHT_RATIO;
    }
    if (!rollback)
        set_hooks(to, &r);
    if (live) {
        r.from = live->revision;
        r.from_count = live->instances;
        r.from_slot = live->slot;
    }
    if (copy_text(r.run, sizeof r.run, to->run, "the run's id", err) < 0 ||
        copy_text(r.who, sizeof r.who, to->who, "who asks for it", err) < 0)
        return -1;
    *ret = r;
    return 0;
}
