#include "image/dockerfile.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "codec/value.h"
#include "image/dockerfile_scan.h"

#define INSTRUCTIONS_MAX 2000

struct parser {
    struct dockerfile *file;
    struct diag_list *diags;
};

typedef void words_fn(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at);
static words_fn words_plain, words_pairs, words_args, words_command, words_single, words_list;

// One row per keyword that Dockerfiles know; those without `words` are not there.
static const struct keyword {
    const char *name;
    enum docker_keyword keyword;
    words_fn *words;
    const char *flags; // those that are there, each followed by a space
    const char *later; // those that are not there yet
    size_t least;      // words
} keywords[] = {
    {"ADD", 0, NULL, "", "", 0},
    {"ARG", DOCKER_ARG, words_args, "", "", 1},
    {"CMD", DOCKER_CMD, words_command, "", "", 0},
    {"COPY", DOCKER_COPY, words_list, "from chown chmod ", "link parents exclude ", 2},
    {"ENTRYPOINT", DOCKER_ENTRYPOINT, words_command, "", "", 0},
    {"ENV", DOCKER_ENV, words_pairs, "", "", 2},
    {"EXPOSE", DOCKER_EXPOSE, words_plain, "", "", 1},
    {"FROM", DOCKER_FROM, words_plain, "platform ", "", 1},
    {"HEALTHCHECK", 0, NULL, "", "", 0},
    {"LABEL", DOCKER_LABEL, words_pairs, "", "", 2},
    {"MAINTAINER", 0, NULL, "", "", 0},
    {"ONBUILD", 0, NULL, "", "", 0},
    {"RUN", DOCKER_RUN, words_command, "mount ", "network security device ", 1},
    {"SHELL", DOCKER_SHELL, words_command, "", "", 1},
    {"STOPSIGNAL", DOCKER_STOPSIGNAL, words_single, "", "", 1},
    {"USER", DOCKER_USER, words_single, "", "", 1},
    {"VOLUME", 0, NULL, "", "", 0},
    {"WORKDIR", DOCKER_WORKDIR, words_single, "", "", 1},
};

#define error_at(parser, place, ...)                                                               \
    diag_error((parser)->diags, (parser)->file->source, place, __VA_ARGS__)

static void words_plain(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    struct docker_text word;
    (void)p;
    while (docker_scan_word(line, &at, false, '\0', &word))
        vec_push(&in->words, word);
}

static void words_single(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    (void)p;
    struct docker_text rest = docker_scan_rest(line, at);
    if (rest.length)
        vec_push(&in->words, rest);
    else
        docker_text_done(&rest);
}

// Cuts "name=value" in two; false when there is no '='.
static bool cut_pair(struct instruction *in, struct docker_text *word)
{
    const char *equals = strchr(word->text, '=');
    if (!equals)
        return false;
    size_t at = (size_t)(equals - word->text);
    vec_push(&in->words, docker_text_part(word, 0, at));
    vec_push(&in->words, docker_text_part(word, at + 1, word->length));
    docker_text_done(word);
    return true;
}

static void words_pairs(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    struct docker_text word;
    for (size_t next = at; docker_scan_word(line, &next, true, p->file->escape, &word);) {
        if (cut_pair(in, &word))
            continue;
        if (in->words.length) {
            error_at(p, docker_text_place(&word), "\"%s\" has no \"=\"", word.text);
            docker_text_done(&word);
            return;
        }
        // The old form: everything behind the name is its value.
        struct docker_text value = docker_scan_rest(line, next);
        if (!value.length)
            error_at(p, docker_text_place(&word), "\"%s\" has no value", word.text);
        vec_push(&in->words, word);
        vec_push(&in->words, value);
        return;
    }
    for (size_t i = 0; i < in->words.length; i += 2)
        if (!in->words.items[i].length)
            error_at(p, in->place, "a name is empty");
}

static void words_args(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    struct docker_text word;
    while (docker_scan_word(line, &at, true, p->file->escape, &word)) {
        if (cut_pair(in, &word))
            continue;
        vec_push(&in->words, word);
        vec_push(&in->words, ((struct docker_text){0}));
    }
}

