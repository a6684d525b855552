#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/registry.h"
#include "net/http_curl.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/daemon.h"
#include "support/image_worker.h"
#include "support/tcp_server.h"

// "davit" with the password "secret", as htpasswd(1) writes it.
#define HTPASSWD "davit:$2y$05$LJbNPneg9ul198kNxkMdkusgH6WvU/CR0pTeYNyIAtIcP5upEL24i\n"

struct fixture {
    struct image_worker worker;
    struct daemon registry;
    char *address; // "127.0.0.1:PORT"
};

// A free port: nobody else can get it between now and then, but for bad luck.
static int free_port(void)
{
    struct tcp_server s;
    tcp_server_start(&s, NULL, NULL);
    int port = s.port;
    tcp_server_stop(&s);
    return port;
}

static void start_registry(struct fixture *f, bool with_password)
{
    AUTO_FREE char *data = path_join(f->worker.directory, "registry");
    AUTO_FREE char *accounts = path_join(f->worker.directory, "htpasswd");
    AUTO_FREE char *config = path_join(f->worker.directory, "config.yml");
    f->address = mem_printf("127.0.0.1:%d", free_port());
    AUTO_FREE char *text = mem_printf(
        "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s}, delete: "
        "{enabled: true}}\nhttp: {addr: \"%s\"}\n%s%s%s",
        data, f->address, with_password ? "auth: {htpasswd: {realm: test, path: " : "",
        with_password ? accounts : "", with_password ? "}}\n" : "");
    image_worker_file(&f->worker, accounts, 0600, HTPASSWD);
    image_worker_file(&f->worker, config, 0600, text);
    const char *const argv[] = {"docker-registry", "serve", config, NULL};
    free(daemon_start(&f->registry, argv, f->worker.directory, "listening on"));
}

static int set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    image_worker_init(&f->worker);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->registry.pid)
        daemon_stop(&f->registry);
    image_worker_done(&f->worker);
    free(f->address);
    free(f);
    return 0;
}

static struct value *try_do(
    struct fixture *f, const char *op, const char *reference, bool push, struct error *err)
{
    struct value *job = value_map(), *tags = value_list();
    value_set_str(job, "op", op);
    value_set_str(job, "reference", reference);
    value_append_str(tags, reference);
    value_set(job, "tags", tags);
    value_set_bool(job, "push", push);
    str_clear(&f->worker.log);
    return image_worker_job(&f->worker, job, err);
}

static struct value *must_do(struct fixture *f, const char *op, const char *reference, bool push)
{
    struct error err = {0};
    struct value *result = try_do(f, op, reference, push, &err);
    if (!result)
        fail_msg("%s %s: %s\n%s", op, reference, err.message, f->worker.log.data);
    return result;
}

static void login(struct fixture *f, const char *registry, const char *password)
{
    struct value *account = value_map();
    value_set_str(account, "username", "davit");
    value_set_str(account, "password", password);
    value_free(f->worker.credentials);
    f->worker.credentials = value_map();
    value_set(f->worker.credentials, registry, account);
}

// Forgets everything that was built or pulled.
static void empty_store(struct fixture *f)
{
    check_ok(dir_remove_tree(AT_FDCWD, f->worker.store, &err));
}

static void sample(struct fixture *f)
{
    image_worker_file(&f->worker, "file", 0644, "content of a file");
    image_worker_file(&f->worker, "Dockerfile", 0644,
        "FROM scratch\nCOPY file /file\nCOPY Dockerfile /d\nCMD [\"x\"]\n");
}

