// The event loop: descriptors, timers and signals, one thread.
//
// Sources are embedded in what they belong to and registered with *_start(); *_stop() is
// idempotent, may be called from any callback (its own included), and must be called before the
// source's memory goes. An all-zero source is stopped. Callbacks return nothing: what goes wrong is
// their owner's business, and loop_stop() ends the loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct loop;

struct loop *loop_new(struct error *err); // NULL on failure
void loop_free(struct loop *loop);        // accepts NULL; every source must be stopped

// Runs until loop_stop(). -1 only when the kernel fails us.
int loop_run(struct loop *loop, struct error *err);
void loop_stop(struct loop *loop);
// The time when this turn of the loop began, monotonic milliseconds.
int64_t loop_now(const struct loop *loop);

// A descriptor. Level-triggered: the callback is called each turn while one of `events` (EPOLLIN,
// EPOLLOUT) holds; EPOLLHUP and EPOLLERR are always reported. The loop does not own the descriptor;
// stop the source before closing it.
struct loop_io;
typedef void loop_io_fn(struct loop_io *io, uint32_t events);
struct loop_io {
    struct loop *loop; // NULL while stopped
    int fd;
    uint32_t events;
    loop_io_fn *callback;
    void *arg; // for the owner
    struct loop_io *next_ready;
    uint32_t ready;
};
int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
    loop_io_fn *callback, void *arg, struct error *err);
int loop_io_events(
    struct loop_io *io, uint32_t events, struct error *err); // changes what is waited for
void loop_io_stop(struct loop_io *io);

// A one-shot timer; starting a running one moves it. A deadline in the past fires in the next turn.
struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer);
struct loop_timer {
    struct loop *loop; // NULL while stopped
    int64_t deadline_ms;
    loop_timer_fn *callback;
    void *arg;
    struct loop_timer *next;
};
void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t deadline_ms,
    loop_timer_fn *callback, void *arg);
void loop_timer_stop(struct loop_timer *timer);

// Signals arrive through a signalfd; they are blocked from loop_signals() (call it once) until
// loop_free(), which restores the mask. Whoever launches a child empties its mask before it
// executes anything.
typedef void loop_signal_fn(void *arg, int signal);
int loop_signals(struct loop *loop, const int *signals, size_t count, loop_signal_fn *callback,
    void *arg, struct error *err);
