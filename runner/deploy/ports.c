#include "deploy/ports.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "codec/value.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/sockets.h"

#define STATE_MAX ((size_t)16 << 20)

struct ranges {
    bool taken[PORTS_END - PORTS_FIRST];
};

static void mark(struct ranges *r, int64_t first, int64_t count)
{
    for (int64_t port = first; port < first + count; port++)
        if (port >= PORTS_FIRST && port < PORTS_END)
            r->taken[port - PORTS_FIRST] = true;
}

// A state that cannot be read has its agent's attention, not ours: but its ports stay unknown, so
// what is in use is looked at as well.
static void mark_app(struct ranges *r, int apps, const char *app)
{
    AUTO_FREE char *path = mem_printf("%s/state.json", app);
    AUTO(str) struct str text;
    str_init(&text, STATE_MAX);
    if (file_read(apps, path, &text, NULL) < 0)
        return;
    AUTO(value) struct value *state = value_parse(text.data, text.length, NULL);
    const struct value *blocks = value_get(state, "ports");
    for (size_t i = 0; i < value_length(blocks); i++) {
        const struct value *block = value_at(blocks, i);
        int64_t first = value_get_int(block, "first", 0);
        int64_t places = value_get_int(block, "places", 0);
        int64_t stride = value_get_int(block, "stride", 0);
        // Another app's file: it may say anything, until its own agent refuses it.
        bool possible = first > 0 && first < PORTS_END && places > 0 && places < PORTS_END &&
                        stride > 0 && stride < PORTS_END;
        if (possible)
            mark(r, first, places * stride);
    }
}

static bool usable(const struct ranges *r, int first, int count)
{
    for (int i = 0; i < count; i++)
        if (r->taken[first - PORTS_FIRST + i] || !port_is_free(first + i))
            return false;
    return true;
}

// Another state directory on this host does not know our apps, and a port that is reserved may not
// be listened on yet: so that the two do not reach for the same ones, each begins somewhere else.
static int where_to_begin(int apps)
{
    struct stat st;
    uint64_t inode = fstat(apps, &st) == 0 ? st.st_ino : 0;
    return (int)((inode * 0x9e3779b97f4a7c15u >> 32) % (PORTS_END - PORTS_FIRST));
}

int ports_reserve(
    const char *state_path, int count, int *ret_first, int *ret_lock, struct error *err)
{
    AUTO_FREE char *path = path_join(state_path, "apps");
    AUTO_FD int apps = dir_open(AT_FDCWD, path, err);
    AUTO_FD int lock =
        apps < 0 ? -1 : openat(apps, ".ports.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (apps >= 0 && lock < 0)
        return error_errno(err, "%s/.ports.lock", path);
    AUTO(strv) struct strv names = {0};
    if (apps < 0 || file_lock_wait(lock, err) < 0 || dir_list(apps, ".", &names, err) < 0)
        return -1;
    AUTO_FREE struct ranges *taken = mem_alloc(sizeof *taken);
    strv_each (name, &names)
        if ((*name)[0] != '.')
            mark_app(taken, apps, *name);
    int begin = where_to_begin(apps);
    for (int tried = 0; tried < PORTS_END - PORTS_FIRST; tried += count) {
        int first = PORTS_FIRST + (begin + tried) % (PORTS_END - PORTS_FIRST);
        if (first + count > PORTS_END || !usable(taken, first, count))
            continue;
        *ret_first = first;
        *ret_lock = take_fd(lock);
        return 0;
    }
    return error_set(err, ERR_LIMIT,
        "no %d free ports in a row between %d and %d: `davit down` takes apps away that nobody "
        "needs",
        count, PORTS_FIRST, PORTS_END - 1);
}
