#include "support/shell.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/str.h"
#include "os/fd.h"
#include "support/check.h"

static const char *const settings[] = {
    "LC_ALL=C",
    "HOME=/nonexistent",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_CONFIG_COUNT=5",
    "GIT_CONFIG_KEY_0=init.defaultBranch",
    "GIT_CONFIG_VALUE_0=main",
    "GIT_CONFIG_KEY_1=protocol.file.allow",
    "GIT_CONFIG_VALUE_1=always",
    "GIT_CONFIG_KEY_2=safe.directory",
    "GIT_CONFIG_VALUE_2=*",
    "GIT_CONFIG_KEY_3=advice.detachedHead",
    "GIT_CONFIG_VALUE_3=false",
    "GIT_CONFIG_KEY_4=advice.nestedTag",
    "GIT_CONFIG_VALUE_4=false",
    "GIT_AUTHOR_NAME=Ada Lovelace",
    "GIT_AUTHOR_EMAIL=ada@example.org",
    "GIT_AUTHOR_DATE=1700000000 +0000",
    "GIT_COMMITTER_NAME=Charles Babbage",
    "GIT_COMMITTER_EMAIL=charles@example.org",
    "GIT_COMMITTER_DATE=1700000100 +0000",
};

static pid_t start(const char *directory, const char *script, int output)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        putenv(mem_strdup(settings[i]));
    if (chdir(directory) == 0 && (output < 0 || dup2(output, STDOUT_FILENO) >= 0))
        execl("/bin/sh", "sh", "-euc", script, (char *)NULL);
    _exit(127);
}

static char *run(const char *directory, const char *script)
{
    int pipe_fds[2];
    check_ok(fd_pipe(pipe_fds, &err));
    pid_t pid = start(directory, script, pipe_fds[1]);
    fd_close(pipe_fds[1]);
    struct str output;
    str_init(&output, STR_TEXT_MAX);
    check_ok(fd_read_all(pipe_fds[0], &output, &err));
    fd_close(pipe_fds[0]);
    shell_wait(pid);
    if (output.length && output.data[output.length - 1] == '\n')
        output.data[output.length - 1] = '\0';
    return str_take(&output);
}

#define format_script(script)                                                                      \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    AUTO_FREE char *script = mem_vprintf(format, args);                                            \
    va_end(args)

void shell(const char *directory, const char *format, ...)
{
    format_script(script);
    shell_wait(start(directory, script, -1));
}

char *shell_output(const char *directory, const char *format, ...)
{
    format_script(script);
    return run(directory, script);
}

pid_t shell_start(const char *directory, const char *format, ...)
{
    format_script(script);
    return start(directory, script, -1);
}

void shell_wait(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("a fixture's script ended with wait status %#x", (unsigned)status);
}
