// libyaml's events made into a tree. The parser keeps its states on a stack of its own, and so does
// this reader: no input recurses.
#include "codec/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "codec/yaml_tree.h"

#define TAG_PREFIX "tag:yaml.org,2002:" // what "!!" stands for
#define CHARS_STEP 64                   // every 64th character's offset is noted

struct anchor {
    char *name;
    struct yaml_node *node;
};

// A list or map that has begun and not ended. Its children so far are pending[first…].
struct frame {
    struct yaml_node *node;
    size_t first;
};

struct reader {
    const struct diag_source *source;
    struct diag_list *diags;
    struct yaml_doc *doc;
    yaml_parser_t parser;
    size_t skipped;      // bytes before what libyaml sees: a byte order mark
    VEC(uint32_t) chars; // libyaml's marks count characters: the offsets of some
    VEC(struct frame) open;
    VEC(struct yaml_node *) pending;
    VEC(struct anchor) anchors;
    size_t nodes, bytes, documents;
    bool all; // not only one document
    bool failed;
};

// Bad bytes, before libyaml sees them: where it would say less. True when there are none.
static bool check_bytes(const struct diag_source *source, struct diag_list *diags)
{
    const unsigned char *text = (const unsigned char *)source->text;
    size_t valid = utf8_valid_prefix(source->text, source->length);
    for (size_t i = 0; i < valid; i++) {
        unsigned char c = text[i];
        bool c0 = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
        bool c1 = c == 0xc2 && text[i + 1] < 0xa0 && text[i + 1] != 0x85;
        bool mark = c == 0xef && ((text[i + 1] == 0xbb && text[i + 2] == 0xbf && i > 0) ||
                                     (text[i + 1] == 0xbf && text[i + 2] >= 0xbe));
        if (!c0 && !c1 && !mark)
            continue;
        unsigned code = c0   ? c
                        : c1 ? text[i + 1]
                             : 0xf000u | (text[i + 1] & 0x3fu) << 6 | (text[i + 2] & 0x3fu);
        if (code)
            diag_error(diags, source, ((struct diag_place){i, 1}),
                "the control character U+%04X has no place in a text; in a double-quoted string it "
                "can be written \"\\u%04x\"",
                code, code);
        else
            diag_error(diags, source, ((struct diag_place){i, 1}), "a NUL has no place in a text");
        return false;
    }
    if (valid == source->length)
        return true;
    bool wide = source->length >= 2 && (text[0] ^ text[1]) == (0xff ^ 0xfe) && text[0] >= 0xfe;
    diag_error(diags, source, ((struct diag_place){valid, 1}), "this is not UTF-8%s",
        wide ? " but UTF-16: save the file as UTF-8" : "");
    return false;
}

static void note_chars(struct reader *r)
{
    const struct diag_source *source = r->source;
    size_t count = 0;
    for (size_t i = r->skipped; i < source->length; i++)
        if (((unsigned char)source->text[i] & 0xc0) != 0x80 && count++ % CHARS_STEP == 0)
            vec_push(&r->chars, (uint32_t)i);
}

static size_t offset_of(const struct reader *r, size_t index)
{
    if (index / CHARS_STEP >= r->chars.length)
        return r->source->length;
    size_t at = r->chars.items[index / CHARS_STEP];
    for (size_t left = index % CHARS_STEP; left && at < r->source->length; left--)
        do
            at++;
        while (at < r->source->length && ((unsigned char)r->source->text[at] & 0xc0) == 0x80);
    return at;
}

static struct diag_place place_of(const struct reader *r, yaml_mark_t start, yaml_mark_t end)
{
    size_t from = offset_of(r, start.index), to = offset_of(r, end.index);
    return (struct diag_place){from, to > from ? to - from : 0};
}

#define fail(r, place, ...)                                                                        \
    do {                                                                                           \
        diag_error((r)->diags, (r)->source, place, __VA_ARGS__);                                   \
        (r)->failed = true;                                                                        \
    } while (0)