static void round_trip(struct fixture *f)
{
    sample(f);
    AUTO_FREE char *reference = mem_printf("%s/team/app:v1", f->address);
    AUTO(value) struct value *built = must_do(f, "build", reference, true);
    const char *digest = value_get_str(built, "digest");
    assert_string_equal(value_text(value_at(value_get(built, "pushed"), 0)), reference);
    assert_non_null(strstr(f->worker.log.data, "pushed "));
    AUTO(value) struct value *again = must_do(f, "push", reference, false);
    assert_non_null(strstr(f->worker.log.data, "already there"));
    empty_store(f);
    AUTO(value) struct value *pulled = must_do(f, "unpack", reference, false);
    assert_string_equal(value_get_str(pulled, "digest"), digest);
    AUTO_FREE char *file = mem_printf(
        "%s/%s/file", f->worker.store, value_text(value_at(value_get(pulled, "layers"), 1)));
    AUTO(str) struct str text;
    str_init(&text, 100);
    check_ok(file_read(AT_FDCWD, file, &text, &err));
    assert_string_equal(text.data, "content of a file");
    AUTO_FREE char *by_digest = mem_printf("%s/team/app@%s", f->address, digest);
    empty_store(f);
    AUTO(value) struct value *exact = must_do(f, "unpack", by_digest, false);
    assert_string_equal(value_get_str(exact, "digest"), digest);
}

static void an_image_goes_to_a_registry_and_comes_back(void **state)
{
    struct fixture *f = *state;
    start_registry(f, false);
    round_trip(f);
    // skopeo, which is nobody's friend, reads what we pushed.
    AUTO_FREE char *where = mem_printf("docker://%s/team/app:v1", f->address);
    const char *const inspect[] = {"skopeo", "inspect", "--tls-verify=false", where, NULL};
    AUTO_FREE char *seen = run_program(inspect, NULL, 0);
    assert_non_null(strstr(seen, "1970-01-01T00:00:00Z"));
    struct error why = {0};
    AUTO_FREE char *absent = mem_printf("%s/team/none:v1", f->address);
    assert_null(try_do(f, "unpack", absent, false, &why));
    check_kind(&why, ERR_NOT_FOUND, "MANIFEST_UNKNOWN", absent);
}

static void a_registry_with_a_password_wants_it(void **state)
{
    struct fixture *f = *state;
    struct error why = {0};
    start_registry(f, true);
    sample(f);
    AUTO_FREE char *reference = mem_printf("%s/app:v1", f->address);
    assert_null(try_do(f, "build", reference, true, &why));
    check_kind(&why, ERR_DENIED, "there are no credentials for it", "anonymous");
    login(f, f->address, "wrong");
    assert_null(try_do(f, "push", reference, false, &why));
    check_kind(&why, ERR_DENIED, "HTTP 401", "wrong password");
    assert_null(strstr(why.message, "wrong"));
    login(f, f->address, "secret");
    round_trip(f);
}

static void an_image_of_skopeo_is_understood(void **state)
{
    struct fixture *f = *state;
    start_registry(f, false);
    sample(f);
    AUTO(value) struct value *built = must_do(f, "build", "app:1", false);
    AUTO_FREE char *from = mem_printf("oci:%s:docker.io/library/app:1", f->worker.store);
    AUTO_FREE char *to = mem_printf("docker://%s/copy:1", f->address);
    static const char *const formats[] = {"v2s2", "oci"};
    AUTO_FREE char *reference = mem_printf("%s/copy:1", f->address);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        const char *const copy[] = {
            "skopeo", "copy", "--dest-tls-verify=false", "--format", formats[i], from, to, NULL};
        free(run_program(copy, NULL, 0));
        AUTO_FREE char *kept = mem_printf("%s.kept%zu", f->worker.store, i);
        assert_int_equal(rename(f->worker.store, kept), 0);
        AUTO(value) struct value *pulled = must_do(f, "unpack", reference, false);
        assert_string_equal(value_get_str(pulled, "image_id"), value_get_str(built, "image_id"));
        empty_store(f);
        assert_int_equal(rename(kept, f->worker.store), 0);
    }
}

