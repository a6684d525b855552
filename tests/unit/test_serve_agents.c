// How the daemon keeps agents. The agent here is this program under another name: it listens as
// davit-agent does, and tells through a FIFO what happens to it.
#include "support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/ipc.h"
#include "serve/agents.h"
#include "support/directory.h"

#define PATIENCE_MS 30000
#define READY_FD    4

// --- the agent ---

static void tell(int fifo, const char *app, const char *what)
{
    AUTO_FREE char *line = mem_printf("%s %s %d\n", app, what, getpid());
    fd_write_all(fifo, line, strlen(line), NULL);
}

// argv: davit-agent STATE APP. Ends at once where there is a file `broken`.
static int be_agent(char **argv)
{
    AUTO_FREE char *fifo_path = path_join(argv[1], "told");
    AUTO_FREE char *path = mem_printf("%s/apps/%s", argv[1], argv[2]);
    alarm(2 * PATIENCE_MS / 1000); // whatever becomes of the test
    int fifo = open(fifo_path, O_WRONLY | O_CLOEXEC);
    int dir = dir_open(AT_FDCWD, path, NULL);
    if (file_exists(dir, "broken")) {
        tell(fifo, argv[2], "broke");
        return 1;
    }
    int listener = ipc_listen(dir, "agent.sock", 0600, NULL);
    fcntl(listener, F_SETFL, 0); // blocking
    if (write(READY_FD, "", 1) != 1 || close(READY_FD) < 0)
        return 1;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        tell(fifo, argv[2], "held");
        ipc_send(fd, "{}", 2, NULL, 0, NULL); // a notice: it must not disturb anybody
        char byte;
        (void)recv(fd, &byte, 1, 0);
        tell(fifo, argv[2], "let go");
    }
}

// --- the world ---

struct world {
    char *directory;
    struct loop *loop;
    struct state state;
    struct launcher launcher;
    struct reaper *reaper;
    struct agents *agents;
    int fifo;
    struct loop_io io;
    char line[128];
    bool told;
};

static void on_told(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct world *w = io->arg;
    size_t n = 0;
    while (n < sizeof w->line - 1 && read(w->fifo, w->line + n, 1) == 1 && w->line[n] != '\n')
        n++;
    w->line[n] = '\0';
    w->told = true;
    loop_stop(w->loop);
}

static void on_deadline(struct loop_timer *timer)
{
    loop_stop(timer->arg);
}

// Runs the loop until an agent tells "APP WHAT", and nothing else before; the agent's pid.
static pid_t await(struct world *w, const char *wanted)
{
    struct loop_timer timer = {0};
    w->told = false;
    loop_timer_start(w->loop, &timer, clock_monotonic_ms() + PATIENCE_MS, on_deadline, w->loop);
    check_ok(loop_run(w->loop, &err));
    loop_timer_stop(&timer);
    size_t n = strlen(wanted);
    if (!w->told || strncmp(w->line, wanted, n) != 0)
        fail_msg("\"%s\" instead of \"%s\"", w->told ? w->line : "nothing", wanted);
    return (pid_t)atoi(w->line + n);
}

// Nothing is told in this time.
static void check_quiet(struct world *w, int64_t ms)
{
    struct loop_timer timer = {0};
    w->told = false;
    loop_timer_start(w->loop, &timer, clock_monotonic_ms() + ms, on_deadline, w->loop);
    check_ok(loop_run(w->loop, &err));
    loop_timer_stop(&timer);
    if (w->told)
        fail_msg("\"%s\" instead of nothing", w->line);
}

static void make_file(struct world *w, const char *app, const char *name)
{
    AUTO_FREE char *dir = mem_printf("apps/%s", app);
    AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
    check_ok(dir_make(w->state.dir, dir, 0755, &err));
    check_ok(file_replace(w->state.dir, path, 0600, "{}", 2, &err));
}

static void remove_app(struct world *w, const char *app)
{
    AUTO_FREE char *dir = mem_printf("apps/%s", app);
    check_ok(dir_remove_tree(w->state.dir, dir, &err));
}

