// The client against a real API server: what it does, and what the server's answers really look
// like where the client depends on it.
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "kube/watch_private.h"
#include "os/clock.h"
#include "support/kube_lab.h"

static int set_up(void **state)
{
    struct kube_lab *lab = mem_alloc(sizeof *lab);
    *state = lab;
    kube_lab_open(lab);
    return 0;
}

static int tear_down(void **state)
{
    struct kube_lab *lab = *state;
    kube_lab_close(lab);
    free(lab);
    return 0;
}

static struct value *create(struct kube_lab *lab, const char *name, const char *text)
{
    AUTO(value) struct value *object = kube_config_map(name, "key", text);
    struct value *made = NULL;
    check_ok(kube_create(
        lab->client, kube_lab_kind(lab, "v1", "ConfigMap"), lab->ns, object, &made, &err));
    return made;
}

static const char *text_of(const struct value *object)
{
    return value_get_str(value_get(object, "data"), "key");
}

static void kinds_are_what_the_server_says(void **state)
{
    struct kube_lab *lab = *state;
    static const struct {
        const char *api_version, *kind, *path;
    } rows[] = {
        {"v1", "Service", "/api/v1/namespaces/ns/services/x"},
        {"v1", "Namespace", "/api/v1/namespaces/x"},
        {"v1", "Endpoints", "/api/v1/namespaces/ns/endpoints/x"},
        {"apps/v1", "Deployment", "/apis/apps/v1/namespaces/ns/deployments/x"},
        {"networking.k8s.io/v1", "NetworkPolicy",
            "/apis/networking.k8s.io/v1/namespaces/ns/networkpolicies/x"},
        {"rbac.authorization.k8s.io/v1", "ClusterRole",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct kube_kind *kind = kube_lab_kind(lab, rows[i].api_version, rows[i].kind);
        AUTO_FREE char *path = kube_path(kind, "ns", "x");
        assert_string_equal(path, rows[i].path);
    }
    int64_t before = kube_client_requests(lab->client);
    assert_string_equal(kube_lab_kind(lab, "apps/v1", "StatefulSet")->plural, "statefulsets");
    assert_int_equal(kube_client_requests(lab->client), before); // it knew
    const struct kube_kind *none;
    check_error(kube_kind_find(lab->client, "shop.example.io/v1", "Till", &none, &err),
        ERR_NOT_FOUND, "CustomResourceDefinition");
    check_error(kube_kind_find(lab->client, "apps/v1", "Deploymint", &none, &err), ERR_NOT_FOUND,
        "misspelt");
}

static void an_object_is_made_read_changed_and_taken_away(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *made = create(lab, "a", "one");
    AUTO(value) struct value *twice = kube_config_map("a", "key", "two");
    check_error(kube_create(lab->client, kind, lab->ns, twice, NULL, &err), ERR_CONFLICT,
        "POST configmaps: HTTP 409: configmaps \"a\" already exists");
    AUTO(value) struct value *patch = value_list();
    kube_patch_row(patch, "replace", value_string("three"), "data", "key", NULL);
    AUTO(value) struct value *patched = NULL;
    check_ok(kube_patch(lab->client, kind, lab->ns, "a", patch, &patched, &err));
    assert_string_equal(text_of(patched), "three");
    AUTO(value) struct value *read = NULL;
    check_ok(kube_get(lab->client, kind, lab->ns, "a", &read, &err));
    assert_true(value_equal(read, patched));
    assert_string_not_equal(kube_version(read), kube_version(made));

    check_error(kube_delete(lab->client, kind, lab->ns, "a", "another", &err), ERR_CONFLICT, "UID");
    check_ok(kube_delete(lab->client, kind, lab->ns, "a", kube_uid(made), &err));
    AUTO(value) struct value *gone = NULL;
    check_error(kube_get(lab->client, kind, lab->ns, "a", &gone, &err), ERR_NOT_FOUND,
        "GET configmaps/a: HTTP 404: configmaps \"a\" not found");
}

static void a_patch_whose_test_fails_changes_nothing_and_is_a_conflict(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *made = create(lab, "a", "one");
    AUTO(value) struct value *other = value_list();
    kube_patch_row(other, "test", value_string("two"), "data", "key", NULL);
    kube_patch_row(other, "replace", value_string("three"), "data", "key", NULL);
    AUTO(value) struct value *absent = value_list();
    kube_patch_row(
        absent, "test", value_string("7"), "metadata", "annotations", "davit/epoch", NULL);
    kube_patch_row(absent, "replace", value_string("three"), "data", "key", NULL);
    struct value *const patches[] = {other, absent};
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        struct error why = {0};
        assert_int_equal(kube_patch(lab->client, kind, lab->ns, "a", patches[i], NULL, &why), -1);
        check_kind(&why, ERR_CONFLICT, "PATCH configmaps/a: HTTP 422", "patch");
        assert_int_equal(why.http_status, 422);
    }
    AUTO(value) struct value *read = NULL;
    check_ok(kube_get(lab->client, kind, lab->ns, "a", &read, &err));
    assert_true(value_equal(read, made));

    // What is not valid is no conflict, though it is a 422, too.
    AUTO(value) struct value *invalid = value_list();
    kube_patch_row(invalid, "add", value_string("x"), "data", "not a key!", NULL);
    struct error why = {0};
    assert_int_equal(kube_patch(lab->client, kind, lab->ns, "a", invalid, NULL, &why), -1);
    check_kind(&why, ERR_REMOTE, "a valid config key must", "patch");
    assert_int_equal(why.http_status, 422);
}

