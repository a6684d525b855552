// davit-git: a commit's files, whatever its repository was made to do to who checks it out.
#include "support/check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/role_test.h"
#include "support/shell.h"

// Checks `commit` of directory/repository out into directory/out, which is made anew.
static void checkout(
    struct role_test *t, const char *directory, const char *repository, const char *commit)
{
    AUTO_FREE char *path = mem_printf("%s/%s", directory, repository);
    AUTO_FREE char *out = mem_printf("%s/out", directory);
    shell(directory, "rm -rf out && mkdir out");
    t->program = "davit-git";
    t->job =
        role_job("op", "checkout", "repository", path, "commit", commit, "directory", out, NULL);
    role_test_run(t);
}

static void check_checkout(const char *directory, const char *repository, const char *commit)
{
    AUTO(role_test) struct role_test t = {0};
    checkout(&t, directory, repository, commit);
    if (!t.result)
        fail_msg("%s: %s", commit, t.error.message);
}

static void check_refused(const char *directory, const char *repository, const char *commit,
    enum error_kind kind, const char *part)
{
    AUTO(role_test) struct role_test t = {0};
    checkout(&t, directory, repository, commit);
    if (t.result)
        fail_msg("%s was checked out", commit);
    check_kind(&t.error, kind, part, commit);
}

static bool exists(const char *directory, const char *name)
{
    AUTO_FREE char *path = path_join(directory, name);
    return file_exists(AT_FDCWD, path);
}

static void the_tree_is_written_as_git_archives_it(void **state)
{
    shell(*state,
        "git init -q r && cd r && mkdir -p a/b/c && echo x > a/b/c/f && printf '\\0\\377' "
        "> a/binary && touch empty && printf '#!/bin/sh\\n' > tool && chmod 755 tool "
        "&& ln -s a/b link && ln -s /nonexistent/x a/dangling "
        "&& echo x > \"$(printf 'caf\\303\\251 \\\\ name')\" && echo x > -dash "
        "&& git add -A && git commit -q -m 'add: all' -m 'the body'");
    mode_t old = umask(077);
    AUTO(role_test) struct role_test t = {0};
    checkout(&t, *state, "r", "refs/heads/main");
    umask(old);
    if (!t.result)
        fail_msg("%s", t.error.message);
    shell(*state, "umask 022 && mkdir want && git -C r -c tar.umask=0022 archive main | tar -x -C "
                  "want && for d in want out; do (cd $d && find . -mindepth 1 -printf '%%m %%y %%p "
                  "%%l\\n' | sort > ../$d.list); done && diff want.list out.list && diff -r "
                  "--no-dereference want out");
    const struct value *commit = value_get(t.result, "commit");
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD");
    assert_string_equal(value_get_str(commit, "id"), id);
    assert_int_equal(strlen(value_get_str(commit, "short")), 8);
    assert_memory_equal(value_get_str(commit, "short"), id, 8);
    assert_string_equal(value_get_str(commit, "message"), "add: all\n\nthe body\n");
    assert_string_equal(value_get_str(commit, "author"), "Ada Lovelace");
    assert_string_equal(value_get_str(commit, "email"), "ada@example.org");
    assert_int_equal(value_get_int(commit, "time", 0), 1700000100);
    assert_int_equal(t.log.length, 0);
}

static void a_commit_is_named_by_its_id_or_a_full_ref_and_by_nothing_else(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m one && echo 2 > f "
                  "&& git add f && git commit -q -m two && git tag -a -m x v1 && git branch old "
                  "HEAD~1 && git tag blob HEAD:f");
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD~1");
    AUTO_FREE char *tag = shell_output(*state, "git -C r rev-parse v1");
    AUTO_FREE char *blob = shell_output(*state, "git -C r rev-parse HEAD:f");
    check_checkout(*state, "r", id);
    assert_false(exists(*state, "out/f"));
    check_checkout(*state, "r", "refs/heads/old");
    assert_false(exists(*state, "out/f"));
    const char *newer[] = {"HEAD", "refs/tags/v1", tag};
    for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
        check_checkout(*state, "r", newer[i]);
        assert_true(exists(*state, "out/f"));
    }
    const char *others[] = {"main", "main~1", "HEAD^", ":/two", "@{-1}", "", "--output=/x",
        "refs/heads/../../HEAD", "refs/heads/-x", "refs/heads/main\n", "../../etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        check_refused(*state, "r", others[i], ERR_DENIED, "neither a commit");
    check_refused(*state, "r", "refs/heads/absent", ERR_NOT_FOUND, "refs/heads/absent");
    check_refused(*state, "r", "1111111111111111111111111111111111111111", ERR_NOT_FOUND, "11111");
    check_refused(*state, "r", blob, ERR_PROTOCOL, blob);
}

