// The watcher, by real git: what inotify has seen is in its queue when git has ended, so that one
// turn of the loop tells everything.
#include "support/check.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/loop.h"
#include "serve/refs.h"
#include "serve/watch.h"
#include "support/directory.h"
#include "support/role_test.h"
#include "support/shell.h"

#define PATIENCE_MS 30000

struct world {
    char *directory;
    struct loop *loop;
    struct watch *watch;
    struct strv told; // names below directory, in order
    struct error why; // the last that was told
    bool stop_when_told;
    char *remove, *add; // what the next callback does
};

static void on_changed(void *arg, const char *repository, const struct error *why)
{
    struct world *w = arg;
    strv_push(&w->told, repository + strlen(w->directory) + 1);
    if (why)
        w->why = *why;
    if (w->remove)
        watch_remove(w->watch, w->remove);
    if (w->add)
        check_ok(watch_add(w->watch, w->add, &err));
    if (w->stop_when_told)
        loop_stop(w->loop);
}

static int world_setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    directory_setup((void **)&w->directory);
    w->loop = loop_new(NULL);
    w->watch = watch_new(w->loop, on_changed, w, NULL);
    assert_non_null(w->watch);
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    watch_free(w->watch);
    loop_free(w->loop);
    strv_done(&w->told);
    free(w->remove);
    free(w->add);
    directory_teardown((void **)&w->directory);
    free(w);
    return 0;
}

static char *path_of(const struct world *w, const char *name)
{
    return path_join(w->directory, name);
}

static void add(struct world *w, const char *name)
{
    AUTO_FREE char *path = path_of(w, name);
    check_ok(watch_add(w->watch, path, &err));
}

