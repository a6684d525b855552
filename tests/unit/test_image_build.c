#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "support/daemon.h"
#include "support/image_worker.h"
#include "support/shell.h"

static int set_up(void **state)
{
    struct image_worker *w = mem_alloc(sizeof *w);
    image_worker_init(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    image_worker_done(*state);
    free(*state);
    return 0;
}

// Builds, and fails the test with the role's error and log when that does.
static struct value *must_build(struct image_worker *w, const char *dockerfile)
{
    struct error err = {0};
    str_clear(&w->log);
    struct value *result = image_worker_build(w, dockerfile, "app:1", &err);
    if (!result)
        fail_msg("%s\n%s", err.message, w->log.data);
    return result;
}

static struct value *must_do(struct image_worker *w, struct value *job)
{
    struct error err = {0};
    str_clear(&w->log);
    struct value *result = image_worker_job(w, job, &err);
    if (!result)
        fail_msg("%s\n%s", err.message, w->log.data);
    return result;
}

static struct value *job_of(const char *op, const char *reference)
{
    struct value *job = value_map();
    value_set_str(job, "op", op);
    value_set_str(job, "reference", reference);
    return job;
}

// Unpacks app:1 and lists what its layers hold, as "path type mode uid:gid link" lines, the layers
// bottom up with a line between them.
static char *contents(struct image_worker *w)
{
    AUTO(value) struct value *result = must_do(w, job_of("unpack", "app:1"));
    AUTO(str) struct str out;
    str_init(&out, 1 << 20);
    const struct value *layers = value_get(result, "layers");
    for (size_t i = value_length(layers); i-- > 0;) {
        AUTO_FREE char *path = path_join(w->store, value_text(value_at(layers, i)));
        const char *const argv[] = {"bash", "-c",
            "cd \"$0\" && find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | sort", path, NULL};
        AUTO_FREE char *text = run_program(argv, NULL, 0);
        str_printf(&out, "%s%s", out.length ? "--\n" : "", text);
    }
    return str_take(&out);
}

static bool cached(const struct value *result, size_t step)
{
    return value_get_bool(value_at(value_get(result, "steps"), step), "cached", false);
}

static void a_file_over_scratch_is_one_layer_and_nothing_is_unpacked(void **state)
{
    struct image_worker *w = *state;
    static const char file[] = "FROM scratch\nCOPY app /usr/bin/app\n"
                               "ENTRYPOINT [\"/usr/bin/app\"]\nEXPOSE 8080 9000-9001/udp\n"
                               "ENV A=1 B=\"two words\"\nLABEL z=1 a=2\nUSER 7:8\n"
                               "STOPSIGNAL SIGINT\nCMD [\"-x\"]\n";
    image_worker_file(w, "app", 0755, "program");
    AUTO(value) struct value *result = must_build(w, file);
    AUTO_FREE char *config = value_print(value_get(result, "config"));
    assert_string_equal(config,
        "{\"entrypoint\":[\"/usr/bin/app\"],\"cmd\":[\"-x\"],\"env\":[\"PATH=/usr/local/sbin:/usr/"
        "local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"A=1\",\"B=two words\"],\"user\":\"7:8\","
        "\"workdir\":\"\",\"stopsignal\":\"SIGINT\",\"exposed\":[\"8080/tcp\",\"9000/udp\","
        "\"9001/udp\"]}");
    AUTO_FREE char *layers = mem_printf("find %s/layers -mindepth 1 -type d", w->store);
    const char *const find[] = {"sh", "-c", layers, NULL};
    AUTO_FREE char *unpacked = run_program(find, NULL, 0);
    assert_string_equal(unpacked, "");
    AUTO_FREE char *got = contents(w);
    assert_string_equal(got, "usr d 755 0:0 \nusr/bin d 755 0:0 \nusr/bin/app f 755 0:0 \n");

    // Somebody else's eyes: skopeo reads the layout, and finds digest and labels as we said.
    AUTO_FREE char *where = mem_printf("oci:%s:docker.io/library/app:1", w->store);
    const char *const inspect[] = {"skopeo", "inspect", where, NULL};
    AUTO_FREE char *seen = run_program(inspect, NULL, 0);
    AUTO(value) struct value *v = value_parse(seen, strlen(seen), NULL);
    assert_string_equal(value_get_str(v, "Digest"), value_get_str(result, "digest"));
    assert_string_equal(value_get_str(value_get(v, "Labels"), "a"), "2");
}

static void the_same_input_gives_the_same_image_in_any_checkout(void **state)
{
    struct image_worker *w = *state;
    static const char file[] = "FROM scratch AS b\nCOPY root/ /\nFROM b\nWORKDIR /x\n"
                               "RUN echo one > a; mkdir -p d/e; ln a d/hard; ln -s a d/link\n"
                               "COPY data /data/\n";
    struct image_worker other;
    image_worker_init(&other);
    image_worker_file(&other, "unrelated-first", 0600, "so that inodes and times differ");
    for (int i = 0; i < 2; i++) {
        struct image_worker *x = i ? &other : w;
        image_worker_busybox(x, "root");
        image_worker_file(x, "data/one", 0644, "1");
        image_worker_file(x, "data/two", 0600, "2");
    }
    AUTO(value) struct value *first = must_build(w, file);
    AUTO(value) struct value *second = must_build(&other, file);
    assert_string_equal(value_get_str(first, "digest"), value_get_str(second, "digest"));
    // The positive control: one bit more, another image.
    image_worker_file(&other, "data/two", 0601, "2");
    AUTO(value) struct value *third = must_build(&other, file);
    assert_string_not_equal(value_get_str(first, "digest"), value_get_str(third, "digest"));
    image_worker_done(&other);
}

static void steps_come_from_the_cache_until_what_they_see_changes(void **state)
{
    struct image_worker *w = *state;
    static const char file[] = "FROM scratch\nCOPY root/ /\nRUN echo built > /built\n"
                               "COPY a /a\nRUN cat /a > /b\n";
    image_worker_busybox(w, "root");
    image_worker_file(w, "a", 0644, "1");
    AUTO(value) struct value *cold = must_build(w, file);
    assert_int_equal(w->spawned, 2);
    AUTO(value) struct value *warm = must_build(w, file);
    assert_int_equal(w->spawned, 2);
    for (size_t i = 0; i < 4; i++)
        assert_true(cached(warm, i) && !cached(cold, i));
    assert_string_equal(value_get_str(cold, "digest"), value_get_str(warm, "digest"));
    assert_non_null(strstr(w->log.data, "RUN echo built > /built (cached)"));
    image_worker_file(w, "a", 0644, "2");
    AUTO(value) struct value *changed = must_build(w, file);
    assert_int_equal(w->spawned, 3);
    assert_true(cached(changed, 0) && cached(changed, 1));
    assert_false(cached(changed, 2) || cached(changed, 3));
    // What is not the build's input changes nothing; its environment is.
    AUTO(value)
    struct value *env = must_build(w, "FROM scratch\nENV X=1\nCOPY root/ /\n"
                                      "RUN echo built > /built\n");
    assert_true(cached(env, 1));
    assert_false(cached(env, 2));
}

static void a_step_runs_as_its_user_in_its_directory_with_its_environment(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    AUTO(value)
    struct value *result = must_build(w,
        "ARG GLOBAL=g\nFROM scratch\nCOPY root/ /\nARG GLOBAL\nARG LOCAL=l\nENV E=env LOCAL=env\n"
        "ARG E\nUSER app\nWORKDIR /home/app\nRUN id; pwd; env; echo mine > file\n"
        "USER root\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN [\"/bin/echo\", \"$E\"]\n");
    assert_non_null(strstr(w->log.data, "uid=1000(app) gid=1001(app)"));
    assert_non_null(strstr(w->log.data, "\n/home/app\n"));
    assert_non_null(strstr(w->log.data, "GLOBAL=g\n"));
    assert_non_null(strstr(w->log.data, "LOCAL=env\n"));
    assert_non_null(strstr(w->log.data, "E=env\n"));
    assert_non_null(strstr(w->log.data, "HOME=/home/app\n"));
    assert_non_null(strstr(w->log.data, "\n$E\n"));
    AUTO_FREE char *got = contents(w);
    assert_non_null(strstr(got, "home d 755 1000:1001 \nhome/app d 755 1000:1001 \n"));
    assert_non_null(strstr(got, "home/app/file f 644 1000:1001 \n"));
}

static void a_cache_mount_is_kept_and_is_no_part_of_the_image(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    AUTO(value)
    struct value *first = must_build(w,
        "FROM scratch\nCOPY root/ /\n"
        "RUN --mount=type=cache,target=/var/cache/x,id=c echo kept > /var/cache/x/file\n");
    AUTO_FREE char *got = contents(w);
    assert_null(strstr(got, "var"));
    AUTO(value)
    struct value *second =
        must_build(w, "FROM scratch\nCOPY root/ /\n"
                      "RUN --mount=type=cache,target=/other,id=c cat /other/file; echo x > /y\n");
    assert_non_null(strstr(w->log.data, "kept"));
}

static void only_the_stages_that_are_needed_run(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    AUTO(value)
    struct value *result = must_build(w,
        "FROM scratch AS base\nCOPY root/ /\nFROM base AS unused\nRUN exit 7\n"
        "FROM base AS build\nRUN echo x > /out; echo y > /same; ln /same /linked\n"
        "FROM scratch\nCOPY --from=build /out /linked /same /\nCOPY --from=build --chown=:50 "
        "/bin/busybox /b\n");
    assert_int_equal(w->spawned, 1);
    AUTO_FREE char *got = contents(w);
    assert_string_equal(
        got, "linked f 644 0:0 \nout f 644 0:0 \nsame f 644 0:0 \n--\nb f 755 0:50 \n");
}

static void removed_files_are_hidden_and_replaced_directories_are_opaque(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    image_worker_file(w, "data/d/old", 0644, "x");
    AUTO(value)
    struct value *result =
        must_build(w, "FROM scratch\nCOPY root/ /\nCOPY data /data\n"
                      "RUN rm -r /data/d /bin/env; mkdir /data/d; echo new > /data/d/new\n"
                      "RUN test ! -e /data/d/old && test ! -e /bin/env && cat /data/d/new\n");
    assert_non_null(strstr(w->log.data, "new"));
    // The image as a stranger would unpack it says the same.
    AUTO(value) struct value *unpacked = must_do(w, job_of("unpack", "app:1"));
    AUTO_FREE char *top =
        path_join(w->store, value_text(value_at(value_get(unpacked, "layers"), 0)));
    AUTO_FREE char *d = path_join(top, "data/d");
    AUTO_FREE char *env = path_join(top, "bin/env");
    char opaque;
    struct stat st;
    assert_int_equal(getxattr(d, "user.overlay.opaque", &opaque, 1), 1);
    assert_int_equal(lstat(env, &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void copying(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    image_worker_file(w, "dir/sub/deep", 0644, "1");
    image_worker_file(w, "dir/top", 04755, "2");
    image_worker_file(w, "one.txt", 0600, "3");
    image_worker_file(w, "two.txt", 0644, "4");
    image_worker_file(w, "root/var/real/x", 0644, "5");
    image_worker_file(w, "[a]", 0644, "6");
    AUTO_FREE char *link = path_join(w->context, "link");
    AUTO_FREE char *nested = path_join(w->context, "dir/nested");
    AUTO_FREE char *lib = path_join(w->context, "root/lib");
    assert_int_equal(symlink("dir", link), 0);
    assert_int_equal(symlink("top", nested), 0);
    assert_int_equal(symlink("/var/real", lib), 0);
    // What each line adds, in its own layer over the root.
    static const struct {
        const char *lines, *want;
    } rows[] = {
        {"COPY one.txt /a", "a f 600 0:0 \n"},
        {"COPY one.txt /a/", "a d 755 0:0 \na/one.txt f 600 0:0 \n"},
        {"COPY one.txt /etc", "etc d 755 0:0 \netc/one.txt f 600 0:0 \n"},
        {"COPY one.txt two.txt /etc",
            "etc d 755 0:0 \netc/one.txt f 600 0:0 \netc/two.txt f 644 0:0 \n"},
        {"COPY *.txt /n/", "n d 755 0:0 \nn/one.txt f 600 0:0 \nn/two.txt f 644 0:0 \n"},
        {"COPY dir /x", "x d 755 0:0 \nx/nested l 777 0:0 top\nx/sub d 755 0:0 \n"
                        "x/sub/deep f 644 0:0 \nx/top f 4755 0:0 \n"},
        {"COPY link /x", "x d 755 0:0 \nx/nested l 777 0:0 top\nx/sub d 755 0:0 \n"
                         "x/sub/deep f 644 0:0 \nx/top f 4755 0:0 \n"},
        {"COPY dir/su* /x/", "x d 755 0:0 \nx/deep f 644 0:0 \n"},
        {"COPY d**/t?p /x/", "x d 755 0:0 \nx/top f 4755 0:0 \n"},
        {"COPY --chown=app one.txt /p/q/a",
            "p d 755 1000:1001 \np/q d 755 1000:1001 \np/q/a f 600 1000:1001 \n"},
        {"COPY --chown=33 one.txt /a", "a f 600 33:33 \n"},
        {"COPY --chown=:staff one.txt /a", "a f 600 0:50 \n"},
        {"COPY --chown=app:staff one.txt /a", "a f 600 1000:50 \n"},
        {"COPY --chmod=751 dir /x", "x d 755 0:0 \nx/nested l 777 0:0 top\nx/sub d 751 0:0 \n"
                                    "x/sub/deep f 751 0:0 \nx/top f 751 0:0 \n"},
        {"COPY one.txt /lib/y", "var d 755 0:0 \nvar/real d 755 0:0 \nvar/real/y f 600 0:0 \n"},
        {"COPY one.txt /lib/",
            "var d 755 0:0 \nvar/real d 755 0:0 \nvar/real/one.txt f 600 0:0 \n"},
        {"COPY [\"one.txt\", \"/a b\"]", "a b f 600 0:0 \n"},
        {"COPY ../one.txt /a", "a f 600 0:0 \n"},
        {"COPY [[]a] /a", "a f 644 0:0 \n"},
        {"ENV D=/e\nCOPY ${D#/}tc* one.txt $D/", "e d 755 0:0 \ne/one.txt f 600 0:0 \n"},
        {"WORKDIR /w\nCOPY one.txt .", "w d 755 0:0 \n--\nw d 755 0:0 \nw/one.txt f 600 0:0 \n"},
        {"COPY none* /a/", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *file = mem_printf("FROM scratch\nCOPY root/ /\n%s\n", rows[i].lines);
        AUTO(value) struct value *result = must_build(w, file);
        AUTO_FREE char *got = contents(w);
        const char *added = strstr(got, "--\n");
        if (strcmp(added ? added + 3 : "", rows[i].want) != 0)
            fail_msg("%s gave\n%s", rows[i].lines, got);
    }
}

static void what_would_surprise_is_refused_at_its_place(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    image_worker_file(w, "a", 0644, "1");
    image_worker_file(w, "b", 0644, "2");
    image_worker_file(w, "hidden/.wh.x", 0644, "3");
    static const struct {
        const char *line, *part;
        enum error_kind kind;
    } rows[] = {
        {"COPY a b /dst", "Dockerfile:3:1: several files cannot become one", ERR_CONFIG},
        {"COPY ? /dst", "Dockerfile:3:1: several files cannot become one", ERR_CONFIG},
        {"COPY --chown=nobody a /a", "no user \"nobody\"", ERR_CONFIG},
        {"COPY --chown=:nogroup a /a", "no group \"nogroup\"", ERR_CONFIG},
        {"COPY hidden /x", "starts with .wh.", ERR_CONFIG},
        {"COPY none /x", "\"none\" does not exist", ERR_CONFIG},
        {"COPY --chmod=u+x a /x", "only octal", ERR_CONFIG},
        {"COPY a /bin/sh/x", "is not a directory", ERR_CONFIG},
        {"COPY root/bin /a\nCOPY a /a/sh/", "Dockerfile:4:1", ERR_CONFIG},
        {"EXPOSE 70000", "is not a port", ERR_CONFIG},
        {"USER ghost\nRUN id", "Dockerfile:4:1: the image has no user \"ghost\"", ERR_CONFIG},
        {"RUN exit 3", "Dockerfile:3:1: RUN exit 3: the command exited with 3", ERR_FAILED},
        {"RUN kill -9 $$", "ended by signal 9", ERR_FAILED},
        {"RUN echo x > /.wh.y", "starts with .wh.", ERR_FAILED},
        {"RUN --mount=type=secret,id=x true", "Dockerfile:3:5: --mount=type=secret", ERR_CONFIG},
        {"RUN --mount=type=cache,target=/x,sharing=locked true", "sharing=locked", ERR_CONFIG},
        {"ENV X=\"${Y:?must be set}\"", "Dockerfile:3:8: Y: must be set", ERR_CONFIG},
        {"FROM scratch\nRUN true", "Dockerfile:4:1: there is nothing to run here", ERR_CONFIG},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *file = mem_printf("FROM scratch\nCOPY root/ /\n%s\n", rows[i].line);
        struct error why = {0};
        if (image_worker_build(w, file, NULL, &why))
            fail_msg("%s was built", rows[i].line);
        check_kind(&why, rows[i].kind, rows[i].part, rows[i].line);
    }
    // Nothing is left of what failed.
    const char *const left[] = {"find", "work", "-mindepth", "1", NULL};
    AUTO_FREE char *leftovers = run_program(left, w->store, 0);
    assert_string_equal(leftovers, "");
    // All mistakes at once, with line and caret, in the log.
    struct error why = {0};
    str_clear(&w->log);
    assert_null(image_worker_build(w, "FROM scratch\nADD a b\nCOPY a\n", NULL, &why));
    assert_non_null(strstr(w->log.data, "    2 | ADD a b\n      | ^~~\n"));
    assert_non_null(strstr(w->log.data, "Dockerfile:3:1: error: COPY needs"));
}

static void what_the_ignore_file_leaves_out_is_not_there(void **state)
{
    struct image_worker *w = *state;
    image_worker_file(w, ".dockerignore", 0644, "*\n!src\nsrc/*.o\n!src/keep.o\n!a/b/c\n");
    image_worker_file(w, "src/x.c", 0644, "1");
    image_worker_file(w, "src/x.o", 0644, "1");
    image_worker_file(w, "src/keep.o", 0644, "1");
    image_worker_file(w, "a/b/c", 0644, "1");
    image_worker_file(w, "a/d", 0644, "1");
    image_worker_file(w, "e/f", 0644, "1");
    AUTO(value) struct value *result = must_build(w, "FROM scratch\nCOPY . /\n");
    AUTO_FREE char *got = contents(w);
    assert_string_equal(got, "a d 755 0:0 \na/b d 755 0:0 \na/b/c f 644 0:0 \nsrc d 755 0:0 \n"
                             "src/keep.o f 644 0:0 \nsrc/x.c f 644 0:0 \n");
    struct error why = {0};
    assert_null(image_worker_build(w, "FROM scratch\nCOPY e/f /\n", NULL, &why));
    assert_int_equal(why.kind, ERR_CONFIG);
    // One that belongs to the Dockerfile comes first.
    image_worker_file(w, "Dockerfile.dockerignore", 0644, "*\n!e\n");
    AUTO(value) struct value *own = must_build(w, "FROM scratch\nCOPY . /\n");
    AUTO_FREE char *only = contents(w);
    assert_string_equal(only, "e d 755 0:0 \ne/f f 644 0:0 \n");
}

static void an_image_of_the_store_is_a_base(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    struct value *job = value_map(), *tags = value_list();
    image_worker_file(w, "Dockerfile", 0644,
        "FROM scratch\nCOPY root/ /\nENV BASE=yes\nCMD [\"base\"]\nENTRYPOINT [\"/bin/sh\"]\n");
    value_set_str(job, "op", "build");
    value_append_str(tags, "base:1");
    value_append_str(tags, "registry.local/base:2");
    value_set(job, "tags", tags);
    AUTO(value) struct value *base = must_do(w, job);
    AUTO(value)
    struct value *kept = must_build(w, "FROM base:1\nRUN echo $BASE\nCMD [\"-c\", \"true\"]\n");
    assert_non_null(strstr(w->log.data, "\nyes\n"));
    AUTO_FREE char *cmd = value_print(value_get(value_get(kept, "config"), "cmd"));
    assert_string_equal(cmd, "[\"-c\",\"true\"]");
    AUTO(value)
    struct value *cleared =
        must_build(w, "FROM registry.local/base:2\nENTRYPOINT [\"/bin/echo\"]\n");
    AUTO_FREE char *none = value_print(value_get(value_get(cleared, "config"), "cmd"));
    assert_string_equal(none, "[]");
    AUTO(value)
    struct value *copied = must_build(w, "FROM scratch\nCOPY --from=base:1 /bin/busybox /b\n");
    AUTO_FREE char *got = contents(w);
    assert_string_equal(got, "b f 755 0:0 \n");
}

static void the_epoch_is_an_argument(void **state)
{
    struct image_worker *w = *state;
    struct value *job = value_map(), *args = value_map();
    image_worker_file(w, "a", 0644, "1");
    image_worker_file(w, "Dockerfile", 0644, "FROM scratch\nCOPY a /a\n");
    value_set_str(job, "op", "build");
    value_set_str(args, "SOURCE_DATE_EPOCH", "1000000000");
    value_set(job, "args", args);
    value_set_str(job, "pin", "app");
    AUTO(value) struct value *result = must_do(w, job);
    AUTO_FREE char *file =
        mem_printf("%s/%s/a", w->store, value_text(value_at(value_get(result, "layers"), 0)));
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
}

static unsigned count(struct image_worker *w, const char *directory)
{
    AUTO_FREE char *command = mem_printf("ls %s/%s | grep -vc '\\.'; true", w->store, directory);
    const char *const argv[] = {"sh", "-c", command, NULL};
    AUTO_FREE char *text = run_program(argv, NULL, 0);
    return (unsigned)strtoul(text, NULL, 10);
}

static void garbage_is_what_nothing_reaches(void **state)
{
    struct image_worker *w = *state;
    image_worker_file(w, "a", 0644, "1");
    AUTO(value) struct value *first = must_build(w, "FROM scratch\nCOPY a /a\n");
    struct value *pin = job_of("unpack", "app:1");
    value_set_str(pin, "pin", "shop");
    AUTO(value) struct value *pinned = must_do(w, pin);
    image_worker_file(w, "a", 0644, "2"); // the tag moves on, the pin stays
    AUTO(value) struct value *second = must_build(w, "FROM scratch\nCOPY a /a\n");
    AUTO(value) struct value *unpacked = must_do(w, job_of("unpack", "app:1"));
    assert_int_equal(count(w, "blobs/sha256"), 6);
    assert_int_equal(count(w, "layers"), 2);

    struct value *gc = job_of("gc", NULL);
    value_set_int(gc, "keep_ms", 3600000);
    AUTO(value) struct value *nothing = must_do(w, gc);
    assert_int_equal(value_get_int(nothing, "blobs", -1), 0);

    gc = job_of("gc", NULL);
    value_set_int(gc, "keep_ms", -1000);
    AUTO(value) struct value *records = must_do(w, gc);
    assert_int_equal(value_get_int(records, "records", -1), 2);
    assert_int_equal(count(w, "blobs/sha256"), 6);

    struct value *pins = value_map(), *needed = value_list();
    value_append_str(needed, value_get_str(first, "digest"));
    value_set(pins, "shop", needed); // a release runs on it
    gc = job_of("gc", NULL);
    value_set_int(gc, "keep_ms", -1000);
    value_set(gc, "pins", pins);
    AUTO(value) struct value *still_pinned = must_do(w, gc);
    assert_int_equal(value_get_int(still_pinned, "blobs", -1), 0);

    gc = job_of("gc", NULL);
    value_set_int(gc, "keep_ms", 3600000);
    value_set(gc, "pins", value_map()); // nobody needs it, but it may be of a rollout that begins
    AUTO(value) struct value *too_young = must_do(w, gc);
    assert_int_equal(value_get_int(too_young, "blobs", -1), 0);

    gc = job_of("gc", NULL);
    value_set_int(gc, "keep_ms", -1000);
    value_set(gc, "pins", value_map());
    AUTO(value) struct value *swept = must_do(w, gc);
    assert_int_equal(value_get_int(swept, "blobs", -1), 3);
    assert_int_equal(value_get_int(swept, "layers", -1), 1);
    assert_true(value_get_int(swept, "bytes", 0) > 0);
    AUTO_FREE char *still = contents(w);
    assert_string_equal(still, "a f 644 0:0 \n");
    AUTO(value) struct value *list = must_do(w, job_of("list", NULL));
    const struct value *only = value_at(value_get(list, "images"), 0);
    assert_string_equal(value_get_str(only, "reference"), "docker.io/library/app:1");
    assert_string_equal(value_get_str(only, "digest"), value_get_str(second, "digest"));
    AUTO_FREE char *command = mem_printf("du -cb %s/blobs/sha256/* | tail -n 1", w->store);
    AUTO_FREE char *all = shell_output("/", "%s", command); // manifest, layer and configuration
    assert_in_range(value_get_int(only, "size", 0), atoll(all) / 2, atoll(all));
}

static void a_layer_that_was_lost_is_unpacked_again(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    static const char file[] = "FROM scratch\nCOPY root/ /\nRUN echo x > /x\n";
    AUTO(value) struct value *first = must_build(w, file);
    AUTO_FREE char *before = contents(w);
    AUTO_FREE char *layers = path_join(w->store, "layers");
    check_ok(dir_remove_tree(AT_FDCWD, layers, &err));
    AUTO(value) struct value *again = must_build(w, file);
    assert_true(cached(again, 0) && cached(again, 1));
    AUTO_FREE char *after = contents(w);
    assert_string_equal(before, after);
    // One of another boot, which a power cut may have eaten from, is not trusted either.
    const char *const spoil[] = {"sh", "-c",
        "for s in *.state; do echo other-boot > $s; d=${s%.state}; rm -rf $d/*; done", NULL};
    free(run_program(spoil, layers, 0));
    AUTO_FREE char *healed = contents(w);
    assert_string_equal(before, healed);
}

static void an_unknown_job_and_a_bad_one_are_refused(void **state)
{
    struct image_worker *w = *state;
    struct error why = {0};
    assert_null(image_worker_job(w, job_of("dance", NULL), &why));
    check_kind(&why, ERR_PROTOCOL, "no job \"dance\"", "dance");
    assert_null(image_worker_job(w, job_of("unpack", NULL), &why));
    check_kind(&why, ERR_PROTOCOL, "\"reference\" is missing", "unpack");
    assert_null(image_worker_job(w, job_of("unpack", "UPPER"), &why));
    check_kind(&why, ERR_CONFIG, "not an image reference", "unpack");
    // Nobody pulls what was to be pushed.
    assert_null(image_worker_job(w, job_of("push", "localhost:1/app:1"), &why));
    check_kind(&why, ERR_NOT_FOUND, "is not in this host's store", "push");
    AUTO_FREE char *dockerfile = path_join(w->context, "Dockerfile");
    struct value *job = job_of("build", NULL);
    assert_null(image_worker_job(w, job, &why));
    check_kind(&why, ERR_NOT_FOUND, "Dockerfile", "build");
    assert_int_equal(symlink("/etc/passwd", dockerfile), 0); // it stays in the context
    assert_null(image_worker_job(w, job_of("build", NULL), &why));
    assert_int_equal(why.kind, ERR_SYSTEM);
}

#define with_worker(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(with_worker(a_file_over_scratch_is_one_layer_and_nothing_is_unpacked),
    with_worker(the_same_input_gives_the_same_image_in_any_checkout),
    with_worker(steps_come_from_the_cache_until_what_they_see_changes),
    with_worker(a_step_runs_as_its_user_in_its_directory_with_its_environment),
    with_worker(a_cache_mount_is_kept_and_is_no_part_of_the_image),
    with_worker(only_the_stages_that_are_needed_run),
    with_worker(removed_files_are_hidden_and_replaced_directories_are_opaque), with_worker(copying),
    with_worker(what_would_surprise_is_refused_at_its_place),
    with_worker(what_the_ignore_file_leaves_out_is_not_there),
    with_worker(an_image_of_the_store_is_a_base), with_worker(the_epoch_is_an_argument),
    with_worker(garbage_is_what_nothing_reaches),
    with_worker(a_layer_that_was_lost_is_unpacked_again),
    with_worker(an_unknown_job_and_a_bad_one_are_refused))