static void a_moved_tag_is_noticed_when_asked_for(void **state)
{
    struct fixture *f = *state;
    start_registry(f, false);
    sample(f);
    AUTO_FREE char *reference = mem_printf("%s/app:v1", f->address);
    AUTO(value) struct value *first = must_do(f, "build", reference, true);
    empty_store(f);
    AUTO(value) struct value *pulled = must_do(f, "unpack", reference, false);
    AUTO_FREE char *kept = mem_printf("%s.kept", f->worker.store);
    assert_int_equal(rename(f->worker.store, kept), 0);
    image_worker_file(&f->worker, "file", 0644, "moved on");
    AUTO(value) struct value *second = must_do(f, "build", reference, true);
    empty_store(f);
    assert_int_equal(rename(kept, f->worker.store), 0);
    AUTO(value) struct value *old = must_do(f, "unpack", reference, false);
    assert_string_equal(value_get_str(old, "digest"), value_get_str(first, "digest"));
    struct value *job = value_map();
    value_set_str(job, "op", "unpack");
    value_set_str(job, "reference", reference);
    value_set_bool(job, "always", true);
    AUTO(value) struct value *fresh = image_worker_job(&f->worker, job, NULL);
    assert_string_equal(value_get_str(fresh, "digest"), value_get_str(second, "digest"));
}

// A registry that sends its clients to a listener elsewhere, in every way that the protocol has.
struct evil {
    char other[40];
    char scheme[16]; // of the challenge: "Basic", or "Bearer" with a realm at the listener
};

static const char *object_of(const char *request)
{
    const char *v2 = strstr(request, "/v2/");
    return v2 ? v2 + 4 : "";
}

static bool challenge(int connection, const struct evil *e)
{
    AUTO_FREE char *header =
        strcmp(e->scheme, "Basic") == 0
            ? mem_strdup("WWW-Authenticate: Basic realm=\"x\"\r\n")
            : mem_printf("WWW-Authenticate: Bearer realm=\"%s/token\",service=\"s\"\r\n", e->other);
    tcp_reply(connection, "401 Unauthorized", header, "{}");
    return true;
}

static bool evil_registry(int connection, const char *request, void *arg)
{
    const struct evil *e = arg;
    const char *object = object_of(request);
    if (!strstr(request, "Authorization: "))
        return challenge(connection, e);
    if (text_starts(object, "redirected/")) {
        AUTO_FREE char *header = mem_printf("Location: %s/elsewhere\r\n", e->other);
        tcp_reply(connection, "307 Temporary Redirect", header, "");
        return true;
    }
    if (text_starts(request, "POST ")) {
        AUTO_FREE char *header = mem_printf("Location: %s/upload?x=1\r\n", e->other);
        tcp_reply(connection, "202 Accepted", header, "");
        return true;
    }
    tcp_reply(connection, "404 Not Found", "", "{}");
    return true;
}

static bool listen_only(int connection, const char *request, void *arg)
{
    (void)arg;
    bool token = strstr(request, "/token?") != NULL;
    tcp_reply(connection, "200 OK", "", token ? "{\"access_token\":\"tkn\"}" : "{}");
    return true;
}

struct evil_pair {
    struct tcp_server registry, listener;
    struct evil evil;
};

static void start_evil(struct evil_pair *p, const char *scheme)
{
    tcp_server_start(&p->listener, listen_only, NULL);
    p->evil = (struct evil){0};
    strcpy(p->evil.scheme, scheme);
    strcpy(p->evil.other, p->listener.origin);
    tcp_server_start(&p->registry, evil_registry, &p->evil);
}

static void stop_evil(struct evil_pair *p)
{
    tcp_server_stop(&p->registry);
    tcp_server_stop(&p->listener);
}

#define BASIC "Authorization: Basic ZGF2aXQ6c2VjcmV0"

// Pulls from, or pushes to, the evil registry; *ret_heard is what its accomplice was told, and
// *ret_own what itself.
static void meet_evil(struct fixture *f, const char *scheme, const char *name, bool push,
    char **ret_heard, char **ret_own, struct error *err)
{
    struct evil_pair p;
    start_evil(&p, scheme);
    const char *address = p.registry.origin + strlen("http://");
    AUTO_FREE char *reference = mem_printf("%s/%s:1", address, name);
    login(f, address, "secret");
    sample(f);
    value_free(try_do(f, push ? "build" : "unpack", reference, push, err));
    *ret_heard = tcp_server_log(&p.listener);
    *ret_own = tcp_server_log(&p.registry);
    stop_evil(&p);
}