// libyaml says what it did not find; what a person most likely did stands here.
static const char *syntax_hint(const char *problem, char at)
{
    static const struct {
        const char *problem;
        char at; // 0: any
        const char *hint;
    } rows[] = {
        {"cannot start any token", '\t', "a tab cannot indent: use spaces"},
        {"cannot start any token", '@', "a value that begins with @ needs quotes"},
        {"cannot start any token", '`', "a value that begins with ` needs quotes"},
        {"cannot start any token", '%', "a value that begins with % needs quotes"},
        {"tab character", 0, "a tab cannot indent: use spaces"},
        {"mapping values are not allowed", 0, "a value that holds \": \" needs quotes"},
        {"alphabetic or numeric character", 0, "a value that begins with * or & needs quotes"},
        {"could not find expected ':'", 0, "a key needs \": \" behind it, on the same line"},
        {"did not find expected key", 0,
            "is the line indented like its neighbours, and what stands in quotes closed?"},
        {"unexpected end of stream", 0, "a quote is not closed"},
        {"unknown escape", 0, "in single quotes a backslash is a backslash"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strstr(problem, rows[i].problem) && (!rows[i].at || rows[i].at == at))
            return rows[i].hint;
    return NULL;
}

static void report_syntax(struct reader *r)
{
    const yaml_parser_t *parser = &r->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        abort();
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    struct diag_place place = place_of(r, parser->problem_mark, parser->problem_mark);
    const char *hint = syntax_hint(
        problem, place.offset < r->source->length ? r->source->text[place.offset] : '\0');
    fail(r, place, "this is not YAML: %s%s%s", problem, hint ? "; " : "", hint ? hint : "");
    if (parser->context && parser->context_mark.index != parser->problem_mark.index)
        diag_add(r->diags, DIAG_NOTE, r->source,
            place_of(r, parser->context_mark, parser->context_mark), "%s that begins here",
            parser->context);
}

// Counts what is added to the tree against the bounds.
static bool charge(struct reader *r, size_t nodes, size_t bytes, struct diag_place place)
{
    r->nodes += nodes;
    r->bytes += bytes;
    if (r->nodes <= YAML_NODES_MAX && r->bytes <= YAML_TEXT_MAX)
        return true;
    if (r->nodes > YAML_NODES_MAX)
        fail(r, place, "the file holds more than %d values, aliases (*name) counted each time",
            YAML_NODES_MAX);
    else
        fail(r, place,
            "the file's values are longer than %zu MiB together, aliases (*name) "
            "counted each time",
            YAML_TEXT_MAX >> 20);
    return false;
}

static bool check_depth(struct reader *r, size_t height, struct diag_place place)
{
    if (r->open.length + height <= YAML_DEPTH_MAX)
        return true;
    fail(r, place, "values are nested more than %d deep here", YAML_DEPTH_MAX);
    return false;
}

static bool set_anchor(struct reader *r, const char *name, struct yaml_node *node)
{
    if (!name)
        return true;
    if (r->anchors.length == YAML_ANCHORS_MAX) {
        fail(r, node->place, "the file has more than %d anchors (&name)", YAML_ANCHORS_MAX);
        return false;
    }
    vec_push(&r->anchors, ((struct anchor){mem_strdup(name), node}));
    return true;
}

static struct yaml_node *node_new(
    struct reader *r, enum yaml_type type, const yaml_event_t *event, const yaml_char_t *tag)
{
    struct yaml_node *node = yaml_doc_alloc(r->doc, sizeof *node);
    *node = (struct yaml_node){
        .type = type,
        .place = place_of(r, event->start_mark, event->end_mark),
        .nodes = 1,
    };
    const char *name = (const char *)tag;
    bool standard = tag && text_starts(name, TAG_PREFIX);
    if (tag)
        diag_error(r->diags, r->source, node->place,
            "tags are not understood here: every value gets its type from the key that it stands "
            "under; remove \"%s%s\"",
            standard ? "!!" : "", YAML_SHOW(name + (standard ? strlen(TAG_PREFIX) : 0)));
    return node;
}

static bool take_scalar(struct reader *r, const yaml_event_t *event)
{
    struct yaml_node *node = node_new(r, YAML_SCALAR, event, event->data.scalar.tag);
    const char *text = (const char *)event->data.scalar.value;
    node->length = event->data.scalar.length;
    if (!check_depth(r, 1, node->place) || !charge(r, 1, node->length, node->place))
        return false;
    if (memchr(text, '\0', node->length)) {
        diag_error(r->diags, r->source, node->place, "a string cannot hold a NUL (\\0)");
        node->length = strlen(text);
    }
    char *copy = yaml_doc_alloc(r->doc, node->length + 1);
    memcpy(copy, text, node->length);
    node->text = copy;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->bytes = node->length;
    node->height = 1;
    vec_push(&r->pending, node);
    return set_anchor(r, (const char *)event->data.scalar.anchor, node);
}

static bool take_alias(struct reader *r, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct diag_place place = place_of(r, event->start_mark, event->end_mark);
    const struct yaml_node *target = NULL;
    for (size_t i = r->anchors.length; i-- && !target;)
        if (strcmp(r->anchors.items[i].name, name) == 0)
            target = r->anchors.items[i].node;
    if (!target) {
        fail(r, place, "no anchor &%s stands before this alias", YAML_SHOW(name));
        return false;
    }
    if (!target->height) {
        fail(r, place, "this alias stands inside of what &%s names", YAML_SHOW(name));
        return false;
    }
    if (!check_depth(r, target->height, place) || !charge(r, target->nodes, target->bytes, place))
        return false;
    struct yaml_node *node = yaml_doc_alloc(r->doc, sizeof *node);
    *node = *target;
    node->place = place;
    vec_push(&r->pending, node);
    return true;
}

static bool open_node(struct reader *r, enum yaml_type type, const yaml_event_t *event,
    const yaml_char_t *tag, const yaml_char_t *anchor)
{
    struct yaml_node *node = node_new(r, type, event, tag);
    if (!check_depth(r, 1, node->place) || !charge(r, 1, 0, node->place))
        return false;
    vec_push(&r->open, ((struct frame){node, r->pending.length}));
    return set_anchor(r, (const char *)anchor, node);
}

static void close_node(struct reader *r, const yaml_event_t *event)
{
    struct frame frame = r->open.items[--r->open.length];
    struct yaml_node *node = frame.node;
    struct yaml_node **children = r->pending.items + frame.first;
    size_t count = r->pending.length - frame.first;
    size_t end = offset_of(r, event->end_mark.index);
    if (end > node->place.offset)
        node->place.length = end - node->place.offset;
    if (node->type == YAML_LIST)
        yaml_list_fill(r->doc, node, children, count);
    else if (!yaml_map_fill(r->doc, node, children, count, r->source, r->diags))
        r->failed = true;
    r->pending.length = frame.first;
    vec_push(&r->pending, node);
}

static void forget_anchors(struct reader *r)
{
    vec_each (anchor, &r->anchors)
        free(anchor->name);
    r->anchors.length = 0;
}

// An anchor names nothing in the next document.
static void close_document(struct reader *r)
{
    vec_push(&r->doc->roots, (const struct yaml_node *)r->pending.items[0]);
    r->pending.length = 0;
    forget_anchors(r);
}

// False when reading cannot, or need not, go on.
static bool take_event(struct reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ == 0 || r->all)
            return true;
        fail(r, place_of(r, event->start_mark, event->end_mark),
            "a second document begins here: a file holds one");
        return false;
    case YAML_ALIAS_EVENT:
        return take_alias(r, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(
            r, YAML_LIST, event, event->data.sequence_start.tag, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return open_node(
            r, YAML_MAP, event, event->data.mapping_start.tag, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_node(r, event);
        return true;
    case YAML_DOCUMENT_END_EVENT:
        close_document(r);
        return true;
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        return true;
    }
}

static void read_events(struct reader *r)
{
    bool more = true;
    while (more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            report_syntax(r);
            return;
        }
        more = take_event(r, &event);
        yaml_event_delete(&event);
    }
    if (!r->failed && !r->all && r->doc->roots.length == 0)
        fail(r, ((struct diag_place){0, 0}), "the file is empty");
}

static void reader_done(struct reader *r)
{
    yaml_parser_delete(&r->parser);
    forget_anchors(r);
    vec_free(&r->anchors);
    vec_free(&r->chars);
    vec_free(&r->open);
    vec_free(&r->pending);
}

static struct yaml_doc *read_source(
    const struct diag_source *source, bool all, struct diag_list *diags)
{
    if (source->length > YAML_SOURCE_MAX) {
        diag_error(diags, source, ((struct diag_place){0, 0}),
            "the file is larger than %zu MiB: that is no configuration", YAML_SOURCE_MAX >> 20);
        return NULL;
    }
    if (!check_bytes(source, diags))
        return NULL;
    AUTO(yaml_doc) struct yaml_doc *doc = mem_alloc(sizeof *doc);
    struct reader r = {.source = source, .diags = diags, .doc = doc, .all = all};
    if (!yaml_parser_initialize(&r.parser))
        abort();
    if (source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
        r.skipped = 3;
    note_chars(&r);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &r.parser, (const unsigned char *)source->text + r.skipped, source->length - r.skipped);
    read_events(&r);
    bool failed = r.failed;
    reader_done(&r);
    return failed ? NULL : take_ptr(doc);
}

struct yaml_doc *yaml_read(const struct diag_source *source, struct diag_list *diags)
{
    return read_source(source, false, diags);
}

struct yaml_doc *yaml_read_all(const struct diag_source *source, struct diag_list *diags)
{
    return read_source(source, true, diags);
}