static void only_an_empty_directory_is_written_to(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && mkdir ../full "
                  "&& touch ../full/.hidden");
    AUTO_FREE char *repository = mem_printf("%s/r", (char *)*state);
    AUTO_FREE char *full = mem_printf("%s/full", (char *)*state);
    AUTO_FREE char *absent = mem_printf("%s/absent", (char *)*state);
    AUTO(role_test)
    struct role_test t = {.program = "davit-git",
        .job = role_job(
            "op", "checkout", "repository", repository, "commit", "HEAD", "directory", full, NULL)};
    role_test_run(&t);
    check_kind(&t.error, ERR_CONFLICT, "full: is not empty", "full");
    AUTO(role_test)
    struct role_test other = {.program = "davit-git",
        .job = role_job("op", "checkout", "repository", repository, "commit", "HEAD", "directory",
            absent, NULL)};
    role_test_run(&other);
    check_kind(&other.error, ERR_NOT_FOUND, "absent", "absent");
}

static void filters_and_attributes_change_no_byte_and_run_nothing(void **state)
{
    shell(*state,
        "git init -q r && cd r && printf '$Id$ line\\n' > f && git add f "
        "&& printf 'f filter=evil diff=evil merge=evil ident text eol=crlf "
        "working-tree-encoding=UTF-16LE\\n' > .gitattributes && git add .gitattributes "
        "&& git commit -q -m x && git config filter.evil.smudge 'touch %1$s/canary; cat' "
        "&& git config filter.evil.process 'touch %1$s/canary' "
        "&& git config diff.evil.textconv 'touch %1$s/canary; cat'",
        (char *)*state);
    check_checkout(*state, "r", "HEAD");
    assert_false(exists(*state, "canary"));
    shell(*state, "git -C r cat-file blob HEAD:f | cmp - out/f");
    // The positive control: git runs them.
    shell(*state, "git -C r config --unset filter.evil.process; rm r/f && git -C r checkout -q f "
                  "&& ! git -C r cat-file blob HEAD:f | cmp -s - r/f");
    assert_true(exists(*state, "canary"));
}

static void hooks_fsmonitor_and_included_configuration_run_nothing(void **state)
{
    shell(*state,
        "git init -q r && cd r && echo x > f && git add f && git commit -q -m x && printf "
        "'#!/bin/sh\\ntouch \"%1$s/hooked\"\\n' > .git/hooks/post-checkout && cp "
        ".git/hooks/post-checkout .git/hooks/post-index-change "
        "&& chmod 755 .git/hooks/* && printf '[core]\\n fsmonitor = touch %1$s/watched; "
        "false\\n sshCommand = touch %1$s/watched\\n pager = touch %1$s/watched\\n' > "
        "../evil && git config include.path ../../evil",
        (char *)*state);
    check_checkout(*state, "r", "HEAD");
    assert_false(exists(*state, "hooked") || exists(*state, "watched"));
    assert_true(exists(*state, "out/f"));
    // The positive control: git runs both.
    shell(*state, "cd r && git checkout -q -b other && git status >/dev/null 2>&1");
    assert_true(exists(*state, "hooked") && exists(*state, "watched"));
}

// Commits a tree made of raw entries, "MODE NAME" with printf's escapes; refs/heads/TREE is the
// commit. git itself would refuse to make most of them.
#define RAW_TREES                                                                                  \
    "git init -q r && cd r && b=$(echo payload | git hash-object -w --stdin) "                     \
    "&& raw() { perl -e 'print pack(\"H*\", shift)' $1; } "                                        \
    "&& tree() { git hash-object -w --literally -t tree --stdin; } "                               \
    "&& branch() { git update-ref refs/heads/$1 $(git commit-tree -m x $2); } "

