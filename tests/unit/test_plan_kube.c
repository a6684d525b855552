// The plan of deploys to Kubernetes: what tests/plan/NAME.txt says of the pipeline and manifests
// here.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kube_preview.h"
#include "engine/plan.h"
#include "engine/plan_kube.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/golden.h"

static const char pipeline_text[] =
    "name: web\n"
    "env: {MODE: prod, TOKEN: {secret: true, default: hush-hush}}\n"
    "environments:\n"
    "  staging: {target: kubernetes, context: lab, namespace: web-staging}\n"
    "  production: {target: kubernetes}\n"
    "stages:\n"
    "  image: {build: {tags: [\"r.local/web:${{ git.short_sha }}\"]}}\n"
    "  rolling:\n"
    "    deploy: {app: web, environment: staging, image: image, manifests: k8s, secrets: TOKEN}\n"
    "  blue-green:\n"
    "    deploy: {app: web, environment: production, image: \"r.local/web:v1\",\n"
    "      manifests: [k8s/web.json, careful.json], strategy: blue-green,\n"
    "      gates: {before_switch: [http: /healthz]}}\n";

static const char deployment[] =
    "{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"metadata\": {\"name\": \"web\"},\n"
    " \"spec\": {\"replicas\": 3, \"selector\": {\"matchLabels\": {\"app\": \"web\"}},\n"
    "  \"template\": {\"metadata\": {\"labels\": {\"app\": \"web\"}}, \"spec\": {\"containers\": "
    "[\n"
    "   {\"name\": \"web\", \"image\": \"${{ image }}\", \"ports\": [{\"containerPort\": "
    "8080}]}]}}}}\n";

static const char careful[] =
    "{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"metadata\": {\"name\": "
    "\"careful\"},\n"
    " \"spec\": {\"replicas\": 5, \"selector\": {\"matchLabels\": {\"app\": \"web\"}},\n"
    "  \"template\": {\"metadata\": {\"labels\": {\"app\": \"web\"}}, \"spec\": {\"containers\": "
    "[\n"
    "   {\"name\": \"web\", \"image\": \"${{ image }}\",\n"
    "    \"readinessProbe\": {\"httpGet\": {\"path\": \"/healthz\", \"port\": 8080}},\n"
    "    \"lifecycle\": {\"preStop\": {\"sleep\": {\"seconds\": 3}}}}]}}}}\n";

static const char service[] =
    "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"web\"},\n"
    " \"spec\": {\"selector\": {\"app\": \"web\"}, \"ports\": [{\"port\": 80, \"targetPort\": "
    "8080}]}}\n";

static const char settings[] =
    "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"settings\"},\n"
    " \"data\": {\"mode\": \"${{ env.MODE }}\", \"commit\": \"${{ git.sha }}\"}}\n";

#define NO_CONFIG "/nonexistent/config" // whoever runs the tests may have one

struct fixture {
    struct diag_source source;
    struct diag_list diags;
    struct pipeline *pipeline;
    struct run_record run;
    struct context context;
    struct plan plan;
};

static void write_text(const char *top, const char *path, const char *text)
{
    AUTO_FREE char *full = path_join(top, path);
    AUTO_FREE char *parent = mem_strndup(full, (size_t)(path_base(full) - full));
    check_ok(dir_make(AT_FDCWD, parent, 0755, &err));
    check_ok(file_replace(AT_FDCWD, full, 0644, text, strlen(text), &err));
}

static void begin(struct fixture *f, const char *text)
{
    *f = (struct fixture){.source = {"p.yaml", text, strlen(text)}};
    f->pipeline = pipeline_parse(&f->source, &f->diags);
    assert_non_null(f->pipeline);
    f->run =
        (struct run_record){.branch = mem_strdup("main"), .commit = mem_strdup("0123456789abcdef")};
    f->context = (struct context){.run = &f->run, .event = EVENT_MANUAL};
    const struct env_sources sources = {0};
    assert_int_equal(plan_make(f->pipeline, &f->context, &sources, &f->plan, &f->diags), 0);
}

static void end(struct fixture *f)
{
    plan_done(&f->plan);
    context_done(&f->context);
    run_record_done(&f->run);
    pipeline_free(f->pipeline);
    diag_done(&f->diags);
}

static void a_plan_shows_steps_pods_objects_and_what_may_go_wrong(void **state)
{
    struct fixture f;
    setenv("KUBECONFIG", NO_CONFIG, 1);
    write_text(*state, "k8s/web.json", service);
    write_text(*state, "k8s/deployment.json", deployment);
    write_text(*state, "k8s/settings.json", settings);
    write_text(*state, "careful.json", careful);
    begin(&f, pipeline_text);
    AUTO(kube_previews)
    struct kube_previews *previews = kube_previews_new(f.pipeline, &f.plan, *state, &f.diags);
    assert_int_equal(f.diags.errors, 0);
    for (size_t i = 1; i < f.pipeline->stages.length; i++) {
        const struct stage *stage = &f.pipeline->stages.items[i];
        AUTO(str) struct str text;
        str_init(&text, STR_TEXT_MAX);
        plan_kube_text(stage, previews, &text);
        golden_check("plan", stage->name, ".txt", text.data);
        AUTO(value) struct value *v = plan_kube_value(stage, previews);
        AUTO_FREE char *printed = value_print_indented(v);
        golden_check("plan", stage->name, ".json", printed);
    }
    end(&f);
}

