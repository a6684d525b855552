#include "os/failpoint.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define POINTS_MAX 16

struct point {
    char name[64];
    int left;
    int signal;
};

static size_t read_points(struct point *points)
{
    const char *spec = getenv("DAVIT_FAILPOINT");
    AUTO_FREE char *copy = mem_strdup(spec ? spec : "");
    size_t n = 0;
    char *rest = copy;
    for (char *item; n < POINTS_MAX && (item = strsep(&rest, ","));) {
        char action[8];
        struct point *p = &points[n];
        if (sscanf(item, "%63[^:]:%d=%7s", p->name, &p->left, action) == 3) {
            p->signal = strcmp(action, "stop") == 0 ? SIGSTOP : SIGKILL;
            n++;
        }
    }
    return n;
}

void failpoint(const char *name)
{
    static struct point points[POINTS_MAX];
    static size_t count = POINTS_MAX + 1; // not read yet
    if (count > POINTS_MAX)
        count = read_points(points);
    for (size_t i = 0; i < count; i++)
        if (strcmp(points[i].name, name) == 0 && --points[i].left == 0)
            kill(getpid(), points[i].signal);
}
