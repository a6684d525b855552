#include "deploy/kube_state.h"

#include <string.h>

#include "deploy/wire.h"

#define STATE_VERSION 1

void kube_state_done(struct kube_state *s)
{
    value_free(s->refused);
    s->refused = NULL;
}

char *kube_state_print(const struct kube_state *s)
{
    AUTO(value) struct value *v = value_map();
    value_set_int(v, "version", STATE_VERSION);
    value_set_int(v, "live", s->live);
    value_set_int(v, "applied", s->applied);
    value_set_int(v, "percent", s->percent);
    if (s->hooks)
        value_set_int(v, "hooks", s->hooks);
    value_set_int(v, "last_revision", s->last_revision);
    if (s->rollout.to) // else there has never been one
        value_set(v, "rollout", rollout_to_value(&s->rollout));
    value_set(v, "position", position_to_value(&s->position));
    value_set_str(v, "last", outcome_name(s->last));
    if (s->abort_requested)
        value_set_str(v, "abort", s->abort_who);
    if (s->pause_requested)
        value_set_bool(v, "pause", true);
    if (s->promote_requested) {
        struct value *promote = value_map();
        value_set_int(promote, "turns", s->promote_turns);
        value_set_int(promote, "step", s->promote_step);
        value_set(v, "promote", promote);
    }
    if (value_length(s->refused))
        value_set(v, "refused", value_copy(s->refused));
    return value_print(v);
}

static int read_state(const struct value *v, struct kube_state *ret, struct error *err)
{
    int64_t version;
    const char *last;
    const char *abort_who = value_get_str(v, "abort");
    const struct value *rollout = value_get(v, "rollout"), *refused = value_get(v, "refused");
    const struct value *promote = value_get(v, "promote");
    if (value_need_int(v, "version", 1, INT64_MAX, &version, err) < 0)
        return -1;
    if (version != STATE_VERSION)
        return error_set(err, ERR_UNSUPPORTED,
            "it was written by a newer davit (version %lld, this one knows %d)", (long long)version,
            STATE_VERSION);
    if (value_need_int(v, "live", 0, INT64_MAX, &ret->live, err) < 0 ||
        value_need_int(v, "applied", 0, INT64_MAX, &ret->applied, err) < 0 ||
        value_need_int(v, "last_revision", 0, INT64_MAX, &ret->last_revision, err) < 0 ||
        value_need_str(v, "last", &last, err) < 0 ||
        outcome_from_name(last, "state", &ret->last, err) < 0 ||
        position_from_value(value_get(v, "position"), &ret->position, err) < 0 ||
        (rollout && rollout_from_value(rollout, &ret->rollout, err) < 0))
        return -1;
    ret->percent = (int)value_get_int(v, "percent", 0);
    ret->hooks = (int)value_get_int(v, "hooks", 0);
    ret->abort_requested = abort_who != NULL;
    if (abort_who) {
        size_t length = strnlen(abort_who, sizeof ret->abort_who - 1);
        memcpy(ret->abort_who, abort_who, length);
    }
    ret->pause_requested = value_get_bool(v, "pause", false);
    ret->promote_requested = promote != NULL;
    ret->promote_turns = (int)value_get_int(promote, "turns", 0);
    ret->promote_step = (int)value_get_int(promote, "step", 0);
    ret->refused = refused ? value_copy(refused) : NULL;
    return 0;
}

int kube_state_parse(const char *text, struct kube_state *ret, struct error *err)
{
    if (!text)
        return 0;
    AUTO(value) struct value *v = value_parse(text, strlen(text), err);
    if (!v || read_state(v, ret, err) < 0)
        return error_wrap(err, "the state of the app");
    return 0;
}
