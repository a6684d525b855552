#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/yaml.h"
#include "deploy/manifest.h"
#include "deploy/manifest_scalar.h"
#include "kube/object.h"
#include "support/golden.h"

#define DIR "manifest"

static int give_value(void *arg, const char *name, struct str *out, struct error *err)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"app", "shop"},
        {"environment", "staging"},
        {"image", "registry.local/web:1"},
        {"git.short_sha", "1234567"},
        {"env.REPLICAS", "3"},
        {"env.TRUTH", "true"},
        {"env.NORWAY", "no"},
        {"env.EMPTY", ""},
        {"env.LONG", "0123456789012345678901234567890123456789012345678901234567890123456789"},
        {"env.HOSTILE", "a: b\n- ${{ app }}: \"c"},
    };
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(name, rows[i].name) == 0) {
            str_puts(out, rows[i].value);
            return 0;
        }
    }
    return error_set(err, ERR_NOT_FOUND, "there is no such value");
}
static const struct manifest_values values = {give_value, NULL};

static int read_objects(
    const char *name, const char *text, size_t length, struct value *objects, struct str *said)
{
    struct diag_source source = {name, text, length};
    AUTO(diag) struct diag_list diags = {0};
    int result = manifest_read(&source, &values, objects, &diags);
    assert_int_equal(result, diags.errors ? -1 : 0);
    diag_sort(&diags);
    diag_print(&diags, false, said);
    return result;
}

static struct value *objects_of(const char *text)
{
    struct value *objects = value_list();
    AUTO(str) struct str said;
    str_init(&said, STR_TEXT_MAX);
    if (read_objects("f.yaml", text, strlen(text), objects, &said) < 0)
        fail_msg("%s", said.data);
    return objects;
}

// What a golden file's comments say: "# env: NAME=VALUE", "# secret: NAME=VALUE", "# service:
// NAME".
static void take_settings(
    const char *text, struct value *env, struct value *secrets, char **ret_service)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        char key[20], name[200], *end = NULL;
        line += *line == '\n';
        if (sscanf(line, "# %19[a-z]: %199[^\n]", key, name) != 2)
            continue;
        if (strcmp(key, "service") == 0)
            mem_replace(ret_service, name);
        else if ((strcmp(key, "env") == 0 || strcmp(key, "secret") == 0) &&
                 (end = strchr(name, '='))) {
            *end = '\0';
            value_set_str(*key == 'e' ? env : secrets, name, end + 1);
        }
    }
}

static char *print_built(const struct manifest *m)
{
    AUTO(value) struct value *all = manifest_to_value(m);
    value_set(all, "secrets", value_share(m->secrets));
    if (m->workload) {
        value_set(all, "blue", manifest_slotted(m, SLOT_BLUE, m->replicas));
        value_set(all, "green", manifest_slotted(m, SLOT_GREEN, -1));
    }
    if (m->service) {
        value_set(all, "service to green", manifest_service(m, SLOT_GREEN));
        value_set(all, "preview of blue", manifest_preview(m, SLOT_BLUE));
    }
    return value_print_indented(all);
}

static void check_built(const char *name, const char *text, const struct value *objects)
{
    AUTO(value) struct value *env = value_map();
    AUTO(value) struct value *secrets = value_map();
    AUTO_FREE char *service = NULL;
    take_settings(text, env, secrets, &service);
    struct manifest_input in = {.objects = objects,
        .app = "shop",
        .namespace = "shop-staging",
        .service = service,
        .image = "registry.local/web:1",
        .env = env,
        .secrets = secrets};
    AUTO(manifest) struct manifest m = {0};
    check_ok(manifest_build(&in, &m, &err));
    AUTO_FREE char *built = print_built(&m);
    golden_check(DIR, name, ".json", built);
}