// The exec form: a JSON list of strings. False when the text is not one.
static bool exec_form(struct instruction *in, const struct docker_text *rest)
{
    AUTO(value) struct value *list = value_parse(rest->text, rest->length, NULL);
    if (value_type(list) != VALUE_LIST)
        return false;
    for (size_t i = 0; i < value_length(list); i++)
        if (!value_text(value_at(list, i)))
            return false;
    for (size_t i = 0; i < value_length(list); i++) {
        const char *text = value_text(value_at(list, i));
        size_t length = strlen(text);
        struct docker_text word = {.text = mem_strdup(text),
            .places = mem_array(length + 1, sizeof *word.places),
            .length = length};
        for (size_t k = 0; k <= length; k++)
            word.places[k] = rest->places[0]; // JSON has lost the places: the list's own
        vec_push(&in->words, word);
    }
    in->exec = true;
    return true;
}

static void words_list(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    struct docker_text rest = docker_scan_rest(line, at);
    if (rest.text[0] != '[' || !exec_form(in, &rest))
        words_plain(p, in, line, at);
    docker_text_done(&rest);
}

static void words_command(
    struct parser *p, struct instruction *in, const struct docker_text *line, size_t at)
{
    struct docker_text rest = docker_scan_rest(line, at);
    bool list = rest.text[0] == '[' && exec_form(in, &rest);
    if (!list && in->keyword == DOCKER_SHELL) {
        error_at(p, docker_text_place(&rest), "SHELL takes a JSON list, [\"/bin/sh\", \"-c\"]");
    } else if (!list && rest.text[0] == '[' && rest.text[rest.length - 1] == ']' &&
               in->keyword != DOCKER_RUN) {
        diag_add(p->diags, DIAG_WARNING, p->file->source, docker_text_place(&rest),
            "this is not JSON (which wants double quotes), so it runs in a shell");
    }
    if (!list && rest.length)
        vec_push(&in->words, rest);
    else
        docker_text_done(&rest);
}

// A here-document's "<<EOF" as a word of its own.
static void refuse_heredoc(struct parser *p, const struct instruction *in)
{
    if ((in->keyword != DOCKER_RUN && in->keyword != DOCKER_COPY) || in->exec)
        return;
    for (size_t i = 0; i < in->words.length; i++) {
        const struct docker_text *t = &in->words.items[i];
        struct docker_text word;
        for (size_t at = 0; docker_scan_word(t, &at, false, '\0', &word);) {
            const char *c = word.text + strspn(word.text, "0123456789");
            if (c[0] == '<' && c[1] == '<' &&
                (isalpha((unsigned char)c[2 + strspn(c + 2, "-\"'")]) || c[2] == '_'))
                error_at(p, docker_text_place(&word), "here-documents are not supported yet");
            docker_text_done(&word);
        }
    }
}

static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at++)
        if ((at == list || at[-1] == ' ') && at[length] == ' ')
            return true;
    return false;
}

static void add_flag(
    struct parser *p, struct instruction *in, const struct keyword *k, struct docker_text *word)
{
    const char *equals = strchr(word->text, '=');
    size_t end = equals ? (size_t)(equals - word->text) : word->length;
    struct docker_flag flag = {
        .name = mem_strndup(word->text + 2, end - 2), .place = docker_text_place(word)};
    bool known = listed(k->flags, flag.name);
    if (listed(k->later, flag.name))
        error_at(p, flag.place, "%s --%s is not supported yet", k->name, flag.name);
    else if (!known)
        error_at(p, flag.place, "%s has no flag --%s", k->name, flag.name);
    else if (!equals)
        error_at(p, flag.place, "--%s needs a value: --%s=…", flag.name, flag.name);
    if (known && equals) {
        flag.value = docker_text_part(word, end + 1, word->length);
        vec_push(&in->flags, flag);
    } else {
        free(flag.name);
    }
    docker_text_done(word);
}

