// davit-git: what a person's working copy is.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/role_test.h"
#include "support/shell.h"

static void describe(struct role_test *t, const char *directory, const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", directory, name);
    t->program = "davit-git";
    t->job = role_job("op", "describe", "directory", path, NULL);
    role_test_run(t);
}

static struct value *described(const char *directory, const char *name)
{
    AUTO(role_test) struct role_test t = {0};
    describe(&t, directory, name);
    if (!t.result)
        fail_msg("%s: %s", name, t.error.message);
    return take_ptr(t.result);
}

static void check_refused(
    const char *directory, const char *name, enum error_kind kind, const char *part)
{
    AUTO(role_test) struct role_test t = {0};
    describe(&t, directory, name);
    assert_null(t.result);
    check_kind(&t.error, kind, part, name);
}

// An expected NULL means absent.
static void check_text(const struct value *v, const char *key, const char *wanted)
{
    const char *got = value_get_str(v, key);
    if (!text_equal(got, wanted))
        fail_msg("%s is %s, not %s", key, got ? got : "absent", wanted ? wanted : "absent");
}

static void check_toplevel(const struct value *v, const char *directory, const char *name)
{
    AUTO_FREE char *wanted = mem_printf("%s/%s", directory, name);
    check_text(v, "toplevel", wanted);
}

static bool exists(const char *directory, const char *name)
{
    AUTO_FREE char *path = path_join(directory, name);
    return file_exists(AT_FDCWD, path);
}

static void a_working_copy_is_found_from_any_directory_in_it(void **state)
{
    shell(*state,
        "git init -q r && cd r && mkdir -p a/b && echo x > a/b/f && git add . && git commit "
        "-q -m subject && git tag -a -m x v1");
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD");
    static const char *const from[] = {"r", "r/a/b", "r/"};
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        AUTO(value) struct value *v = described(*state, from[i]);
        check_text(value_get(v, "commit"), "id", id);
        check_text(value_get(v, "commit"), "message", "subject\n");
        check_text(v, "branch", "main");
        check_text(v, "tag", "v1");
        check_text(v, "default_branch", "main");
        assert_false(value_get_bool(v, "dirty", true));
        check_toplevel(v, *state, "r");
    }
}

static void dirty_is_whatever_the_commit_does_not_say(void **state)
{
    static const struct row {
        const char *change;
        bool dirty;
    } rows[] = {
        {"true", false},
        {"touch f", false},
        {"touch ignored", false},
        {"mkdir empty", false},
        {"echo y > f", true},
        {"rm f", true},
        {"chmod +x f", true},
        {"echo y > f && git add f", true},
        {"echo y > f && git add f && echo x > f", true},
        {"touch new", true},
        {"mkdir d && touch d/new", true},
        {"ln -sf x f", true},
    };
    shell(*state, "git init -q r && cd r && echo x > f && echo ignored > .gitignore && git add . "
                  "&& git commit -q -m x && cp -a .git ../kept");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        shell(*state,
            "cd r && git reset -q --hard && git clean -qfdx && touch -d 2001-01-01 f && %s "
            "&& rm -rf ../kept && cp -a .git ../kept",
            rows[i].change);
        AUTO(value) struct value *v = described(*state, "r");
        if (value_get_bool(v, "dirty", !rows[i].dirty) != rows[i].dirty)
            fail_msg("after %s it should%s be dirty", rows[i].change, rows[i].dirty ? "" : " not");
        shell(*state, "diff -r kept r/.git"); // and nothing was written
    }
}

static void ignore_rules_of_the_machine_are_not_known(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && touch new && mkdir "
                  "-p ../xdg/git ../home && echo new > ../xdg/git/ignore");
    AUTO_FREE char *xdg = path_join(*state, "xdg");
    setenv("XDG_CONFIG_HOME", xdg, 1);
    AUTO(value) struct value *v = described(*state, "r");
    assert_true(value_get_bool(v, "dirty", false));
    // The positive control: git knows them.
    AUTO_FREE char *control = shell_output(*state, "git -C r status --short");
    assert_string_equal(control, "");
    unsetenv("XDG_CONFIG_HOME");
}

static void a_sparse_checkout_is_not_dirty(void **state)
{
    shell(*state,
        "git init -q r && cd r && mkdir a b && touch a/f b/f && git add . && git commit -q "
        "-m x && git sparse-checkout set a && test ! -e b");
    AUTO(value) struct value *v = described(*state, "r");
    assert_false(value_get_bool(v, "dirty", true));
    shell(*state, "rm r/a/f");
    AUTO(value) struct value *other = described(*state, "r");
    assert_true(value_get_bool(other, "dirty", false));
}

static void of_several_tags_the_annotated_and_highest_is_told(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && git tag v9 "
                  "&& git tag v10 && git tag v8");
    AUTO(value) struct value *plain = described(*state, "r");
    check_text(plain, "tag", "v10");
    shell(*state, "cd r && git tag -a -m x v2 && git tag -a -m x v1");
    AUTO(value) struct value *annotated = described(*state, "r");
    check_text(annotated, "tag", "v2");
    shell(*state, "cd r && git commit -q --allow-empty -m y");
    AUTO(value) struct value *none = described(*state, "r");
    check_text(none, "tag", NULL);
}

