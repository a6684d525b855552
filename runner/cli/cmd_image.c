// Images without a pipeline: build, and the store's own verbs.
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/context.h"
#include "engine/apps.h"
#include "engine/role.h"
#include "os/fd.h"

#define IMAGES  "/store"
#define CONTEXT "/workspace"

// Runs one job of davit-image; `directory` is the build's context or NULL.
static int image_call(struct cli *cli, struct value *job, const char *directory,
    enum sandbox_network run_network, struct value **ret, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    AUTO(value) struct value *owned = job;
    struct mask mask = {0};
    struct output output;
    if (cli_context_init(&context, cli, CLI_STATE, err) < 0)
        return -1;
    AUTO_FREE char *images = state_path(&context.state, "images");
    if (launcher_make_owned(&context.launcher, images, err) < 0)
        return -1;
    struct sandbox_mount mounts[] = {
        {.kind = SANDBOX_BIND, .target = IMAGES, .source = images},
        {.kind = SANDBOX_BIND_READ, .target = CONTEXT, .source = directory, .foreign = true},
    };
    value_set_str(owned, "store", IMAGES);
    value_set_str(owned, "context", CONTEXT);
    output_init(&output, &mask, -1, cli->out.json ? STDERR_FILENO : STDOUT_FILENO, "image", 0,
        cli->out.color, 0);
    struct role_spec spec = {
        .program = PROGRAM_IMAGE,
        .name = "image",
        .job = value_share(owned),
        .mounts = mounts,
        .mount_count = directory ? 2 : 1,
        .network = SANDBOX_NETWORK_HOST,
        .run_network = run_network,
        .caps = sandbox_caps_image,
        .output = &output,
        .mask = &mask,
        .heeds = true,
    };
    signal(SIGPIPE, SIG_IGN); // what is under way does not depend on who reads of it
    int status = role_do(&context.launcher, &spec, ret, err);
    output_end(&output);
    output_done(&output);
    mask_done(&mask);
    return status;
}

struct build_command {
    const char *dockerfile, *target, *network;
    struct strv tags, args;
    bool push;
};

static const char *const networks[] = {"none", "egress", "host", NULL};

static const struct opt build_options[] = {
    OPT_STRING('f', "file", struct build_command, dockerfile, "FILE", "the Dockerfile, below DIR"),
    OPT_LIST('t', "tag", struct build_command, tags, "REF", "name the image (can be repeated)"),
    OPT_STRING(
        0, "target", struct build_command, target, "STAGE", "stop at this stage of the Dockerfile"),
    OPT_LIST(
        0, "build-arg", struct build_command, args, "NAME=VALUE", "set an ARG (can be repeated)"),
    OPT_CHOICE(0, "network", struct build_command, network, networks, "NET",
        "of RUN steps: none (default), egress or host"),
    OPT_FLAG(0, "push", struct build_command, push, "push every tag"),
    OPT_END,
};

static int make_args(const struct strv *args, struct value *job, struct error *err)
{
    struct value *map = value_map();
    value_set(job, "args", map);
    strv_each (arg, args) {
        char *equals = strchr(*arg, '=');
        if (!equals)
            return error_set(err, ERR_USAGE, "--build-arg %s: NAME=VALUE is wanted", *arg);
        AUTO_FREE char *name = mem_strndup(*arg, (size_t)(equals - *arg));
        value_set_str(map, name, equals + 1);
    }
    return 0;
}

static int build(struct cli *cli, void *arg, struct error *err)
{
    struct build_command *command = arg;
    char directory[PATH_MAX];
    const char *given = cli->args.length ? cli->args.items[0] : ".";
    if (!realpath(given, directory)) {
        error_errno(err, "%s", given);
        err->kind = ERR_USAGE;
        return -1;
    }
    struct value *job = value_map();
    const char *network = command->network ? command->network : "none";
    value_set_str(job, "op", "build");
    value_set_str(job, "dockerfile", command->dockerfile ? command->dockerfile : "Dockerfile");
    value_set_str(job, "target", command->target);
    value_set_strv(job, "tags", &command->tags);
    value_set_bool(job, "push", command->push);
    value_set_str(job, "network", network);
    int status = make_args(&command->args, job, err);
    AUTO(value) struct value *result = NULL;
    if (status == 0)
        status = image_call(cli, job, directory,
            strcmp(network, "none") == 0     ? SANDBOX_NETWORK_NONE
            : strcmp(network, "egress") == 0 ? SANDBOX_NETWORK_EGRESS
                                             : SANDBOX_NETWORK_HOST,
            &result, err);
    else
        value_free(job);
    strv_done(&command->tags);
    strv_done(&command->args);
    if (status < 0)
        return -1;
    if (cli->out.json)
        out_value(result);
    else
        puts(value_get_str(result, "digest"));
    return EXIT_OK;
}

