#include "support/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "deploy/decide.h"

#define BEGAN    100000 // of the current step
#define DEADLINE 60000

// A set in few words.
#define SET(desired_, ready_, percent_)                                                            \
    {                                                                                              \
        .exists = true, .current = true, .desired = desired_, .present = desired_,                 \
        .ready = ready_, .percent = percent_                                                       \
    }
#define STALE(desired_, ready_, percent_)                                                          \
    {                                                                                              \
        .exists = true, .desired = desired_, .present = desired_, .ready = ready_,                 \
        .percent = percent_                                                                        \
    }
#define DOOMED(desired_, ready_, percent_)                                                         \
    {                                                                                              \
        .exists = true, .current = true, .desired = desired_, .present = desired_,                 \
        .ready = ready_, .percent = percent_, .doomed = "instance 0: exit 2"                       \
    }
#define RETIRING                                                                                   \
    {                                                                                              \
        .exists = true, .current = true, .retiring = true, .present = 1                            \
    }
#define NOBODY                                                                                     \
    {                                                                                              \
        0                                                                                          \
    }

// What each is compiled to is in test_program.c:
//   blue-green: 0 scale new 2, 1 await, 2 gate before, 3 pause until promoted, 4 await,
//               5 traffic 100, 6 gate after, 7 pause 30s, 8 await, 9 commit, 10 retire old
//   rolling:    0 scale new 1, 1 await, 2 traffic 50, 3 scale old 1, 4 drain old 1, 5 scale new 2,
//               6 await, 7 traffic 100, 8 scale old 0, 9 drain old 0, 10 commit, 11 retire old
//   rollback:   0 scale new 2, 1 await, 2 traffic 100, 3 commit, 4 retire old
//   first:      0 scale new 2, 1 await, 2 traffic 100, 3 commit
//   back:       0 traffic 0 if it can be taken, 1 scale old 2, 2 await, 3 traffic 0, 4 retire new
//   settle on old: 0 traffic 0 if it can be taken, 1 retire new
//   settle on new: 0 traffic 100, 1 commit, 2 scale new 2, 3 retire old
//   canary:     0 scale new 1, 1 await, 2 traffic 20, 3 pause 30s, 4 scale new 2, 5 await,
//               6 traffic 60, 7 pause until promoted, 8 await, 9 traffic 100, 10 commit,
//               11 retire old
//   applies:    0 apply new, 1 await objects, 2 scale new 2, 3 await, 4 traffic 100, 5 commit,
//               6 retire old
//     back:     0 traffic 0 if it can be taken, 1 apply old, 2 await objects, 3 scale old 2,
//               4 await, 5 traffic 0, 6 retire new
//     settle on old: 0 traffic 0 if it can be taken, 1 apply old, 2 scale old 2, 3 retire new
//   hooks:      0 hook 1, 1 await it, 2 scale new 2, 3 await, 4 traffic 100, 5 hook 2, 6 await it,
//               7 await, 8 commit, 9 retire old
//   native:     0 apply new, 1 await objects, 2 scale new 2, 3 await, 4 commit, 5 retire old
//     back:     0 apply old, 1 await objects, 2 scale old 2, 3 await, 4 retire new
//     settle on old: 0 apply old, 1 scale old 2, 2 retire new
#define COUNTS .from = 1, .to = 2, .from_count = 2, .to_count = 2, .progress_deadline_ms = DEADLINE
static const struct rollout blue_green = {COUNTS, .strategy = STRATEGY_BLUE_GREEN,
    .to_slot = SLOT_GREEN, .gates_before = true, .gates_after = true, .manual_promotion = true,
    .scale_down_delay_ms = 30000};
static const struct rollout rolling = {COUNTS, .strategy = STRATEGY_ROLLING};
static const struct rollout rollback = {
    COUNTS, .strategy = STRATEGY_ROLLBACK, .to_slot = SLOT_GREEN};
static const struct rollout canary = {COUNTS, .strategy = STRATEGY_CANARY, .to_slot = SLOT_GREEN,
    .canary = {.count = 4,
        .steps = {{.percent = 20}, {.pause_ms = 30000}, {.percent = 60},
            {.pause_ms = PAUSE_FOR_PROMOTION}}}};
static const struct rollout applies = {
    COUNTS, .strategy = STRATEGY_BLUE_GREEN, .to_slot = SLOT_GREEN, .applies = true};
