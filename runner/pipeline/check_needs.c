// Who waits for whom: names, circles, and whether a deployed image is there in time. All of it
// takes time in proportion to the file, and nothing recurses.
#include <stdlib.h>
#include <string.h>

#include "pipeline/check.h"

// What holds another character is a reference, or computed.
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define SHOWN_MAX       8 // stages of a circle that a message names

struct edge {
    size_t to;
    struct diag_place place;
};
struct node {
    const char *name;
    VEC(struct edge) edges;
    size_t mark; // of the walk that saw it last
    enum { NEW, ON_PATH, DONE } state;
    size_t next; // edge to follow
};
struct graph {
    struct parsing *parsing;
    struct node *nodes; // in the order of the stages
    size_t count;
    size_t *by_name;    // indexes of nodes, sorted by name
    const char **names; // ends with NULL
    size_t mark;
};

static int by_name(const void *a, const void *b, void *nodes)
{
    const struct node *n = nodes;
    return strcmp(n[*(const size_t *)a].name, n[*(const size_t *)b].name);
}

static struct node *find(const struct graph *g, const char *name)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct node *n = &g->nodes[g->by_name[middle]];
        int order = strcmp(name, n->name);
        if (order == 0)
            return n;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void graph_init(struct graph *g, struct parsing *parsing)
{
    const struct pipeline *p = parsing->p;
    *g = (struct graph){.parsing = parsing, .count = p->stages.length};
    g->nodes = mem_array(g->count, sizeof *g->nodes);
    g->by_name = mem_array(g->count, sizeof *g->by_name);
    g->names = mem_array(g->count + 1, sizeof *g->names);
    for (size_t i = 0; i < g->count; i++) {
        g->nodes[i].name = g->names[i] = p->stages.items[i].name;
        g->by_name[i] = i;
    }
    qsort_r(g->by_name, g->count, sizeof *g->by_name, by_name, g->nodes);
}

static void graph_done(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++)
        vec_free(&g->nodes[i].edges);
    free(g->nodes);
    free(g->by_name);
    free(g->names);
}

static void add_edge(struct graph *g, size_t from, size_t to, struct diag_place place)
{
    struct stage *stage = &g->parsing->p->stages.items[from];
    vec_push(&g->nodes[from].edges, ((struct edge){to, place}));
    strv_push(&stage->needs, g->nodes[to].name);
}

static void add_need(struct graph *g, size_t from, const struct yaml_node *item)
{
    struct node *need = find(g, item->text);
    if (!need) {
        struct schema_hint hint = schema_suggest(&g->parsing->walk, item->text, g->names);
        check_error_at(g->parsing, item->place, "stage \"%s\" needs \"%s\", which does not exist%s",
            YAML_SHOW(g->nodes[from].name), YAML_SHOW(item->text), hint.text);
        return;
    }
    if (need == &g->nodes[from])
        check_error_at(g->parsing, item->place, "stage \"%s\" needs itself", YAML_SHOW(need->name));
    else if (need->mark == g->mark)
        check_error_at(g->parsing, item->place, "\"%s\" is listed twice", YAML_SHOW(need->name));
    else
        add_edge(g, from, (size_t)(need - g->nodes), item->place);
    need->mark = g->mark;
}

static void add_edges(struct graph *g)
{
    bool given = false;
    for (size_t i = 0; i < g->count && !given; i++)
        given = yaml_get(g->parsing->stages.items[i], "needs") != NULL;
    for (size_t i = 0; i < g->count; i++) {
        const struct yaml_node *item, *needs = yaml_get(g->parsing->stages.items[i], "needs");
        if (!given && i > 0)
            add_edge(g, i, i - 1, g->parsing->p->stages.items[i].place);
        g->mark++;
        for (size_t at = 0; node_each(needs, &at, &item);)
            add_need(g, i, item);
    }
}

// path[first…] and back to path[first].
static void report_circle(
    struct graph *g, const size_t *path, size_t first, size_t length, struct diag_place place)
{
    if (g->parsing->walk.diags->items.length >= DIAG_MAX)
        length = first; // nobody would see it
    AUTO(str) struct str names;
    str_init(&names, 1000);
    for (size_t i = first; i < length; i++) {
        bool shown = i - first < SHOWN_MAX / 2 || length - i <= SHOWN_MAX / 2;
        if (shown)
            str_printf(&names, "%s → ", YAML_SHOW(g->nodes[path[i]].name));
        else if (i - first == SHOWN_MAX / 2)
            str_printf(&names, "(%zu more) → ", length - first - SHOWN_MAX / 2 * 2);
    }
    str_puts(&names, YAML_SHOW(g->nodes[path[first]].name));
    check_error_at(g->parsing, place, "these stages need each other in a circle: %s", names.data);
}