// As another field manager.
static void apply_as(struct kube_lab *lab, const char *manager, const struct value *object)
{
    AUTO_FREE char *path =
        mem_printf("/api/v1/namespaces/%s/configmaps/%s?fieldManager=%s&force=true", lab->ns,
            kube_name(object), manager);
    const struct kube_request request = {.method = "PATCH",
        .path = path,
        .content_type = "application/apply-patch+yaml",
        .body = object};
    check_ok(kube_do(lab->client, &request, NULL, &err));
}

static void applying_over_others_fields_names_them_and_wins_only_by_force(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *theirs = kube_config_map("a", "key", "theirs");
    value_set_str(value_get(theirs, "data"), "second", "theirs");
    AUTO(value) struct value *more = kube_config_map("a", "third", "more");
    AUTO(value) struct value *ours = kube_config_map("a", "key", "ours");
    value_set_str(value_get(ours, "data"), "second", "ours");
    value_set_str(value_get(ours, "data"), "third", "ours");
    apply_as(lab, "hpa", theirs);
    apply_as(lab, "operator", more);
    struct error why = {0};
    const struct kube_apply gently = {0}, force = {.force = true},
                            dry = {.force = true, .dry_run = true};
    assert_int_equal(kube_apply(lab->client, kind, lab->ns, ours, &gently, NULL, &why), -1);
    check_kind(&why, ERR_CONFLICT,
        "\"hpa\" has .data.key, .data.second; \"operator\" has .data.third", "apply");
    assert_int_equal(why.http_status, 409);

    AUTO(value) struct value *answer = NULL;
    check_ok(kube_apply(lab->client, kind, lab->ns, ours, &dry, &answer, &err));
    assert_string_equal(text_of(answer), "ours");
    AUTO(value) struct value *read = NULL;
    check_ok(kube_get(lab->client, kind, lab->ns, "a", &read, &err));
    assert_string_equal(text_of(read), "theirs");
    AUTO(value) struct value *won = NULL;
    check_ok(kube_apply(lab->client, kind, lab->ns, ours, &force, &won, &err));
    assert_string_equal(text_of(won), "ours");
}

