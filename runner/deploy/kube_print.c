#include "deploy/kube_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/kube_private.h"
#include "deploy/refused.h"
#include "deploy/wire.h"
#include "os/clock.h"

#define BY_HAND       "kubectl, by hand"
#define END_OF_OBJECT "DAVIT"
#define NODES_FOLLOW  "3" // seconds until all nodes have followed a change of traffic

struct printing {
    struct kube_target *k;
    const struct kube_script *script;
    const struct rollout *rollout;
    struct kube_state state;      // as it is
    const char *state_text;       // as the Lease has it
    int64_t epoch;                // by now
    struct manifest fresh;        // of the release that is put; all-zero: there is none
    const struct manifest *of[2]; // by enum set; NULL: there is no such release
    struct str *out;
};

// --- shell ---

// A word that the shell takes as it is.
static void add_quoted(struct str *out, const char *text)
{
    str_putc(out, '\'');
    for (; *text; text++)
        if (*text == '\'')
            str_puts(out, "'\\''");
        else
            str_putc(out, *text);
    str_putc(out, '\'');
}

static void note(struct printing *p, const char *text)
{
    str_printf(p->out, "\n# %s\n", text);
}

static void begin_kubectl(struct printing *p)
{
    str_puts(p->out, "kubectl --context ");
    add_quoted(p->out, p->script->context);
    str_puts(p->out, " -n ");
    add_quoted(p->out, p->k->ns);
    str_putc(p->out, ' ');
}

static void add_object(struct printing *p, const char *verb, const struct value *object)
{
    AUTO_FREE char *text = value_print_indented(object);
    begin_kubectl(p);
    str_printf(p->out, "%s -f - <<'" END_OF_OBJECT "'\n%s" END_OF_OBJECT "\n", verb, text);
}

static const char *plural_of(const struct printing *p, enum kube_of of)
{
    return p->k->kinds[of]->plural;
}

// `patch` is taken.
static void add_patch(struct printing *p, enum kube_of of, const char *name, struct value *patch)
{
    AUTO(value) struct value *owned = patch;
    AUTO_FREE char *text = value_print(owned);
    begin_kubectl(p);
    str_printf(p->out, "patch %s %s --type=json -p ", plural_of(p, of), name);
    add_quoted(p->out, text);
    str_putc(p->out, '\n');
}

// As the last driver left it, or as a run of this script that broke off.
static void apply_object(struct printing *p, struct value *object, int64_t release)
{
    AUTO_FREE char *text = mem_printf("%" PRId64, release);
    AUTO(value) struct value *owned = object;
    kube_mark(owned, 0, release);
    value_set(kube_at(owned, "metadata", "annotations"), KUBE_ANNOTATION_EPOCH, NULL);
    add_object(
        p, "apply --server-side --force-conflicts --field-manager=" KUBE_FIELD_MANAGER, owned);
    begin_kubectl(p);
    AUTO_FREE char *kind = mem_strdup(value_get_str(owned, "kind"));
    str_printf(p->out, "annotate --overwrite %s %s " KUBE_ANNOTATION_EPOCH "=\"$epoch\"\n", kind,
        kube_name(owned));
}

// --- the Lease ---

// The shell's $epoch is tested with them. `more`: rows in which the shell has a say, as it takes
// them.
static void add_lease_patch(struct printing *p, struct value *rows, const char *more)
{
    AUTO(value) struct value *owned = rows;
    AUTO_FREE char *text = value_print(owned);
    AUTO_FREE char *inner = mem_strndup(text + 1, strlen(text) - 2); // without its brackets
    begin_kubectl(p);
    str_printf(p->out,
        "patch %s %s --type=json -p '[{\"op\":\"test\",\"path\":\"/spec/leaseTransitions\","
        "\"value\":'\"$epoch\"'},'",
        plural_of(p, KUBE_LEASE), p->k->lease_name);
    add_quoted(p->out, inner);
    str_printf(p->out, "%s']'\n", more);
}

static void test_state(const struct printing *p, struct value *patch)
{
    kube_patch_row(patch, "test", value_string(p->state_text), "metadata", "annotations",
        KUBE_ANNOTATION_STATE, NULL);
}

