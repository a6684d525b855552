// COPY and WORKDIR: layers that are written from a plan.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/build_state.h"
#include "image/layer_read.h"
#include "image/layer_write.h"
#include "os/fd.h"
#include "os/file.h"

// Where a plan's files are read from.
struct source {
    struct build *build;
    struct stage_state *state; // NULL: the context
    VEC(int) layer_fds;        // by number of the layer; opened as needed
    VEC(struct written {       // files with several names that are in the new layer already
        const struct node *node;
        const char *path;
    })
    written;
};

static void source_done(struct source *s)
{
    vec_each (fd, &s->layer_fds)
        fd_close(*fd);
    vec_free(&s->layer_fds);
    vec_free(&s->written);
}

static int open_source(struct source *s, const struct node *node, struct error *err)
{
    if (!s->state)
        return context_open_file(&s->build->context, node->content, err);
    while (s->layer_fds.length <= node->layer)
        vec_push(&s->layer_fds, -1);
    int *fd = &s->layer_fds.items[node->layer];
    if (*fd < 0) {
        AUTO_FREE char *directory = layer_directory(&s->state->layers.items.items[node->layer]);
        *fd = dir_open(s->build->store->dir, directory, err);
        if (*fd < 0)
            return -1;
    }
    return file_open_beneath(*fd, node->content, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
}

// What stands for a file's bytes in the key: their digest, or for a layer's file the layer and the
// path, which need not be read.
static int key_content(
    struct source *s, const struct node *node, struct cache_key *key, struct error *err)
{
    if (s->state) {
        cache_key_add(key, s->state->layers.items.items[node->layer].diff_id);
        cache_key_add(key, node->content);
        return 0;
    }
    char digest[DIGEST_SIZE];
    AUTO_FD int fd = open_source(s, node, err);
    if (fd < 0)
        return -1;
    if (digest_fd(fd, digest, NULL, err) < 0)
        return error_wrap(err, "%s", node->content);
    cache_key_add(key, digest);
    return 0;
}

static int make_key(struct source *s, const struct copy_plan *plan,
    char ret[static SHA256_HEX_SIZE], struct error *err)
{
    struct cache_key key;
    cache_key_init(&key, "copy", s->build->epoch);
    vec_each (e, &plan->entries) {
        cache_key_add(&key, e->path);
        cache_key_number(&key, e->type);
        cache_key_number(&key, e->mode);
        cache_key_number(&key, e->uid);
        cache_key_number(&key, e->gid);
        cache_key_add(&key, e->type == NODE_LINK ? e->node->target : NULL);
        if (e->type == NODE_FILE && key_content(s, e->node, &key, err) < 0)
            return -1;
    }
    cache_key_finish(&key, ret);
    return 0;
}

// The path of an earlier entry that is the same file, or NULL.
static const char *same_file(struct source *s, const struct copy_entry *e)
{
    if (!s->state || !e->node->shared)
        return NULL;
    vec_each (w, &s->written)
        if (w->node->layer == e->node->layer && strcmp(w->node->content, e->node->content) == 0)
            return w->path;
    *vec_add(&s->written) = (struct written){.node = e->node, .path = e->path};
    return NULL;
}

static int write_file(struct source *s, struct layer_writer *writer, const struct copy_entry *e,
    struct layer_entry *entry, struct error *err)
{
    struct stat st;
    unsigned char capability[LAYER_CAPABILITY_MAX];
    entry->target = same_file(s, e);
    if (entry->target) {
        entry->item = LAYER_HARD_LINK;
        return layer_writer_add(writer, entry, err);
    }
    AUTO_FD int fd = open_source(s, e->node, err);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return error_errno(err, "%s", e->path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_CONFLICT, "%s changed while it was read", e->path);
    ssize_t n = s->state ? fgetxattr(fd, "security.capability", capability, sizeof capability) : -1;
    entry->capability = n > 0 ? capability : NULL;
    entry->capability_size = n > 0 ? (size_t)n : 0;
    entry->size = (uint64_t)st.st_size;
    entry->fd = fd;
    return layer_writer_add(writer, entry, err);
}

static int write_layer(
    struct source *s, const struct copy_plan *plan, struct layer *ret, struct error *err)
{
    if (s->state && layer_stack_unpack(s->build->store, &s->state->layers, err) < 0)
        return -1;
    AUTO(layer_writer)
    struct layer_writer *writer = layer_writer_new(s->build->store, s->build->epoch, err);
    if (!writer)
        return -1;
    vec_each (e, &plan->entries) {
        struct layer_entry entry = {.path = e->path,
            .type = e->type,
            .mode = e->mode,
            .uid = e->uid,
            .gid = e->gid,
            .fd = -1};
        entry.target = e->type == NODE_LINK ? e->node->target : NULL;
        int status = e->type == NODE_FILE ? write_file(s, writer, e, &entry, err)
                                          : layer_writer_add(writer, &entry, err);
        if (status < 0)
            return -1;
    }
    return layer_writer_finish(writer, ret, err);
}

static bool brings_accounts(const struct copy_plan *plan)
{
    vec_each (e, &plan->entries)
        if (layer_index_wants_text(e->path))
            return true;
    return false;
}

// The plan's layer, from the cache or written, on top of the state.
static int apply_plan(
    struct step *s, struct source *source, const struct copy_plan *plan, struct error *err)
{
    struct layer layer;
    char key[SHA256_HEX_SIZE];
    if (!plan->entries.length)
        return 0;
    if (make_key(source, plan, key, err) < 0)
        return -1;
    s->cached = cache_find(s->build, key, &layer) == 1;
    if (!s->cached &&
        (write_layer(source, plan, &layer, err) < 0 || cache_keep(s->build, key, &layer, err) < 0))
        return -1;
    vec_push(&s->state->layers.items, layer);
    s->made_layer = true;
    // Planning has put it into the tree already, but for the text of accounts.
    if (!brings_accounts(plan))
        s->state->tree_layers = s->state->layers.items.length;
    return 0;
}

// The state behind --from: a stage, or an image that is fetched once.
static struct stage_state *find_source(struct step *s, const char *from, struct error *err)
{
    struct build *b = s->build;
    size_t stage = graph_find(&b->graph, from, s->stage);
    if (stage != SIZE_MAX)
        return &b->stages.items[stage];
    vec_each (e, &b->externals)
        if (strcmp(e->reference, from) == 0)
            return &e->state;
    struct stage_state state = {0};
    if (stage_state_from_image(b, from, &state, err) < 0)
        return NULL;
    struct external *e = vec_add(&b->externals);
    *e = (struct external){.reference = mem_strdup(from), .state = state};
    return &e->state;
}

static int check_mode(struct step *s, const struct docker_flag *flag, char **ret, struct error *err)
{
    *ret = step_expand(s, &flag->value);
    if (!*ret)
        return -1;
    size_t length = strlen(*ret);
    if (length < 3 || length > 4 || strspn(*ret, "01234567") != length)
        return error_set(
            err, ERR_CONFIG, "--chmod=%s: only octal modes (755, 0644) are supported yet", *ret);
    return 0;
}

// Everything of the request but its trees; what it points at is put into the last three.
static int read_request(struct step *s, struct copy_request *r, struct strv *words,
    struct ids *owner, char **ret_mode, struct error *err)
{
    const struct docker_flag *chown = instruction_flag(s->in, "chown");
    const struct docker_flag *chmod = instruction_flag(s->in, "chmod");
    vec_each (word, &s->in->words) {
        char *text = step_expand(s, word);
        if (!text)
            return -1;
        if (!*text) {
            free(text);
            return error_set(err, ERR_CONFIG, "\"%s\" is empty", word->text);
        }
        strv_push_take(words, text);
    }
    const char *directory = stage_state_config(s->state, "WorkingDir");
    char *last = words->items[--words->length];
    words->items[words->length] = NULL;
    char *destination =
        *last == '/' ? mem_strdup(last) : mem_printf("%s/%s", directory ? directory : "", last);
    free(last);
    r->destination = destination;
    r->sources = words;
    if (chmod && check_mode(s, chmod, ret_mode, err) < 0)
        return -1;
    r->mode = *ret_mode;
    if (!chown)
        return 0;
    AUTO_FREE char *spec = step_expand(s, &chown->value);
    if (!spec)
        return -1;
    if (passwd_owner(r->to->passwd, r->to->group, spec, owner, err) < 0)
        return error_wrap(err, "--chown=%s", spec);
    r->owner = owner;
    return 0;
}

static int copy(struct step *s, struct source *source, struct copy_request *r, struct error *err)
{
    AUTO(strv) struct strv words = {0};
    AUTO_FREE char *mode = NULL;
    AUTO(copy_plan) struct copy_plan plan = {0};
    struct ids owner;
    int status = read_request(s, r, &words, &owner, &mode, err);
    if (status == 0)
        status = copy_plan(r, s->state->layers.items.length, &plan, err);
    free((void *)(uintptr_t)r->destination);
    return status < 0 ? -1 : apply_plan(s, source, &plan, err);
}

int step_copy(struct step *s, struct error *err)
{
    struct build *b = s->build;
    const struct docker_flag *from = instruction_flag(s->in, "from");
    struct source source = {.build = b};
    if (from && !(source.state = find_source(s, from->value.text, err)))
        return -1;
    struct copy_request r = {
        .from = source.state ? stage_state_tree(b, source.state, err) : &b->context.tree,
        .to = stage_state_tree(b, s->state, err),
        .from_context = !source.state,
    };
    if (!r.from || !r.to)
        return -1;
    int status = copy(s, &source, &r, err);
    source_done(&source);
    return status;
}

int step_workdir(struct step *s, struct error *err)
{
    AUTO_FREE char *text = step_expand(s, &s->in->words.items[0]);
    if (!text)
        return -1;
    const char *before = stage_state_config(s->state, "WorkingDir");
    const char *user = stage_state_config(s->state, "User");
    AUTO_FREE char *joined =
        *text == '/' ? mem_strdup(text) : mem_printf("%s/%s", before ? before : "", text);
    AUTO_FREE char *clean = path_clean(joined);
    AUTO_FREE char *path = mem_printf("/%s", clean);
    value_set_str(stage_state_config_map(s->state), "WorkingDir", path);
    struct tree *tree = stage_state_tree(s->build, s->state, err);
    struct ids ids = {0};
    AUTO_FREE char *home = NULL;
    if (!tree ||
        (user && *user && passwd_user(tree->passwd, tree->group, user, &ids, &home, err) < 0))
        return -1;
    AUTO(copy_plan) struct copy_plan plan = {0};
    if (copy_plan_directory(tree, path, &ids, s->state->layers.items.length, &plan, err) < 0)
        return -1;
    struct source none = {.build = s->build};
    return apply_plan(s, &none, &plan, err);
}
