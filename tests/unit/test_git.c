// davit-git: names of refs, the listing of refs, and which repositories are read at all.
#include "support/check.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "git/refname.h"
#include "os/clock.h"
#include "os/fd.h"
#include "serve/refs.h"
#include "support/directory.h"
#include "support/role_test.h"
#include "support/shell.h"

static void names_of_refs(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        bool ok;
    } rows[] = {
        {"refs/heads/main", true}, {"refs/heads/feature/#12-a+b", true},
        {"refs/heads/renovate/@types/node-20.x", true}, {"refs/tags/v1.2.3", true},
        {"refs/heads/\xc3\xa9t\xc3\xa9", true}, {"refs/heads/\xe5\x88\x86\xe6\x94\xaf", true},
        {"refs/pull/1/head", true}, {"refs/heads/a--b", true}, {"main", false}, {"HEAD", false},
        {"", false}, {"refs/", false}, {"refs/heads/", false}, {"refs/heads//a", false},
        {"refs/heads/-upload-pack=x", false}, {"--output=/x", false},
        {"refs/heads/a/--output=/x", false}, {"refs/heads/a/../../b", false},
        {"refs/heads/a..b", false}, {"refs/heads/.a", false}, {"refs/heads/a.", false},
        {"refs/heads/a.lock", false}, {"refs/heads/a.lock/b", false}, {"refs/heads/a\nb", false},
        {"refs/heads/a\x1b[31m", false}, {"refs/heads/a\x7f", false}, {"refs/heads/a b", false},
        {"refs/heads/a@{1}", false}, {"refs/heads/zzz\";touch${IFS}canary;#", false},
        {"refs/heads/$(id)", false}, {"refs/heads/a*", false}, {"refs/heads/a\\b", false},
        {"refs/heads/a:b", false}, {"refs/heads/a\xff", false},
        {"refs/heads/a\xc2\x9b", false}, // C1: CSI
        {"refs/heads/a\xe2\x80\xae"
         "b",
            false}, // right-to-left override
        {"refs/heads/a\xe2\x80\x8b"
         "b",
            false},                          // zero-width space
        {"refs/heads/a\xef\xbb\xbf", false}, // byte order mark
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (refname_ok(rows[i].name) != rows[i].ok)
            fail_msg("\"%s\" should%s be taken", rows[i].name, rows[i].ok ? "" : " not");
    AUTO_FREE char *longest = mem_alloc(REFNAME_MAX + 2);
    memset(longest, 'a', REFNAME_MAX + 1);
    memcpy(longest, "refs/heads/", 11);
    assert_false(refname_ok(longest));
    longest[REFNAME_MAX] = '\0';
    assert_true(refname_ok(longest));
}

// Runs the job; what it wrote is the caller's, NULL when it failed.
static struct value *list(struct role_test *t, const char *directory, const char *repository)
{
    AUTO_FREE char *path = mem_printf("%s/%s", directory, repository);
    AUTO_FD int fd = memfd_create("refs", MFD_CLOEXEC);
    t->program = "davit-git";
    t->job = role_job("op", "refs", "repository", path, NULL);
    t->fds = &fd;
    t->fd_count = 1;
    role_test_run(t);
    if (!t->result)
        return NULL;
    AUTO(str) struct str text;
    str_init(&text, STR_TEXT_MAX);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    check_ok(fd_read_all(fd, &text, &err));
    struct value *listing = value_parse(text.data, text.length, &t->error);
    if (!listing)
        fail_msg("the listing: %s", t->error.message);
    assert_int_equal(
        value_get_int(t->result, "refs", -1), value_length(value_get(listing, "refs")));
    AUTO(ref_list) struct ref_list read = {0}; // as the daemon will
    check_ok(ref_list_parse(listing, &read, &err));
    return listing;
}

// "NAME ID\n…" as git itself tells it, and as the listing does.
static char *text_of(const struct value *listing)
{
    struct str text;
    str_init(&text, STR_TEXT_MAX);
    const struct value *refs = value_get(listing, "refs");
    for (size_t i = 0; i < value_length(refs); i++)
        str_printf(&text, "%s%s %s", i ? "\n" : "", value_get_str(value_at(refs, i), "name"),
            value_get_str(value_at(refs, i), "id"));
    return str_take(&text);
}

static void check_listing(const char *directory, const char *repository, const char *wanted)
{
    AUTO(role_test) struct role_test t = {0};
    AUTO(value) struct value *listing = list(&t, directory, repository);
    if (!listing)
        fail_msg("%s", t.error.message);
    AUTO_FREE char *got = text_of(listing);
    assert_string_equal(got, wanted);
    assert_string_equal(value_get_str(listing, "head"), "refs/heads/main");
}