static void entries_that_would_leave_the_directory_or_fake_a_repository_are_refused(void **state)
{
    static const struct row {
        const char *branch, *name;
        enum error_kind kind;
    } rows[] = {
        {"dotdot", "..", ERR_DENIED},
        {"dot", ".", ERR_DENIED},
        {"dotgit", ".git", ERR_DENIED},
        {"upper", ".GIT", ERR_DENIED},
        {"short", "git~1", ERR_DENIED},
        {"slash", "a/b", ERR_DENIED},
        {"up", "../escaped", ERR_DENIED},
        {"absolute", "/tmp/davit-escaped", ERR_DENIED},
        {"empty", "", ERR_PROTOCOL},
        {"return", "a\\rb", ERR_DENIED},
        {"newline", "a\\nb", ERR_DENIED},
        {"escape", "a\\033[31mb", ERR_DENIED},
    };
    shell(*state, RAW_TREES "&& true");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        shell(*state,
            "rm -rf r && " RAW_TREES "&& t=$({ printf '100644 %s\\0'; raw $b; } | tree) "
            "&& branch %s $t && u=$({ printf '40000 sub\\0'; raw $t; } | tree) "
            "&& branch nested $u && mkdir ../x && printf '40000 %s\\0' > ../x/d "
            "&& raw $t >> ../x/d && branch directory $(tree < ../x/d) && rm -r ../x",
            rows[i].name, rows[i].branch, rows[i].name);
        AUTO_FREE char *ref = mem_printf("refs/heads/%s", rows[i].branch);
        check_refused(*state, "r", ref, rows[i].kind, "");
        check_refused(*state, "r", "refs/heads/nested", rows[i].kind, "sub/");
        check_refused(*state, "r", "refs/heads/directory", rows[i].kind, "");
        assert_false(exists(*state, "escaped") || exists("/tmp", "davit-escaped"));
    }
    // The positive control: who writes the entries as they are called leaves the directory, and
    // makes a repository whose settings git obeys.
    shell(*state,
        "rm -rf r && " RAW_TREES "&& c=$(printf '[core]\\n fsmonitor = touch %s/canary; "
        "false\\n' | git hash-object -w --stdin) && t=$({ printf '100644 config\\0'; raw "
        "$c; } | tree) && t=$({ printf '40000 .git\\0'; raw $t; printf '100644 "
        "../escaped\\0'; raw $b; } | tree) && branch evil $t && mkdir ../naive && git -C "
        ".. init -q naive && git ls-tree -r evil | while read mode type id name; do git "
        "cat-file blob $id > ../naive/$name; done && git -C ../naive status >/dev/null "
        "2>&1",
        (char *)*state);
    assert_true(exists(*state, "escaped") && exists(*state, "canary"));
    shell(*state, "rm escaped canary");
    check_refused(*state, "r", "refs/heads/evil", ERR_DENIED, ".git");
    assert_false(exists(*state, "out/.git") || exists(*state, "escaped"));
}

static void links_stay_links_and_nothing_is_written_through_them(void **state)
{
    shell(*state,
        "mkdir outside && " RAW_TREES "&& l=$(printf '%s/outside' | git hash-object -w --stdin) "
        "&& d=$({ printf '100644 f\\0'; raw $b; } | tree) "
        "&& branch twice $({ printf '120000 a\\0'; raw $l; printf '40000 a\\0'; raw $d; } "
        "| tree) && branch file $({ printf '120000 a\\0'; raw $l; printf '100644 a\\0'; "
        "raw $b; } | tree) && branch link $({ printf '120000 a\\0'; raw $l; } | tree) "
        "&& z=$(printf 'x\\0y' | git hash-object -w --stdin) "
        "&& branch nul $({ printf '120000 a\\0'; raw $z; } | tree)",
        (char *)*state);
    check_refused(*state, "r", "refs/heads/twice", ERR_SYSTEM, "a: mkdir: File exists");
    check_refused(*state, "r", "refs/heads/file", ERR_SYSTEM, "a: create: File exists");
    check_refused(*state, "r", "refs/heads/nul", ERR_PROTOCOL, "no path");
    assert_false(exists(*state, "outside/f"));
    check_checkout(*state, "r", "refs/heads/link");
    AUTO_FREE char *target = shell_output(*state, "readlink out/a");
    assert_true(text_ends(target, "/outside"));
    // The positive control: whoever follows the link is led outside.
    shell(*state, "echo x > out/a/f");
    assert_true(exists(*state, "outside/f"));
}

static void submodules_are_left_empty_with_a_notice_whatever_they_are_called(void **state)
{
    shell(*state,
        "git init -q lib && (cd lib && echo x > code && git add code && git commit -q -m "
        "x) && git init -q r && cd r && git submodule --quiet add ../lib vendor/lib "
        "&& git commit -q -m x && git branch plain && printf '[submodule "
        "\"../../evil\"]\\n path = vendor/lib\\n url = "
        "-u./payload\\n update = !touch %1$s/canary\\n[submodule \"x\"]\\n path = "
        "\"sub\\r\"\\n url = ext::sh -c touch%%%% %1$s/canary\\n' > .gitmodules "
        "&& git add .gitmodules && git commit -q -m evil",
        (char *)*state);
    for (int evil = 0; evil < 2; evil++) {
        AUTO(role_test) struct role_test t = {0};
        checkout(&t, *state, "r", evil ? "refs/heads/main" : "refs/heads/plain");
        if (!t.result)
            fail_msg("%s", t.error.message);
        assert_int_equal(t.log.length, 1);
        assert_non_null(strstr(t.log.items[0], "vendor/lib is a submodule"));
        shell(*state, "test -d out/vendor/lib && test -z \"$(ls -A out/vendor/lib)\"");
        assert_false(exists(*state, "canary"));
    }
    // The positive control: git does fetch it.
    shell(*state, "git clone -q --recurse-submodules -b plain r clone 2>/dev/null "
                  "&& test -f clone/vendor/lib/code");
}

