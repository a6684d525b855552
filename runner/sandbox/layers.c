#include "sandbox/layers.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "os/fd.h"
#include "os/ipc.h"

#define STAGING "/tmp" // covered in the helper's own mount namespace only

static int bind_one(const char *directory, struct error *err)
{
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, directory,
        (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) {
        fd_close(fd);
        return error_errno(err, "%s", directory);
    }
    return fd;
}

// In a mount namespace of its own, so that the host's table never shows it: mounts, detaches, sends
// the mount. (fsconfig(2) would need no namespace, but takes strings of 255 bytes: three layers.)
static int mount_in_helper(const struct strv *directories, int socket, struct error *err)
{
    AUTO(str) struct str options;
    str_init(&options, 4000);
    str_puts(&options, "userxattr,lowerdir=");
    for (size_t i = 0; i < directories->length; i++)
        str_printf(&options, "%s%s", i ? ":" : "", directories->items[i]);
    if (str_check(&options, "the list of layers", err) < 0)
        return -1;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("overlay", STAGING, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options.data) < 0)
        return error_errno(err, "overlay of %zu layers", directories->length);
    AUTO_FD int fd = (int)syscall(
        SYS_open_tree, AT_FDCWD, STAGING, (unsigned)OPEN_TREE_CLONE | (unsigned)OPEN_TREE_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "overlay");
    return ipc_send(socket, "", 1, &fd, 1, err);
}

static int receive_mount(int socket, struct error *err)
{
    AUTO(str) struct str packet;
    struct ipc_fds fds = {0};
    str_init(&packet, sizeof(struct error));
    if (ipc_receive(socket, -1, &packet, &fds, err) <= 0)
        return error_set(err, ERR_INTERNAL, "mounting layers: the helper ended");
    if (fds.count == 1)
        return fds.fd[0];
    if (err && packet.length == sizeof *err)
        *err = *(const struct error *)(const void *)packet.data;
    return -1;
}

int sandbox_mount_layers(const struct strv *directories, struct error *err)
{
    if (directories->length == 1)
        return bind_one(directories->items[0], err);
    int pair[2];
    if (ipc_pair(pair, err) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        struct error why = {0};
        if (mount_in_helper(directories, pair[1], &why) < 0)
            ipc_send(pair[1], &why, sizeof why, NULL, 0, NULL);
        _exit(0);
    }
    close(pair[1]);
    int fd = pid < 0 ? error_errno(err, "fork") : receive_mount(pair[0], err);
    close(pair[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return fd;
}
