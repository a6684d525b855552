// Taking over an app that runs already on a cluster, and giving it back: adopt, eject.
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "os/fd.h"
#include "os/file.h"

#define MANIFESTS_SIZE_MAX ((size_t)16 << 20)

struct adopt_command {
    struct place_options place;
    const char *service, *deployment;
    bool dry_run;
};

static const struct opt adopt_options[] = {
    OPT_STRING(0, "service", struct adopt_command, service, "NAME",
        "the Service whose traffic is to be switched (default: the one named as the app)"),
    OPT_STRING(0, "deployment", struct adopt_command, deployment, "NAME",
        "the Deployment (default: the one behind the Service, else named as the app)"),
    OPT_FLAG('n', "dry-run", struct adopt_command, dry_run,
        "print what would be changed, change nothing"),
    PLACE_OPTIONS(struct adopt_command),
    OPT_END,
};

static int adopt(struct cli *cli, void *arg, struct error *err)
{
    const struct adopt_command *command = arg;
    struct value *job = value_map();
    value_set_str(job, "environment", command->place.environment);
    value_set_str(job, "service", command->service);
    value_set_str(job, "deployment", command->deployment);
    value_set_bool(job, "dry_run", command->dry_run);
    AUTO(value) struct value *result = NULL;
    if (app_call(cli, "adopt", cli->args.items[0], &command->place, job, false, &result, err) < 0)
        return -1;
    return app_report(cli, result);
}

// --- eject ---

struct eject_command {
    struct place_options place;
    const char *directory;
    bool dry_run;
};

static const struct opt eject_options[] = {
    OPT_STRING('d', "directory", struct eject_command, directory, "DIR",
        "where APP.json with the manifests is written; \"-\": to the standard output"),
    OPT_FLAG('n', "dry-run", struct eject_command, dry_run,
        "write the manifests and say what it costs, change nothing"),
    PLACE_OPTIONS(struct eject_command),
    OPT_END,
};

static int save(
    const struct cli *cli, const char *directory, const struct str *text, struct error *err)
{
    if (text_equal(directory, "-"))
        return fd_write_all(STDOUT_FILENO, text->data, text->length, err);
    AUTO_FREE char *name = mem_printf("%s.json", cli->args.items[0]);
    AUTO_FREE char *path = path_join(directory, name);
    if (dir_make(AT_FDCWD, directory, 0755, err) < 0)
        return -1;
    return file_replace(AT_FDCWD, path, 0644, text->data, text->length, err);
}

static void tell(const struct value *result)
{
    const struct value *lines = value_get(result, "report");
    for (size_t i = 0; i < value_length(lines); i++)
        fprintf(stderr, "%s\n", value_text(value_at(lines, i)));
}

// The manifests are there before anything is given up.
static int eject(struct cli *cli, void *arg, struct error *err)
{
    const struct eject_command *command = arg;
    const struct place_options *place = &command->place;
    const char *app = cli->args.items[0];
    struct value *ask = value_map();
    AUTO(value) struct value *before = NULL;
    AUTO(value) struct value *after = NULL;
    AUTO(str) struct str text;
    str_init(&text, MANIFESTS_SIZE_MAX);
    value_set_bool(ask, "dry_run", true);
    if (!command->directory) {
        value_free(ask);
        return error_set(err, ERR_USAGE, "where do the manifests go? --directory DIR, or -");
    }
    if (app_ask_text(cli, "eject", app, place, ask, NULL, &text, &before, err) < 0 ||
        str_check(&text, "the manifests", err) < 0)
        return -1;
    if (value_get(before, "release") && save(cli, command->directory, &text, err) < 0)
        return -1;
    if (!command->dry_run && app_call(cli, "eject", app, place, NULL, false, &after, err) < 0)
        return -1;
    const struct value *result = command->dry_run ? before : after;
    if (!text_equal(command->directory, "-"))
        return app_report(cli, result);
    tell(result);
    return EXIT_OK;
}

const struct command cmd_adopt = {
    .name = "adopt",
    .arguments = "APP",
    .summary = "take over a Deployment that kubectl or Helm has made",
    .help =
        "The Deployment and the Service before it become release 1 of the app, as they are: no pod "
        "is\nrestarted and no request fails. The next run deploys over it, and `davit rollback` "
        "comes back\nto it. What its pods use (ConfigMaps, Secrets) and who scales it stays as it "
        "is. Whatever\nstands in the way is named, and so is who else applies these objects. After "
        "a crash: again.\n\n"
        "  davit adopt web --env staging --dry-run\n"
        "  davit adopt web --env staging\n"
        "  davit adopt web --context lab --namespace web --service web-http --deployment web-v2\n",
    .options = adopt_options,
    .options_size = sizeof(struct adopt_command),
    .args_min = 1,
    .args_max = 1,
    .run = adopt,
};
const struct command cmd_eject = {
    .name = "eject",
    .arguments = "APP",
    .summary = "give an app on a cluster back as plain manifests",
    .help =
        "Writes the manifests of the live release, then takes davit's labels and annotations off "
        "its\nobjects and deletes what is davit's alone: releases, Lease, preview, the empty slot. "
        "The pods\nrun on untouched. It costs the history and the way back, and the report says "
        "what stays.\n\n"
        "  davit eject web --env staging --directory k8s\n"
        "  davit eject web --env staging --directory - --dry-run\n",
    .options = eject_options,
    .options_size = sizeof(struct eject_command),
    .args_min = 1,
    .args_max = 1,
    .run = eject,
};