static void no_credential_reaches_another_host(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *scheme, *name;
        bool push;
        const char *visit; // what the accomplice must have been asked; NULL: nothing
        const char *told;  // what the registry itself must have been told: the positive control
    } rows[] = {
        {"Basic", "redirected/x", false, "GET /elsewhere", BASIC},
        {"Basic", "x", true, "PUT /upload", BASIC},
        {"Bearer", "x", false, NULL, "GET /v2/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *heard = NULL;
        AUTO_FREE char *own = NULL;
        struct error why = {0};
        meet_evil(f, rows[i].scheme, rows[i].name, rows[i].push, &heard, &own, &why);
        if (strcasestr(heard, "authorization") || strstr(heard, "secret") || strstr(heard, "tkn"))
            fail_msg("%s %s: it heard\n%s", rows[i].scheme, rows[i].name, heard);
        if (rows[i].visit && !strstr(heard, rows[i].visit))
            fail_msg("%s %s: it was not visited: %s", rows[i].scheme, rows[i].name, why.message);
        if (!rows[i].visit)
            assert_string_equal(heard, "");
        assert_non_null(strstr(own, rows[i].told));
        if (!rows[i].visit)
            check_kind(&why, ERR_DENIED, "another host", "a foreign realm");
    }
}

static void an_anonymous_token_may_come_from_anywhere(void **state)
{
    struct fixture *f = *state;
    struct evil_pair p;
    struct error why = {0};
    start_evil(&p, "Bearer");
    AUTO_FREE char *reference = mem_printf("%s/x:1", p.registry.origin + strlen("http://"));
    assert_null(try_do(f, "unpack", reference, false, &why));
    check_kind(&why, ERR_NOT_FOUND, "HTTP 404", "with a token");
    AUTO_FREE char *heard = tcp_server_log(&p.listener);
    AUTO_FREE char *own = tcp_server_log(&p.registry);
    assert_non_null(strstr(heard, "GET /token?service=s&scope=repository%3Ax%3Apull "));
    assert_non_null(strstr(own, "Authorization: Bearer tkn"));
    stop_evil(&p);
}

// Manifests that lie, by tag.
#define ZEROS      "0000000000000000000000000000000000000000000000000000000000000000"
#define DESCRIPTOR "{\"mediaType\":\"x\",\"digest\":\"sha256:" ZEROS "\",\"size\":2}"

static bool lie(int connection, const char *request, void *arg)
{
    (void)arg;
    static const struct {
        const char *tag, *type, *body;
    } rows[] = {
        {"both", MANIFEST_OCI,
            "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[],\"config\":" DESCRIPTOR "}"},
        {"neither", MANIFEST_OCI, "{\"schemaVersion\":2}"},
        {"typed", MANIFEST_OCI,
            "{\"mediaType\":\"" MANIFEST_DOCKER "\",\"layers\":[],\"config\":" DESCRIPTOR "}"},
        {"listed", MANIFEST_OCI_INDEX, "{\"layers\":[],\"config\":" DESCRIPTOR "}"},
        {"foreign", MANIFEST_OCI,
            "{\"config\":" DESCRIPTOR ",\"layers\":[{\"mediaType\":\"application/vnd.docker.image."
            "rootfs.foreign.diff.tar.gzip\",\"digest\":\"sha256:" ZEROS "\",\"size\":2}]}"},
        {"twice", MANIFEST_OCI, "{\"layers\":[],\"layers\":[],\"config\":" DESCRIPTOR "}"},
        {"digest", MANIFEST_OCI,
            "{\"layers\":[],\"config\":{\"mediaType\":\"x\",\"digest\":\"sha256:../../"
            "x\",\"size\":2}}"},
        {"blob", MANIFEST_OCI, "{\"layers\":[],\"config\":" DESCRIPTOR "}"},
        {"other", MANIFEST_OCI_INDEX,
            "{\"manifests\":[{\"digest\":\"sha256:" ZEROS
            "\",\"size\":2,\"platform\":{\"os\":\"plan9\","
            "\"architecture\":\"mips\"}}]}"},
        {"header", MANIFEST_OCI, "{\"layers\":[],\"config\":" DESCRIPTOR "}"},
    };
    if (strstr(request, "/blobs/")) {
        tcp_reply(connection, "200 OK", "", "{}"); // not what the digest says
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *path = mem_printf("/manifests/%s ", rows[i].tag);
        AUTO_FREE char *header = mem_printf("Content-Type: %s\r\n%s", rows[i].type,
            strcmp(rows[i].tag, "header") == 0 ? "Docker-Content-Digest: sha256:" ZEROS "\r\n"
                                               : "");
        if (!strstr(request, path))
            continue;
        tcp_reply(connection, "200 OK", header, rows[i].body);
        return true;
    }
    if (strstr(request, "/manifests/sha256:")) {
        tcp_reply(connection, "200 OK", "Content-Type: " MANIFEST_OCI "\r\n", "{\"config\":{}}");
        return true;
    }
    tcp_reply(connection, "404 Not Found", "", "");
    return true;
}

