// Who drives the app, and what it is known to be: the Lease.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deploy/kube_private.h"
#include "os/clock.h"

// As the control plane's own: a third of the Lease leaves two more tries.
#define RENEW_MS       (KUBE_LEASE_MS / 3)
#define RENEW_AGAIN_MS 1000

// --- the object ---

// MicroTime of meta/v1: RFC 3339 with six digits.
static struct value *micro_time(int64_t unix_ms)
{
    char text[64], date[40];
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03d000Z", date, (int)(unix_ms % 1000));
    return value_string(text);
}

static int64_t transitions(const struct value *lease)
{
    return value_get_int(value_get(lease, "spec"), "leaseTransitions", 0);
}

static const char *holder(const struct value *lease)
{
    const char *name = value_get_str(value_get(lease, "spec"), "holderIdentity");
    return name ? name : "";
}

static const char *person(const struct value *lease)
{
    const char *who = kube_annotation(lease, KUBE_ANNOTATION_WHO);
    return who && *who ? who : "?";
}

static int get_lease(struct kube_target *k, struct value **ret, struct error *err)
{
    if (kube_get(k->client, k->kinds[KUBE_LEASE], k->ns, k->lease_name, ret, err) < 0)
        return -1;
    kube_own(k, k->kinds[KUBE_LEASE], k->lease_name, *ret);
    return 0;
}

static int patch_lease(
    struct kube_target *k, const struct value *patch, struct value **ret, struct error *err)
{
    if (kube_patch(k->client, k->kinds[KUBE_LEASE], k->ns, k->lease_name, patch, ret, err) < 0)
        return -1;
    kube_own(k, k->kinds[KUBE_LEASE], k->lease_name, *ret);
    return 0;
}

static int create_lease(struct kube_target *k, struct value **ret, struct error *err)
{
    static const struct kube_state fresh = {0};
    AUTO_FREE char *state = kube_state_print(&fresh);
    AUTO(value) struct value *lease = value_map();
    struct value *metadata = value_map(), *labels = value_map(), *annotations = value_map();
    struct value *spec = value_map();
    value_set_str(lease, "apiVersion", k->kinds[KUBE_LEASE]->api_version);
    value_set_str(lease, "kind", "Lease");
    value_set_str(labels, KUBE_LABEL_APP, k->app);
    value_set_str(annotations, KUBE_ANNOTATION_STATE, state);
    value_set_str(metadata, "name", k->lease_name);
    value_set(metadata, "labels", labels);
    value_set(metadata, "annotations", annotations);
    value_set(lease, "metadata", metadata);
    value_set_int(spec, "leaseTransitions", 0);
    value_set(lease, "spec", spec);
    return kube_create(k->client, k->kinds[KUBE_LEASE], k->ns, lease, ret, err);
}

// As it is now; made when the app is new.
static int need_lease(struct kube_target *k, struct value **ret, struct error *err)
{
    struct error why = {0};
    if (get_lease(k, ret, &why) == 0)
        return 0;
    if (why.kind == ERR_NOT_FOUND && create_lease(k, ret, &why) == 0)
        return 0;
    if (why.kind == ERR_CONFLICT) // another driver made it just now
        return get_lease(k, ret, err);
    if (err)
        *err = why;
    return -1;
}

// What was read is what is changed: the version stands for all of it.
static void test_version(struct value *patch, const struct value *object)
{
    const char *version = kube_version(object);
    kube_patch_row(
        patch, "test", value_string(version ? version : ""), "metadata", "resourceVersion", NULL);
}

// --- the state ---

static const struct value *lease_seen(struct kube_target *k, struct error *err)
{
    struct kube_watch *watch = kube_watch_of(k, KUBE_LEASE, err);
    return watch ? kube_watch_get(watch, k->lease_name) : NULL;
}

int kube_state_read(struct kube_target *k, struct kube_state *ret, struct error *err)
{
    if (kube_sync(k, err) < 0)
        return -1;
    return kube_state_parse(kube_annotation(lease_seen(k, NULL), KUBE_ANNOTATION_STATE), ret, err);
}

int kube_fenced(const struct kube_target *k, int64_t epoch, int64_t now, struct error *err)
{
    if (epoch == now)
        return 0;
    return error_set(err, ERR_CONFLICT,
        "another driver has taken %s over (epoch %" PRId64 " rules, not %" PRId64 ")", k->app, now,
        epoch);
}

