#include "serve/repository.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/context.h"
#include "engine/role.h"
#include "os/clock.h"
#include "os/fd.h"
#include "serve/refs.h"
#include "store/refs.h"

#define REPOSITORY      "/repo" // where davit-git sees it
#define LIST_TIMEOUT_MS 60000
#define LIST_GRACE_MS   1000
#define LISTING_MAX     ((size_t)64 << 20)
#define POLL_MS         30000
#define RETRY_MS        1000 // after a listing that failed; twice as long each time,
#define RETRY_MS_MAX    60000
#define SEEN            "" // a ref of this name says that the repository was looked at before

struct repository {
    struct launcher *launcher;
    struct db *db;
    const struct serve_repository *config;
    repository_queued_fn *queued;
    void *arg;
    struct role *role; // a listing under way
    int listing_fd;
    bool again;
    struct loop_timer poll, retry;
    int64_t retry_ms; // 0: the last listing was fine
    char *failure;    // what was said of it
    char *default_branch;
    bool listed; // at least once since we started: from now on a push is an event
};

struct repository *repository_new(struct launcher *launcher, struct db *db,
    const struct serve_repository *config, repository_queued_fn *queued, void *arg)
{
    struct repository *r = mem_alloc(sizeof *r);
    *r = (struct repository){.launcher = launcher,
        .db = db,
        .config = config,
        .queued = queued,
        .arg = arg,
        .listing_fd = -1};
    return r;
}

void repository_free(struct repository *r)
{
    if (!r)
        return;
    role_free(r->role);
    loop_timer_stop(&r->poll);
    loop_timer_stop(&r->retry);
    fd_close(r->listing_fd);
    free(r->failure);
    free(r->default_branch);
    free(r);
}

const char *repository_path(const struct repository *r)
{
    return r->config->path;
}

const char *repository_default_branch(const struct repository *r)
{
    return r->default_branch;
}

// --- what was known ---

// 1 when the repository was looked at before.
static int load_known(const struct repository *r, struct ref_list *ret, struct error *err)
{
    AUTO(strv) struct strv names = {0}, commits = {0};
    if (refs_load(r->db, r->config->path, &names, &commits, err) < 0)
        return -1;
    bool seen = false;
    for (size_t i = 0; i < names.length; i++) {
        if (strcmp(names.items[i], SEEN) == 0) {
            seen = true;
            continue;
        }
        struct ref *ref = vec_add(&ret->items);
        ref->name = mem_strdup(names.items[i]);
        memcpy(ref->id, commits.items[i], strnlen(commits.items[i], REF_ID_SIZE - 1));
    }
    return seen;
}

static int save_changes(
    const struct repository *r, const struct ref_events *changes, struct error *err)
{
    vec_each (change, &changes->items) {
        int status = change->kind == REF_DELETE
                         ? refs_remove(r->db, r->config->path, change->ref, err)
                         : refs_put(r->db, r->config->path, change->ref, change->after, err);
        if (status < 0)
            return -1;
    }
    return refs_put(r->db, r->config->path, SEEN, REF_ID_NONE, err);
}

// The first sight of a repository: everything is known from now on, and nothing has happened.
static int save_all(const struct repository *r, const struct ref_list *listing, struct error *err)
{
    vec_each (ref, &listing->items)
        if (refs_put(r->db, r->config->path, ref->name, ref->id, err) < 0)
            return -1;
    return refs_put(r->db, r->config->path, SEEN, REF_ID_NONE, err);
}

// --- what happened ---

static int queue_run(struct repository *r, const struct ref_event *event, struct error *err)
{
    AUTO(run_record)
    struct run_record run = {
        .repository = mem_strdup(r->config->path),
        .event = mem_strdup(ref_event_name(event->kind)),
        .ref = mem_strdup(event->ref),
        .branch = mem_strdup_opt(event->branch),
        .tag = mem_strdup_opt(event->tag),
        .commit = mem_strdup(event->after),
        .before = mem_strdup(event->before),
        .why = mem_printf("push to %s", event->branch ? event->branch : event->tag),
        .trace_id = context_new_trace_id(),
        .status = STATUS_QUEUED,
        .queued_ms = clock_unix_ms(),
    };
    if (runs_add(r->db, &run, err) < 0 ||
        runs_supersede(r->db, run.repository, run.ref, run.id, run.queued_ms, err) < 0)
        return -1;
    log_info("run %lld: %s %s at %.12s of %s", (long long)run.id, run.event,
        event->branch ? event->branch : event->tag, run.commit, run.repository);
    return 0;
}