static void a_stale_version_is_a_conflict_but_not_where_the_object_is_gone(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    const struct kube_apply how = {.force = true};
    AUTO(value) struct value *made = create(lab, "a", "one");
    AUTO(value) struct value *wanted = kube_config_map("a", "key", "two");
    value_set_str(value_get(wanted, "metadata"), "resourceVersion", kube_version(made));
    AUTO(value) struct value *changed = NULL;
    check_ok(kube_apply(lab->client, kind, lab->ns, wanted, &how, &changed, &err));
    value_set_str(value_get(wanted, "data"), "key", "three");
    struct error why = {0};
    assert_int_equal(kube_apply(lab->client, kind, lab->ns, wanted, &how, NULL, &why), -1);
    check_kind(&why, ERR_CONFLICT, "the object has been modified", "apply");
    assert_int_equal(why.http_status, 409);

    check_ok(kube_delete(lab->client, kind, lab->ns, "a", NULL, &err));
    value_set_str(value_get(wanted, "metadata"), "uid", kube_uid(made));
    check_error(kube_apply(lab->client, kind, lab->ns, wanted, &how, NULL, &err), ERR_CONFLICT,
        "uid mismatch");
    value_set(value_get(wanted, "metadata"), "uid", NULL);
    check_ok(kube_apply(lab->client, kind, lab->ns, wanted, &how, NULL, &err)); // it is made anew
}

struct many {
    struct kube_lab *lab;
    char *path;
    int begun, over, count;
};
#define AT_ONCE 50

static void on_made(void *arg, struct value *answer, const struct error *err);

static void create_next(struct many *many)
{
    int i = many->begun++;
    AUTO_FREE char *name = mem_printf("many-%04d", i);
    AUTO(value) struct value *object = kube_config_map(name, "key", "x");
    struct value *labels = value_map();
    value_set_str(labels, "davit.example/half", i % 2 ? "odd" : "even");
    value_set(value_get(object, "metadata"), "labels", labels);
    const struct kube_request request = {.method = "POST", .path = many->path, .body = object};
    check_ok(kube_start(many->lab->client, &request, on_made, many, &err));
}

static void on_made(void *arg, struct value *answer, const struct error *err)
{
    struct many *many = arg;
    if (err)
        fail_msg("%s", err->message);
    assert_non_null(answer);
    if (++many->over == many->count)
        loop_stop(many->lab->loop);
    else if (many->begun < many->count)
        create_next(many);
}

static void create_many(struct kube_lab *lab, int count)
{
    AUTO_FREE char *path = kube_path(kube_lab_kind(lab, "v1", "ConfigMap"), lab->ns, NULL);
    struct many many = {.lab = lab, .path = path, .count = count};
    while (many.begun < AT_ONCE)
        create_next(&many);
    check_ok(loop_run(lab->loop, &err));
    assert_int_equal(many.over, count);
}

static void a_list_of_many_comes_by_pages_and_by_selector(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    create_many(lab, 2 * KUBE_PAGE + 20);
    int64_t before = kube_client_requests(lab->client);
    AUTO(value) struct value *all = NULL;
    check_ok(kube_list(lab->client, kind, lab->ns, NULL, &all, &err));
    assert_int_equal(kube_client_requests(lab->client) - before, 3);
    size_t found = 0;
    for (size_t i = 0; i < value_length(all); i++) {
        assert_string_equal(value_get_str(value_at(all, i), "kind"), "ConfigMap");
        assert_string_equal(value_get_str(value_at(all, i), "apiVersion"), "v1");
        found += strncmp(kube_name(value_at(all, i)), "many-", 5) == 0;
    }
    assert_int_equal(found, 2 * KUBE_PAGE + 20); // others are there, too
    AUTO(value) struct value *odd = NULL;
    check_ok(
        kube_list(lab->client, kind, lab->ns, "davit.example/half in (odd), !other", &odd, &err));
    assert_int_equal(value_length(odd), KUBE_PAGE + 10);
}

static void who_may_not_is_told_what(void **state)
{
    struct kube_lab *lab = *state;
    strv_push(&lab->cluster.impersonate, "Impersonate-User: ann");
    AUTO(value) struct value *none = NULL;
    check_error(
        kube_list(lab->client, kube_lab_kind(lab, "v1", "Secret"), lab->ns, NULL, &none, &err),
        ERR_DENIED,
        "GET secrets: HTTP 403: secrets is forbidden: User \"ann\" cannot list resource");
    strv_done(&lab->cluster.impersonate);
}

