// The agent's parts and what they know of each other.
//
//   agent.c           its life: lock, socket, connections, and the one round that makes the world
//   as
//                     the state says
//   agent_calls.c     what may be asked: rows of rpc methods
//   agent_rollout.c   what a write does to the state: fencing, acts, the end of a rollout
//   agent_sets.c      counts: who is to be started and who is to leave; what observers see
//   agent_state.c     state.json
//   agent_secrets.c   the values of a release's secrets, and how they are hidden
//   agent_instance.c  one instance: start, find again, drain, end, restart
//   agent_sandbox.c   what a process of an instance is given
//   agent_exec.c      commands that gates run as an instance would
//   agent_health.c    whether an instance is ready
//   agent_proxy.c     nginx, and where its traffic goes
#pragma once

#include "codec/rpc.h"
#include "deploy/release.h"
#include "deploy/route.h"
#include "image/passwd.h"
#include "net/http.h"
#include "os/loop.h"
#include "os/process.h"
#include "os/sockets.h"
#include "sandbox/spawn.h"

#define AGENT_RELEASES_MAX                                                                         \
    50 // records that are kept; the live one and those with instances besides

struct agent;

// A range of ports that is this app's: `places` times `stride` from `first` on.
struct port_block {
    int first, places, stride;
};

// Of an instance, what is in state.json.
struct kept_instance {
    int64_t id;     // its directory is instances/ID
    int index;      // within its set
    int port;       // the first of its ports; 0: the release has none
    bool leaving;   // has left the traffic, drains, and is ended
    bool was_ready; // once
    int restarts;   // unexpected ends
    char last_end[160];
};

enum run_phase {
    RUN_IDLE,     // no process; `due_ms` says when there is to be one
    RUN_UP,       // runs
    RUN_STOPPING, // was told to end
    RUN_KILLED,   // … and was killed
};

struct agent_instance {
    struct kept_instance kept;
    struct agent *agent;
    const struct release *release; // the set's
    enum run_phase phase;
    bool ready;
    char doomed[256]; // why it will never be ready; "" while it may

    // Its process: our child, or one that was found again.
    bool is_child;
    struct sandbox_child child;
    struct process process;
    struct loop_io ended, reported;
    int64_t started_ms, due_ms;
    struct loop_timer timer; // the next look: start, health, drain, grace

    // Health.
    int64_t request; // under way; 0: none
    int64_t probe_gap_ms;
    int failures; // in a row

    // Draining.
    int64_t leaving_ms; // when it began
    int quiet;          // looks in a row that saw no connection
};

struct agent_set {
    int64_t release;
    enum slot slot;
    int desired, percent;
    bool retiring;
    struct release spec; // of the record
    char trouble[256];   // why it cannot have as many instances as are desired; "" if it can
    VEC(struct agent_instance *) instances;
};

// nginx of the app.
struct agent_proxy {
    char *listen;  // NULL: the app has none
    int dir;       // apps/APP/nginx
    int listen_fd; // -1 when nginx was found again: then it alone has it
    bool is_child;
    struct sandbox_child child;
    struct process process; // pidfd -1: not running
    struct loop_io ended, reported;
    struct loop_timer restart;
    int failures;       // in a row
    int64_t started_ms; // the last time
    struct route route; // as it is on disk
    int64_t generation; // of the directory that it is in
};

struct agent_exec;

struct connection {
    struct agent *agent;
    struct rpc *rpc;
    char *run, *who; // of its claim; NULL: it holds none
    VEC(struct agent_exec *) execs;
};

struct agent {
    struct loop *loop;
    struct http_client *http;
    struct sandbox_host host;
    char *state_path, *app; // STATE, APP
    int dir;                // STATE/apps/APP
    int lock_fd, listen_fd;
    struct sockets sockets; // as they were at sockets_ms; see agent_sockets()
    int64_t sockets_ms;
    struct loop_io accepting;
    VEC(struct connection *) connections;
    struct connection *holder;     // of the claim
    struct loop_timer notice;      // "changed" goes out when it fires
    struct connection *going_down; // has asked for `down`
    int64_t down_id;
    bool unsaved; // the state on disk is older than ours: nothing is done until it is not
    char *saved;  // the text of state.json; NULL: not known
    struct loop_timer saving; // when it is tried again

    // What is in state.json.
    int64_t epoch, live, last_revision, last_instance;
    struct rollout rollout; // .to == 0: there has never been one
    struct position position;
    enum outcome last;
    bool abort_requested, promote_requested, pause_requested;
    int promote_turns, promote_step; // the position that the promotion is for
    char abort_who[128];
    VEC(struct port_block) blocks;
    VEC(struct agent_set *) sets;
    struct value *releases; // newest first
    struct value *refused;

    struct agent_proxy proxy;
};

// agent.c
void agent_changed(struct agent *a); // observers are told, soon
// After the state has changed: saves it, then makes the world as it says (starts, routes, drains).
// -1: the disk said no; nothing was done, and it is tried again by itself.
int agent_round(struct agent *a, struct error *err);
// The same for whoever has nobody to tell: the log is told.
void agent_round_alone(struct agent *a);

