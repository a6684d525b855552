// What the table cannot say of a gate: which of its settings go together.
#include <string.h>

#include "base/text.h"
#include "pipeline/check.h"

// What stands behind the kind's name; NULL where nothing does.
static const struct yaml_node *settings_of(const struct yaml_node *gate)
{
    return gate->type == YAML_MAP && gate->count == 1 ? gate->pairs[0].value : NULL;
}

static const char *kind_of(const struct yaml_node *gate)
{
    return settings_of(gate) ? gate->pairs[0].key->text : gate->text;
}

// `http: /path` is short for one with a path.
static void check_http(struct parsing *parsing, const struct yaml_node *gate)
{
    const struct yaml_node *settings = settings_of(gate);
    bool scalar = settings && settings->type == YAML_SCALAR && !yaml_is_empty(settings);
    const struct yaml_node *path = scalar ? settings : yaml_get(settings, "path");
    const struct yaml_node *url = yaml_get(settings, "url");
    if (!path && !url)
        check_error_at(parsing, gate->place,
            "an http gate asks each instance for a `path`, as in {http: /ping}, or one address, as "
            "in {http: {url: \"https://app.example/ping\"}}");
    if (path && url)
        check_error_at(parsing, url->place,
            "an http gate asks each instance for its `path`, or one `url`: make two gates of it");
}

static void check_prometheus(struct parsing *parsing, const struct yaml_node *gate)
{
    const struct yaml_node *settings = settings_of(gate);
    const struct yaml_node *min = yaml_get(settings, "min"), *max = yaml_get(settings, "max");
    const struct yaml_node *url = yaml_get(settings, "url");
    double least, most;
    if (url && url->type == YAML_SCALAR && strpbrk(url->text, "?#"))
        check_error_at(parsing, url->place,
            "the url of a prometheus gate is where its API is, as in http://prometheus:9090; what "
            "is asked for goes to `query`");
    if (!min && !max)
        check_error_at(parsing, gate->place,
            "a prometheus gate needs a bound: the largest number that passes, as in max: 0.01, or "
            "the smallest, as `min`");
    if (min && max && min->type == YAML_SCALAR && max->type == YAML_SCALAR &&
        number_read(min->text, &least) && number_read(max->text, &most) && least > most)
        check_error_at(parsing, min->place, "no number is at least %s and at most %s",
            YAML_SHOW(min->text), YAML_SHOW(max->text));
}

static void check_exec(struct parsing *parsing, const struct yaml_node *gate)
{
    const struct yaml_node *settings = settings_of(gate);
    const struct yaml_node *named = yaml_get(settings, "command");
    const struct yaml_node *command = named ? named : settings;
    if (command && command->type == YAML_LIST && !command->count)
        check_error_at(parsing, command->place,
            "an exec gate needs a program of the image, as in {exec: [/app, check]}");
}

static void check_list(struct parsing *parsing, const struct yaml_node *list)
{
    size_t count = list && list->type == YAML_LIST ? list->count : 0;
    for (size_t i = 0; i < count; i++) {
        const char *kind = kind_of(list->items[i]);
        if (text_equal(kind, "http"))
            check_http(parsing, list->items[i]);
        if (text_equal(kind, "exec"))
            check_exec(parsing, list->items[i]);
        if (text_equal(kind, "prometheus"))
            check_prometheus(parsing, list->items[i]);
    }
}

void check_gates(struct parsing *parsing, const struct yaml_node *node)
{
    const struct yaml_node *at = node_at(node, "deploy", "gates");
    check_list(parsing, yaml_get(at, "before_switch"));
    check_list(parsing, yaml_get(at, "after_switch"));
}