// The new refs and the runs that follow from them are written together: a daemon that dies here
// sees the same change again.
static int take_listing(struct repository *r, const struct ref_list *listing, struct error *err)
{
    AUTO(ref_list) struct ref_list known = {0};
    AUTO(ref_events) struct ref_events changes = {0}, events = {0};
    int seen = load_known(r, &known, err);
    if (seen < 0 || db_begin(r->db, err) < 0)
        return -1;
    int status = 0;
    if (!seen) {
        status = save_all(r, listing, err);
    } else {
        ref_events_find(&known, listing, NULL, &changes);
        ref_events_find(&known, listing, &r->config->trigger, &events);
        status = save_changes(r, &changes, err);
    }
    vec_each (event, &events.items)
        if (status == 0 && event->kind != REF_DELETE)
            status = queue_run(r, event, err);
    if (status == 0)
        status = db_commit(r->db, err);
    db_rollback(r->db);
    if (status == 0 && events.items.length)
        r->queued(r->arg);
    return status;
}

static int read_listing(struct repository *r, struct ref_list *ret, struct error *err)
{
    AUTO(str) struct str text;
    str_init(&text, LISTING_MAX);
    if (lseek(r->listing_fd, 0, SEEK_SET) < 0 || fd_read_all(r->listing_fd, &text, err) < 0)
        return error_wrap(err, "listing");
    AUTO(value) struct value *listing = value_parse(text.data, text.length, err);
    return listing ? ref_list_parse(listing, ret, err) : -1;
}

static void on_retry(struct loop_timer *timer)
{
    repository_look(timer->arg);
}

// What was pushed is not lost for a listing that failed. The same is not said twice.
static void look_again_later(struct repository *r, const struct error *why)
{
    if (!r->failure || strcmp(r->failure, why->message) != 0)
        log_warning("%s: %s", r->config->path, why->message);
    mem_replace(&r->failure, why->message);
    r->retry_ms = !r->retry_ms                     ? RETRY_MS
                  : r->retry_ms < RETRY_MS_MAX / 2 ? r->retry_ms * 2
                                                   : RETRY_MS_MAX;
    struct loop *loop = r->launcher->loop;
    loop_timer_start(loop, &r->retry, loop_now(loop) + r->retry_ms, on_retry, r);
}

static void on_listed(void *arg, const struct role_result *result)
{
    struct repository *r = arg;
    struct error err = {0};
    AUTO(ref_list) struct ref_list listing = {0};
    if (result->error)
        err = *result->error;
    int status = result->error ? -1 : read_listing(r, &listing, &err);
    role_free(take_ptr(r->role));
    fd_reset(&r->listing_fd);
    if (status == 0) {
        static const char heads[] = "refs/heads/";
        const char *head = listing.head;
        mem_replace(&r->default_branch,
            head && strncmp(head, heads, strlen(heads)) == 0 ? head + strlen(heads) : NULL);
        status = take_listing(r, &listing, &err);
        if (status == 0 && !r->listed)
            log_info("watching %s: %zu refs", r->config->path, listing.items.length);
        r->listed |= status == 0;
    }
    if (status < 0) {
        look_again_later(r, &err);
    } else {
        loop_timer_stop(&r->retry);
        r->retry_ms = 0;
        mem_freep(&r->failure);
    }
    if (r->again) {
        r->again = false;
        repository_look(r);
    }
}

// --- looking ---

static int start_listing(struct repository *r, struct error *err)
{
    r->listing_fd = memfd_create("refs", MFD_CLOEXEC);
    if (r->listing_fd < 0)
        return error_errno(err, "memfd_create");
    struct sandbox_mount mount = {.kind = SANDBOX_BIND_READ,
        .target = REPOSITORY,
        .source = r->config->path,
        .foreign = true};
    struct value *job = value_map();
    value_set_str(job, "op", "refs");
    value_set_str(job, "repository", REPOSITORY);
    struct role_spec spec = {
        .program = PROGRAM_GIT,
        .name = "refs",
        .job = job,
        .job_fd = r->listing_fd,
        .mounts = &mount,
        .mount_count = 1,
        .timeout_ms = LIST_TIMEOUT_MS,
        .grace_ms = LIST_GRACE_MS,
        .ended = on_listed,
        .arg = r,
    };
    r->role = role_start(r->launcher, &spec, err);
    return r->role ? 0 : -1;
}

void repository_look(struct repository *r)
{
    struct error err = {0};
    if (r->role) {
        r->again = true;
        return;
    }
    if (start_listing(r, &err) < 0) {
        fd_reset(&r->listing_fd);
        look_again_later(r, &err);
    }
}

static void on_poll(struct loop_timer *timer)
{
    struct repository *r = timer->arg;
    repository_look(r);
    loop_timer_start(r->launcher->loop, timer, loop_now(r->launcher->loop) + POLL_MS, on_poll, r);
}

void repository_poll(struct repository *r)
{
    if (!r->poll.loop)
        loop_timer_start(
            r->launcher->loop, &r->poll, loop_now(r->launcher->loop) + POLL_MS, on_poll, r);
}