static void big_files_come_whole_out_of_loose_and_packed_objects(void **state)
{
    shell(*state, "git init -q r && cd r && head -c 20000000 /dev/urandom > big && head -c 9000000 "
                  "/dev/zero > zeros && git add . && git commit -q -m x");
    check_checkout(*state, "r", "HEAD");
    shell(*state, "cmp out/big r/big && cmp out/zeros r/zeros && git -C r gc -q "
                  "&& git -C r count-objects | grep -q '^0 objects'");
    check_checkout(*state, "r", "HEAD");
    shell(*state, "cmp out/big r/big && cmp out/zeros r/zeros");
}

static void an_object_with_another_content_is_noticed(void **state)
{
    // One that is read at once, and one that is streamed.
    shell(*state, "git init -q r && cd r && path() { echo .git/objects/$(echo $1 | sed "
                  "'s/^../&\\//'); } && for size in 10 9000000; do head -c $size /dev/zero > f "
                  "&& git add f && git commit -q -m $size && a=$(git rev-parse HEAD:f) && b=$(head "
                  "-c $size /dev/urandom | git hash-object -w --stdin) && cp -f $(path $b) $(path "
                  "$a) && git branch b$size; done");
    check_refused(*state, "r", "refs/heads/b10", ERR_PROTOCOL, "");
    check_refused(*state, "r", "refs/heads/b9000000", ERR_PROTOCOL, "damaged");
    // The positive control: git hands the wrong bytes out.
    shell(*state, "cd r && git cat-file blob b9000000:f > ../wrong && test $(git hash-object "
                  "../wrong) != $(git rev-parse b9000000:f)");
    shell(*state, "cd r && rm .git/objects/$(git rev-parse b10:f | sed 's/^../&\\//')");
    check_refused(*state, "r", "refs/heads/b10", ERR_NOT_FOUND, "f: object");
}

static void trees_that_never_end_are_cut_off(void **state)
{
    shell(*state, RAW_TREES "&& t=$(git mktree < /dev/null) && for i in $(seq 300); do t=$(printf "
                            "'040000 tree %%s\\td\\n' $t | git mktree); done && branch deep $t");
    check_refused(*state, "r", "refs/heads/deep", ERR_LIMIT, "deeper than 256");
    shell(*state,
        "cd r && b=$(echo x | git hash-object -w --stdin) && t=$(perl -e '$b = pack(\"H*\", "
        "shift); printf \"100644 %%07d\\0%%s\", $_, $b for 1..1000001' $b | git hash-object "
        "-w --literally -t tree --stdin) && git update-ref refs/heads/wide $(git "
        "commit-tree -m x $t)");
    check_refused(*state, "r", "refs/heads/wide", ERR_LIMIT, "more than 1000000");
}

static void a_commit_whose_texts_are_endless_still_fits_an_answer(void **state)
{
    shell(*state,
        "git init -q r && cd r && t=$(git mktree < /dev/null) && perl -e 'print \"tree "
        "$ARGV[0]\\nauthor \" . \"a\" x 20000 . \" <\" . \"b\" x 20000 . \"> 1 "
        "+0000\\ncommitter a <b> 2 +0000\\n\\n\" . \"\\003\" x 1000000' $t > c "
        "&& git update-ref refs/heads/main $(git hash-object -t commit -w --literally c)");
    AUTO(role_test) struct role_test t = {0};
    checkout(&t, *state, "r", "refs/heads/main");
    if (!t.result)
        fail_msg("%s", t.error.message);
    const struct value *commit = value_get(t.result, "commit");
    assert_int_equal(strlen(value_get_str(commit, "message")), 16384);
    assert_int_equal(strlen(value_get_str(commit, "author")), 256);
    assert_int_equal(strlen(value_get_str(commit, "email")), 256);
}

TEST_MAIN(in_directory(the_tree_is_written_as_git_archives_it),
    in_directory(a_commit_is_named_by_its_id_or_a_full_ref_and_by_nothing_else),
    in_directory(only_an_empty_directory_is_written_to),
    in_directory(filters_and_attributes_change_no_byte_and_run_nothing),
    in_directory(hooks_fsmonitor_and_included_configuration_run_nothing),
    in_directory(entries_that_would_leave_the_directory_or_fake_a_repository_are_refused),
    in_directory(links_stay_links_and_nothing_is_written_through_them),
    in_directory(submodules_are_left_empty_with_a_notice_whatever_they_are_called),
    in_directory(big_files_come_whole_out_of_loose_and_packed_objects),
    in_directory(an_object_with_another_content_is_noticed),
    in_directory(trees_that_never_end_are_cut_off),
    in_directory(a_commit_whose_texts_are_endless_still_fits_an_answer))