static size_t parse_flags(struct parser *p, struct instruction *in, const struct keyword *k,
    const struct docker_text *line, size_t at)
{
    struct docker_text word;
    for (size_t next = at; docker_scan_word(line, &next, true, p->file->escape, &word); at = next) {
        if (strncmp(word.text, "--", 2) != 0 || word.length == 2) {
            bool end = word.length == 2 && word.text[0] == '-' && word.text[1] == '-';
            docker_text_done(&word);
            return end ? next : at;
        }
        add_flag(p, in, k, &word);
    }
    return at;
}

static const struct keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (strcasecmp(keywords[i].name, name) == 0)
            return &keywords[i];
    return NULL;
}

static void unknown(struct parser *p, const struct docker_text *word)
{
    const char *names[ARRAY_LEN(keywords) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        names[i] = keywords[i].name;
    AUTO_FREE char *upper = mem_strdup(word->text);
    for (char *c = upper; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    const char *near = suggest(upper, names);
    error_at(p, docker_text_place(word), "unknown instruction \"%s\"%s%s%s", word->text,
        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void parse_line(struct parser *p, const struct docker_text *line)
{
    size_t at = 0;
    struct docker_text word;
    if (!docker_scan_word(line, &at, false, '\0', &word))
        return;
    const struct keyword *k = find_keyword(word.text);
    struct diag_place place = docker_text_place(&word);
    if (!k)
        unknown(p, &word);
    else if (!k->words && strcmp(k->name, "MAINTAINER") == 0)
        error_at(p, place, "MAINTAINER is gone: use LABEL org.opencontainers.image.authors=…");
    else if (!k->words)
        error_at(p, place, "%s is not supported yet", k->name);
    docker_text_done(&word);
    if (!k || !k->words)
        return;
    struct instruction *in = vec_add(&p->file->instructions);
    in->keyword = k->keyword;
    in->place = place;
    in->line = mem_strdup(line->text);
    at = parse_flags(p, in, k, line, at);
    k->words(p, in, line, at);
    refuse_heredoc(p, in);
    if (in->words.length < k->least)
        error_at(p, place, "%s needs %s", k->name,
            k->least == 2 && in->keyword == DOCKER_COPY ? "sources and a destination"
                                                        : "an argument");
    bool one = in->keyword == DOCKER_STOPSIGNAL || in->keyword == DOCKER_USER;
    if (one && in->words.length && strpbrk(in->words.items[0].text, " \t"))
        error_at(p, docker_text_place(&in->words.items[0]), "%s takes one argument", k->name);
}

void dockerfile_parse(
    const struct diag_source *source, struct dockerfile *ret, struct diag_list *diags)
{
    *ret = (struct dockerfile){.source = source, .escape = '\\'};
    struct docker_scanner s = {.source = source, .escape = '\\'};
    struct parser p = {.file = ret, .diags = diags};
    struct diag_place start = {0};
    if (source->length > DOCKERFILE_MAX) {
        diag_error(diags, source, start, "larger than %zu bytes", DOCKERFILE_MAX);
        return;
    }
    if (utf8_valid_prefix(source->text, source->length) < source->length ||
        memchr(source->text, '\0', source->length)) {
        diag_error(diags, source, start, "not UTF-8 text");
        return;
    }
    docker_scan_directives(&s, diags);
    ret->escape = s.escape;
    for (struct docker_text line; docker_scan_line(&s, &line); docker_text_done(&line)) {
        if (ret->instructions.length < INSTRUCTIONS_MAX)
            parse_line(&p, &line);
    }
    if (ret->instructions.length >= INSTRUCTIONS_MAX)
        diag_error(diags, source, start, "more than %d instructions", INSTRUCTIONS_MAX);
}

void dockerfile_done(struct dockerfile *file)
{
    vec_each (in, &file->instructions) {
        vec_each (flag, &in->flags) {
            free(flag->name);
            docker_text_done(&flag->value);
        }
        vec_each (word, &in->words)
            docker_text_done(word);
        vec_free(&in->flags);
        vec_free(&in->words);
        free(in->line);
    }
    vec_free(&file->instructions);
}

const struct docker_flag *instruction_flag(const struct instruction *in, const char *name)
{
    const struct docker_flag *found = NULL;
    vec_each (flag, &in->flags)
        if (strcmp(flag->name, name) == 0)
            found = flag;
    return found;
}