static void start(struct world *w)
{
    struct error err = {0};
    w->agents = agents_new(&w->launcher, w->reaper, &err);
    if (!w->agents)
        fail_msg("%s", err.message);
}

static int world_setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    directory_setup((void **)&w->directory);
    w->loop = loop_new(NULL);
    check_ok(state_open(w->directory, &w->state, &err));
    check_ok(launcher_init(&w->launcher, w->loop, &w->state, &err));
    w->launcher.programs[PROGRAM_AGENT] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    w->reaper = reaper_new(w->loop);
    assert_int_equal(mkfifoat(w->state.dir, "told", 0600), 0);
    w->fifo = openat(w->state.dir, "told", O_RDWR | O_CLOEXEC);
    check_ok(loop_io_start(w->loop, &w->io, w->fifo, EPOLLIN, on_told, w, &err));
    *state = w;
    return 0;
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    loop_io_stop(&w->io);
    agents_free(w->agents);
    reaper_free(w->reaper);
    launcher_done(&w->launcher);
    state_done(&w->state);
    loop_free(w->loop);
    fd_close(w->fifo);
    directory_teardown((void **)&w->directory);
    free(w);
    return 0;
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

// --- tests ---

static void the_agents_of_all_apps_are_started(void **state)
{
    struct world *w = *state;
    make_file(w, "one", "state.json");
    start(w);
    pid_t one = await(w, "one held");
    check_quiet(w, 100);
    kill(one, SIGKILL);
}

static void an_agent_that_runs_already_is_held(void **state)
{
    struct world *w = *state;
    make_file(w, "one", "state.json");
    start(w);
    pid_t first = await(w, "one held");
    agents_free(w->agents);
    await(w, "one let go");
    start(w);
    assert_int_equal(await(w, "one held"), first);
    kill(first, SIGKILL);
}

static void one_that_dies_is_reaped_and_started_again(void **state)
{
    struct world *w = *state;
    make_file(w, "one", "state.json");
    start(w);
    pid_t first = await(w, "one held");
    kill(first, SIGKILL);
    pid_t second = await(w, "one held");
    assert_int_not_equal(first, second);
    assert_int_equal(kill(first, 0), -1);
    kill(second, SIGKILL);
}

static void an_app_that_comes_later_is_noticed_once_it_has_a_state(void **state)
{
    struct world *w = *state;
    start(w);
    make_file(w, "one", "agent.log");
    check_quiet(w, 100);
    make_file(w, "one", "state.json");
    kill(await(w, "one held"), SIGKILL);
}

static void an_app_that_is_taken_away_is_let_go(void **state)
{
    struct world *w = *state;
    make_file(w, "one", "state.json");
    start(w);
    pid_t agent = await(w, "one held");
    remove_app(w, "one");
    kill(agent, SIGKILL);
    check_quiet(w, 1500);
    make_file(w, "one", "state.json"); // and deployed once more
    kill(await(w, "one held"), SIGKILL);
}

static void one_that_cannot_start_is_tried_again_ever_more_rarely(void **state)
{
    struct world *w = *state;
    make_file(w, "one", "state.json");
    make_file(w, "one", "broken");
    start(w);
    int64_t began = clock_monotonic_ms();
    pid_t first = await(w, "one broke");
    await(w, "one broke");
    AUTO_FREE char *path = state_path(&w->state, "apps/one/broken");
    assert_int_equal(unlink(path), 0);
    pid_t agent = await(w, "one held");
    assert_in_range(clock_monotonic_ms() - began, 2900, PATIENCE_MS);
    assert_int_equal(kill(first, 0), -1);
    kill(agent, SIGKILL);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[0], "davit-agent") == 0)
        return be_agent(argv);
    const struct CMUnitTest tests[] = {
        in_world(the_agents_of_all_apps_are_started),
        in_world(an_agent_that_runs_already_is_held),
        in_world(one_that_dies_is_reaped_and_started_again),
        in_world(an_app_that_comes_later_is_noticed_once_it_has_a_state),
        in_world(an_app_that_is_taken_away_is_let_go),
        in_world(one_that_cannot_start_is_tried_again_ever_more_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