static void a_manifest_that_lies_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tcp_server server;
    static const struct {
        const char *tag, *part;
        enum error_kind kind;
    } rows[] = {
        {":both", "both an image and a list", ERR_PROTOCOL},
        {":neither", "neither", ERR_PROTOCOL},
        {":typed", "calls itself", ERR_PROTOCOL},
        {":listed", "its contents are not those", ERR_PROTOCOL},
        {":foreign", "is not known", ERR_UNSUPPORTED},
        {":twice", "bad JSON", ERR_PROTOCOL},
        {":digest", "is not a sha256 digest", ERR_PROTOCOL},
        {":blob", "have another digest", ERR_PROTOCOL},
        {":other", "no image for linux", ERR_NOT_FOUND},
        {":header", "as the registry says", ERR_PROTOCOL},
        {"@sha256:" ZEROS, "was sent for", ERR_PROTOCOL},
    };
    tcp_server_start(&server, lie, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error why = {0};
        AUTO_FREE char *reference =
            mem_printf("%s/x%s", server.origin + strlen("http://"), rows[i].tag);
        assert_null(try_do(f, "unpack", reference, false, &why));
        check_kind(&why, rows[i].kind, rows[i].part, rows[i].tag);
    }
    tcp_server_stop(&server);
}

// Busy three times, each in another way; then there.
static bool busy(int connection, const char *request, void *arg)
{
    (void)request;
    int *counter = arg; // in memory that all connections share
    static const char *const answers[] = {
        "429 Too Many Requests", "503 Service Unavailable", "500 Internal Server Error"};
    int number = __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
    if (number < 3)
        tcp_reply(connection, answers[number],
            number == 0 ? "Retry-After: 0\r\n" : "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            "");
    else
        tcp_reply(connection, "404 Not Found", "", "{\"errors\":[{\"code\":\"GONE\"}]}");
    return true;
}

static void a_busy_registry_is_asked_again_when_it_says(void **state)
{
    struct fixture *f = *state;
    struct tcp_server server;
    struct error why = {0};
    int *counter =
        mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcp_server_start(&server, busy, counter);
    AUTO_FREE char *reference = mem_printf("%s/x:1", server.origin + strlen("http://"));
    assert_null(try_do(f, "unpack", reference, false, &why));
    check_kind(&why, ERR_NOT_FOUND, "GONE", "after three tries");
    assert_int_equal(*counter, 4);
    assert_non_null(strstr(f->worker.log.data, "trying again in 0 ms"));
    tcp_server_stop(&server);
    munmap(counter, sizeof *counter);
}

// Killed at every point that has a name, over and over: the next run finishes the work, the tag
// never leads to anything that cannot be pulled, and nothing is left behind.
static void a_build_that_is_killed_anywhere_is_finished_by_the_next(void **state)
{
    struct fixture *f = *state;
    start_registry(f, false);
    AUTO_FREE char *reference = mem_printf("%s/app:v1", f->address);
    static const char *const points[] = {"image.blob.written:1=kill", "image.blob.named:1=kill",
        "image.blob.written:2=kill", "image.blob.named:3=kill", "image.tag:1=kill",
        "image.push.upload:1=kill", "image.push.upload:2=kill", "image.push.manifest:1=kill"};
    char before[DIGEST_SIZE] = "";
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        AUTO_FREE char *text = mem_printf("version %zu", i);
        struct error why = {0};
        sample(f);
        image_worker_file(&f->worker, "file", 0644, text);
        f->worker.failpoint = points[i];
        assert_null(try_do(f, "build", reference, true, &why));
        check_kind(&why, ERR_CANCELLED, points[i], points[i]);
        f->worker.failpoint = NULL;
        if (*before) { // what others see is still the old image, whole
            AUTO_FREE char *kept = mem_printf("%s.kept", f->worker.store);
            assert_int_equal(rename(f->worker.store, kept), 0);
            AUTO(value) struct value *old = must_do(f, "unpack", reference, false);
            assert_string_equal(value_get_str(old, "digest"), before);
            empty_store(f);
            assert_int_equal(rename(kept, f->worker.store), 0);
        }
        AUTO(value) struct value *built = must_do(f, "build", reference, true);
        strcpy(before, value_get_str(built, "digest"));
        const char *const left[] = {"find", "work", "-mindepth", "1", NULL};
        AUTO_FREE char *leftovers = run_program(left, f->worker.store, 0);
        assert_string_equal(leftovers, "");
    }
}