static void text_comes_as_it_is_and_its_end_matters_most(void **state)
{
    struct kube_lab *lab = *state;
    AUTO(str) struct str whole;
    AUTO(str) struct str tail;
    str_init(&whole, 65536);
    str_init(&tail, 12);
    check_ok(kube_do_text(lab->client, "/readyz?verbose", &whole, &err));
    check_ok(kube_do_text(lab->client, "/readyz?verbose", &tail, &err));
    assert_int_equal(tail.length, 12);
    assert_string_equal(tail.data, whole.data + whole.length - 12);
    check_error(kube_do_text(lab->client, "/api/v1/namespaces/x/pods/y/log", &whole, &err),
        ERR_NOT_FOUND, "GET pods/y/log");
}

static void on_raw(void *arg, struct http_response *response, const struct error *err)
{
    struct kube_lab *lab = arg;
    if (err)
        fail_msg("%s", err->message);
    assert_int_equal(response->status, 200);
    assert_string_equal(response->body.data, "ok");
    loop_stop(lab->loop);
}

static void a_request_of_ones_own_is_let_in_as_the_client_is(void **state)
{
    struct kube_lab *lab = *state;
    AUTO(kube_raw) struct kube_raw raw = {0};
    check_ok(kube_raw_request(lab->client, "/readyz", &raw, &err));
    check_ok(http_start(lab->http, &raw.request, on_raw, lab, &err));
    check_ok(loop_run(lab->loop, &err));
}

// --- the watch ---

struct follower {
    struct kube_lab *lab;
    struct kube_watch *watch;
    int calls;
};

static void on_change(void *arg)
{
    struct follower *f = arg;
    f->calls++;
    loop_stop(f->lab->loop);
}

static void follow(struct follower *f, struct kube_lab *lab, const char *selector)
{
    *f = (struct follower){.lab = lab};
    struct error why = {0};
    f->watch = kube_watch_new(
        lab->client, kube_lab_kind(lab, "v1", "ConfigMap"), lab->ns, selector, on_change, f, &why);
    assert_non_null(f->watch);
    while (!kube_watch_synced(f->watch))
        check_ok(loop_run(lab->loop, &err));
}

// Runs until the object is there with that text, or (NULL) gone.
static void until(struct follower *f, const char *name, const char *text)
{
    for (;;) {
        const struct value *object = kube_watch_get(f->watch, name);
        const char *shown = object ? text_of(object) : NULL;
        if (text ? shown && strcmp(shown, text) == 0 : !object)
            return;
        check_ok(loop_run(f->lab->loop, &err));
        if (kube_watch_error(f->watch))
            fail_msg("%s", kube_watch_error(f->watch)->message);
    }
}

static void patch_text(struct kube_lab *lab, const char *name, const char *text, struct value **ret)
{
    AUTO(value) struct value *patch = value_list();
    kube_patch_row(patch, "replace", value_string(text), "data", "key", NULL);
    check_ok(kube_patch(
        lab->client, kube_lab_kind(lab, "v1", "ConfigMap"), lab->ns, name, patch, ret, &err));
}

static void a_watch_shows_what_is_made_changed_and_taken_away(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *before = create(lab, "b", "before");
    struct follower f;
    follow(&f, lab, NULL);
    until(&f, "b", "before");
    AUTO(value) struct value *made = create(lab, "a", "one");
    until(&f, "a", "one");
    assert_string_equal(kube_name(kube_watch_item(f.watch, 0)), "a");
    assert_string_equal(kube_name(kube_watch_item(f.watch, 1)), "b");
    patch_text(lab, "a", "two", NULL);
    until(&f, "a", "two");
    check_ok(kube_delete(lab->client, kind, lab->ns, "a", NULL, &err));
    until(&f, "a", NULL);
    until(&f, "b", "before");
    kube_watch_free(f.watch);
}

static void what_no_longer_matches_the_selector_is_gone(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *object = kube_config_map("a", "key", "one");
    struct value *labels = value_map();
    value_set_str(labels, "davit.example/app", "shop");
    value_set(value_get(object, "metadata"), "labels", labels);
    check_ok(kube_create(lab->client, kind, lab->ns, object, NULL, &err));
    struct follower f;
    follow(&f, lab, "davit.example/app=shop");
    assert_int_equal(kube_watch_count(f.watch), 1);
    AUTO(value) struct value *patch = value_list();
    AUTO(value) struct value *answer = NULL;
    kube_patch_row(
        patch, "replace", value_string("other"), "metadata", "labels", "davit.example/app", NULL);
    check_ok(kube_patch(lab->client, kind, lab->ns, "a", patch, &answer, &err));
    kube_watch_own(f.watch, "a", answer); // its event says that it has left
    until(&f, "a", NULL);
    kube_watch_free(f.watch);
}