static int change_once(struct kube_target *k, int64_t epoch, const struct value *lease,
    kube_change_fn *change, void *arg, struct error *err)
{
    AUTO(kube_state) struct kube_state state = {0};
    AUTO(value) struct value *patch = value_list();
    AUTO(value) struct value *answer = NULL;
    if ((epoch && kube_fenced(k, epoch, transitions(lease), err) < 0) ||
        kube_state_parse(kube_annotation(lease, KUBE_ANNOTATION_STATE), &state, err) < 0 ||
        change(arg, &state, err) < 0)
        return -1;
    AUTO_FREE char *text = kube_state_print(&state);
    if (text_equal(text, kube_annotation(lease, KUBE_ANNOTATION_STATE)))
        return 0;
    test_version(patch, lease);
    kube_patch_row(
        patch, "add", value_string(text), "metadata", "annotations", KUBE_ANNOTATION_STATE, NULL);
    return patch_lease(k, patch, &answer, err);
}

int kube_state_change(
    struct kube_target *k, int64_t epoch, kube_change_fn *change, void *arg, struct error *err)
{
    AUTO(value) struct value *lease = NULL;
    struct error why = {0};
    const struct value *seen = lease_seen(k, NULL);
    if (seen)
        lease = value_copy(seen);
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        if (!lease && get_lease(k, &lease, err) < 0)
            return -1;
        if (change_once(k, epoch, lease, change, arg, &why) == 0)
            return 0;
        if (!kube_has_changed(&why))
            break;
        value_free(take_ptr(lease));
    }
    if (kube_has_changed(&why))
        why.retryable = true;
    if (err)
        *err = why;
    return -1;
}

// --- the claim ---

static void on_renew(struct loop_timer *timer);

static void renew_in(struct kube_target *k, int64_t ms)
{
    loop_timer_start(k->loop, &k->renew, clock_monotonic_ms() + ms, on_renew, k);
}

// Fenced: the next write finds that out. Unreachable: so does everything else.
static void on_renewed(void *arg, struct value *answer, const struct error *err)
{
    struct kube_target *k = arg;
    k->renewing = -1;
    if (err && err->http_status == 422)
        return;
    if (answer)
        kube_own(k, k->kinds[KUBE_LEASE], k->lease_name, answer);
    renew_in(k, err ? RENEW_AGAIN_MS : RENEW_MS);
}

static void on_renew(struct loop_timer *timer)
{
    struct kube_target *k = timer->arg;
    AUTO_FREE char *path = kube_path(k->kinds[KUBE_LEASE], k->ns, k->lease_name);
    AUTO(value) struct value *patch = value_list();
    kube_patch_row(patch, "test", value_int(k->epoch), "spec", "leaseTransitions", NULL);
    kube_patch_row(patch, "add", micro_time(clock_unix_ms()), "spec", "renewTime", NULL);
    struct kube_request request = {
        .method = "PATCH",
        .path = path,
        .content_type = "application/json-patch+json",
        .body = patch,
        .timeout_ms = RENEW_MS,
    };
    k->renewing = kube_start(k->client, &request, on_renewed, k, NULL);
    if (k->renewing < 0)
        renew_in(k, RENEW_AGAIN_MS);
}

// Whether whoever is named in the Lease may still be at work. Their clock is not ours: what counts
// is that the Lease has not been renewed while we looked on.
static bool rival_lives(struct kube_target *k, const struct value *lease)
{
    const char *renewed = value_get_str(value_get(lease, "spec"), "renewTime");
    if (!*holder(lease) || text_equal(holder(lease), k->identity))
        return false;
    AUTO_FREE char *now = mem_printf("%s at %s", holder(lease), renewed ? renewed : "?");
    if (!text_equal(now, k->rival)) {
        mem_replace(&k->rival, now);
        k->rival_since_ms = clock_monotonic_ms();
    }
    return clock_monotonic_ms() < k->rival_since_ms + KUBE_LEASE_MS;
}

static int take_lease(struct kube_target *k, const char *who, const struct value *lease,
    int64_t *ret_epoch, struct error *err)
{
    AUTO(value) struct value *patch = value_list();
    AUTO(value) struct value *answer = NULL;
    int64_t now = clock_unix_ms();
    test_version(patch, lease);
    kube_patch_row(patch, "add", value_string(k->identity), "spec", "holderIdentity", NULL);
    kube_patch_row(
        patch, "add", value_int(KUBE_LEASE_MS / 1000), "spec", "leaseDurationSeconds", NULL);
    kube_patch_row(patch, "add", micro_time(now), "spec", "acquireTime", NULL);
    kube_patch_row(patch, "add", micro_time(now), "spec", "renewTime", NULL);
    kube_patch_row(
        patch, "add", value_int(transitions(lease) + 1), "spec", "leaseTransitions", NULL);
    kube_patch_row(
        patch, "add", value_string(who), "metadata", "annotations", KUBE_ANNOTATION_WHO, NULL);
    if (patch_lease(k, patch, &answer, err) < 0)
        return -1;
    *ret_epoch = transitions(answer);
    return 0;
}