// Builds the same layers as its siblings at the same time, and collects in between when told to.
static int build_and_collect(struct fixture *f, int me, bool collect)
{
    struct error err = {0};
    AUTO_FREE char *context = mem_printf("%s/context%d", f->worker.directory, me);
    f->worker.context = context;
    for (int n = 0; n < 4; n++) {
        AUTO_FREE char *text = mem_printf("%d", n);
        AUTO_FREE char *tag = mem_printf("app:%d-%d", me, n);
        struct error busy = {0};
        image_worker_file(&f->worker, "file", 0644, text);
        image_worker_file(&f->worker, "Dockerfile", 0644, "FROM scratch\nCOPY file /file\n");
        AUTO(value) struct value *built = try_do(f, "build", tag, false, &err);
        AUTO(value) struct value *unpacked = try_do(f, "unpack", tag, false, &err);
        if (collect)
            value_free(try_do(f, "gc", tag, false, &busy));
        if (!built || !unpacked || (busy.kind && busy.kind != ERR_CONFLICT)) {
            print_error("%d: %s %s\n", me, err.message, busy.message);
            return 1;
        }
    }
    return 0;
}

static void builders_and_collectors_share_a_store(void **state)
{
    struct fixture *f = *state;
    pid_t pids[6];
    for (int i = 0; i < 6; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(build_and_collect(f, i, i % 3 == 0));
    }
    for (int i = 0; i < 6; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    AUTO(value) struct value *list = must_do(f, "list", "x", false);
    assert_int_equal(value_length(value_get(list, "images")), 24);
}

#define with_worker(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_worker(an_image_goes_to_a_registry_and_comes_back),
    with_worker(a_registry_with_a_password_wants_it), with_worker(an_image_of_skopeo_is_understood),
    with_worker(a_moved_tag_is_noticed_when_asked_for),
    with_worker(no_credential_reaches_another_host),
    with_worker(an_anonymous_token_may_come_from_anywhere),
    with_worker(a_manifest_that_lies_is_refused),
    with_worker(a_busy_registry_is_asked_again_when_it_says),
    with_worker(a_build_that_is_killed_anywhere_is_finished_by_the_next),
    with_worker(builders_and_collectors_share_a_store))
