// Manifests out of a workspace: which files, in which order, and never one from elsewhere.
#include "support/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/manifest.h"
#include "engine/manifests.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/directory.h"

static void write_text(const char *top, const char *path, const char *text)
{
    AUTO_FREE char *full = path_join(top, path);
    AUTO_FREE char *parent = mem_strndup(full, (size_t)(path_base(full) - full));
    check_ok(dir_make(AT_FDCWD, parent, 0755, &err));
    check_ok(file_replace(AT_FDCWD, full, 0644, text, strlen(text), &err));
}

// "path=text" of each, joined; or the error.
static char *read_all(const struct strv *directories, const char *paths)
{
    struct error err = {0};
    AUTO(value) struct value *wanted = value_parse(paths, strlen(paths), NULL);
    AUTO(value) struct value *files = NULL;
    AUTO(str) struct str out;
    str_init(&out, STR_TEXT_MAX);
    if (manifests_read(directories, wanted, NULL, &files, &err) < 0)
        return mem_strdup(err.message);
    for (size_t i = 0; i < value_length(files); i++)
        str_printf(&out, "%s%s=%s", i ? " " : "", value_get_str(value_at(files, i), "path"),
            value_get_str(value_at(files, i), "text"));
    return str_take(&out);
}

static void files_and_directories_are_read_by_name(void **state)
{
    AUTO(strv) struct strv directories = {0};
    AUTO_FREE char *artifacts = path_join(*state, "artifacts");
    AUTO_FREE char *checkout = path_join(*state, "checkout");
    write_text(checkout, "k8s/b.yaml", "B");
    write_text(checkout, "k8s/a.yml", "A");
    write_text(checkout, "k8s/c.json", "C");
    write_text(checkout, "k8s/README.md", "no");
    write_text(checkout, "k8s/.hidden.yaml", "no");
    write_text(checkout, "k8s/deep/d.yaml", "D");
    write_text(checkout, "one.txt", "1");
    write_text(checkout, "empty/x", "");
    write_text(artifacts, "k8s/b.yaml", "made");
    write_text(artifacts, "k8s/z.yaml", "Z");
    AUTO_FREE char *link = path_join(checkout, "k8s/l.yaml");
    assert_int_equal(symlink("../one.txt", link), 0); // stays inside
    strv_push(&directories, artifacts);
    strv_push(&directories, checkout);
    static const struct {
        const char *paths, *wanted;
    } rows[] = {
        {"[\"k8s/\"]", "k8s/a.yml=A k8s/b.yaml=made k8s/c.json=C k8s/l.yaml=1 k8s/z.yaml=Z"},
        {"[\"one.txt\",\"./k8s/deep\"]", "one.txt=1 k8s/deep/d.yaml=D"},
        {"[\"k8s/b.yaml\"]", "k8s/b.yaml=made"},
        {"[\"empty\"]", "empty holds no manifest: no *.yaml, *.yml or *.json"},
        {"[\"k9s\"]", "k9s: the workspace has no such file or directory"},
        {"[\"k8s/*.yaml\"]",
            "k8s/*.yaml: the workspace has no such file; patterns are not looked at: name the "
            "directory"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *got = read_all(&directories, rows[i].paths);
        assert_string_equal(got, rows[i].wanted);
    }
}

static void nothing_outside_of_the_workspace_is_read(void **state)
{
    AUTO(strv) struct strv directories = {0};
    AUTO_FREE char *checkout = path_join(*state, "checkout");
    write_text(*state, "secret.yaml", "outside");
    write_text(checkout, "x", "");
    strv_push(&directories, checkout);
    static const char *const targets[] = {"../secret.yaml", "/etc/passwd", "..", "/"};
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        AUTO_FREE char *name = mem_printf("%s/link-%zu.yaml", checkout, i);
        assert_int_equal(symlink(targets[i], name), 0);
        AUTO_FREE char *paths = mem_printf("[\"link-%zu.yaml\"]", i);
        AUTO_FREE char *got = read_all(&directories, paths);
        assert_non_null(strstr(got, "leads out of the directory"));
    }
    AUTO_FREE char *climbed = read_all(&directories, "[\"../secret.yaml\"]");
    assert_non_null(strstr(climbed, "leads out of the directory"));
    AUTO_FREE char *pipe = path_join(checkout, "pipe.yaml");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    AUTO_FREE char *got = read_all(&directories, "[\"pipe.yaml\"]");
    assert_string_equal(got, "pipe.yaml is not a file");
}

static void a_megabyte_is_the_most(void **state)
{
    AUTO(strv) struct strv directories = {0};
    AUTO(str) struct str half;
    str_init(&half, MANIFESTS_MAX);
    str_pad(&half, '#', MANIFESTS_MAX / 2);
    write_text(*state, "a.yaml", half.data);
    write_text(*state, "b.yaml", half.data);
    strv_push(&directories, *state);
    AUTO(value) struct value *paths = value_parse("[\"a.yaml\",\"b.yaml\"]", 19, NULL);
    AUTO(value) struct value *files = NULL;
    check_ok(manifests_read(&directories, paths, NULL, &files, &err));
    value_append_str(paths, "c.yaml");
    write_text(*state, "c.yaml", "#");
    struct value *none = NULL;
    check_error(manifests_read(&directories, paths, NULL, &none, &err), ERR_LIMIT,
        "with c.yaml, more than 1024 KiB");
}

TEST_MAIN(in_directory(files_and_directories_are_read_by_name),
    in_directory(nothing_outside_of_the_workspace_is_read), in_directory(a_megabyte_is_the_most))
