// What this machine gives davit, and what to do about the rest.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/context.h"
#include "os/fd.h"
#include "os/file.h"
#include "sandbox/spawn.h"

#define NO_LIBRARY 127 // exit code of ld.so(8)

enum finding { FINE, REDUCED, MISSING };

struct check {
    const char *what;
    // Fills text (what was seen) and, unless FINE, advice.
    enum finding (*look)(struct launcher *launcher, struct str *text, const char **advice);
};

static enum finding look_kernel(struct launcher *launcher, struct str *text, const char **advice)
{
    (void)launcher;
    struct utsname name;
    int major = 0, minor = 0;
    uname(&name);
    sscanf(name.release, "%d.%d", &major, &minor);
    str_puts(text, name.release);
    *advice = "davit needs Linux 5.19 or newer (idmapped layers under an overlay)";
    return major > 5 || (major == 5 && minor >= 19) ? FINE : MISSING;
}

static enum finding look_user(struct launcher *launcher, struct str *text, const char **advice)
{
    str_printf(text, "user %u", launcher->host.uid);
    *advice = "images, `image:` as a stage's root, egress, limits by cgroup and local deploys need "
              "root (yet)";
    return launcher->host.privileged ? FINE : REDUCED;
}

// The proof of the pudding: a sandbox.
static enum finding look_sandbox(struct launcher *launcher, struct str *text, const char **advice)
{
    AUTO(strv) struct strv argv = {0};
    strv_push(&argv, "true");
    struct sandbox_spec spec = {.name = "doctor", .argv = strv_argv(&argv)};
    struct sandbox_child child;
    struct error err = {0};
    int status;
    *advice = "user namespaces must be allowed (user.max_user_namespaces, "
              "kernel.unprivileged_userns_clone)";
    if (sandbox_spawn(&spec, &launcher->host, &child, &err) < 0 ||
        sandbox_wait(&child, &status, &err) < 0) {
        str_puts(text, err.message);
        return MISSING;
    }
    str_puts(text, "full: seven namespaces, own root, seccomp, no capabilities");
    return status == 0 ? FINE : MISSING;
}

static enum finding look_cgroup(struct launcher *launcher, struct str *text, const char **advice)
{
    *advice =
        "stages are ended through their PID namespace; limits that a stage declares need cgroups";
    if (!launcher->host.cgroup) {
        str_puts(text, "no cgroup v2");
        return REDUCED;
    }
    str_printf(text, "v2 at %s with", launcher->host.cgroup);
    strv_each (name, &launcher->host.controllers)
        str_printf(text, " %s", *name);
    *advice =
        "declared memory, process and CPU limits use cgroup v1: each costs up to 10 ms a stage";
    return strv_has(&launcher->host.controllers, "memory") ? FINE : REDUCED;
}

// Each is started without a socket, of which it complains: by then its libraries were found.
static bool starts(struct launcher *launcher, enum program program, struct error *err)
{
    AUTO(strv) struct strv argv = {0};
    strv_push(&argv, program_name(program));
    struct sandbox_spec spec = {.name = "doctor",
        .exec_fd = launcher_program(launcher, program, err),
        .argv = strv_argv(&argv)};
    struct sandbox_child child;
    int status;
    if (spec.exec_fd < 0 || sandbox_spawn(&spec, &launcher->host, &child, err) < 0 ||
        sandbox_wait(&child, &status, err) < 0)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) != NO_LIBRARY)
        return true;
    error_set(
        err, ERR_CONFIG, "%s does not start: are its libraries installed?", program_name(program));
    return false;
}

static enum finding look_git(struct launcher *launcher, struct str *text, const char **advice)
{
    struct error err = {0};
    *advice =
        "repositories are read by davit-git: install davit whole, and the package libgit2-1.5";
    if (!starts(launcher, PROGRAM_GIT, &err)) {
        str_puts(text, err.message);
        return MISSING;
    }
    str_puts(text, "davit-git, with libgit2; git itself is not needed");
    return FINE;
}

static enum finding look_helpers(struct launcher *launcher, struct str *text, const char **advice)
{
    static const enum program programs[] = {PROGRAM_IMAGE, PROGRAM_DEPLOY, PROGRAM_AGENT};
    struct error err = {0};
    *advice = "images and deploys need them: install davit whole, with its libraries";
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        if (!starts(launcher, programs[i], &err)) {
            str_clear(text);
            str_puts(text, err.message);
            return MISSING;
        }
        str_printf(text, "%s%s", i ? ", " : "", program_name(programs[i]));
    }
    return FINE;
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

static enum finding look_nginx(struct launcher *launcher, struct str *text, const char **advice)
{
    static const char *const paths[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx", NULL};
    (void)launcher;
    *advice = "target `local` needs nginx: apt install nginx-light";
    return look_program(paths, text);
}

static enum finding look_egress(struct launcher *launcher, struct str *text, const char **advice)
{
    static const char *const paths[] = {"/usr/bin/slirp4netns", NULL};
    (void)launcher;
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

static enum finding look_ids(struct launcher *launcher, struct str *text, const char **advice)
{
    (void)launcher;
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
    {"git", look_git},
    {"helpers", look_helpers},
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
        enum finding found = checks[i].look(&context.launcher, &text, &advice);
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