static void check_refused(
    const char *directory, const char *repository, enum error_kind kind, const char *part)
{
    AUTO(role_test) struct role_test t = {0};
    assert_null(list(&t, directory, repository));
    check_kind(&t.error, kind, part, repository);
    assert_int_equal(WEXITSTATUS(t.status), error_exit_code(kind));
}

static void branches_and_tags_are_listed_with_their_commits(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m one "
                  "&& git tag plain && git commit -q --allow-empty -m two "
                  "&& git tag -a -m x annotated && git tag -a -m x nested annotated "
                  "&& git tag blob $(echo x | git hash-object -w --stdin) && git branch b/c "
                  "&& git update-ref refs/pull/1/head HEAD && git update-ref refs/remotes/o/x HEAD "
                  "&& git symbolic-ref refs/heads/alias refs/heads/main "
                  "&& git symbolic-ref refs/heads/dangling refs/heads/nowhere");
    AUTO_FREE char *one = shell_output(*state, "git -C r rev-parse HEAD~1");
    AUTO_FREE char *two = shell_output(*state, "git -C r rev-parse HEAD");
    AUTO_FREE char *wanted =
        mem_printf("refs/heads/alias %s\nrefs/heads/b/c %s\nrefs/heads/main %s\n"
                   "refs/tags/annotated %s\nrefs/tags/nested %s\nrefs/tags/plain %s",
            two, two, two, two, two, one);
    check_listing(*state, "r", wanted);
    check_listing(*state, "r/.git", wanted);
    shell(*state, "git -C r pack-refs --all");
    check_listing(*state, "r", wanted);
    shell(*state, "git -C r update-ref refs/heads/b/c HEAD~1"); // loose over packed
    AUTO_FREE char *moved =
        mem_printf("refs/heads/alias %s\nrefs/heads/b/c %s\nrefs/heads/main %s\n"
                   "refs/tags/annotated %s\nrefs/tags/nested %s\nrefs/tags/plain %s",
            two, one, two, two, two, one);
    check_listing(*state, "r", moved);
}

static void head_tells_the_branch_that_is_not_there_yet_and_nothing_when_detached(void **state)
{
    shell(*state, "git init -q --bare new.git");
    check_listing(*state, "new.git", "");
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x "
                  "&& git checkout -q --detach");
    AUTO(role_test) struct role_test t = {0};
    AUTO(value) struct value *listing = list(&t, *state, "r");
    assert_int_equal(value_length(value_get(listing, "refs")), 1);
    assert_null(value_get(listing, "head"));
}

static void a_branch_whose_commit_is_missing_is_still_listed(void **state)
{
    shell(*state, "git init -q r && mkdir -p r/.git/refs/heads "
                  "&& echo 0000000000000000000000000000000000000000 > r/.git/refs/heads/zeros "
                  "&& echo 1111111111111111111111111111111111111111 > r/.git/refs/heads/main");
    check_listing(*state, "r", "refs/heads/main 1111111111111111111111111111111111111111");
}

static void names_made_to_deceive_are_left_out_and_said(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x "
                  "&& git update-ref refs/heads/-upload-pack=x HEAD "
                  "&& git update-ref \"refs/heads/a$(printf '\\342\\200\\256')b\" HEAD "
                  "&& git update-ref 'refs/tags/zzz\";touch${IFS}canary;#' HEAD");
    // The positive control: git lists them as it does any other.
    AUTO_FREE char *control =
        shell_output(*state, "git -C r for-each-ref --format='%%(refname)' | wc -l");
    assert_string_equal(control, "4");
    shell(*state, "cd r && id=$(git rev-parse HEAD) && git pack-refs --all "
                  "&& echo $id refs/heads/../../x >> .git/packed-refs");
    AUTO(role_test) struct role_test t = {0};
    AUTO(value) struct value *listing = list(&t, *state, "r");
    AUTO_FREE char *got = text_of(listing);
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD");
    AUTO_FREE char *wanted = mem_printf("refs/heads/main %s", id);
    assert_string_equal(got, wanted);
    assert_int_equal(t.log.length, 1);
    assert_non_null(strstr(t.log.items[0], "left out"));
}

static void ten_thousand_refs_loose_and_packed(void **state)
{
    // Written as git writes them: git itself would take ten seconds for it.
    shell(*state,
        "git init -q r && cd r && git commit -q --allow-empty -m x "
        "&& id=$(git rev-parse HEAD) && mkdir .git/refs/heads/team && for i in $(seq 5000); "
        "do echo $id > .git/refs/heads/team/b$i; echo $id > .git/refs/tags/v$i; done");
    for (int packed = 0; packed < 2; packed++) {
        AUTO(role_test) struct role_test t = {0};
        int64_t start = clock_monotonic_ms();
        AUTO(value) struct value *listing = list(&t, *state, "r");
        print_message("10,001 refs, %s: %lld ms, process and all\n", packed ? "packed" : "loose",
            (long long)(clock_monotonic_ms() - start));
        AUTO_FREE char *got = text_of(listing);
        AUTO_FREE char *wanted =
            shell_output(*state, "git -C r for-each-ref --format='%%(refname) %%(objectname)'");
        assert_string_equal(got, wanted);
        shell(*state, "git -C r pack-refs --all");
    }
}

