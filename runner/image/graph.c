#include "image/graph.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/text.h"

const char *platform_architecture(void)
{
    struct utsname machine;
    if (uname(&machine) == 0 && strcmp(machine.machine, "aarch64") == 0)
        return "arm64";
    return "amd64";
}

void graph_done(struct graph *graph)
{
    vec_each (stage, &graph->stages) {
        free(stage->name);
        free(stage->base_image);
    }
    vec_free(&graph->stages);
    variables_done(&graph->globals);
}

size_t graph_find(const struct graph *graph, const char *name, size_t before)
{
    int64_t number;
    if (int_parse(name, 0, INT32_MAX, &number))
        return (size_t)number < before ? (size_t)number : SIZE_MAX;
    for (size_t i = before; i-- > 0;)
        if (graph->stages.items[i].name && strcasecmp(graph->stages.items[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

void arg_declare(const struct instruction *in, const struct dockerfile *file,
    const struct variables *args, const struct variables *globals, struct variables *variables,
    struct diag_list *diags)
{
    // All of one instruction see the values from before it.
    AUTO(variables) struct variables set = {0};
    for (size_t i = 0; i + 1 < in->words.length; i += 2) {
        const char *name = in->words.items[i].text;
        const struct docker_text *word = &in->words.items[i + 1];
        AUTO_FREE char *fallback = word->text ? expand_word(word, file, variables, diags) : NULL;
        const char *value = variables_get(args, name);
        if (!value)
            value = fallback;
        if (!value && globals)
            value = variables_get(globals, name);
        if (value)
            variables_set(&set, name, value);
    }
    variables_copy(variables, &set);
}

static void declare_platform(struct variables *v)
{
    const char *arch = platform_architecture();
    AUTO_FREE char *platform = mem_printf("%s/%s", PLATFORM_OS, arch);
    static const char *const sides[] = {"TARGET", "BUILD"};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        const struct {
            const char *name, *value;
        } rows[] = {{"PLATFORM", platform}, {"OS", PLATFORM_OS}, {"ARCH", arch}, {"VARIANT", ""}};
        for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
            AUTO_FREE char *name = mem_printf("%s%s", sides[i], rows[k].name);
            variables_set(v, name, rows[k].value);
        }
    }
}

#define error_at(g, place, ...) diag_error(diags, (g)->file->source, place, __VA_ARGS__)

static void check_platform(struct graph *g, const struct instruction *in, struct diag_list *diags)
{
    const struct docker_flag *flag = instruction_flag(in, "platform");
    if (!flag)
        return;
    AUTO_FREE char *wanted = expand_word(&flag->value, g->file, &g->globals, diags);
    const char *own = variables_get(&g->globals, "TARGETPLATFORM");
    if (wanted && strcmp(wanted, own) != 0)
        error_at(g, flag->place,
            "platform \"%s\": images for another platform than this machine's (%s) are not "
            "supported yet",
            wanted, own);
}

static bool name_ok(const char *name)
{
    if (!isalpha((unsigned char)*name))
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
            return false;
    return true;
}

static void name_stage(struct graph *g, struct build_stage *stage, const struct instruction *in,
    struct diag_list *diags)
{
    size_t words = in->words.length;
    if (words == 1)
        return;
    const struct docker_text *as = &in->words.items[1], *name = &in->words.items[words - 1];
    if (words != 3 || strcasecmp(as->text, "as") != 0) {
        error_at(g, docker_text_place(as), "FROM is written: FROM image [AS name]");
        return;
    }
    if (!name_ok(name->text)) {
        error_at(g, docker_text_place(name), "\"%s\" is not a name for a stage", name->text);
        return;
    }
    if (graph_find(g, name->text, g->stages.length - 1) != SIZE_MAX) {
        error_at(g, docker_text_place(name), "there is a stage \"%s\" already", name->text);
        return;
    }
    stage->name = mem_strdup(name->text);
    for (char *c = stage->name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static void add_stage(struct graph *g, size_t index, struct diag_list *diags)
{
    const struct instruction *in = &g->file->instructions.items[index];
    struct build_stage *stage = vec_add(&g->stages);
    stage->place = in->place;
    stage->first = index + 1;
    check_platform(g, in, diags);
    name_stage(g, stage, in, diags);
    if (!in->words.length)
        return;
    const struct docker_text *word = &in->words.items[0];
    char *base = expand_word(word, g->file, &g->globals, diags);
    if (base && !*base)
        error_at(g, docker_text_place(word), "\"%s\" is empty: no image to build on", word->text);
    size_t other = base ? graph_find(g, base, g->stages.length - 1) : SIZE_MAX;
    bool number = base && isdigit((unsigned char)*base);
    if (base && strcmp(base, "scratch") == 0) {
        stage->base = BASE_SCRATCH;
    } else if (other != SIZE_MAX && !number) {
        stage->base = BASE_STAGE;
        stage->base_stage = other;
    } else {
        stage->base = BASE_IMAGE;
        stage->base_image = take_ptr(base);
    }
    free(base);
}

static void read_stages(struct graph *g, const struct variables *args, struct diag_list *diags)
{
    for (size_t i = 0; i < g->file->instructions.length; i++) {
        const struct instruction *in = &g->file->instructions.items[i];
        size_t count = g->stages.length;
        if (in->keyword == DOCKER_FROM)
            add_stage(g, i, diags);
        else if (count)
            g->stages.items[count - 1].last = i + 1;
        else if (in->keyword == DOCKER_ARG)
            arg_declare(in, g->file, args, NULL, &g->globals, diags);
        else
            error_at(g, in->place, "the first instruction must be FROM (only ARG may come before)");
        if (in->keyword == DOCKER_FROM)
            g->stages.items[count].last = i + 1;
    }
}

// Marks the stage and all that it is made from.
static void need(struct graph *g, size_t index)
{
    struct build_stage *stage = &g->stages.items[index];
    if (stage->needed)
        return;
    stage->needed = true;
    if (stage->base == BASE_STAGE)
        need(g, stage->base_stage);
    for (size_t i = stage->first; i < stage->last; i++) {
        const struct docker_flag *from = instruction_flag(&g->file->instructions.items[i], "from");
        size_t other = from ? graph_find(g, from->value.text, index) : SIZE_MAX;
        if (other != SIZE_MAX)
            need(g, other);
    }
}

// What `--from` names must come before; a name that only a later stage has is a mistake, not an
// image's.
static void check_sources(struct graph *g, struct diag_list *diags)
{
    for (size_t s = 0; s < g->stages.length; s++)
        for (size_t i = g->stages.items[s].first; i < g->stages.items[s].last; i++) {
            const struct docker_flag *from =
                instruction_flag(&g->file->instructions.items[i], "from");
            if (!from)
                continue;
            bool number =
                isdigit((unsigned char)*from->value.text) && !strpbrk(from->value.text, "/:.");
            size_t any = graph_find(g, from->value.text, g->stages.length);
            if (strchr(from->value.text, '$'))
                error_at(g, from->place,
                    "variables are not expanded in --from: name a stage, FROM %s AS name",
                    from->value.text);
            else if (graph_find(g, from->value.text, s) == SIZE_MAX && (any != SIZE_MAX || number))
                error_at(
                    g, from->place, "there is no stage \"%s\" before this one", from->value.text);
        }
}

void graph_make(const struct dockerfile *file, const struct variables *args, const char *target,
    struct graph *ret, struct diag_list *diags)
{
    *ret = (struct graph){.file = file};
    struct diag_place start = {0};
    declare_platform(&ret->globals);
    read_stages(ret, args, diags);
    check_sources(ret, diags);
    if (!ret->stages.length) {
        if (!diags->errors)
            error_at(ret, start, "there is no FROM: nothing to build");
        return;
    }
    ret->target = target ? graph_find(ret, target, ret->stages.length) : ret->stages.length - 1;
    if (ret->target == SIZE_MAX) {
        error_at(ret, start, "there is no stage \"%s\" to build", target);
        ret->target = 0;
        return;
    }
    need(ret, ret->target);
}