static void on_deadline(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

// Lets the loop take what is in the queue now.
static void turn(struct world *w)
{
    struct loop_timer now = {0};
    strv_done(&w->told);
    w->why = (struct error){0};
    loop_timer_start(w->loop, &now, 0, on_deadline, w->loop);
    check_ok(loop_run(w->loop, &err));
}

// The names that one turn tells, in the order of the alphabet, separated by blanks.
static void check_told(struct world *w, const char *after, const char *wanted)
{
    turn(w);
    strv_sort(&w->told);
    AUTO(str) struct str got;
    str_init(&got, STR_TEXT_MAX);
    strv_each (name, &w->told)
        str_printf(&got, "%s%s", got.length ? " " : "", *name);
    if (strcmp(got.data, wanted) != 0)
        fail_msg("after %s: told \"%s\", not \"%s\"", after, got.data, wanted);
    if (w->why.kind != ERR_NONE)
        fail_msg("after %s: %s", after, w->why.message);
}

static void do_and_check(struct world *w, const char *script, const char *wanted)
{
    shell(w->directory, "{ %s; } >/dev/null 2>&1", script);
    check_told(w, script, wanted);
}

static void pushes_packs_and_deletions_in_a_bare_repository(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare r.git && git init -q work && cd work && git remote add "
                        "origin ../r.git && git commit -q --allow-empty -m 1");
    add(w, "r.git");
    check_told(w, "nothing", "");
    static const struct row {
        const char *script, *wanted;
    } rows[] = {
        {"cd work && git push -q origin main", "r.git"},
        {"cd work && git commit -q --allow-empty -m 2 && git push -q origin main", "r.git"},
        {"cd work && git push -q origin main:feature/a/b/c", "r.git"},
        {"cd work && git commit -q --allow-empty -m 3 && git push -q origin main:feature/a/b/c",
            "r.git"},
        {"cd work && git push -q origin main:feature/a/x", "r.git"},
        {"cd work && git tag -a -m x v1 && git push -q origin v1", "r.git"},
        {"git -C r.git pack-refs --all", "r.git"},
        {"cd work && git push -q origin :v1", "r.git"},                   // packed
        {"cd work && git push -q origin :feature/a/b/c", "r.git"},        // packed
        {"cd work && git push -q origin main:feature/a/b/d", "r.git"},    // its directories are new
        {"git -C r.git update-ref -d refs/heads/feature/a/b/d", "r.git"}, // loose
        {"git -C r.git gc -q --prune=now", "r.git"},
        {"cd work && git push -q origin HEAD:refs/heads/after-gc/x", "r.git"},
        {"git -C r.git symbolic-ref HEAD refs/heads/after-gc/x", "r.git"},
        {"git -C r.git branch -m after-gc/x renamed", "r.git"},
        {"git -C r.git rev-parse renamed > r.git/refs/heads/in-place", "r.git"},
        {"cd work && git push -q origin main:many/1 main:many/2 main:many/3 main:t", "r.git"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        do_and_check(w, rows[i].script, rows[i].wanted);
}

static void what_moves_no_ref_is_not_told(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q r && cd r && git commit -q --allow-empty -m 1 && git branch b "
                        "&& git init -q --bare ../other");
    add(w, "r");
    static const char *const scripts[] = {
        "cd r && git status && git log && git branch -a",
        "cd r && echo x > f && git add f",
        "cd r && echo x | git hash-object -w --stdin",
        "cd r && git push ../other main",
        "cd r && git config user.name x",
        "cd r && mkdir sub && touch sub/HEAD sub/packed-refs && rm -r sub",
        "cd r && touch HEAD packed-refs refs",
        "touch unrelated && mkdir d && rmdir d",
        "cd r && touch .git/refs/heads/main.lock && ! git update-ref refs/heads/main b~0 && rm "
        ".git/refs/heads/main.lock",
        "cd r && git update-ref refs/notes/x main && git update-ref refs/remotes/o/x main",
    };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        do_and_check(w, scripts[i], "");
    // The positive control: the same repository, and a ref that does move.
    do_and_check(w, "cd r && git commit -q -m 2", "r");
    do_and_check(w, "cd r && git checkout -q b", "r");
}

static void a_directory_that_is_new_is_watched_before_it_is_looked_at(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare r.git");
    add(w, "r.git");
    do_and_check(w, "mkdir -p r.git/refs/heads/a/b", "");
    do_and_check(w, "mkdir r.git/refs/heads/a/b/c", "");
    do_and_check(w, "touch r.git/refs/heads/a/b/c/x.lock", "");
    do_and_check(w, "mv r.git/refs/heads/a/b/c/x.lock r.git/refs/heads/a/b/c/x", "r.git");
    do_and_check(w, "mv r.git/refs/heads/a r.git/refs/heads/z", "r.git");
    do_and_check(w, "touch r.git/refs/heads/z/b/c/y", "r.git");
    do_and_check(w, "mkdir -p r.git/refs/heads/z/b/c/d/e", "");
    do_and_check(w, "touch r.git/refs/heads/z/b/c/d/e/x", "r.git");
    do_and_check(w, "rm -r r.git/refs/heads/z", "r.git");
    do_and_check(w, "mv r.git/refs r.git/old", "r.git");
    do_and_check(w, "mkdir -p r.git/refs/heads", "r.git");
    do_and_check(w, "touch r.git/refs/heads/x", "r.git");
}

static void a_repository_that_vanishes_and_comes_back_is_noticed(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q seed && git -C seed commit -q --allow-empty -m x");
    add(w, "deep/below/r");
    static const struct row {
        const char *script, *wanted;
    } rows[] = {
        {"mkdir deep", ""},
        {"mkdir deep/below", ""},
        {"git clone -q --bare seed deep/below/r", "deep/below/r"},
        {"git -C deep/below/r branch one", "deep/below/r"},
        {"rm -rf deep/below/r", "deep/below/r"},
        {"git -C deep/below init -q r", "deep/below/r"},
        {"git -C deep/below/r commit -q --allow-empty -m x", "deep/below/r"},
        {"mv deep/below/r aside", "deep/below/r"},
        {"git -C aside branch unseen", ""},
        {"mv aside deep/below/r", "deep/below/r"},
        {"git -C deep/below/r branch seen", "deep/below/r"},
        {"rm -rf deep/below/r/.git", "deep/below/r"},
        {"git -C deep/below/r init -q", "deep/below/r"},
        {"rm -rf deep/below/r/.git", "deep/below/r"},
        {"git -C deep/below/r init -q --bare", "deep/below/r"},
        {"git -C deep/below/r fetch -q ../../../seed main:x", "deep/below/r"},
        {"cd deep/below/r && mv HEAD aside", "deep/below/r"},
        {"cd deep/below/r && touch refs/heads/unseen && rm refs/heads/unseen", ""},
        {"cd deep/below/r && mv aside HEAD", "deep/below/r"},
        {"git -C deep/below/r update-ref -d refs/heads/x", "deep/below/r"},
        {"git -C deep/below/r fetch -q ../../../seed main:x", "deep/below/r"},
        {"mv deep/below deep/other", "deep/below/r"},
        {"mkdir deep/below && ln -s ../other/r deep/below/r", "deep/below/r"},
        {"git -C deep/other/r update-ref refs/heads/y x", "deep/below/r"},
        {"git clone -q --bare seed new && ln -s ../../new deep/below/l && mv -T deep/below/l "
         "deep/below/r",
            "deep/below/r"},
        {"git -C deep/other/r update-ref refs/heads/z x", ""},
        {"git -C new branch w", "deep/below/r"},
        {"rm -rf deep", "deep/below/r"},
        {"mkdir -p deep/below && cp -r new deep/below/r", "deep/below/r"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        do_and_check(w, rows[i].script, rows[i].wanted);
}

static void of_a_hundred_repositories_the_right_ones_are_told(void **state)
{
    struct world *w = *state;
    shell(w->directory,
        "git init -q work && git -C work commit -q --allow-empty -m x && git init -q "
        "--bare r0 && for i in $(seq 99); do cp -r r0 r$i; done");
    for (int i = 0; i < 100; i++) {
        AUTO_FREE char *name = mem_printf("r%d", i);
        add(w, name);
    }
    do_and_check(
        w, "cd work && for i in 7 42 99; do git push -q ../r$i main:f/$i; done", "r42 r7 r99");
    do_and_check(w, "for i in $(seq 0 99); do git -C r$i fetch -q ../work main:all; done",
        "r0 r1 r10 r11 r12 r13 r14 r15 r16 r17 r18 r19 r2 r20 r21 r22 r23 r24 r25 r26 r27 r28 r29 "
        "r3 r30 r31 r32 r33 r34 r35 r36 r37 r38 r39 r4 r40 r41 r42 r43 r44 r45 r46 r47 r48 r49 r5 "
        "r50 r51 r52 r53 r54 r55 r56 r57 r58 r59 r6 r60 r61 r62 r63 r64 r65 r66 r67 r68 r69 r7 r70 "
        "r71 r72 r73 r74 r75 r76 r77 r78 r79 r8 r80 r81 r82 r83 r84 r85 r86 r87 r88 r89 r9 r90 r91 "
        "r92 r93 r94 r95 r96 r97 r98 r99");
    do_and_check(w, "rm -rf r5", "r5");
    do_and_check(w, "git -C r6 update-ref refs/heads/x all", "r6");
}

static void after_an_overflow_every_repository_is_suspected(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare a && git init -q --bare b && git init -q --bare c");
    add(w, "a");
    add(w, "b");
    add(w, "absent");
    AUTO_FREE char *from = path_of(w, "a/refs/heads/x.lock");
    AUTO_FREE char *to = path_of(w, "a/refs/heads/y.lock");
    AUTO(str) struct str limit;
    str_init(&limit, 64);
    check_ok(file_read(AT_FDCWD, "/proc/sys/fs/inotify/max_queued_events", &limit, &err));
    check_ok(file_replace(AT_FDCWD, from, 0600, "", 0, &err));
    for (long i = strtol(limit.data, NULL, 10); i >= 0; i -= 4) {
        assert_int_equal(rename(from, to), 0);
        assert_int_equal(rename(to, from), 0);
    }
    // What the queue has no room for: a directory, and what comes into it.
    do_and_check(w, "mkdir b/refs/heads/new && mv c absent", "a absent b");
    turn(w);
    do_and_check(w, "touch b/refs/heads/new/x && touch absent/refs/heads/x", "absent b");
}

static void a_callback_may_add_and_remove_repositories(void **state)
{
    struct world *w = *state;
    shell(w->directory, "for r in a b c; do git init -q --bare $r; done");
    add(w, "a");
    add(w, "b");
    w->remove = path_of(w, "a");
    w->add = path_of(w, "c");
    shell(w->directory, "touch a/refs/heads/x");
    check_told(w, "a push to a", "a");
    mem_replace(&w->add, NULL);
    mem_replace(&w->remove, NULL);
    do_and_check(w, "touch a/refs/heads/y c/refs/heads/y", "c");
    // Whichever is told first takes the other one away: it is told no more.
    w->remove = path_of(w, "b");
    do_and_check(w, "touch c/refs/heads/z", "c");
    do_and_check(w, "touch b/refs/heads/z", "");
}

static void what_cannot_be_watched_is_told_with_what_to_do(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare r");
    AUTO_FREE char *path = path_of(w, "r");
    check_ok(watch_add(w->watch, path, &err));
    check_error(watch_add(w->watch, path, &err), ERR_CONFLICT, "watched already");
    check_error(watch_add(w->watch, "r", &err), ERR_CONFIG, "absolute");
    check_error(watch_add(w->watch, "/tmp/", &err), ERR_CONFIG, "absolute");
    watch_remove(w->watch, "/unknown");
}

// A user namespace of its own has a limit of its own, too.
static void limit_watches(const char *value)
{
    AUTO_FD int fd = -1;
    if (unshare(CLONE_NEWUSER) == 0)
        fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fd_write_all(fd, value, strlen(value), NULL) < 0)
        _exit(77);
}

// The child's own checks end it with a number that says which one failed.
static int run_limited(struct world *w)
{
    struct error err = {0};
    struct world own = {.directory = w->directory};
    limit_watches("12");
    own.loop = loop_new(NULL);
    own.watch = watch_new(own.loop, on_changed, &own, NULL);
    AUTO_FREE char *wide = path_of(w, "wide");
    AUTO_FREE char *small = path_of(w, "small");
    if (!own.watch || watch_add(own.watch, wide, &err) == 0)
        return 1;
    if (err.kind != ERR_LIMIT || !strstr(err.message, "max_user_watches"))
        return 2;
    if (watch_add(own.watch, small, &err) < 0) // nothing of the other one is left
        return 3;
    AUTO_FREE char *heads = path_of(w, "small/refs/heads");
    for (int i = 0; i < 12; i++) {
        AUTO_FREE char *child = mem_printf("%s/%d", heads, i);
        if (mkdir(child, 0700) < 0)
            return 4;
    }
    turn(&own);
    if (own.told.length != 1 || own.why.kind != ERR_LIMIT)
        return 5;
    return 0;
}

static void the_kernels_limit_is_named(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare small && git init -q --bare wide && mkdir "
                        "wide/refs/heads/0 wide/refs/heads/1 wide/refs/heads/2 wide/refs/heads/3 "
                        "wide/refs/heads/4 wide/refs/heads/5 wide/refs/heads/6 wide/refs/heads/7");
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_limited(w));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); // this machine makes no user namespaces
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void read_refs(struct world *w, const char *name, struct ref_list *ret)
{
    AUTO_FREE char *path = path_of(w, name);
    AUTO_FD int fd = memfd_create("refs", MFD_CLOEXEC);
    AUTO(role_test)
    struct role_test t = {.program = "davit-git",
        .job = role_job("op", "refs", "repository", path, NULL),
        .fds = &fd,
        .fd_count = 1};
    role_test_run(&t);
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    check_ok(fd_read_all(fd, &text, &err));
    AUTO(value) struct value *listing = value_parse(text.data, text.length, NULL);
    check_ok(ref_list_parse(listing, ret, &err));
}