static const struct rollout hooks = {COUNTS, .strategy = STRATEGY_BLUE_GREEN, .to_slot = SLOT_GREEN,
    .hooks_before = 1, .hooks_after = 1, .hook_deadline_ms = 5 * DEADLINE};
static const struct rollout native = {
    COUNTS, .strategy = STRATEGY_ROLLING, .native_rolling = true, .applies = true};
static const struct rollout first = {
    .to = 2, .to_count = 2, .strategy = STRATEGY_ROLLING, .progress_deadline_ms = DEADLINE};

struct row {
    const char *name;
    const struct rollout *rollout;
    enum phase phase;
    int step;
    struct set_state old, fresh;
    const char *wanted, *reason;
    enum gate_state gates;
    int64_t after; // ms after the step's begin
    bool abort, promote, pause, aborted;
    int64_t live; // 0: the old one
    bool unrouted, settled;
    int64_t applied;
    const char *apply_doomed;
    int begun, done; // hooks
    const char *hook_doomed;
};

static const struct row rows[] = {
    {"nothing under way", &rolling, PHASE_NONE, 0, SET(2, 2, 100), NOBODY, .wanted = "nothing"},

    // Going forward.
    {"the first act is done", &rolling, PHASE_FORWARD, 0, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 0: scale new to 1"},
    {"an act that is visible is left behind", &rolling, PHASE_FORWARD, 0, SET(2, 2, 100),
        STALE(1, 0, 0), .wanted = "write forward 1"},
    {"an await waits until its deadline", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100), SET(1, 0, 0),
        .wanted = "wait 60000"},
    {"an await does not believe what is from before", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100),
        STALE(1, 1, 0), .wanted = "wait 60000"},
    {"an await that is over brings the traffic", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100),
        SET(1, 1, 0), .wanted = "write forward 2: traffic 50 % to new"},
    {"ready after the deadline is ready", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100), SET(1, 1, 0),
        .wanted = "write forward 2: traffic 50 % to new", .after = DEADLINE * 9},
    {"a lost act is written again, deadline or not", &rolling, PHASE_FORWARD, 2, SET(2, 2, 100),
        SET(1, 1, 0), .wanted = "write forward 2: traffic 50 % to new", .after = DEADLINE * 9},
    {"traffic is not sent to nobody", &rolling, PHASE_FORWARD, 2, SET(2, 2, 100), SET(1, 0, 0),
        .wanted = "wait 60000"},
    {"the old is not scaled down before the new is whole", &rolling, PHASE_FORWARD, 2,
        SET(2, 2, 50), SET(1, 0, 50), .wanted = "wait 60000"},
    {"nor on the word of what is from before", &rolling, PHASE_FORWARD, 2, SET(2, 2, 50),
        STALE(1, 1, 50), .wanted = "wait 60000"},
    {"the old is scaled down once the new is whole", &rolling, PHASE_FORWARD, 2, SET(2, 2, 50),
        SET(1, 1, 50), .wanted = "write forward 3: scale old to 1"},
    {"a drain does not ask whether the old is ready", &rolling, PHASE_FORWARD, 4, SET(1, 0, 50),
        SET(1, 1, 50), .wanted = "write forward 5: scale new to 2"},
    {"an old one that drains is waited for", &rolling, PHASE_FORWARD, 4,
        {.exists = true, .current = true, .desired = 1, .present = 2, .ready = 1, .percent = 50},
        SET(1, 1, 50), .wanted = "wait 60000"},

    // Hooks.
    {"a hook begins", &hooks, PHASE_FORWARD, 0, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 0: run hook 1"},
    {"once", &hooks, PHASE_FORWARD, 0, SET(2, 2, 100), NOBODY, .wanted = "write forward 1",
        .begun = 1},
    {"a hook has its own deadline", &hooks, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "wait 300000", .begun = 1, .after = DEADLINE},
    {"which ends", &hooks, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY, .wanted = "write back 0",
        .reason = "release 2: its hook 1 has not ended after 5m", .begun = 1,
        .after = 5 * DEADLINE},
    {"instances come after the first hooks", &hooks, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 2: scale new to 2", .begun = 1, .done = 1},
    {"a hook that has failed", &hooks, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "write back 0", .reason = "Job/migrate: exit 3", .begun = 1,
        .hook_doomed = "Job/migrate: exit 3"},
    {"another hook comes after the traffic", &hooks, PHASE_FORWARD, 4, SET(2, 2, 0), SET(2, 2, 100),
        .wanted = "write forward 5: run hook 2", .begun = 1, .done = 1},
    {"the one before it says nothing of it", &hooks, PHASE_FORWARD, 6, SET(2, 2, 0), SET(2, 2, 100),
        .wanted = "wait 300000", .begun = 2, .done = 1},
    {"a late hook that has failed brings the traffic back", &hooks, PHASE_FORWARD, 6, SET(2, 2, 0),
        SET(2, 2, 100), .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "Job/clean: exit 3", .begun = 2, .done = 1, .hook_doomed = "Job/clean: exit 3"},
    {"then all are seen ready once more", &hooks, PHASE_FORWARD, 6, SET(2, 2, 0), SET(2, 2, 100),
        .wanted = "write forward 7", .begun = 2, .done = 2},
    {"going back, a hook that has failed is nobody's business", &hooks, PHASE_BACK, 2,
        SET(2, 2, 100), SET(2, 0, 0), .wanted = "write back 3", .begun = 1,
        .hook_doomed = "Job/migrate: exit 3"},

    // Gates and pauses.
    {"gates begin", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0), .wanted = "probe"},
    {"gates have no deadline here", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "wait for ever", .gates = GATE_RUNNING, .after = DEADLINE * 9},
    {"gates passed", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write forward 3", .gates = GATE_PASSED},
    {"gates without data hold", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "wait for ever", .gates = GATE_HELD, .after = DEADLINE * 9},
    {"until somebody says to go on", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write forward 3", .gates = GATE_HELD, .promote = true},
    {"or to go back", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write back 0", .reason = "aborted by ann", .gates = GATE_HELD, .abort = true,
        .aborted = true},
    {"nobody's word stands for gates that can tell", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100),
        SET(2, 2, 0), .wanted = "wait for ever", .gates = GATE_RUNNING, .promote = true},
    {"a requested pause lets the step come to its end", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100),
        SET(1, 0, 0), .wanted = "wait 60000", .pause = true},
    {"and holds there", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100), SET(1, 1, 0), .wanted = "park",
        .pause = true},
    {"gates that pass meanwhile do not go on", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100),
        SET(2, 2, 0), .wanted = "park", .gates = GATE_PASSED, .pause = true},
    {"nor does a promotion", &blue_green, PHASE_FORWARD, 3, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "park", .promote = true, .pause = true},
    {"an abort does not wait for the end of a pause", &blue_green, PHASE_FORWARD, 3, SET(2, 2, 100),
        SET(2, 2, 0), .wanted = "write back 0", .reason = "aborted by ann", .abort = true,
        .pause = true, .aborted = true},
    {"gates rejected", &blue_green, PHASE_FORWARD, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write back 0", .reason = "before_switch: status 500", .gates = GATE_REJECTED},
    {"gates rejected after the switch", &blue_green, PHASE_FORWARD, 6, SET(2, 2, 0), SET(2, 2, 100),
        .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "after_switch: status 500", GATE_REJECTED},
    {"nobody has promoted", &blue_green, PHASE_FORWARD, 3, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "park", .after = DEADLINE * 9},
    {"somebody has", &blue_green, PHASE_FORWARD, 3, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write forward 4", .promote = true},
    {"after a pause the new set is awaited, not taken for granted", &blue_green, PHASE_FORWARD, 4,
        SET(2, 2, 100), SET(2, 1, 0), .wanted = "wait 60000"},
    {"a pause lasts", &blue_green, PHASE_FORWARD, 7, SET(2, 2, 0), SET(2, 2, 100),
        .wanted = "wait 30000", .after = 29999},
    {"a pause is over, whoever watched it", &blue_green, PHASE_FORWARD, 7, SET(2, 2, 0),
        SET(2, 2, 100), .wanted = "write forward 8", .after = 30000},

    // The end.
    {"a commit waits for a whole set", &rolling, PHASE_FORWARD, 9, SET(0, 0, 0), SET(2, 1, 100),
        .wanted = "wait 60000"},
    {"commit", &rolling, PHASE_FORWARD, 9, SET(0, 0, 0), SET(2, 2, 100),
        .wanted = "write forward 10: commit: new is live"},
    {"a commit that was lost is written again, come what may", &rolling, PHASE_FORWARD, 10,
        SET(0, 0, 0), DOOMED(2, 0, 100), .wanted = "write forward 10: commit: new is live",
        .abort = true},
    {"after commit nothing goes back", &rolling, PHASE_FORWARD, 10, SET(0, 0, 0), DOOMED(2, 0, 100),
        .wanted = "write forward 11: retire old", .abort = true, .live = 2},
    {"a retire that was lost is written again", &rolling, PHASE_FORWARD, 11, SET(0, 0, 0),
        SET(2, 2, 100), .wanted = "write forward 11: retire old", .live = 2},
    {"what retires is waited for", &rolling, PHASE_FORWARD, 11, RETIRING, SET(2, 2, 100),
        .wanted = "wait 60000", .live = 2},
    {"but not for ever", &rolling, PHASE_FORWARD, 11, RETIRING, SET(2, 2, 100),
        .wanted = "finish success", .live = 2, .after = DEADLINE},
    {"success", &rolling, PHASE_FORWARD, 11, NOBODY, SET(2, 2, 100), .wanted = "finish success",
        .live = 2},

    // Why it goes back.
    {"abort", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100), SET(1, 1, 0), .wanted = "write back 0",
        .reason = "aborted by ann", .abort = true},
    {"doomed", &rolling, PHASE_FORWARD, 6, SET(1, 1, 50), DOOMED(2, 1, 50),
        .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "instance 0: exit 2"},
    {"abort comes before doom", &rolling, PHASE_FORWARD, 1, SET(2, 2, 100), DOOMED(1, 0, 0),
        .wanted = "write back 0", .reason = "aborted by ann", .abort = true},
    {"too late", &rolling, PHASE_FORWARD, 6, SET(1, 1, 50), SET(2, 1, 50),
        .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "release 2: 1 of 2 ready after 1m", .after = DEADLINE},
    {"too late to enter the next step", &rolling, PHASE_FORWARD, 2, SET(2, 2, 50), SET(1, 0, 50),
        .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "release 2: 0 of 1 ready after 1m", .after = DEADLINE},
    {"an old one that does not drain", &rolling, PHASE_FORWARD, 9,
        {.exists = true, .current = true, .present = 1, .release = 1}, SET(2, 2, 100),
        .wanted = "write back 0", .reason = "release 1: 1 instances left instead of 0 after 1m",
        .after = DEADLINE},
    {"nobody there to take the traffic back: it stays for now", &rolling, PHASE_FORWARD, 9,
        SET(0, 0, 0), DOOMED(2, 1, 100), .wanted = "write back 0", .reason = "instance 0: exit 2"},

    // Going back.
    {"the traffic first", &rolling, PHASE_BACK, 0, SET(1, 1, 50), SET(1, 1, 50),
        .wanted = "write back 0: traffic 0 % to new, if it can take it"},
    {"unless nobody can take it", &rolling, PHASE_BACK, 0, SET(1, 0, 50), SET(1, 1, 50),
        .wanted = "write back 1: scale old to 2"},
    {"which must be known", &rolling, PHASE_BACK, 0, STALE(1, 0, 50), SET(1, 1, 50),
        .wanted = "wait 60000"},
    {"within the deadline", &rolling, PHASE_BACK, 0, STALE(1, 0, 50), SET(1, 1, 50),
        .wanted = "write back 1: scale old to 2", .after = DEADLINE},
    {"then the capacity", &rolling, PHASE_BACK, 1, SET(1, 1, 100), SET(1, 1, 0),
        .wanted = "write back 1: scale old to 2"},
    {"an abort changes nothing any more", &rolling, PHASE_BACK, 2, SET(2, 1, 100), DOOMED(1, 0, 0),
        .wanted = "wait 60000", .abort = true},
    {"all of the traffic", &rolling, PHASE_BACK, 2, SET(2, 2, 50), SET(1, 1, 50),
        .wanted = "write back 3: traffic 0 % to new"},
    {"the new is not retired while the old has nobody", &rolling, PHASE_BACK, 3, SET(2, 0, 100),
        SET(1, 1, 0), .wanted = "wait 60000"},
    {"the new is retired", &rolling, PHASE_BACK, 3, SET(2, 2, 100), SET(1, 1, 0),
        .wanted = "write back 4: retire new"},
    {"rolled back", &rolling, PHASE_BACK, 4, SET(2, 2, 100), NOBODY,
        .wanted = "finish rolled back"},
    {"rolled back while it still drains", &rolling, PHASE_BACK, 4, SET(2, 2, 100), RETIRING,
        .wanted = "finish rolled back", .after = DEADLINE},
    {"cancelled", &rolling, PHASE_BACK, 4, SET(2, 2, 100), NOBODY, .wanted = "finish cancelled",
        .aborted = true},
    {"failed: there was no old release", &first, PHASE_BACK, 0, NOBODY, NOBODY,
        .wanted = "finish failed"},
    {"the first one is retired when it is doomed", &first, PHASE_FORWARD, 1, NOBODY,
        DOOMED(2, 1, 0), .wanted = "write back 0: retire new", .reason = "instance 0: exit 2"},

    // Settling.
    {"going back comes too late: on the old that serves", &rolling, PHASE_BACK, 2, SET(2, 1, 100),
        SET(1, 1, 0), .wanted = "write settle on old 0",
        .reason = "; going back: release 1: 1 of 2 ready after 1m", .after = DEADLINE},
    {"going back comes too late: on the new that serves", &rolling, PHASE_BACK, 2, SET(2, 0, 0),
        SET(2, 1, 100), .wanted = "write settle on new 0",
        .reason = "; going back: release 1: 0 of 2 ready after 1m", .after = DEADLINE},
    {"the old is doomed", &rolling, PHASE_BACK, 2, DOOMED(2, 0, 0), SET(2, 1, 100),
        .wanted = "write settle on new 0", .reason = "; going back: instance 0: exit 2"},
    {"the old has died before the new was retired", &rolling, PHASE_BACK, 3, SET(2, 0, 100),
        SET(1, 1, 0), .wanted = "write settle on new 0: traffic 100 % to new",
        .reason = "; going back: release 1: 0 of 2 ready after 1m", .after = DEADLINE},
    {"the new is still being scaled up, and serves meanwhile", &rolling, PHASE_BACK, 2,
        DOOMED(2, 0, 0), STALE(2, 1, 100), .wanted = "write settle on new 0",
        .reason = "going back"},
    {"nobody is ready anywhere: on the old", &rolling, PHASE_BACK, 2, SET(2, 0, 0), SET(2, 0, 100),
        .wanted = "write settle on old 0", .after = DEADLINE},
    {"somebody has come up since: afresh", &rolling, PHASE_SETTLE_OLD, 0, SET(2, 0, 0),
        SET(2, 1, 100), .wanted = "write settle on new 0"},
    {"but not once it is final", &rolling, PHASE_SETTLE_OLD, 1, SET(2, 0, 100), RETIRING,
        .wanted = "wait 60000"},
    {"settled on old", &rolling, PHASE_SETTLE_OLD, 1, SET(2, 1, 100), NOBODY,
        .wanted = "finish rollback failed"},
    {"settling on new commits it", &rolling, PHASE_SETTLE_NEW, 0, SET(2, 0, 0), SET(1, 1, 100),
        .wanted = "write settle on new 1: commit: new is live"},
    {"and makes it whole", &rolling, PHASE_SETTLE_NEW, 1, SET(2, 0, 0), SET(1, 1, 100),
        .wanted = "write settle on new 2: scale new to 2", .live = 2},
    {"waiting for nobody", &rolling, PHASE_SETTLE_NEW, 2, SET(2, 0, 0), STALE(2, 1, 100),
        .wanted = "write settle on new 3: retire old", .live = 2},
    {"settled on new", &rolling, PHASE_SETTLE_NEW, 3, NOBODY, SET(2, 1, 100),
        .wanted = "finish rollback failed", .live = 2},

    // A canary.
    {"a canary gets its share", &canary, PHASE_FORWARD, 1, SET(2, 2, 100), SET(1, 1, 0),
        .wanted = "write forward 2: traffic 20 % to new"},
    {"and has it for a while", &canary, PHASE_FORWARD, 3, SET(2, 2, 80), SET(1, 1, 20),
        .wanted = "wait 30000", .after = 29999},
    {"or until it is promoted", &canary, PHASE_FORWARD, 3, SET(2, 2, 80), SET(1, 1, 20),
        .wanted = "write forward 4: scale new to 2", .promote = true},
    {"it grows before it gets more", &canary, PHASE_FORWARD, 5, SET(2, 2, 80), STALE(2, 1, 20),
        .wanted = "wait 60000"},
    {"a canary waits for its promotion", &canary, PHASE_FORWARD, 7, SET(2, 2, 40), SET(2, 2, 60),
        .wanted = "park", .after = DEADLINE * 9},
    {"promoted, it is awaited before all of the traffic comes", &canary, PHASE_FORWARD, 8,
        SET(2, 2, 40), SET(2, 1, 60), .wanted = "wait 60000"},
    {"an aborted canary loses the traffic first", &canary, PHASE_FORWARD, 7, SET(2, 2, 40),
        SET(2, 2, 60), .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "aborted by ann", .abort = true},
    {"as does one that is doomed while it pauses", &canary, PHASE_FORWARD, 7, SET(2, 2, 40),
        DOOMED(2, 1, 60), .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "instance 0: exit 2"},

    // Objects beside the instances.
    {"objects are applied first", &applies, PHASE_FORWARD, 0, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 0: apply the objects of new", .applied = 1, .settled = true},
    {"once", &applies, PHASE_FORWARD, 0, SET(2, 2, 100), NOBODY, .wanted = "write forward 1",
        .applied = 2},
    {"whoever comes late applies them all the same", &applies, PHASE_FORWARD, 0, SET(2, 2, 100),
        NOBODY, .wanted = "write forward 0: apply the objects of new", .applied = 1,
        .after = DEADLINE * 9},
    {"they are awaited", &applies, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY, .wanted = "wait 60000",
        .applied = 2},
    {"until they have settled", &applies, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 2: scale new to 2", .applied = 2, .settled = true},
    {"not for ever", &applies, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY, .wanted = "write back 0",
        .reason = "release 2: its objects have not settled after 1m", .applied = 2,
        .after = DEADLINE},
    {"objects that can never settle", &applies, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "write back 0", .reason = "StatefulSet/db", .applied = 2,
        .apply_doomed = "StatefulSet/db"},
    {"but those of before say nothing of the new", &applies, PHASE_FORWARD, 0, SET(2, 2, 100),
        NOBODY, .wanted = "write forward 0: apply the objects of new", .applied = 1,
        .apply_doomed = "StatefulSet/db"},
    {"later they are nobody's business", &applies, PHASE_FORWARD, 3, SET(2, 2, 100), SET(2, 1, 0),
        .wanted = "wait 60000", .applied = 2, .apply_doomed = "StatefulSet/db"},
    {"going back, they come after the traffic", &applies, PHASE_BACK, 0, SET(2, 2, 100),
        SET(2, 2, 0), .wanted = "write back 1: apply the objects of old", .applied = 2,
        .settled = true},
    {"going back, they are applied again when the new ones were applied in part", &applies,
        PHASE_BACK, 0, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write back 1: apply the objects of old", .settled = true},
    {"going back, they were never replaced", &applies, PHASE_BACK, 0, SET(2, 2, 100), NOBODY,
        .wanted = "write back 1", .applied = 1, .settled = true},
    {"going back, they are awaited", &applies, PHASE_BACK, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "wait 60000", .applied = 1},
    {"going back, they can never settle", &applies, PHASE_BACK, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write settle on old 0", .reason = "; going back: StatefulSet/db", .applied = 1,
        .apply_doomed = "StatefulSet/db"},
    {"going back, an old set that is still what it was is not doomed yet", &applies, PHASE_BACK, 2,
        DOOMED(2, 0, 100), SET(2, 2, 0), .wanted = "wait 60000", .applied = 1},
    {"going back, they settle too late", &applies, PHASE_BACK, 2, SET(2, 2, 100), SET(2, 2, 0),
        .wanted = "write settle on old 0",
        .reason = "; going back: release 1: its objects have not settled after 1m", .applied = 1,
        .after = DEADLINE},
    {"settling, they are applied all the same", &applies, PHASE_SETTLE_OLD, 0, SET(2, 1, 100),
        SET(2, 2, 0), .wanted = "write settle on old 1: apply the objects of old", .applied = 2},
    {"settling, nobody waits for them", &applies, PHASE_SETTLE_OLD, 1, SET(2, 1, 100), SET(2, 2, 0),
        .wanted = "write settle on old 2", .applied = 1},
    {"what going back did not come to", &applies, PHASE_SETTLE_OLD, 1, SET(1, 1, 100), SET(2, 2, 0),
        .wanted = "write settle on old 2: scale old to 2", .applied = 1},

    // Traffic that follows late.
    {"traffic that has not followed is waited for", &rolling, PHASE_FORWARD, 2, SET(2, 2, 50),
        SET(1, 1, 50), .wanted = "wait 60000", .unrouted = true},
    {"and for so long nothing is taken", &rolling, PHASE_FORWARD, 2, SET(2, 2, 50), SET(1, 1, 50),
        .wanted = "write back 0: traffic 0 % to new, if it can take it",
        .reason = "release 2: the traffic has not followed after 1m", .unrouted = true,
        .after = DEADLINE},
    {"nor written again on the way back", &rolling, PHASE_BACK, 3, SET(2, 2, 100), SET(1, 1, 0),
        .wanted = "wait 60000", .unrouted = true},

    // A platform that replaces instances by itself.
    {"it is told the new release", &native, PHASE_FORWARD, 1, SET(2, 2, 100), NOBODY,
        .wanted = "write forward 2: scale new to 2", .applied = 2, .settled = true},
    {"that it has not come to it yet is waited for", &native, PHASE_FORWARD, 3, STALE(0, 2, 100),
        STALE(2, 0, 0), .wanted = "wait 60000", .applied = 2},
    {"it replaces them", &native, PHASE_FORWARD, 3, SET(0, 1, 50), SET(2, 1, 50),
        .wanted = "wait 60000", .applied = 2},
    {"it has", &native, PHASE_FORWARD, 3, SET(0, 0, 0), SET(2, 2, 100),
        .wanted = "write forward 4: commit: new is live", .applied = 2},
    {"what else there was of the old ends", &native, PHASE_FORWARD, 4, SET(0, 0, 0), SET(2, 2, 100),
        .wanted = "write forward 5: retire old", .applied = 2, .live = 2},
    {"it is told the old release again", &native, PHASE_BACK, 1, SET(0, 1, 50), SET(2, 1, 50),
        .wanted = "write back 2: scale old to 2", .applied = 1, .settled = true},
    {"unless it never heard of the new", &native, PHASE_BACK, 1, SET(2, 2, 100), SET(0, 0, 0),
        .wanted = "write back 2", .applied = 1, .settled = true},
    {"it has replaced them back", &native, PHASE_BACK, 3, SET(2, 2, 100), SET(0, 0, 0),
        .wanted = "write back 4: retire new", .applied = 1},
    {"settling on old tells it, too", &native, PHASE_SETTLE_OLD, 0, SET(0, 1, 50), SET(2, 1, 50),
        .wanted = "write settle on old 1: scale old to 2", .applied = 1},
    {"new ones that it may have ended since are no reason to settle on them", &native,
        PHASE_SETTLE_OLD, 1, STALE(2, 0, 0), STALE(0, 2, 100),
        .wanted = "write settle on old 2: retire new", .applied = 1},

    // A rollback.
    {"a rollback that fails settles", &rollback, PHASE_FORWARD, 1, SET(2, 0, 100), DOOMED(2, 1, 0),
        .wanted = "write settle on new 0: traffic 100 % to new", .reason = "instance 0: exit 2"},
    {"on what it came from, if that serves", &rollback, PHASE_FORWARD, 1, SET(2, 1, 100),
        DOOMED(2, 1, 0), .wanted = "write settle on old 0", .reason = "instance 0: exit 2"},
    {"a rollback can be aborted", &rollback, PHASE_FORWARD, 1, SET(2, 2, 100), SET(2, 1, 0),
        .wanted = "write back 0", .reason = "aborted by ann", .abort = true},
};

static void decision_print(const struct decision *d, struct str *out)
{
    static const char *const kinds[] = {
        [DECIDE_NOTHING] = "nothing",
        [DECIDE_WRITE] = "write",
        [DECIDE_PROBE] = "probe",
        [DECIDE_WAIT] = "wait",
        [DECIDE_FINISH] = "finish",
        [DECIDE_PARK] = "park",
    };
    str_puts(out, kinds[d->kind]);
    if (d->kind == DECIDE_WRITE)
        str_printf(out, " %s %d", phase_name(d->position.phase), d->position.step);
    if (d->kind == DECIDE_WRITE && d->has_act) {
        str_puts(out, ": ");
        step_print(&d->step, out);
    }
    if (d->kind == DECIDE_WAIT && d->until_unix_ms == INT64_MAX)
        str_puts(out, " for ever");
    else if (d->kind == DECIDE_WAIT)
        str_printf(out, " %" PRId64, d->until_unix_ms - BEGAN);
    if (d->kind == DECIDE_FINISH)
        str_printf(out, " %s", outcome_name(d->outcome));
}

static void fill(const struct row *row, struct snapshot *seen)
{
    *seen = (struct snapshot){
        .live = row->live ? row->live : row->rollout->from,
        .rollout = *row->rollout,
        .position = {.phase = row->phase,
            .turns = row->phase == PHASE_FORWARD ? 0 : 1,
            .step = row->step,
            .step_began_unix_ms = BEGAN,
            .aborted = row->aborted},
        .sets = {row->old, row->fresh},
        .abort_requested = row->abort,
        .promote_requested = row->promote,
        .pause_requested = row->pause,
        .abort_who = "ann",
        .routed = !row->unrouted,
        .applied = row->applied,
        .settled = row->settled,
    };
    seen->hooks_begun = row->begun;
    seen->hooks_done = row->done;
    if (row->hook_doomed)
        snprintf(seen->hook_doomed, sizeof seen->hook_doomed, "%s", row->hook_doomed);
    if (row->apply_doomed)
        snprintf(seen->apply_doomed, sizeof seen->apply_doomed, "%s", row->apply_doomed);
    seen->sets[SET_OLD].release = row->rollout->from;
    seen->sets[SET_NEW].release = row->rollout->to;
}

static void the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct snapshot seen;
        fill(row, &seen);
        struct gate_status gates = {.state = row->gates, .reason = "status 500"};
        struct decision d;
        decide(&seen, &gates, BEGAN + row->after, &d);
        AUTO(str) struct str text;
        str_init(&text, 1000);
        decision_print(&d, &text);
        if (strcmp(text.data, row->wanted) != 0)
            fail_msg("%s: %s; wanted: %s", row->name, text.data, row->wanted);
        if (row->reason && !strstr(d.position.reason, row->reason))
            fail_msg(
                "%s: the reason is: %s; wanted: %s", row->name, d.position.reason, row->reason);
    }
}

// Whatever is written names a later position, or the same one with its act; and a turn is counted.
static void positions_never_go_backwards(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct snapshot seen;
        fill(&rows[i], &seen);
        struct gate_status gates = {.state = rows[i].gates};
        struct decision d;
        decide(&seen, &gates, BEGAN + rows[i].after, &d);
        if (d.kind != DECIDE_WRITE)
            continue;
        const struct position *at = &seen.position, *to = &d.position;
        if (to->turns == at->turns) {
            assert_int_equal(to->phase, at->phase);
            assert_true(to->step == at->step + 1 || (to->step == at->step && d.has_act));
            assert_true(to->step > at->step || to->step_began_unix_ms == at->step_began_unix_ms);
        } else {
            assert_int_equal(to->turns, at->turns + 1);
            assert_int_equal(to->step, 0);
            assert_int_equal(to->turned_unix_ms, BEGAN + rows[i].after);
        }
    }
}

