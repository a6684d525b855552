#include "serve/reaper.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/vec.h"
#include "os/fd.h"
#include "os/process.h"

struct ward {
    struct reaper *owner;
    int pidfd;
    struct loop_io ended;
};

struct reaper {
    struct loop *loop;
    VEC(struct ward *) wards;
};

struct reaper *reaper_new(struct loop *loop)
{
    struct reaper *r = mem_alloc(sizeof *r);
    r->loop = loop;
    return r;
}

static void ward_free(struct ward *w)
{
    loop_io_stop(&w->ended);
    fd_close(w->pidfd);
    free(w);
}

void reaper_free(struct reaper *r)
{
    if (!r)
        return;
    vec_each (w, &r->wards)
        ward_free(*w);
    vec_free(&r->wards);
    free(r);
}

static void on_ended(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct ward *w = io->arg;
    struct reaper *r = w->owner;
    int status;
    process_reap(w->pidfd, &status, NULL);
    for (size_t i = 0; i < r->wards.length; i++)
        if (r->wards.items[i] == w)
            r->wards.items[i] = r->wards.items[--r->wards.length];
    ward_free(w);
}

void reaper_take(struct reaper *r, int pidfd)
{
    struct ward *w = mem_alloc(sizeof *w);
    struct error err = {0};
    *w = (struct ward){.owner = r, .pidfd = pidfd};
    vec_push(&r->wards, w);
    if (loop_io_start(r->loop, &w->ended, pidfd, EPOLLIN, on_ended, w, &err) < 0)
        log_warning("%s", err.message); // it will be a zombie until we end
}