static void follow(struct graph *g, size_t *path, size_t start)
{
    size_t length = 0;
    path[length++] = start;
    g->nodes[start].state = ON_PATH;
    while (length) {
        struct node *n = &g->nodes[path[length - 1]];
        if (n->next == n->edges.length) {
            n->state = DONE;
            length--;
            continue;
        }
        const struct edge *edge = &n->edges.items[n->next++];
        struct node *to = &g->nodes[edge->to];
        if (to->state == NEW) {
            to->state = ON_PATH;
            path[length++] = edge->to;
        } else if (to->state == ON_PATH) {
            size_t first = length - 1;
            while (path[first] != edge->to)
                first--;
            report_circle(g, path, first, length, edge->place);
        }
    }
}

static void find_circles(struct graph *g)
{
    AUTO_FREE size_t *path = mem_array(g->count, sizeof *path);
    for (size_t i = 0; i < g->count; i++)
        if (g->nodes[i].state == NEW)
            follow(g, path, i);
}

// Whether `from` needs `to`, directly or by what it needs.
static bool reaches(struct graph *g, size_t from, const struct node *to, size_t *open)
{
    size_t length = 0;
    g->mark++;
    open[length++] = from;
    while (length) {
        const struct node *n = &g->nodes[open[--length]];
        if (n == to)
            return true;
        vec_each (edge, &n->edges) {
            if (g->nodes[edge->to].mark == g->mark)
                continue;
            g->nodes[edge->to].mark = g->mark;
            open[length++] = edge->to;
        }
    }
    return false;
}

// An image that is a stage's must be made before it is deployed.
static void check_image(struct graph *g, size_t at, size_t *open)
{
    const struct stage *stages = g->parsing->p->stages.items;
    const struct yaml_node *image = node_at(g->parsing->stages.items[at], "deploy", "image");
    if (!image || image->type != YAML_SCALAR || !image->length ||
        image->text[strspn(image->text, NAME_CHARACTERS)])
        return;
    const struct node *made = find(g, image->text);
    if (!made) {
        struct schema_hint hint = schema_suggest(&g->parsing->walk, image->text, g->names);
        check_error_at(g->parsing, image->place, "no stage is called \"%s\"%s%s",
            YAML_SHOW(image->text), hint.text,
            *hint.text ? "" : "; an image that no stage makes is written with its registry or tag");
        return;
    }
    const struct stage *maker = &stages[made - g->nodes];
    if (maker->kind != STAGE_BUILD)
        check_error_at(g->parsing, image->place, "stage \"%s\" makes no image: it has no `build`",
            YAML_SHOW(made->name));
    else if (!reaches(g, at, made, open))
        check_error_at(g->parsing, image->place,
            "stage \"%s\" deploys the image of \"%s\" and may start before it is made: add \"%s\" "
            "to its needs",
            YAML_SHOW(stages[at].name), YAML_SHOW(made->name), YAML_SHOW(made->name));
    else if (environment_is_kubernetes(stage_environment(g->parsing->p, &stages[at])) &&
             !value_get_bool(maker->build, "push", false))
        check_error_at(g->parsing, image->place,
            "kubernetes pulls the image of \"%s\" from a registry, and that stage does not push: "
            "%s",
            YAML_SHOW(made->name),
            value_length(value_get(maker->build, "tags"))
                ? "remove its push: false"
                : "give it tags: [\"REGISTRY/NAME:TAG\"]");
}

void check_needs(struct parsing *parsing)
{
    struct graph g;
    graph_init(&g, parsing);
    add_edges(&g);
    find_circles(&g);
    AUTO_FREE size_t *open = mem_array(g.count + 1, sizeof *open);
    for (size_t i = 0; i < g.count; i++)
        if (parsing->p->stages.items[i].kind == STAGE_DEPLOY)
            check_image(&g, i, open);
    graph_done(&g);
}
