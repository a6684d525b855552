#include <sched.h>
#include <string.h>

#include "base/text.h"
#include "sandbox/plan.h"

static const struct {
    uint64_t flag;
    const char *name;
} namespaces[] = {
    {CLONE_NEWUSER, "user"},
    {CLONE_NEWNS, "mount"},
    {CLONE_NEWPID, "pid"},
    {CLONE_NEWIPC, "ipc"},
    {CLONE_NEWUTS, "uts"},
    {CLONE_NEWCGROUP, "cgroup"},
    {CLONE_NEWNET, "network"},
};

static const char *const networks[] = {
    [SANDBOX_NETWORK_NONE] = "none (loopback of its own)",
    [SANDBOX_NETWORK_EGRESS] = "egress (through a helper; the host's loopback is out of reach)",
    [SANDBOX_NETWORK_HOST] = "the host's",
};

static void print_head(const struct sandbox_plan *plan, struct str *out)
{
    const struct sandbox_spec *spec = plan->spec;
    str_puts(out, "namespaces:");
    for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
        if (plan->namespaces & namespaces[i].flag)
            str_printf(out, " %s", namespaces[i].name);
    if (plan->privileged)
        str_printf(out, "\nids: 0-%u inside are %u-%u outside; runs as %u:%u\n",
            SANDBOX_ID_COUNT - 1, SANDBOX_ID_BASE, SANDBOX_ID_BASE + SANDBOX_ID_COUNT - 1,
            spec->uid, spec->gid);
    else
        str_puts(out, "\nids: 0 inside is the user who runs davit; no other\n");
    if (spec->caps)
        str_printf(out, "capabilities: %#llx, within the user namespace\n",
            (unsigned long long)spec->caps);
    else
        str_puts(out, "capabilities: none\n");
    str_printf(out, "privileges: no_new_privs, seccomp allow-list\nnetwork: %s\n",
        networks[spec->network]);
    str_printf(out, "descriptors: 0 1 2%s\n", spec->socket_fd ? " 3" : "");
}

static void print_overlay(const struct sandbox_op *op, struct str *out)
{
    str_puts(out, "overlay");
    vec_each (lower, &op->lowers)
        str_printf(out, " %s%s", lower->path, lower->foreign ? " (ids mapped)" : "");
    if (op->writable)
        str_printf(out, ", written to %s/upper", op->writable);
    else
        str_puts(out, ", read-only");
    str_putc(out, '\n');
}

static void print_op(const struct sandbox_op *op, struct str *out)
{
    char size[SIZE_TEXT_MAX];
    str_printf(out, "%-20s ", op->target);
    switch (op->kind) {
    case SANDBOX_OP_ROOT:
        str_puts(out, "tmpfs, the new root\n");
        break;
    case SANDBOX_OP_DIR:
        str_printf(out, "directory, mode %04o\n", op->mode);
        break;
    case SANDBOX_OP_LINK:
        str_printf(out, "link to %s\n", op->source);
        break;
    case SANDBOX_OP_FILE:
        str_printf(out, "file of %zu bytes\n", strlen(op->source));
        break;
    case SANDBOX_OP_BIND:
        str_printf(out, "%s%s%s\n", op->read_only ? "read-only " : "", op->source,
            op->foreign ? " (ids mapped)" : "");
        break;
    case SANDBOX_OP_TMPFS:
        str_printf(out, "tmpfs, mode %04o%s%s\n", op->mode, op->size ? ", at most " : "",
            op->size ? size_print(op->size, size) : "");
        break;
    case SANDBOX_OP_OVERLAY:
        print_overlay(op, out);
        break;
    case SANDBOX_OP_PROC:
        str_puts(out, "procfs of its own\n");
        break;
    case SANDBOX_OP_PTS:
        str_puts(out, "devpts of its own\n");
        break;
    case SANDBOX_OP_HIDE:
        str_puts(out, "hidden\n");
        break;
    case SANDBOX_OP_FREEZE:
        str_puts(out, "made read-only\n");
        break;
    case SANDBOX_OP_ENTER:
        str_puts(out, "entered; nothing of the host's mounts remains\n");
        break;
    case SANDBOX_OP_LOOPBACK:
        str_puts(out, "up\n");
        break;
    }
}

void sandbox_plan_print(const struct sandbox_plan *plan, struct str *out)
{
    if (plan->spec->isolation == SANDBOX_NONE) {
        str_puts(out, "not isolated: a part of davit itself\n");
        return;
    }
    print_head(plan, out);
    vec_each (op, &plan->ops)
        print_op(op, out);
}
