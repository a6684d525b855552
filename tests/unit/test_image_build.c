#include "support/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file.h"
#include "support/daemon.h"
#include "support/image_worker.h"

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
static struct value *must_build(struct image_worker *w, const char *dockerfile, const char *tag)
{
    struct error err = {0};
    str_clear(&w->log);
    struct value *result = image_worker_build(w, dockerfile, tag, &err);
    if (!result)
        fail_msg("%s\n%s", err.message, w->log.data);
    return result;
}

static void a_file_over_scratch_is_one_layer_and_nothing_is_unpacked(void **state)
{
    struct image_worker *w = *state;
    image_worker_file(w, "app", 0755, "program");
    AUTO(value)
    struct value *result = must_build(w,
        "FROM scratch\nCOPY app /usr/bin/app\nENTRYPOINT [\"/usr/bin/app\"]\nEXPOSE 8080\n",
        "app:1");
    AUTO_FREE char *shown = value_print(result);
    print_message("%s\n", shown);
}

static void run_steps(void **state)
{
    struct image_worker *w = *state;
    image_worker_busybox(w, "root");
    AUTO(value)
    struct value *result = must_build(w,
        "FROM scratch AS base\nCOPY root/ /\nFROM base AS build\nWORKDIR /src\n"
        "RUN --mount=type=cache,target=/root/.cache echo hello > out && id && env && rm /bin/ls && "
        "echo x > /root/.cache/x\n"
        "FROM base\nCOPY --from=build --chown=app /src/out /out\nCMD cat /out\n",
        "app:1");
    AUTO_FREE char *shown = value_print_indented(result);
    print_message("%s\n%s\n", shown, w->log.data);
    AUTO(value)
    struct value *again = image_worker_build(w,
        "FROM scratch AS base\nCOPY root/ /\nFROM base AS build\nWORKDIR /src\n"
        "RUN --mount=type=cache,target=/root/.cache echo hello > out && id && env && rm /bin/ls && "
        "echo x > /root/.cache/x\n"
        "FROM base\nCOPY --from=build --chown=app /src/out /out\nCMD cat /out\n",
        "app:1", NULL);
    AUTO_FREE char *shown2 = value_print_indented(again);
    print_message("%s\n%s\n", shown2, w->log.data);
    char cmd[300];
    snprintf(cmd, sizeof cmd,
        "skopeo inspect oci:%s:docker.io/library/app:1; ls -laR %s/layers | head -50; find %s/work",
        w->store, w->store, w->store);
    if (system(cmd))
        return;
}

#define with_worker(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TEST_MAIN(
    with_worker(a_file_over_scratch_is_one_layer_and_nothing_is_unpacked), with_worker(run_steps))
