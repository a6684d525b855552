// What this machine gives davit, and what to do about the rest.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/context.h"
#include "os/fd.h"
#include "os/file.h"
#include "sandbox/spawn.h"

enum finding { FINE, REDUCED, MISSING };

struct check {
    const char *what;
    // Fills text (what was seen) and, unless FINE, advice.
    enum finding (*look)(const struct sandbox_host *host, struct str *text, const char **advice);
};

static enum finding look_kernel(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    (void)host;
    struct utsname name;
    int major = 0, minor = 0;
    uname(&name);
    sscanf(name.release, "%d.%d", &major, &minor);
    str_puts(text, name.release);
    *advice = "davit needs Linux 5.19 or newer (idmapped layers under an overlay)";
    return major > 5 || (major == 5 && minor >= 19) ? FINE : MISSING;
}

static enum finding look_user(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    str_printf(text, "user %u", host->uid);
    *advice = "images, `image:` as a stage's root, egress, limits by cgroup and local deploys need "
              "root (yet)";
    return host->privileged ? FINE : REDUCED;
}

// The proof of the pudding: a sandbox.
static enum finding look_sandbox(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    AUTO(strv) struct strv argv = {0};
    strv_push(&argv, "true");
    struct sandbox_spec spec = {.name = "doctor", .argv = strv_argv(&argv)};
    struct sandbox_child child;
    struct error err = {0};
    int status;
    *advice = "user namespaces must be allowed (user.max_user_namespaces, "
              "kernel.unprivileged_userns_clone)";
    if (sandbox_spawn(&spec, host, &child, &err) < 0 || sandbox_wait(&child, &status, &err) < 0) {
        str_puts(text, err.message);
        return MISSING;
    }
    str_puts(text, "full: seven namespaces, own root, seccomp, no capabilities");
    return status == 0 ? FINE : MISSING;
}

static enum finding look_cgroup(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    *advice =
        "stages are ended through their PID namespace; limits that a stage declares need cgroups";
    if (!host->cgroup) {
        str_puts(text, "no cgroup v2");
        return REDUCED;
    }
    str_printf(text, "v2 at %s with", host->cgroup);
    strv_each (name, &host->controllers)
        str_printf(text, " %s", *name);
    *advice =
        "declared memory, process and CPU limits use cgroup v1: each costs up to 10 ms a stage";
    return strv_has(&host->controllers, "memory") ? FINE : REDUCED;
}

static enum finding look_program(const char *const *paths, struct str *text)
{
    for (; *paths; paths++)
        if (access(*paths, X_OK) == 0) {
            str_puts(text, *paths);
            return FINE;
        }
    str_puts(text, "not here");
    return REDUCED;
}

static enum finding look_nginx(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    static const char *const paths[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx", NULL};
    (void)host;
    *advice = "target `local` needs nginx: apt install nginx-light";
    return look_program(paths, text);
}

static enum finding look_egress(
    const struct sandbox_host *host, struct str *text, const char **advice)
{
    static const char *const paths[] = {"/usr/bin/slirp4netns", NULL};
    (void)host;
    *advice = "`network: egress` needs it: apt install slirp4netns";
    enum finding found = look_program(paths, text);
    if (found == FINE && access("/dev/net/tun", R_OK | W_OK) < 0) {
        str_puts(text, ", but /dev/net/tun cannot be opened");
        *advice = "`network: egress` needs /dev/net/tun: modprobe tun";
        found = REDUCED;
    }
    return found;
}

// "name:first:count" lines that overlap the range of ours.
static bool overlaps(const char *file)
{
    AUTO(str) struct str text;
    str_init(&text, 1 << 20);
    if (file_read(AT_FDCWD, file, &text, NULL) < 0)
        return false;
    char *rest = text.data;
    for (char *line; (line = strsep(&rest, "\n"));) {
        unsigned long long first, count;
        if (sscanf(line, "%*[^:]:%llu:%llu", &first, &count) == 2 &&
            first < (unsigned long long)SANDBOX_ID_BASE + SANDBOX_ID_COUNT &&
            first + count > SANDBOX_ID_BASE)
            return true;
    }
    return false;
}

static enum finding look_ids(const struct sandbox_host *host, struct str *text, const char **advice)
{
    (void)host;
    str_printf(text, "%u-%u", SANDBOX_ID_BASE, SANDBOX_ID_BASE + SANDBOX_ID_COUNT - 1);
    *advice = "/etc/subuid or /etc/subgid give these ids to an account: move its range";
    return overlaps("/etc/subuid") || overlaps("/etc/subgid") ? MISSING : FINE;
}

static const struct check checks[] = {
    {"kernel", look_kernel},
    {"user", look_user},
    {"sandbox", look_sandbox},
    {"ids of sandboxes", look_ids},
    {"cgroups", look_cgroup},
    {"egress", look_egress},
    {"nginx", look_nginx},
};

static int run(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    static const char *const words[] = {"ok", "reduced", "missing"};
    static const char *const tints[] = {OUT_GREEN, "\033[33m", OUT_RED};
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(value) struct value *all = value_list();
    AUTO(str) struct str page;
    bool missing = false;
    str_init(&page, STR_TEXT_MAX);
    if (cli_context_init(&context, cli, CLI_READ, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        AUTO(str) struct str text;
        const char *advice = NULL;
        str_init(&text, 4096);
        enum finding found = checks[i].look(&context.launcher.host, &text, &advice);
        missing |= found == MISSING;
        str_printf(&page, "%s%-8s%s %-17s %s\n", cli->out.color ? tints[found] : "", words[found],
            cli->out.color ? OUT_RESET : "", checks[i].what, text.data);
        if (found != FINE)
            str_printf(&page, "%27s%s\n", "", advice);
        struct value *v = value_map();
        value_set_str(v, "what", checks[i].what);
        value_set_str(v, "finding", words[found]);
        value_set_str(v, "seen", text.data);
        value_set_str(v, "advice", found == FINE ? NULL : advice);
        value_append(all, v);
    }
    if (cli->out.json)
        out_value(all);
    else
        out_text(&page);
    return missing ? EXIT_RUNNER : EXIT_OK;
}

static const struct opt options[] = {OPT_END};

const struct command cmd_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what this machine gives, and what to do about the rest",
    .help = "  davit doctor\n",
    .options = options,
    .run = run,
};
