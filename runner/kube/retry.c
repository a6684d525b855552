// When is a request sent once more, and a watch begun again? Pure, but for the date in a
// Retry-After.
#include <string.h>

#include "kube/client_private.h"
#include "kube/watch_private.h"

#define RECONNECTS       5
#define RECONNECT_MS     50 // doubled each time: 1.5 s in all
#define ASKED_WAIT_MAX_S 60 // a server's wish for more is not met: the caller hears of it instead

int64_t kube_retry_wait(const struct kube_attempt *a)
{
    bool is_read = strcmp(a->method, "GET") == 0;
    if (!a->answered) {
        // A write may have been carried out all the same. What timed out has been patient enough.
        bool again = is_read && !a->timed_out && a->tries <= RECONNECTS;
        return again ? (int64_t)RECONNECT_MS << (a->tries - 1) : -1;
    }
    // The server says when it would like to be asked again. By 429 and 503 it says as well that it
    // has done nothing; after another 5xx a write may have been carried out.
    bool may =
        a->status == 429 || a->status == 503 || (is_read && a->status >= 500 && a->status <= 599);
    if (!may || a->retry_after_ms < 0 || a->retry_after_ms > ASKED_WAIT_MAX_S * 1000)
        return -1;
    return a->tries <= KUBE_RETRIES ? a->retry_after_ms : -1;
}

int64_t kube_back_off(struct kube_troubles *t, const struct kube_watch_times *times, int64_t now_ms)
{
    if (now_ms - t->last_ms >= times->quiet_ms)
        t->count = 0;
    t->last_ms = now_ms;
    int64_t wait_ms = times->first_ms;
    for (unsigned i = 0; i < t->count && wait_ms < times->max_ms; i++)
        wait_ms *= 2;
    t->count++;
    return wait_ms < times->max_ms ? wait_ms : times->max_ms;
}
