// Where a verb looks for an app: its options, this host, the pipeline file here.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/place.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/directory.h"

static const char pipeline[] =
    "name: p\n"
    "environments:\n"
    "  staging: {target: kubernetes, context: lab, namespace: web-staging}\n"
    "  production: {target: kubernetes, namespace: web}\n"
    "  plain: {target: kubernetes}\n"
    "  host: {}\n"
    "stages:\n"
    "  a: {deploy: {app: web, environment: staging, image: r/x:1, manifests: k8s}}\n"
    "  b: {deploy: {app: web, environment: production, image: r/x:1, manifests: k8s}}\n"
    "  c: {deploy: {app: one, environment: production, image: r/x:1, manifests: k8s}}\n"
    "  d: {deploy: {app: one, image: x:1}}\n"
    "  e: {deploy: {app: local, environment: host, image: x:1}}\n"
    "  f: {deploy: {app: here, environment: staging, image: r/x:1, manifests: k8s}}\n"
    "  g: {deploy: {app: two, environment: plain, image: r/x:1, manifests: k8s}}\n"
    "  h: {deploy: {app: two, environment: plain, image: r/x:2, manifests: k8s, service: b}}\n";

static const struct {
    const char *app;
    struct place_options given; // environment, context, namespace, file
    const char *wanted;         // the cluster as JSON; "": this host; NULL: an error with `said`
    const char *said;
} rows[] = {
    {"here", {0}, "", NULL}, // before what the file says
    {"one", {0}, "{\"namespace\":\"web\"}", NULL},
    {"two", {0}, "{}", NULL},
    {"web", {0}, NULL,
        "web is in 2 environments of .davit.yaml; name one:\n"
        "  davit rollback web -m 'it'\\''s bad' --env staging\n"
        "  davit rollback web -m 'it'\\''s bad' --env production"},
    {"local", {0}, NULL, ".davit.yaml deploys it to no cluster"},
    {"nobody", {0}, NULL, "no app \"nobody\" was deployed on this host ("},
    {"web", {"staging", NULL, NULL, NULL}, "{\"context\":\"lab\",\"namespace\":\"web-staging\"}",
        NULL},
    {"here", {"staging", NULL, NULL, NULL}, "{\"context\":\"lab\",\"namespace\":\"web-staging\"}",
        NULL},
    {"web", {"host", NULL, NULL, NULL}, "", NULL},
    {"web", {"stagin", NULL, NULL, NULL}, NULL, "did you mean \"staging\"?"},
    {"web", {"x", NULL, NULL, NULL}, NULL, "it has: staging, production, plain, host"},
    {"web", {NULL, "prod", "gin", NULL}, "{\"context\":\"prod\",\"namespace\":\"gin\"}", NULL},
    {"here", {NULL, "prod", NULL, NULL}, "{\"context\":\"prod\"}", NULL},
    {"here", {NULL, NULL, "gin", NULL}, "{\"namespace\":\"gin\"}", NULL},
    {"here", {NULL, "", NULL, NULL}, "{}", NULL}, // the kubeconfig's current context
    {"web", {"staging", "prod", NULL, NULL}, NULL, "give one or the other"},
    {"web", {NULL, NULL, "gin", ".davit.yaml"}, NULL, "give one or the other"},
    {"here", {NULL, NULL, NULL, ".davit.yaml"},
        "{\"context\":\"lab\",\"namespace\":\"web-staging\"}", NULL}, // a file was asked for
    {"web", {"staging", NULL, NULL, "none.yaml"}, NULL, "none.yaml"},
    {"web", {"staging", NULL, NULL, "bad.yaml"}, NULL, "bad.yaml has mistakes"},
};

static void write_text(const char *path, const char *text)
{
    check_ok(file_replace(AT_FDCWD, path, 0644, text, strlen(text), &err));
}

static void check_row(const struct cli *cli, size_t i)
{
    struct error err = {0};
    AUTO(place) struct place place = {0};
    int status = place_find(cli, rows[i].app, &rows[i].given, &place, &err);
    if (!rows[i].wanted) {
        if (status == 0 || !strstr(err.message, rows[i].said))
            fail_msg("row %zu: %s", i, status == 0 ? "was found" : err.message);
        return;
    }
    AUTO_FREE char *got = place.cluster ? value_print(place.cluster) : mem_strdup("");
    if (status < 0 || strcmp(got, rows[i].wanted) != 0)
        fail_msg("row %zu: %s", i, status < 0 ? err.message : got);
}

static void an_app_is_where_options_host_and_file_say(void **state)
{
    const char *directory = *state;
    AUTO_FREE char *before = getcwd(NULL, 0);
    char message[] = "it's bad",
         *words[] = {(char[]){"rollback"}, (char[]){"web"}, (char[]){"-m"}, message, NULL};
    struct cli cli = {.common.state = directory, .words = words};
    assert_int_equal(chdir(directory), 0);
    write_text(".davit.yaml", pipeline);
    write_text("bad.yaml", "name: [\n");
    check_ok(dir_make(AT_FDCWD, "apps/here", 0700, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&cli, i);
    assert_int_equal(chdir(before), 0);
}

static void without_a_pipeline_file_it_is_said_what_was_looked_for(void **state)
{
    const char *directory = *state;
    AUTO_FREE char *before = getcwd(NULL, 0);
    struct cli cli = {.common.state = directory};
    AUTO(place) struct place place = {0};
    AUTO(str) struct str suggested;
    str_init(&suggested, STR_TEXT_MAX);
    assert_int_equal(chdir(directory), 0);
    struct place_options none = {0}, staging = {.environment = "staging"};
    check_error(place_find(&cli, "web", &none, &place, &err), ERR_NOT_FOUND,
        "there is no .davit.yaml here that deploys it");
    check_error(place_find(&cli, "web", &staging, &place, &err), ERR_NOT_FOUND,
        "there is no .davit.yaml here, which says where environment \"staging\" is");
    place_suggest(&suggested);
    assert_int_equal(suggested.length, 0);
    write_text(".davit.yaml", pipeline);
    place_suggest(&suggested);
    assert_non_null(strstr(suggested.data, "  davit status web --env production\n"));
    AUTO(strv) struct strv apps = {0};
    struct place_options production = {.environment = "production"};
    check_ok(place_apps(&production, &apps, &err));
    assert_int_equal(apps.length, 2);
    assert_int_equal(chdir(before), 0);
}

TEST_MAIN(in_directory(an_app_is_where_options_host_and_file_say),
    in_directory(without_a_pipeline_file_it_is_said_what_was_looked_for))
