#include "support/check.h"

#include <fcntl.h>
#include <unistd.h>

#include "engine/overlay.h"
#include "os/fd.h"
#include "os/file.h"
#include "support/directory.h"
#include "support/shell.h"

// What is done to an overlay, in a shell in its directory.
static const char *const changes[] = {
    "true",
    "echo new >file; echo over >old; chmod 600 old",
    "rm old; rm -r dir",
    "rm -r dir; mkdir dir; echo y >dir/y",             // opaque
    "rm -r dir; echo now-a-file >dir",                 // a file where a directory was
    "rm old; mkdir old; echo x >old/x; ln -s x old/l", // and the other way round
    "rm dir/sub/deep; echo more >dir/sub/more; chmod 700 dir/sub; chown 5 dir",
    "rm -r dir/sub; mkdir -p dir/sub/sub; mv dir/a dir/sub/sub/b; ln dir/sub/sub/b hard",
    "mkdir -p dir/new/er; touch dir/new/er/f; mkfifo pipe; ln -sf elsewhere link",
    "rm link; mkdir link; touch link/inside",
};

static const char tree[] = "mkdir -p dir/sub; echo o >old; echo a >dir/a; echo d >dir/sub/deep; "
                           "mkdir empty; ln -s old link";
static const char listing[] =
    "find . -mindepth 1 -printf '%p %y %m %U %l\\n' -type f -exec sed 's:^:{} :' '{}' ';' | sort";

static const char mount_overlay[] =
    "rm -rf lower upper work merged; mkdir lower upper work merged; (cd lower; %s); "
    "mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work none merged; "
    "(cd merged; %s; %s) >wanted; umount merged; %s";

// Changes the tree through an overlay, does `meanwhile`, and merges: what is left in the lower
// directory must be what the overlay showed.
static void check_merge(const char *dir, const char *change, const char *meanwhile)
{
    shell(dir, mount_overlay, tree, change, listing, meanwhile);
    AUTO_FREE char *lower_path = path_join(dir, "lower");
    AUTO_FREE char *upper_path = path_join(dir, "upper");
    AUTO_FD int lower = dir_open(AT_FDCWD, lower_path, NULL);
    AUTO_FD int upper = dir_open(AT_FDCWD, upper_path, NULL);
    check_ok(overlay_merge(upper, lower, &err));
    check_ok(overlay_merge(upper, lower, &err)); // there is nothing left to do
    shell(dir, "rmdir upper; cd lower; (%s) >../got; echo 'after: %s'; diff ../wanted ../got",
        listing, change);
}

static void what_an_overlay_shows_is_what_its_merge_leaves(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        check_merge(*state, changes[i], "true");
}

static void a_merge_that_was_interrupted_is_finished(void **state)
{
    static const char change[] = "echo new >file; rm old; rm -r dir; mkdir dir; echo y >dir/y";
    static const char *const done[] = {
        "mv upper/file lower/",
        "rm upper/old lower/old",
        "rm -r lower/dir",
        "rm -r lower/dir; mv upper/dir lower/",
    };
    for (size_t i = 0; i < ARRAY_LEN(done); i++)
        check_merge(*state, change, done[i]);
}

TEST_MAIN(in_directory(what_an_overlay_shows_is_what_its_merge_leaves),
    in_directory(a_merge_that_was_interrupted_is_finished))