// This host's sockets, as they are or were a few milliseconds ago: reading them costs milliseconds,
// and all instances look. Lent until the next call; NULL when they cannot be read.
const struct sockets *agent_sockets(struct agent *a);

// agent_calls.c
extern const struct rpc_method agent_methods[];
void agent_down_done(struct agent *a); // nothing is left: answers, removes the state, ends the loop

// agent_state.c
int agent_load(struct agent *a, struct error *err); // an absent file is an app without anything
int agent_save(struct agent *a, struct error *err);
void agent_forget(struct agent *a); // frees what agent_load() made
struct value *agent_release(
    const struct agent *a, int64_t revision); // lent; NULL when there is none
// Of davit-image's store: where it has unpacked a layer.
char *agent_layer_path(const struct agent *a, const char *digest);
// What of disk no state needs any more: secrets and logs of forgotten releases.
void agent_sweep(struct agent *a);

// agent_secrets.c
char *agent_secrets_path(int64_t revision); // below the app's directory
// A map; NULL when they cannot be read.
struct value *agent_secrets(const struct agent *a, int64_t revision, struct error *err);
// Of what its instances have printed: each value becomes "***" (codec/mask.h).
void agent_hide_secrets(const struct agent *a, int64_t revision, struct str *text);

// agent_rollout.c: they change the state in memory only.
int rollout_begin(struct agent *a, int64_t epoch, const struct rollout *r, struct error *err);
int rollout_write(
    struct agent *a, const struct target_write *w, const char *run, struct error *err);
int rollout_finish(struct agent *a, int64_t epoch, const char *run, enum outcome outcome,
    const char *reason, const struct rollout_times *times, struct error *err);
int rollout_check_put(
    const struct agent *a, int64_t epoch, const struct value *record, struct error *err);
void rollout_put(struct agent *a, const struct value *record); // as the next revision
void rollout_refuse(struct agent *a, const char *commit, const char *reason, int64_t release);
int rollout_allow(struct agent *a, const char *commit, struct error *err);
int rollout_request(struct agent *a, const char *what, const char *who, struct error *err);

// agent_sets.c
struct agent_set *set_find(const struct agent *a, int64_t release); // NULL when there is none
struct agent_set *set_add(struct agent *a, int64_t release, enum slot slot, struct error *err);
void set_free(struct agent_set *set); // its processes live on
// Adds and marks instances so that each set has what is desired; drops what is gone. Of the state
// only.
void sets_settle(struct agent *a);
void sets_observe(const struct agent *a, struct snapshot *ret);
void sets_route(const struct agent *a, struct route *ret);
// Room in the port blocks for the sets of a rollout; a new block means a new nginx.conf.
int sets_reserve(struct agent *a, const struct release *to, int from_count, struct error *err);

// agent_instance.c
struct agent_instance *instance_new(struct agent *a, const struct release *release);
void instance_free(struct agent_instance *i); // accepts NULL; its process lives on
void instance_find(
    struct agent_instance *i); // after a start of the agent: takes up what still runs
void instance_round(struct agent_instance *i);         // does what its state asks for now
bool instance_is_gone(const struct agent_instance *i); // left, ended
void instance_remove(struct agent_instance *i); // its directory; its log is kept with the release's
enum instance_state instance_state_of(const struct agent_instance *i);
int instance_http_port(const struct agent_instance *i);                // 0 when it has none
char *instance_path(const struct agent_instance *i, const char *name); // below the app's directory
char *release_log_path(int64_t revision);
// Its timer fires then; at 0 in the next turn of the loop.
void instance_look_again(struct agent_instance *i, int64_t in_ms);
// Tells whether it listens, but on another port than it was given: then it is doomed.
void instance_find_wrong_port(struct agent_instance *i);
// Appends the last `lines` lines that it wrote.
void instance_last_lines(
    const struct agent_instance *i, int lines, const char *indent, struct str *out);

// agent_sandbox.c
int instance_environment(const struct agent_instance *i, struct strv *ret, struct error *err);
void instance_layers(const struct agent_instance *i, struct strv *ret);
int instance_ids(
    const struct agent_instance *i, const struct strv *layers, struct ids *ret, struct error *err);

// agent_exec.c
// A connection's command by its id: as it stands, begun if there is none of that id. The answer is
// put into *result, as target_local reads it.
int exec_ask(
    struct connection *c, const struct value *params, struct value *result, struct error *err);
void exec_end(struct connection *c, int64_t id); // kills it, if there is one
void exec_end_all(struct connection *c);

// agent_health.c
void health_begin(struct agent_instance *i); // looks now, and then again and again
void health_end(struct agent_instance *i);
void health_look(struct agent_instance *i); // its timer has fired

// agent_proxy.c
int proxy_open(
    struct agent *a, struct error *err); // the directory; takes up an nginx that still runs
void proxy_close(struct agent *a);       // nginx lives on
// That nginx is there for `listen` and knows all ports. ERR_CONFLICT when the address is in use.
int proxy_ensure(struct agent *a, const char *listen, struct error *err);
void proxy_round(struct agent *a); // sends the traffic where the sets say
void proxy_stop(struct agent *a);
bool proxy_runs(const struct agent *a);