// However the events and the answers come, no own write is ever taken back.
static void an_own_write_is_shown_at_once_and_never_undone(void **state)
{
    struct kube_lab *lab = *state;
    const struct kube_kind *kind = kube_lab_kind(lab, "v1", "ConfigMap");
    AUTO(value) struct value *made = create(lab, "a", "0");
    struct follower f;
    follow(&f, lab, NULL);
    int64_t requests = kube_client_requests(lab->client);
    for (int i = 1; i <= 100; i++) {
        AUTO_FREE char *text = mem_printf("%d", i);
        AUTO(value) struct value *answer = NULL;
        patch_text(lab, "a", text, &answer);
        kube_watch_own(f.watch, "a", answer);
        assert_string_equal(text_of(kube_watch_get(f.watch, "a")), text);
    }
    AUTO(value) struct value *other = create(lab, "z", "end");
    until(&f, "z", "end"); // and by then all events before it have come
    assert_string_equal(text_of(kube_watch_get(f.watch, "a")), "100");
    check_ok(kube_delete(lab->client, kind, lab->ns, "a", NULL, &err));
    kube_watch_own(f.watch, "a", NULL);
    assert_null(kube_watch_get(f.watch, "a"));
    assert_int_equal(kube_client_requests(lab->client) - requests, 102); // no list was needed
    AUTO(value) struct value *again = create(lab, "a", "again");
    until(&f, "a", "again");
    kube_watch_free(f.watch);
}

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

// Its head alone tells that the server is there: no cut, no second watch, no word of trouble.
static void a_watch_of_what_nobody_touches_is_left_alone(void **state)
{
    struct kube_lab *lab = *state;
    struct kube_watch_times times = kube_watch_times;
    times.head_ms = times.stall_ms = 500;
    struct follower f = {.lab = lab};
    f.watch = kube_watch_timed(
        lab->client, kube_lab_kind(lab, "v1", "Secret"), lab->ns, NULL, &times, on_change, &f);
    while (!kube_watch_synced(f.watch))
        check_ok(loop_run(lab->loop, &err));
    int64_t requests = kube_client_requests(lab->client);
    struct loop_timer timer = {0};
    loop_timer_start(lab->loop, &timer, clock_monotonic_ms() + 1000, stop_loop, lab->loop);
    check_ok(loop_run(lab->loop, &err));
    assert_int_equal(kube_client_requests(lab->client), requests);
    assert_null(kube_watch_error(f.watch));
    assert_int_equal(f.calls, 1);
    kube_watch_free(f.watch);
}

static void a_watch_of_many_begins_by_pages_and_says_so_once(void **state)
{
    struct kube_lab *lab = *state;
    create_many(lab, KUBE_PAGE + 10);
    struct follower f;
    follow(&f, lab, "davit.example/half");
    assert_int_equal(kube_watch_count(f.watch), KUBE_PAGE + 10);
    assert_int_equal(f.calls, 1);
    kube_watch_free(f.watch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_MAIN(TEST(kinds_are_what_the_server_says), TEST(an_object_is_made_read_changed_and_taken_away),
    TEST(a_patch_whose_test_fails_changes_nothing_and_is_a_conflict),
    TEST(applying_over_others_fields_names_them_and_wins_only_by_force),
    TEST(a_stale_version_is_a_conflict_but_not_where_the_object_is_gone),
    TEST(a_list_of_many_comes_by_pages_and_by_selector), TEST(who_may_not_is_told_what),
    TEST(text_comes_as_it_is_and_its_end_matters_most),
    TEST(a_request_of_ones_own_is_let_in_as_the_client_is),
    TEST(a_watch_shows_what_is_made_changed_and_taken_away),
    TEST(what_no_longer_matches_the_selector_is_gone),
    TEST(an_own_write_is_shown_at_once_and_never_undone),
    TEST(a_watch_of_what_nobody_touches_is_left_alone),
    TEST(a_watch_of_many_begins_by_pages_and_says_so_once))