static void detached_and_unborn_heads(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && git checkout -q "
                  "--detach && git init -q -b trunk ../new && touch ../new/f");
    AUTO(value) struct value *detached = described(*state, "r");
    check_text(detached, "branch", NULL);
    assert_non_null(value_get(detached, "commit"));
    AUTO(value) struct value *unborn = described(*state, "new");
    check_text(unborn, "branch", "trunk");
    check_text(unborn, "default_branch", NULL);
    assert_null(value_get(unborn, "commit"));
    assert_true(value_get_bool(unborn, "dirty", false));
}

static void worktrees_and_submodules_have_their_own_top(void **state)
{
    shell(*state,
        "git init -q lib && git -C lib commit -q --allow-empty -m x && git init -q r && cd "
        "r && git commit -q --allow-empty -m x && git worktree add -q -b side ../tree "
        "&& git submodule --quiet add ../lib vendor/lib && git commit -q -m sub");
    AUTO(value) struct value *tree = described(*state, "tree");
    check_toplevel(tree, *state, "tree");
    check_text(tree, "branch", "side");
    AUTO(value) struct value *sub = described(*state, "r/vendor/lib");
    check_toplevel(sub, *state, "r/vendor/lib");
    AUTO(value) struct value *super = described(*state, "r");
    check_toplevel(super, *state, "r");
    assert_false(value_get_bool(super, "dirty", true));
}

static void a_directory_without_a_repository_is_only_itself(void **state)
{
    shell(*state, "mkdir plain");
    AUTO(value) struct value *v = described(*state, "plain");
    check_toplevel(v, *state, "plain");
    assert_false(value_get_bool(v, "dirty", true));
    assert_int_equal(value_length(v), 2);
    check_refused(*state, "absent", ERR_NOT_FOUND, "absent: there is no such directory");
}

static void the_default_branch_is_the_best_guess(void **state)
{
    static const struct row {
        const char *made, *wanted;
    } rows[] = {
        {"git branch -m work", NULL},
        {"git branch -m work; git branch master", "master"},
        {"git branch -m work; git branch master; git branch main", "main"},
        {"git branch -m work; git branch main; git branch trunk; git config init.defaultBranch "
         "trunk",
            "trunk"},
        {"git branch main2; git config init.defaultBranch absent", "main"},
        {"git update-ref refs/remotes/origin/devel HEAD; git symbolic-ref "
         "refs/remotes/origin/HEAD refs/remotes/origin/devel",
            "devel"},
        {"git branch -m work; git update-ref refs/remotes/origin/main HEAD", "main"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        shell(*state, "rm -rf r && git init -q r && cd r && git commit -q --allow-empty -m x && %s",
            rows[i].made);
        AUTO(value) struct value *v = described(*state, "r");
        check_text(v, "default_branch", rows[i].wanted);
    }
}

static void a_hostile_working_copy_runs_nothing_and_leads_nowhere_else(void **state)
{
    shell(*state,
        "git init -q r && cd r && echo x > f && echo '* filter=evil' > .gitattributes "
        "&& git add . && git commit -q -m x && touch -d 2001-01-01 f && git config "
        "core.fsmonitor 'touch %1$s/watched; false' && git config filter.evil.clean "
        "'touch %1$s/filtered; cat'",
        (char *)*state);
    AUTO(value) struct value *v = described(*state, "r");
    assert_false(value_get_bool(v, "dirty", true));
    assert_false(exists(*state, "watched") || exists(*state, "filtered"));
    // The positive control: git runs both.
    shell(*state, "git -C r status >/dev/null 2>&1");
    assert_true(exists(*state, "watched") && exists(*state, "filtered"));

    shell(*state, "git init -q led && git -C led config core.worktree /etc");
    check_refused(*state, "led", ERR_CONFIG, "/etc (core.worktree)");
    AUTO_FREE char *control = shell_output(*state, "git -C led rev-parse --show-toplevel");
    assert_string_equal(control, "/etc");
    shell(*state, "git init -q --bare bare.git");
    check_refused(*state, "bare.git", ERR_CONFIG, "bare repository");
    shell(*state, "git init -q --object-format=sha256 new");
    check_refused(*state, "new", ERR_UNSUPPORTED, "sha256");
}

static void a_branch_whose_name_is_refused_is_absent(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && git symbolic-ref "
                  "HEAD 'refs/heads/$(id)' && git update-ref 'refs/heads/$(id)' main");
    AUTO(value) struct value *v = described(*state, "r");
    check_text(v, "branch", NULL);
    assert_non_null(value_get(v, "commit"));
}

TEST_MAIN(in_directory(a_working_copy_is_found_from_any_directory_in_it),
    in_directory(dirty_is_whatever_the_commit_does_not_say),
    in_directory(ignore_rules_of_the_machine_are_not_known),
    in_directory(a_sparse_checkout_is_not_dirty),
    in_directory(of_several_tags_the_annotated_and_highest_is_told),
    in_directory(detached_and_unborn_heads),
    in_directory(worktrees_and_submodules_have_their_own_top),
    in_directory(a_directory_without_a_repository_is_only_itself),
    in_directory(the_default_branch_is_the_best_guess),
    in_directory(a_hostile_working_copy_runs_nothing_and_leads_nowhere_else),
    in_directory(a_branch_whose_name_is_refused_is_absent))