static void a_push_while_the_loop_waits_becomes_an_event(void **state)
{
    struct world *w = *state;
    shell(w->directory, "git init -q --bare r && git init -q work && cd work && git commit -q "
                        "--allow-empty -m x && git push -q ../r main");
    add(w, "r");
    AUTO(ref_list) struct ref_list before = {0};
    AUTO(ref_list) struct ref_list after = {0};
    AUTO(ref_events) struct ref_events events = {0};
    read_refs(w, "r", &before);
    w->stop_when_told = true;
    struct loop_timer patience = {0};
    loop_timer_start(w->loop, &patience, loop_now(w->loop) + PATIENCE_MS, on_deadline, w->loop);
    pid_t pid = shell_start(w->directory, "cd work && git push -q ../r main:team/new");
    check_ok(loop_run(w->loop, &err));
    loop_timer_stop(&patience);
    assert_int_equal(w->told.length, 1);
    read_refs(w, "r", &after);
    shell_wait(pid);
    ref_events_find(&before, &after, NULL, &events);
    assert_int_equal(events.items.length, 1);
    assert_int_equal(events.items.items[0].kind, REF_PUSH);
    assert_string_equal(events.items.items[0].branch, "team/new");
    assert_string_equal(events.items.items[0].before, REF_ID_NONE);
    AUTO_FREE char *id = shell_output(w->directory, "git -C work rev-parse HEAD");
    assert_string_equal(events.items.items[0].after, id);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

TEST_MAIN(in_world(pushes_packs_and_deletions_in_a_bare_repository),
    in_world(what_moves_no_ref_is_not_told),
    in_world(a_directory_that_is_new_is_watched_before_it_is_looked_at),
    in_world(a_repository_that_vanishes_and_comes_back_is_noticed),
    in_world(of_a_hundred_repositories_the_right_ones_are_told),
    in_world(after_an_overflow_every_repository_is_suspected),
    in_world(a_callback_may_add_and_remove_repositories),
    in_world(what_cannot_be_watched_is_told_with_what_to_do), in_world(the_kernels_limit_is_named),
    in_world(a_push_while_the_loop_waits_becomes_an_event))