static void files_become_what_a_release_applies(void **state)
{
    (void)state;
    AUTO(strv) struct strv names = {0};
    golden_names(DIR, ".yaml", &names);
    assert_true(names.length > 10);
    strv_each (name, &names) {
        AUTO(str) struct str text;
        AUTO(str) struct str said;
        AUTO(str) struct str stale;
        AUTO(value) struct value *objects = value_list();
        AUTO_FREE char *file = mem_printf("%s.yaml", *name);
        str_init(&text, STR_TEXT_MAX);
        str_init(&said, STR_TEXT_MAX);
        str_init(&stale, STR_TEXT_MAX);
        assert_true(golden_read(DIR, *name, ".yaml", &text));
        int result = read_objects(file, text.data, text.length, objects, &said);
        bool has_diag = golden_read(DIR, *name, ".diag", &stale);
        bool has_json = golden_read(DIR, *name, ".json", &stale);
        assert_true(said.length || !has_diag);
        assert_true(result == 0 || !has_json);
        if (said.length)
            golden_check(DIR, *name, ".diag", said.data);
        if (result == 0)
            check_built(*name, text.data, objects);
        assert_int_equal(result, text_starts(*name, "bad-") ? -1 : 0);
    }
}

static bool same_value(const struct value *a, const struct value *b)
{
    if (value_type(a) != VALUE_REAL && value_type(b) != VALUE_REAL)
        return value_equal(a, b);
    AUTO_FREE char *text_a = value_print(a), *text_b = value_print(b);
    double x = strtod(text_a, NULL), y = strtod(text_b, NULL);
    return fabs(x - y) <= fabs(x) * 1e-14;
}

// manifest/scalars is what `kubectl create --dry-run=client -o json` 1.36 made of "k: SCALAR".
static void plain_scalars_are_what_kubectl_makes_of_them(void **state)
{
    (void)state;
    AUTO(str) struct str rows;
    str_init(&rows, STR_TEXT_MAX);
    assert_true(golden_read(DIR, "scalars", "", &rows));
    size_t count = 0;
    char *rest = rows.data;
    for (char *line; (line = strsep(&rest, "\n")) && *line; count++) {
        const char *text = strsep(&line, "\t"), *remark;
        AUTO(value) struct value *wanted = value_parse(line, strlen(line), NULL);
        AUTO(value) struct value *big = wanted ? NULL : value_real(strtod(line, NULL));
        AUTO(value) struct value *v = manifest_scalar(text, &remark);
        AUTO_FREE char *printed = value_print(v);
        if (!v || !same_value(v, wanted ? wanted : big))
            fail_msg("%s is %s, wanted %s", text, printed, line);
    }
    assert_true(count > 150);
}

static void what_json_has_no_word_for_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {".inf", "-.Inf", "+.INF", ".nan", ".NAN"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *remark;
        assert_null(manifest_scalar(words[i], &remark));
    }
}

static void numbers_that_people_write_are_printed_as_they_wrote_them(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0.1", "0.3", "1.15", "2.675", "1e-7", "123456789.12345"};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *remark;
        AUTO(value) struct value *v = manifest_scalar(numbers[i], &remark);
        AUTO_FREE char *printed = value_print(v);
        assert_string_equal(printed, numbers[i]);
    }
}

#define DEPLOYMENT(name, app, more)                                                                \
    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " name "}\n"                     \
    "spec: {" more "template: {metadata: {labels: {app: " app "}}, spec: {containers: [{name: c, " \
    "image: i}]}}}\n"
#define SERVICE(name, app, more)                                                                   \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n"                             \
    "spec: {selector: {app: " app "}, ports: [{port: 80" more "}]}\n"
#define FIFTY "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwx"