static void claim(struct printing *p)
{
    struct value *patch = value_list();
    note(p,
        "Take the app over: a davit that still drives it writes nothing from here on. This fails "
        "when\n# what is known of the app has changed since the script was made: make it again.");
    str_puts(p->out, "epoch=$(");
    begin_kubectl(p);
    str_printf(p->out, "get %s %s -o 'jsonpath={.spec.leaseTransitions}')\n",
        plural_of(p, KUBE_LEASE), p->k->lease_name);
    test_state(p, patch);
    kube_patch_row(patch, "add", value_string(BY_HAND), "spec", "holderIdentity", NULL);
    kube_patch_row(
        patch, "add", value_string(BY_HAND), "metadata", "annotations", KUBE_ANNOTATION_WHO, NULL);
    add_lease_patch(p, patch,
        "',{\"op\":\"add\",\"path\":\"/spec/leaseTransitions\",\"value\":'$((epoch + 1))'},'"
        "'{\"op\":\"add\",\"path\":\"/spec/renewTime\",\"value\":\"'\"$(date -u "
        "+%Y-%m-%dT%H:%M:%S.000000Z)\"'\"}'");
    str_puts(p->out, "epoch=$((epoch + 1))\n");
    begin_kubectl(p);
    str_printf(p->out, "annotate --overwrite %s,%s -l ", plural_of(p, KUBE_DEPLOYMENT),
        plural_of(p, KUBE_SERVICE));
    add_quoted(p->out, p->k->selector);
    str_puts(p->out, " " KUBE_ANNOTATION_EPOCH "=\"$epoch\"\n");
}

static enum outcome outcome_of(const struct printing *p)
{
    return p->script->fresh ? OUTCOME_SUCCESS : OUTCOME_CANCELLED;
}

// Whose release is live in the end.
static enum set winner(const struct printing *p)
{
    return p->script->fresh ? SET_NEW : SET_OLD;
}

static char *state_after(const struct printing *p)
{
    struct kube_state s = p->state;
    const struct rollout *r = p->rollout;
    s.rollout = *r;
    s.position = (struct position){0};
    s.live = s.applied = winner(p) == SET_NEW ? r->to : r->from;
    s.percent = winner(p) == SET_NEW ? 100 : 0;
    s.last = outcome_of(p);
    if (r->to > s.last_revision)
        s.last_revision = r->to;
    s.abort_requested = s.promote_requested = s.pause_requested = false;
    AUTO(value)
    struct value *refused = refused_judged(p->state.refused, r, s.live, p->script->records, s.last,
        "rolled back by hand", clock_unix_ms());
    s.refused = refused;
    return kube_state_print(&s);
}

static void let_go(struct printing *p)
{
    struct value *patch = value_list();
    AUTO_FREE char *text = state_after(p);
    note(p, "Let davit know how it stands now.");
    test_state(p, patch);
    kube_patch_row(
        patch, "add", value_string(text), "metadata", "annotations", KUBE_ANNOTATION_STATE, NULL);
    kube_patch_row(patch, "add", value_string(""), "spec", "holderIdentity", NULL);
    add_lease_patch(p, patch, "");
}

// --- steps ---

static int64_t release_of(const struct printing *p, enum set set)
{
    return set == SET_OLD ? p->rollout->from : p->rollout->to;
}

static enum slot slot_of(const struct printing *p, enum set set)
{
    return set == SET_OLD ? p->rollout->from_slot : p->rollout->to_slot;
}

static bool rolls(const struct value *object)
{
    const char *kind = value_get_str(object, "kind");
    return text_equal(kind, "Deployment") || text_equal(kind, "StatefulSet") ||
           text_equal(kind, "DaemonSet");
}

static void apply_set(struct printing *p, enum set set)
{
    const struct manifest *m = p->of[set];
    for (size_t i = 0; i < value_length(m->others); i++) {
        const struct value *object = value_at(m->others, i);
        if (text_equal(value_get_str(object, "kind"), "Secret") && !value_get(object, "data"))
            continue; // the record keeps its name only; it is there
        apply_object(p, value_copy(object), release_of(p, set));
    }
    if (!m->service)
        return;
    // The traffic is another step's.
    AUTO(value) struct value *now = NULL;
    const struct kube_kind *kind = p->k->kinds[KUBE_SERVICE];
    kube_get(p->k->client, kind, p->k->ns, kube_name(m->service), &now, NULL);
    const char *slot = value_get_str(kube_at(now, "spec", "selector"), KUBE_LABEL_SLOT);
    struct value *service = manifest_service(m, SLOT_ANY);
    value_set_str(kube_at(service, "spec", "selector"), KUBE_LABEL_SLOT, slot);
    apply_object(p, service, release_of(p, set));
}