static int take_over(
    struct kube_target *k, const char *who, bool preempt, int64_t *ret_epoch, struct error *err)
{
    struct error why = {0};
    for (int tries = 0; tries < KUBE_TRIES; tries++) {
        AUTO(value) struct value *lease = NULL;
        if (need_lease(k, &lease, err) < 0)
            return -1;
        if (!preempt && rival_lives(k, lease))
            return error_set(err, ERR_CONFLICT, "%s is driven by %s (%s) now", k->app,
                person(lease), holder(lease));
        if (take_lease(k, who, lease, ret_epoch, &why) == 0)
            return 0;
        if (!kube_has_changed(&why))
            break;
    }
    if (err)
        *err = why;
    return -1;
}

// Stamps: from here on no write of an older epoch lands.

static int stamp_all(struct kube_target *k, int64_t epoch, enum kube_of of, struct error *err)
{
    AUTO(value) struct value *items = NULL;
    if (kube_list(k->client, k->kinds[of], k->ns, k->selector, &items, err) < 0)
        return -1;
    for (size_t i = 0; i < value_length(items); i++)
        if (kube_stamp(k, epoch, k->kinds[of], value_at(items, i), err) < 0)
            return -1;
    return 0;
}

static int stamp_release(struct kube_target *k, int64_t epoch, int64_t revision, struct error *err)
{
    const struct kube_known *known = kube_known(k, revision, err);
    if (!known || kube_stamp_others(k, epoch, &known->manifest, err) < 0 ||
        kube_hook_stamp(k, epoch, known, err) < 0)
        return -1;
    return kube_stamp_release(k, epoch, revision, err);
}

// A driver that died or stalls may be about to write to the objects of both releases. One without a
// record was being taken away whole.
static int stamp_releases(struct kube_target *k, int64_t epoch, struct error *err)
{
    AUTO(kube_state) struct kube_state state = {0};
    if (kube_state_read(k, &state, err) < 0)
        return -1;
    if (state.position.phase == PHASE_NONE)
        return 0;
    const int64_t releases[] = {state.rollout.from, state.rollout.to};
    for (size_t i = 0; i < ARRAY_LEN(releases); i++) {
        struct error why = {0};
        if (!releases[i] || stamp_release(k, epoch, releases[i], &why) == 0 ||
            why.kind == ERR_NOT_FOUND)
            continue;
        if (err)
            *err = why;
        return -1;
    }
    return 0;
}

int kube_claim(struct target *t, const char *run, const char *who, bool preempt, int64_t *ret_epoch,
    struct error *err)
{
    struct kube_target *k = kube_of(t);
    int64_t epoch;
    (void)run; // the identity says it
    kube_unclaim(k);
    if (take_over(k, who, preempt, &epoch, err) < 0)
        return -1;
    k->epoch = epoch;
    renew_in(k, RENEW_MS);
    if (stamp_all(k, epoch, KUBE_DEPLOYMENT, err) < 0 ||
        stamp_all(k, epoch, KUBE_SERVICE, err) < 0 || stamp_releases(k, epoch, err) < 0)
        return -1;
    *ret_epoch = epoch;
    return 0;
}

void kube_unclaim(struct kube_target *k)
{
    loop_timer_stop(&k->renew);
    kube_cancel(k->client, k->renewing);
    k->renewing = -1;
    if (!k->epoch)
        return;
    AUTO(value) struct value *patch = value_list();
    kube_patch_row(patch, "test", value_int(k->epoch), "spec", "leaseTransitions", NULL);
    kube_patch_row(patch, "add", value_string(""), "spec", "holderIdentity", NULL);
    AUTO(value) struct value *answer = NULL;
    patch_lease(k, patch, &answer, NULL); // else it expires
    k->epoch = 0;
}

int kube_guard(struct kube_target *k, int64_t epoch, struct error *err)
{
    AUTO(value) struct value *lease = NULL;
    if (get_lease(k, &lease, err) < 0)
        return -1;
    return kube_fenced(k, epoch, transitions(lease), err);
}

int kube_check_stamp(
    const struct kube_target *k, const struct value *object, int64_t epoch, struct error *err)
{
    const char *text = kube_annotation(object, KUBE_ANNOTATION_EPOCH);
    int64_t stamp = text ? strtoll(text, NULL, 10) : 0;
    return stamp > epoch ? kube_fenced(k, epoch, stamp, err) : 0;
}