static void what_cannot_be_deployed_is_said_with_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *service, *said;
    } rows[] = {
        {DEPLOYMENT("a", "x", "") DEPLOYMENT("b", "x", "") SERVICE("s", "x", ""), NULL,
            "Service/s selects several Deployments (Deployment/a, Deployment/b)"},
        {DEPLOYMENT("a", "x", "") SERVICE("s", "x", "") SERVICE("t", "x", ""), NULL,
            "several Services select a Deployment (Service/s, Service/t)"},
        {DEPLOYMENT("a", "x", "") SERVICE("s", "x", ""), "t",
            "Service/t is not in the manifests; there is Service/s"},
        {DEPLOYMENT("a", "x", ""), "t", "there is none"},
        {DEPLOYMENT("a", "x", "") SERVICE("s", "z", ""), "s", "Service/s selects no pods"},
        {DEPLOYMENT("a", "x", "replicas: 0, "), NULL, "Deployment/a: replicas is 0"},
        {DEPLOYMENT("a", "x", "replicas: 65, "), NULL, "Deployment/a: replicas is 65"},
        {DEPLOYMENT("a", "x", "replicas: \"2\", "), NULL, "Deployment/a: replicas is not a whole"},
        {DEPLOYMENT("a", "x", "") "---\napiVersion: autoscaling/v2\n"
                                  "kind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
                                  "spec: {maxReplicas: 100, scaleTargetRef: {kind: Deployment, "
                                  "name: a}}\n",
            NULL, "HorizontalPodAutoscaler/h: maxReplicas is 100"},
        {DEPLOYMENT("a", "x", "") SERVICE("s", "x", ", targetPort: web"), NULL,
            "Service/s leads to the port \"web\", which no container of Deployment/a has"},
        {DEPLOYMENT("a", "x", "") SERVICE("s", "x", ", targetPort: 70000"), NULL,
            "Service/s: its first port is none"},
        {DEPLOYMENT(FIFTY "-0123456", "x", ""), NULL, "longer than 63"},
        {DEPLOYMENT("a", "x", "") SERVICE(FIFTY "-0123", "x", ""), NULL, "-preview beside it"},
        {DEPLOYMENT("a", "x", "") DEPLOYMENT("a-green", "z", "") SERVICE("s", "x", ""), NULL,
            "Deployment/a-green: davit makes one of this name"},
        {"---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n", NULL,
            "Deployment/a has no pod template"},
        {"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: other}\n", NULL,
            "ConfigMap/m: its namespace is other, but the target's is shop-staging"},
        {"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: [1]}\n", NULL,
            "ConfigMap/m: data.a is not a string"},
        {"---\napiVersion: v1\nkind: Secret\nmetadata: {name: m}\nstringData: [a]\n", NULL,
            "Secret/m: stringData is not a map"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(value) struct value *objects = objects_of(rows[i].text);
        struct manifest_input in = {.objects = objects,
            .app = "shop",
            .namespace = "shop-staging",
            .service = rows[i].service};
        AUTO(manifest) struct manifest m = {0};
        check_error(manifest_build(&in, &m, &err), ERR_CONFIG, rows[i].said);
        assert_null(m.others);
    }
}

static void build(const char *text, struct manifest *ret)
{
    AUTO(value) struct value *objects = objects_of(text);
    struct manifest_input in = {.objects = objects, .app = "shop", .namespace = "ns"};
    check_ok(manifest_build(&in, ret, &err));
}

static void several_deployments_without_a_service_roll(void **state)
{
    (void)state;
    AUTO(manifest) struct manifest m = {0};
    build(DEPLOYMENT("a", "x", "") DEPLOYMENT("b", "z", ""), &m);
    assert_null(m.workload);
    assert_int_equal(value_length(m.others), 2);
    assert_string_equal(m.notes.items[0],
        "no Service selects one of Deployment/a, Deployment/b: all of them simply roll");
}

// The name of the only ConfigMap, which a pod uses.
static char *copy_name(const char *data)
{
    AUTO_FREE char *text = mem_printf(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n%s\n---\napiVersion: v1\nkind: Pod\n"
        "metadata: {name: p}\n"
        "spec: {volumes: [{name: v, configMap: {name: m}}]}\n",
        data);
    AUTO(manifest) struct manifest m = {0};
    build(text, &m);
    return mem_strdup(value_get_str(value_get(value_at(m.others, 0), "metadata"), "name"));
}