static void formats_that_would_be_read_wrongly_are_refused_by_name(void **state)
{
    shell(*state, "git init -q --object-format=sha256 sha256 && cd sha256 "
                  "&& git commit -q --allow-empty -m x");
    check_refused(*state, "sha256", ERR_UNSUPPORTED, "sha256");
    shell(*state, "git clone -q --bare sha256 bare.git 2>/dev/null");
    check_refused(*state, "bare.git", ERR_UNSUPPORTED, "sha256");
    shell(*state, "sed -i 's/repositoryformatversion = 1/repositoryformatversion = 0/' "
                  "sha256/.git/config");
    check_refused(*state, "sha256", ERR_UNSUPPORTED, "sha256");
    // As git 2.45 and newer make it.
    shell(*state, "git init -q reftable && cd reftable/.git && mkdir reftable "
                  "&& git config core.repositoryformatversion 1 "
                  "&& git config extensions.refStorage reftable && echo 'ref: refs/heads/.invalid' "
                  "> HEAD && rm -r refs && mkdir refs && echo 'this repository uses the reftable "
                  "format' > refs/heads && touch reftable/tables.list");
    check_refused(*state, "reftable", ERR_UNSUPPORTED, "reftable");
    shell(*state, "git init -q odd && git -C odd config core.repositoryformatversion 1 "
                  "&& git -C odd config extensions.novelty true");
    check_refused(*state, "odd", ERR_PROTOCOL, "novelty");
}

static void extensions_without_a_meaning_for_reading_are_let_in(void **state)
{
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x");
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD");
    AUTO_FREE char *wanted = mem_printf("refs/heads/main %s", id);
    shell(*state, "f=r/.git/config && for e in 'objectFormat sha1' 'refStorage files' "
                  "'worktreeConfig true' 'preciousObjects true' 'partialClone origin'; do "
                  "git config -f $f extensions.${e%% *} ${e#* }; done "
                  "&& git config -f $f core.repositoryformatversion 1");
    check_listing(*state, "r", wanted);
}

static void what_is_no_repository_is_told_clearly(void **state)
{
    shell(*state, "mkdir plain && git init -q outer && mkdir outer/inner && touch file");
    check_refused(*state, "plain", ERR_NOT_FOUND, "plain: is not a git repository");
    check_refused(*state, "absent", ERR_NOT_FOUND, "absent: there is no such directory");
    check_refused(*state, "outer/inner", ERR_NOT_FOUND, "is not a git repository");
    check_refused(*state, "file", ERR_NOT_FOUND, "is not a git repository");
}

static void a_repository_of_another_owner_is_read(void **state)
{
    if (getuid() != 0)
        skip();
    shell(*state, "git init -q r && cd r && git commit -q --allow-empty -m x && chown -R 12345 .");
    // The positive control: git asks who owns it.
    AUTO_FREE char *control =
        shell_output(*state, "GIT_CONFIG_COUNT=0 git -C r log 2>&1 | grep -c dubious || true");
    assert_string_equal(control, "1");
    AUTO_FREE char *id = shell_output(*state, "git -C r rev-parse HEAD");
    AUTO_FREE char *wanted = mem_printf("refs/heads/main %s", id);
    check_listing(*state, "r", wanted);
}

static void a_job_that_is_none_is_refused(void **state)
{
    (void)state;
    AUTO(role_test)
    struct role_test t = {.program = "davit-git", .job = role_job("op", "push", NULL)};
    role_test_run(&t);
    check_kind(&t.error, ERR_PROTOCOL, "no job \"push\"", "push");
    AUTO(role_test)
    struct role_test without = {
        .program = "davit-git", .job = role_job("op", "refs", "repository", "/", NULL)};
    role_test_run(&without);
    check_kind(&without.error, ERR_PROTOCOL, "one descriptor", "refs");
}

TEST_MAIN(cmocka_unit_test(names_of_refs),
    in_directory(branches_and_tags_are_listed_with_their_commits),
    in_directory(head_tells_the_branch_that_is_not_there_yet_and_nothing_when_detached),
    in_directory(a_branch_whose_commit_is_missing_is_still_listed),
    in_directory(names_made_to_deceive_are_left_out_and_said),
    in_directory(ten_thousand_refs_loose_and_packed),
    in_directory(formats_that_would_be_read_wrongly_are_refused_by_name),
    in_directory(extensions_without_a_meaning_for_reading_are_let_in),
    in_directory(what_is_no_repository_is_told_clearly),
    in_directory(a_repository_of_another_owner_is_read),
    cmocka_unit_test(a_job_that_is_none_is_refused))