static const char kubeconfig[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
    "clusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}]\n"
    "users: [{name: u, user: {token: t}}]\n"
    "contexts: [{name: here, context: {cluster: c, user: u, namespace: there}}]\n";

static void what_the_file_leaves_to_the_kubeconfig_is_shown_as_that_says_it(void **state)
{
    struct fixture f;
    AUTO_FREE char *path = path_join(*state, "config");
    write_text(*state, "config", kubeconfig);
    write_text(*state, "k8s/web.json", service);
    write_text(*state, "k8s/deployment.json", deployment);
    write_text(*state, "careful.json", careful);
    setenv("KUBECONFIG", path, 1);
    begin(&f, pipeline_text);
    AUTO(kube_previews)
    struct kube_previews *previews = kube_previews_new(f.pipeline, &f.plan, *state, &f.diags);
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    plan_kube_text(pipeline_stage(f.pipeline, "rolling"), previews, &text);
    assert_non_null(strstr(text.data, "context lab, namespace web-staging\n"));
    assert_non_null(strstr(text.data, "note: the kubeconfig here has no context \"lab\"\n"));
    str_clear(&text);
    plan_kube_text(pipeline_stage(f.pipeline, "blue-green"), previews, &text);
    assert_non_null(strstr(text.data, "context here (the current one), namespace there (the "));
    end(&f);
    setenv("KUBECONFIG", NO_CONFIG, 1);
}

static const char small[] = "name: web\n"
                            "environments: {lab: {target: kubernetes}}\n"
                            "env: {SEEN: x, TOKEN: {secret: true, default: hush-hush}}\n"
                            "stages:\n"
                            "  make: {run: x, artifacts: %s}\n"
                            "  web: {deploy: {app: web, environment: lab, image: \"r/x:1\",\n"
                            "    secrets: [TOKEN], manifests: %s}}\n";

// What is said about a manifest, by `davit plan` and by `davit validate`, which has no run.
static void mistakes_in_manifests_are_told_with_their_place(void **state)
{
    static const struct {
        const char *artifacts, *manifests, *text, *said; // said NULL: nothing
        bool only_with_run;
    } rows[] = {
        {"[]", "k8s", "${{ env.SEEN }} ${{ env.UNSEEN }}", "k8s/a.yaml:2:", false},
        {"[]", "k8s", "${{ env.TOKEN }}", "TOKEN is a secret", false},
        {"[]", "k8s", "${{ imag }}", "did you mean \"image\"?", false},
        {"[]", "k8s", "${{ git.tag }}", "git.tag has no value in this run", true},
        {"[]", "k9s", "x", "p.yaml:6:3: error: stage \"web\": k9s: the workspace has no such",
            false},
        {"[out]", "k9s", "x", NULL, false}, // made by the stage before
        {"[]", "k8s, strategy: blue-green", "x", "no Service that selects a Deployment", false},
        {"[]", "k8s, gates: {after_switch: [{http: /ping}]}", "x",
            "the manifests have none: add a Service", false},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct fixture f;
        AUTO(str) struct str said;
        str_init(&said, STR_TEXT_MAX);
        size_t row = i / 2;
        AUTO_FREE char *text = mem_printf(small, rows[row].artifacts, rows[row].manifests);
        AUTO_FREE char *manifest =
            mem_printf("{apiVersion: v1, kind: ConfigMap, metadata: {name: c},\n"
                       " data: {x: \"%s\"}}\n",
                rows[row].text);
        write_text(*state, "k8s/a.yaml", manifest);
        begin(&f, text);
        AUTO(kube_previews)
        struct kube_previews *previews =
            kube_previews_new(f.pipeline, i % 2 ? &f.plan : NULL, *state, &f.diags);
        diag_print(&f.diags, false, &said);
        bool wanted = rows[row].said && (i % 2 || !rows[row].only_with_run);
        if (wanted ? !strstr(said.data, rows[row].said)
                   : rows[row].said && strstr(said.data, rows[row].said) != NULL)
            fail_msg("row %zu%s: %s", row, i % 2 ? ", planned" : "", said.data);
        if (!rows[row].said)
            assert_int_equal(f.diags.errors, 0);
        end(&f);
    }
}

TEST_MAIN(in_directory(a_plan_shows_steps_pods_objects_and_what_may_go_wrong),
    in_directory(what_the_file_leaves_to_the_kubeconfig_is_shown_as_that_says_it),
    in_directory(mistakes_in_manifests_are_told_with_their_place))