static void scale_set(struct printing *p, enum set set, int count)
{
    const struct manifest *m = p->of[set];
    if (!m->workload)
        return;
    apply_object(p, manifest_slotted(m, slot_of(p, set), count), release_of(p, set));
    if (m->service && !p->rollout->native_rolling)
        apply_object(p, manifest_preview(m, slot_of(p, set)), release_of(p, set));
}

static void await_rollout(struct printing *p, const char *kind, const char *name)
{
    begin_kubectl(p);
    str_printf(p->out, "rollout status %s/%s --timeout=%" PRId64 "s\n", kind, name,
        p->rollout->progress_deadline_ms / 1000);
}

static void await_set(struct printing *p, const struct step *step)
{
    const struct manifest *m = p->of[step->set];
    if (step->objects) {
        for (size_t i = 0; i < value_length(m->others); i++)
            if (rolls(value_at(m->others, i)))
                await_rollout(p, value_get_str(value_at(m->others, i), "kind"),
                    kube_name(value_at(m->others, i)));
        return;
    }
    if (!m->workload)
        return;
    AUTO_FREE char *name = manifest_slotted_name(m, slot_of(p, step->set));
    await_rollout(p, "deployment", name);
}

// 0 or 100: a rollback knows nothing else.
static void weigh(struct printing *p, const struct step *step)
{
    enum set set = step->percent ? SET_NEW : SET_OLD;
    const struct manifest *m = p->of[set];
    if (!m->service)
        return;
    struct value *patch = value_list();
    AUTO(value) struct value *wanted = manifest_service(m, (int)slot_of(p, set));
    AUTO_FREE char *percent = mem_printf("%d", step->percent);
    kube_patch_row(
        patch, "add", value_copy(kube_at(wanted, "spec", "selector")), "spec", "selector", NULL);
    kube_patch_row(patch, "add", value_string(percent), "metadata", "annotations",
        KUBE_ANNOTATION_PERCENT, NULL);
    if (step->if_ready && m->workload) {
        AUTO_FREE char *name = manifest_slotted_name(m, slot_of(p, set));
        str_puts(p->out, "[ -z \"$(");
        begin_kubectl(p);
        str_printf(p->out,
            "get %s %s --ignore-not-found -o 'jsonpath={.status.readyReplicas}')\" ] "
            "||\n    ",
            plural_of(p, KUBE_DEPLOYMENT), name);
    }
    add_patch(p, KUBE_SERVICE, kube_name(m->service), patch);
}

static void retire(struct printing *p, enum set set)
{
    const struct manifest *m = p->of[set];
    bool shared = p->rollout->native_rolling && p->rollout->from;
    if (!m->workload || shared)
        return;
    AUTO_FREE char *name = manifest_slotted_name(m, slot_of(p, set));
    AUTO_FREE char *release = mem_printf("%" PRId64, release_of(p, set));
    struct value *patch = value_list();
    kube_patch_row(patch, "add", value_int(0), "spec", "replicas", NULL);
    kube_patch_row(patch, "add", value_string(release), "metadata", "annotations",
        KUBE_ANNOTATION_RETIRED, NULL);
    str_puts(p->out, "sleep " NODES_FOLLOW "\n");
    add_patch(p, KUBE_DEPLOYMENT, name, patch);
}

static int add_step(struct printing *p, const struct step *step, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, 200);
    if (step->kind == STEP_COMMIT) // with the state, in the end
        return 0;
    step_print(step, &text);
    note(p, text.data);
    switch (step->kind) {
    case STEP_APPLY:
        apply_set(p, step->set);
        return 0;
    case STEP_SCALE:
        scale_set(p, step->set, step->count);
        return 0;
    case STEP_AWAIT:
        await_set(p, step);
        return 0;
    case STEP_WEIGHT:
        weigh(p, step);
        return 0;
    case STEP_RETIRE:
        retire(p, step->set);
        return 0;
    case STEP_HOOK: // a rollback has none
    case STEP_COMMIT:
    case STEP_DRAIN:
    case STEP_GATE:
    case STEP_PAUSE:
        break;
    }
    return error_set(err, ERR_UNSUPPORTED, "\"%s\" takes davit: no kubectl does it", text.data);
}