static void images_text(const struct value *result)
{
    static const char *const header[] = {"REFERENCE", "DIGEST", "SIZE"};
    struct out_table table = {.columns = ARRAY_LEN(header)};
    const struct value *images = value_get(result, "images");
    out_table_row(&table, header);
    for (size_t i = 0; i < value_length(images); i++) {
        char size[SIZE_TEXT_MAX];
        const struct value *image = value_at(images, i);
        const char *const cells[] = {value_get_str(image, "reference"),
            value_get_str(image, "digest"),
            size_print((uint64_t)value_get_int(image, "size", 0), size)};
        out_table_row(&table, cells);
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    out_table_print(&table, &text);
    out_table_done(&table);
    out_text(&text);
}

static void collected_text(const struct value *result)
{
    char size[SIZE_TEXT_MAX];
    printf("removed %lld blobs, %lld unpacked layers, %lld cache records: %s\n",
        (long long)value_get_int(result, "blobs", 0), (long long)value_get_int(result, "layers", 0),
        (long long)value_get_int(result, "records", 0),
        size_print((uint64_t)value_get_int(result, "bytes", 0), size));
}

static void digest_text(const struct value *result)
{
    puts(value_get_str(result, "digest"));
}

static const struct {
    const char *verb, *op;
    size_t args; // a reference or not
    void (*text)(const struct value *result);
} verbs[] = {
    {"list", "list", 0, images_text},
    {"pull", "unpack", 1, digest_text},
    {"push", "push", 1, digest_text},
    {"gc", "gc", 0, collected_text},
};

// What of the images the apps of this host still need: their releases say it.
static int add_pins(const struct cli *cli, struct value *job, struct error *err)
{
    AUTO(cli_context) struct cli_context context = {0};
    if (cli_context_init(&context, cli, CLI_STATE, err) < 0)
        return -1;
    struct value *pins = NULL;
    if (apps_images(&context.state, &pins, err) < 0)
        return -1;
    value_set(job, "pins", pins);
    return 0;
}

static int image(struct cli *cli, void *arg, struct error *err)
{
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].verb, cli->args.items[0]) != 0)
            continue;
        if (cli->args.length != 1 + verbs[i].args)
            return error_set(err, ERR_USAGE, "usage: davit image %s%s", verbs[i].verb,
                verbs[i].args ? " REF" : "");
        struct value *job = value_map();
        value_set_str(job, "op", verbs[i].op);
        if (verbs[i].args)
            value_set_str(job, "reference", cli->args.items[1]);
        if (strcmp(verbs[i].verb, "gc") == 0 && add_pins(cli, job, err) < 0) {
            value_free(job);
            return -1;
        }
        AUTO(value) struct value *result = NULL;
        if (image_call(cli, job, NULL, SANDBOX_NETWORK_NONE, &result, err) < 0)
            return -1;
        if (cli->out.json)
            out_value(result);
        else
            verbs[i].text(result);
        return EXIT_OK;
    }
    return error_set(err, ERR_USAGE, "davit image knows list, pull, push and gc, not \"%s\"",
        cli->args.items[0]);
}

static const struct opt no_options[] = {OPT_END};

const struct command cmd_build = {
    .name = "build",
    .arguments = "[DIR]",
    .summary = "build an image from a Dockerfile, without a pipeline",
    .help = "The same input gives the same digest. RUN steps have no network unless --network says "
            "so.\n\n"
            "  davit build -t registry.local/app:1 --push\n"
            "  davit build --build-arg BASE=localhost:5000/go-base examples/gin-app\n",
    .options = build_options,
    .options_size = sizeof(struct build_command),
    .args_max = 1,
    .run = build,
};
const struct command cmd_image = {
    .name = "image",
    .arguments = "list | pull REF | push REF | gc",
    .summary = "the images of this host's store",
    .help = "  davit image list\n"
            "  davit image pull localhost:5000/go-base\n"
            "  davit image gc        what no tag, release or recent build needs goes\n",
    .options = no_options,
    .args_min = 1,
    .args_max = 2,
    .run = image,
};