static void a_copy_is_named_for_its_content_alone(void **state)
{
    (void)state;
    AUTO_FREE char *name = copy_name("data: {a: '1', b: '2'}");
    static const struct {
        const char *data;
        bool same;
    } rows[] = {
        {"data: {b: '2', a: '1'}", true},
        {"data: {b: '2', a: '1'}\nimmutable: false", true},
        {"data: {a: '1', b: '3'}", false},
        {"data: {a: '1'}", false},
        {"data: {a: '1b', '': '2'}", false},
        {"data: {a: '2', b: '1'}", false},
        {"data: {a: '1'}\nbinaryData: {b: '2'}", false},
        {"binaryData: {a: '1', b: '2'}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *other = copy_name(rows[i].data);
        if ((strcmp(name, other) == 0) != rows[i].same)
            fail_msg("%s: %s and %s", rows[i].data, name, other);
    }
}

static void a_stored_manifest_is_the_same_without_its_secrets(void **state)
{
    (void)state;
    AUTO(manifest) struct manifest m = {0}, again = {0};
    build(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}\n" DEPLOYMENT(
            "a", "x", "replicas: 3, ") SERVICE("s", "x", ""),
        &m);
    AUTO(value) struct value *stored = manifest_to_value(&m);
    AUTO_FREE char *text = value_print(stored);
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "aHVudGVyMg"));
    check_ok(manifest_from_value(stored, &again, &err));
    assert_null(again.secrets);
    assert_int_equal(again.replicas, 3);
    assert_int_equal(again.port, 80);
    AUTO(value) struct value *twice = manifest_to_value(&again);
    assert_true(value_equal(stored, twice));
    static const char *const broken[] = {"others", "workload", "replicas", "port", "service"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        AUTO(value) struct value *v = value_copy(stored);
        AUTO(manifest) struct manifest none = {0};
        value_set(v, broken[i], value_string("x"));
        check_error(manifest_from_value(v, &none, &err), ERR_PROTOCOL, broken[i]);
    }
}

static void what_is_gone_is_pruned_from_the_end(void **state)
{
    (void)state;
    AUTO(manifest) struct manifest before = {0}, after = {0};
    build("kind: List\nitems:\n"
          "- {apiVersion: v1, kind: Namespace, metadata: {name: ns}}\n"
          "- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: p}}\n"
          "- {apiVersion: v1, kind: ConfigMap, metadata: {name: gone}}\n"
          "- {apiVersion: v1, kind: ConfigMap, metadata: {name: used}}\n"
          "- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {a: b}}}\n"
          "- {apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: h}}\n"
          "- {apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: "
          "{volumes: [{configMap: {name: used}}]}}}}\n"
          "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {}}}\n"
          "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: e}, spec: {template: {}}}\n",
        &before);
    build("kind: List\nitems:\n"
          "- {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}}\n"
          "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {}}}\n",
        &after);
    AUTO(value) struct value *pruned = manifest_pruned(&before, &after);
    AUTO_FREE char *text = value_print(pruned);
    assert_string_equal(text,
        "[{\"metadata\":{\"name\":\"e\",\"namespace\":\"ns\"},\"apiVersion\":\"apps/v1\","
        "\"kind\":\"Deployment\"},"
        "{\"metadata\":{\"name\":\"j-8e0760a5a5\",\"namespace\":\"ns\"},\"apiVersion\":\"batch/"
        "v1\","
        "\"kind\":\"Job\"},"
        "{\"metadata\":{\"name\":\"s\",\"namespace\":\"ns\"},\"apiVersion\":\"v1\","
        "\"kind\":\"Service\"},"
        "{\"metadata\":{\"name\":\"gone\",\"namespace\":\"ns\"},\"apiVersion\":\"v1\","
        "\"kind\":\"ConfigMap\"}]");
}

#define JOB(name, more)                                                                            \
    "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: " name "}\n"                           \
    "spec: {template: {spec: {containers: [{name: c, image: i}]" more "}}, "                       \
    "ttlSecondsAfterFinished: 5}\n"

static int build_hooks(
    const char *text, const char *const *names, struct manifest *ret, struct error *err)
{
    AUTO(value) struct value *objects = objects_of(text);
    AUTO(strv) struct strv hooks = {0};
    for (; *names; names++)
        strv_push(&hooks, *names);
    struct manifest_input in = {
        .objects = objects, .app = "shop", .namespace = "ns", .hooks = &hooks};
    return manifest_build(&in, ret, err);
}

static void hooks_are_jobs_that_are_not_applied(void **state)
{
    (void)state;
    AUTO(manifest) struct manifest m = {0}, again = {0};
    static const char *const names[] = {"b", "a", NULL};
    check_ok(build_hooks(JOB("a", "") JOB("b", "") JOB("c", ""), names, &m, &err));
    assert_int_equal(value_length(m.others), 1);
    assert_true(text_starts(kube_name(value_at(m.others, 0)), "c-"));
    AUTO(value) struct value *stored = manifest_to_value(&m);
    check_ok(manifest_from_value(stored, &again, &err));
    AUTO(value) struct value *job = manifest_hook(&again, 1, 7);
    AUTO_FREE char *text = value_print(job);
    assert_string_equal(kube_name(job), "b-r7");
    assert_string_equal(kube_label(job, KUBE_LABEL_HOOK), "true");
    assert_int_equal(value_get_int(value_get(job, "spec"), "backoffLimit", -1), 0);
    assert_null(strstr(text, "ttl")); // that it is there says that it ran
    assert_null(manifest_hook(&again, 3, 7));
    assert_null(manifest_hook(&again, 0, 7));
}