// --- before and after them ---

static void put_release(struct printing *p)
{
    const struct release *release = p->script->fresh;
    if (!release)
        return;
    AUTO(value) struct value *record = release_to_value(release);
    AUTO(value)
    struct value *object = kube_release_object(p->k, record, release->revision, p->epoch + 1);
    note(p, "The release, as davit keeps it.");
    add_object(p, "apply --server-side --field-manager=" KUBE_FIELD_MANAGER, object);
}

static void end_release(struct printing *p)
{
    AUTO(value) struct value *v = value_map();
    static const struct rollout_times unknown = {-1, -1, -1, -1};
    value_set_str(v, "outcome", outcome_name(outcome_of(p)));
    value_set_str(v, "reason", p->script->fresh ? NULL : "taken back by hand");
    value_set(v, "times", times_to_value(&unknown));
    AUTO_FREE char *text = value_print(v);
    note(p, "How it ended, for the history.");
    begin_kubectl(p);
    str_printf(p->out, "annotate --overwrite %s davit-%s-r%" PRId64 " ",
        plural_of(p, KUBE_REVISION), p->k->app, p->rollout->to);
    AUTO_FREE char *pair = mem_printf(KUBE_ANNOTATION_END "=%s", text);
    add_quoted(p->out, pair);
    str_putc(p->out, '\n');
}

static void prune(struct printing *p)
{
    enum set kept = winner(p);
    const struct manifest *before = p->of[set_other(kept)];
    AUTO(value) struct value *gone = before ? manifest_pruned(before, p->of[kept]) : value_list();
    if (value_length(gone))
        note(p, "What only the other release has.");
    for (size_t i = 0; i < value_length(gone); i++)
        add_object(p, "delete --ignore-not-found", value_at(gone, i));
}

static int print_all(struct printing *p, struct error *err)
{
    AUTO(program) struct program program = {0};
    str_printf(p->out,
        "#!/bin/sh\n# %s\n#\n"
        "# The steps of `davit rollback` with kubectl alone, as the app stands now. It ends at the "
        "first command that\n# fails, and may be run again.\nset -eu\n",
        p->script->title);
    if (p->script->fresh)
        program_forward(p->rollout, &program);
    else
        program_back(p->rollout, &program);
    claim(p);
    put_release(p);
    vec_each (step, &program.steps)
        if (add_step(p, step, err) < 0)
            return -1;
    prune(p);
    end_release(p);
    let_go(p);
    return str_check(p->out, "the script", err);
}

static int find_manifests(struct printing *p, struct error *err)
{
    const struct release *fresh = p->script->fresh;
    const struct rollout *r = p->rollout;
    const struct kube_known *from = r->from ? kube_known(p->k, r->from, err) : NULL;
    const struct kube_known *to = fresh ? NULL : kube_known(p->k, r->to, err);
    if ((r->from && !from) || (!fresh && !to) ||
        (fresh && manifest_from_value(fresh->manifest, &p->fresh, err) < 0))
        return -1;
    p->of[SET_OLD] = from ? &from->manifest : NULL;
    p->of[SET_NEW] = to ? &to->manifest : &p->fresh;
    return 0;
}

int kube_script_print(
    struct target *t, const struct kube_script *script, struct str *out, struct error *err)
{
    struct kube_target *k = kube_of(t);
    AUTO(value) struct value *lease = NULL;
    struct printing p = {.k = k, .script = script, .rollout = script->rollout, .out = out};
    if (kube_get(k->client, k->kinds[KUBE_LEASE], k->ns, k->lease_name, &lease, err) < 0)
        return -1;
    p.epoch = value_get_int(value_get(lease, "spec"), "leaseTransitions", 0);
    p.state_text = kube_annotation(lease, KUBE_ANNOTATION_STATE);
    int status = kube_state_parse(p.state_text, &p.state, err);
    if (status == 0)
        status = find_manifests(&p, err);
    if (status == 0)
        status = print_all(&p, err);
    kube_state_done(&p.state);
    kube_manifest_done(&p.fresh);
    return status;
}
