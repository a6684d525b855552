#include "engine/plan_deploy.h"

#include "deploy/spec.h"
#include "engine/apps.h"

// The release that is live by the agent's state file; 0 when nothing is.
static int read_live(const struct state *state, const char *app, struct release *ret)
{
    AUTO(value) struct value *all = apps_state(state, app);
    const struct value *releases = value_get(all, "releases");
    int64_t live = value_get_int(all, "live", 0);
    for (size_t i = 0; i < value_length(releases); i++)
        if (live && value_get_int(value_at(releases, i), "revision", 0) == live)
            return release_from_value(value_at(releases, i), ret, NULL) == 0;
    return 0;
}

// The rollout that the stage would begin now.
static int make_rollout(
    const struct stage *stage, const struct state *state, struct rollout *ret, struct error *err)
{
    AUTO(release) struct release to = {0}, live = {0};
    static const struct target_caps local = {.weight = WEIGHT_EXACT};
    if (release_from_section(stage->deploy, &to, err) < 0)
        return -1;
    to.run = mem_strdup("plan");
    to.who = mem_strdup("plan");
    bool any = read_live(state, to.app, &live);
    to.revision = any ? live.revision + 1 : 1;
    to.slot = any && to.strategy.kind != STRATEGY_ROLLING ? slot_other(live.slot) : live.slot;
    return spec_rollout(&to, any ? &live : NULL, false, &local, ret, err);
}

static void print_gate_list(enum gate_phase phase, const struct gate_list *list, struct str *out)
{
    vec_each (gate, &list->items) {
        str_printf(out, "      %s: ", gate_phase_name(phase));
        gate_print(gate, out);
        str_putc(out, '\n');
    }
}

static void print_gates(const struct stage *stage, struct str *out)
{
    AUTO(release) struct release to = {0};
    if (release_from_section(stage->deploy, &to, NULL) < 0)
        return;
    print_gate_list(GATE_BEFORE_SWITCH, &to.gates.before_switch, out);
    print_gate_list(GATE_AFTER_SWITCH, &to.gates.after_switch, out);
}

void plan_deploy_text(const struct stage *stage, const struct state *state, struct str *out)
{
    struct rollout rollout;
    struct program program = {0};
    struct error err = {0};
    if (make_rollout(stage, state, &rollout, &err) < 0) {
        str_printf(out, "     %s\n", err.message);
        return;
    }
    program_forward(&rollout, &program);
    str_printf(out, "     app %s on this host%s\n", value_get_str(stage->deploy, "app"),
        rollout.from ? "" : " (nothing is live yet)");
    program_print(&program, &rollout, out);
    print_gates(stage, out);
    if (value_length(value_get(stage->deploy, "secrets")))
        str_printf(out,
            "     secrets: the agent keeps their values for each release in files of mode 0600\n");
    program_done(&program);
}

struct value *plan_deploy_value(const struct stage *stage, const struct state *state)
{
    struct rollout rollout;
    struct program program = {0};
    struct error err = {0};
    struct value *v = value_map();
    value_set(v, "section", value_copy(stage->deploy));
    if (make_rollout(stage, state, &rollout, &err) < 0) {
        value_set_str(v, "error", err.message);
        return v;
    }
    program_forward(&rollout, &program);
    value_set(v, "program", program_to_value(&program, &rollout));
    program_done(&program);
    return v;
}