static void what_cannot_be_a_hook_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hooks[3], *said;
    } rows[] = {
        {JOB("a", ""), {"b"}, "the hook b is not in the manifests"},
        {JOB("a", ""), {"a", "a"}, "the hook a is there twice"},
        {DEPLOYMENT("a", "x", ""), {"a"}, "it is to be the name of a Job"},
        {JOB(FIFTY "-0123", ""), {NULL}, "leaves no room"},
        {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n", {"a"}, "no pod template"},
        {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n", {NULL}, "no pod template"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(manifest) struct manifest m = {0};
        check_error(build_hooks(rows[i].text, rows[i].hooks, &m, &err), ERR_CONFIG, rows[i].said);
    }
}

static char *job_name(const char *text)
{
    AUTO(manifest) struct manifest m = {0};
    build(text, &m);
    return mem_strdup(kube_name(value_at(m.others, value_length(m.others) - 1)));
}

// What it runs is all that counts, its configuration included.
static void a_job_is_named_for_what_it_runs(void **state)
{
    (void)state;
    AUTO_FREE char *name = job_name(JOB("a", ""));
    AUTO_FREE char *same = job_name("---\napiVersion: batch/v1\nkind: Job\n"
                                    "metadata: {labels: {x: z}, name: a}\n"
                                    "spec: {ttlSecondsAfterFinished: 5, template: {spec: "
                                    "{containers: [{image: i, name: c}]}}}\n");
    AUTO_FREE char *other = job_name(JOB("a", ", restartPolicy: Never"));
#define WITH(data)   MAP_OF(data) JOB("a", ", volumes: [{name: v, configMap: {name: x}}]")
#define MAP_OF(data) "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: " data "}\n"
    AUTO_FREE char *first = job_name(WITH("b"));
    AUTO_FREE char *second = job_name(WITH("c"));
    assert_string_equal(name, same);
    assert_string_not_equal(name, other);
    assert_string_not_equal(first, second);
}

static void an_autoscaler_of_the_workload_is_found(void **state)
{
    (void)state;
    AUTO(manifest) struct manifest m = {0};
    build("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: other}\n"
          "spec: {scaleTargetRef: {kind: StatefulSet, name: a}, maxReplicas: 4}\n"
          "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n"
          "spec: {scaleTargetRef: {kind: Deployment, name: a}, minReplicas: 2, maxReplicas: "
          "4}\n" DEPLOYMENT("a", "x", ""),
        &m);
    const struct value *found = manifest_autoscaler(&m);
    assert_string_equal(value_get_str(value_get(found, "metadata"), "name"), "h");
    assert_int_equal(m.replicas, 2);
    AUTO(value) struct value *slotted = manifest_slotted(&m, SLOT_GREEN, -1);
    assert_null(value_get(value_get(slotted, "spec"), "replicas"));
}

// Each must end with a mistake that holds `said`, and in time.
static void check_hostile(char *text, const char *said)
{
    AUTO_FREE char *owned = text;
    AUTO(value) struct value *objects = value_list();
    AUTO(str) struct str shown;
    str_init(&shown, STR_TEXT_MAX);
    assert_int_equal(read_objects("f.yaml", owned, strlen(owned), objects, &shown), -1);
    if (!strstr(shown.data, said))
        fail_msg("\"%s\" is not in %s", said, shown.data);
}

static char *repeated(const char *before, const char *text, size_t count, const char *after)
{
    struct str out;
    str_init(&out, STR_TEXT_MAX);
    str_puts(&out, before);
    for (size_t i = 0; i < count; i++)
        str_puts(&out, text);
    str_puts(&out, after);
    return str_take(&out);
}

#define MAP "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"

static void hostile_files_meet_bounds(void **state)
{
    (void)state;
    check_hostile(repeated(MAP "data: ", "[", 200, ""), "nested more than 100 deep");
    check_hostile(repeated(MAP "data: ", "{kind: List, items: [", 60, ""), "nested more than");
    check_hostile(repeated("", "--- [a]\n", 40000, ""), "more than 65536 values");
    check_hostile(repeated("",
                      "---\na: &a [x, x, x, x, x, x, x, x, x, x]\n"
                      "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                      "c: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n",
                      60, ""),
        "more than 65536 values");
    check_hostile(repeated("--- &a x\n--- *a\n", "", 0, ""), "no anchor &a");
    check_hostile(repeated(MAP "data:\n", "  a: ${{ image }}\n", 2, ""), "duplicate key");
    check_hostile(repeated(MAP "data: {a: \"", "${{ env.LONG }}", 50000, "\"}"),
        "the expressions of the file give more than 2 MiB");
    check_hostile(repeated("", "- ", 500000, ""), "nested more than");
}

// Puts `by` in the place of the nth value below v, counted as they are met. False: there are fewer.
static bool replace_nth(struct value *v, size_t *n, const struct value *by)
{
    struct value_cursor cursor = {.map = v};
    const char *key;
    struct value *item;
    while (value_next(&cursor, &key, &item)) {
        if ((*n)-- == 0) {
            value_set(v, key, value_copy(by));
            return true;
        }
        if (replace_nth(item, n, by))
            return true;
    }
    for (size_t i = 0; value_type(v) == VALUE_LIST && i < value_length(v); i++)
        if (replace_nth(value_at(v, i), n, by))
            return true;
    return false;
}

static void objects_of_any_shape_are_built_or_refused(void **state)
{
    (void)state;
    static const char *const odd[] = {"null", "5", "\"a\"", "[]", "{}", "[5]", "{\"a\":{}}"};
    static const char *const files[] = {"references", "web"};
    size_t built = 0, refused = 0;
    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        AUTO(str) struct str text;
        str_init(&text, STR_TEXT_MAX);
        assert_true(golden_read(DIR, files[f], ".yaml", &text));
        AUTO(value) struct value *whole = objects_of(text.data);
        for (size_t n = 0, more = 1; more; n++)
            for (size_t o = 0; o < ARRAY_LEN(odd); o++) {
                AUTO(value) struct value *by = value_parse(odd[o], strlen(odd[o]), NULL);
                AUTO(value) struct value *objects = value_copy(whole);
                AUTO(manifest) struct manifest m = {0};
                size_t left = n;
                more = replace_nth(objects, &left, by);
                struct manifest_input in = {.objects = objects,
                    .app = "shop",
                    .namespace = "shop-staging",
                    .image = "registry.local/web:1",
                    .env = by};
                struct error err = {0};
                if (manifest_build(&in, &m, &err) < 0) {
                    refused++;
                    assert_int_equal(err.kind, ERR_CONFIG);
                    continue;
                }
                built++;
                free(print_built(&m));
            }
    }
    assert_true(built > 1000 && refused > 100);
}

TEST_MAIN(cmocka_unit_test(objects_of_any_shape_are_built_or_refused),
    cmocka_unit_test(files_become_what_a_release_applies),
    cmocka_unit_test(plain_scalars_are_what_kubectl_makes_of_them),
    cmocka_unit_test(what_json_has_no_word_for_is_refused),
    cmocka_unit_test(numbers_that_people_write_are_printed_as_they_wrote_them),
    cmocka_unit_test(what_cannot_be_deployed_is_said_with_its_name),
    cmocka_unit_test(several_deployments_without_a_service_roll),
    cmocka_unit_test(a_copy_is_named_for_its_content_alone),
    cmocka_unit_test(a_stored_manifest_is_the_same_without_its_secrets),
    cmocka_unit_test(what_is_gone_is_pruned_from_the_end),
    cmocka_unit_test(hooks_are_jobs_that_are_not_applied),
    cmocka_unit_test(what_cannot_be_a_hook_is_said),
    cmocka_unit_test(a_job_is_named_for_what_it_runs),
    cmocka_unit_test(an_autoscaler_of_the_workload_is_found),
    cmocka_unit_test(hostile_files_meet_bounds))
