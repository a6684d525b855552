#include <string.h>

#include "cli/app.h"
#include "os/file.h"

static void releases_text(const struct value *history, struct str *out)
{
    static const char *const header[] = {
        "REV", "COMMIT", "IMAGE", "OUTCOME", "TOOK", "WHEN", "WHO", "WHY"};
    struct out_table table = {.columns = ARRAY_LEN(header)};
    const struct value *releases = value_get(history, "releases");
    int64_t live = value_get_int(history, "live", 0);
    out_table_row(&table, header);
    for (size_t i = 0; i < value_length(releases); i++) {
        const struct value *r = value_at(releases, i);
        char took[OUT_AGO_MAX], ago[OUT_AGO_MAX];
        int64_t revision = value_get_int(r, "revision", 0);
        const char *commit = value_get_str(r, "commit");
        const struct value *image = value_get(r, "image");
        const char *digest = value_get_str(image, "digest");
        const char *reference = value_get_str(image, "reference"); // with a tag, of Kubernetes
        AUTO_FREE char *number =
            mem_printf("%lld%s", (long long)revision, revision == live ? " *" : "");
        AUTO_FREE char *short_commit = mem_strndup(commit ? commit : "", 12);
        AUTO_FREE char *short_digest = digest && strlen(digest) > 19
                                           ? mem_strndup(digest + 7, 12)
                                           : mem_strdup(reference ? path_base(reference) : "");
        const char *const cells[] = {number, short_commit, short_digest,
            value_get_str(r, "outcome"),
            out_elapsed(value_get_int(value_get(r, "times"), "total_ms", -1), took),
            out_ago(value_get_int(r, "created_unix_ms", 0), ago), value_get_str(r, "who"),
            value_get_str(r, "why")};
        out_table_row(&table, cells);
    }
    out_table_print(&table, out);
    out_table_done(&table);
    int64_t omitted = value_get_int(history, "omitted", 0);
    if (omitted)
        str_printf(out, "and %lld older\n", (long long)omitted);
}

static void refused_text(const struct value *history, struct str *out)
{
    const char *named = value_get_str(history, "named");
    const struct value *refused = value_get(history, "refused");
    if (value_length(refused))
        str_puts(out, "\nrefused, until `davit allow`:\n");
    for (size_t i = 0; i < value_length(refused); i++) {
        const struct value *r = value_at(refused, i);
        const char *reason = value_get_str(r, "reason");
        str_printf(out, "  davit allow %s %.12s  (%s)\n", named, value_get_str(r, "commit"),
            reason ? reason : "no reason was recorded");
    }
}

static int run(struct cli *cli, void *arg, struct error *err)
{
    const struct place_command *command = arg;
    AUTO(value) struct value *history = NULL;
    if (app_call(cli, "history", cli->args.items[0], &command->place, NULL, false, &history, err) <
        0)
        return -1;
    if (cli->out.json) {
        out_value(history);
        return EXIT_OK;
    }
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    if (value_get(history, "context")) {
        app_print_place(history, &text);
        str_puts(&text, "\n\n");
    }
    releases_text(history, &text);
    refused_text(history, &text);
    out_text(&text);
    return EXIT_OK;
}

const struct command cmd_history = {
    .name = "history",
    .arguments = "APP",
    .summary = "the releases of an app, newest first",
    .help = "With commit, digest, outcome, duration, who and why; * marks the live one. Below "
            "stand the\n"
            "commits that are refused.\n\n"
            "  davit history gin-app\n"
            "  davit history gin-app --env staging\n",
    .options = place_options,
    .options_size = sizeof(struct place_command),
    .args_min = 1,
    .args_max = 1,
    .run = run,
};