static void a_reason_says_what_the_instances_did(void **state)
{
    (void)state;
    struct snapshot seen = {
        .live = 1,
        .rollout = rolling,
        .position = {.phase = PHASE_FORWARD, .step = 6, .step_began_unix_ms = BEGAN},
        .sets = {SET(1, 1, 50), SET(2, 1, 50)},
    };
    struct set_state *fresh = &seen.sets[SET_NEW];
    fresh->release = 7;
    fresh->instance_count = 2;
    fresh->instances[0] = (struct instance){.state = INSTANCE_READY};
    fresh->instances[1] = (struct instance){
        .state = INSTANCE_DOWN, .index = 1, .restarts = 3, .last_end = "signal 9 (KILL)"};
    struct decision d;
    decide(&seen, &(struct gate_status){0}, BEGAN + DEADLINE, &d);
    assert_string_equal(d.position.reason,
        "release 7: 1 of 2 ready after 1m; instance 1 is down, restarted 3 times, ended last with: "
        "signal 9 (KILL)");
}

static void a_position_that_is_in_no_program_is_refused(void **state)
{
    (void)state;
    struct snapshot seen = {.rollout = rolling, .position = {.phase = PHASE_FORWARD, .step = 11}};
    check_ok(snapshot_check(&seen, &err));
    seen.position.step = 12;
    check_error(snapshot_check(&seen, &err), ERR_PROTOCOL, "step 12 of 12 (forward)");
    seen.position.step = -1;
    check_error(snapshot_check(&seen, &err), ERR_PROTOCOL, "step -1");
    seen.position.phase = PHASE_NONE;
    check_ok(snapshot_check(&seen, &err));
}

TEST_MAIN(cmocka_unit_test(the_rules), cmocka_unit_test(positions_never_go_backwards),
    cmocka_unit_test(a_reason_says_what_the_instances_did),
    cmocka_unit_test(a_position_that_is_in_no_program_is_refused))
