#include "kube/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kube/config_private.h"
#include "net/url.h"
#include "os/file.h"

#define IN_CLUSTER_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"

struct kube_config {
    VEC(struct kube_file *) files;
    struct strv looked_for;
};

// --- files ---

static void file_free(struct kube_file *file)
{
    free(file->path);
    free(file->directory);
    yaml_doc_free(file->doc);
    if (file->text.data)
        explicit_bzero(file->text.data, file->text.length);
    str_done(&file->text);
    free(file);
}

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    vec_each (file, &c->files)
        file_free(*file);
    vec_free(&c->files);
    strv_done(&c->looked_for);
    free(c);
}

// The lists that matter: entries are maps, each with a name of its own.
static int check_entries(const struct kube_file *file, const char *key, struct error *err)
{
    const struct yaml_node *list = NULL;
    if (kube_list_of(file, yaml_root(file->doc), key, &list, err) < 0)
        return -1;
    AUTO(strv) struct strv names = {0};
    for (size_t i = 0; list && i < list->count; i++) {
        const struct yaml_node *entry = list->items[i];
        const char *name = NULL;
        if (entry->type != YAML_MAP)
            return kube_wrong(file, entry, err, "an entry of \"%s\" must be a map", key);
        if (kube_text(file, entry, "name", &name, err) < 0)
            return -1;
        if (!name)
            return kube_wrong(file, entry, err, "this entry of \"%s\" has no name", key);
        if (strv_has(&names, name))
            return kube_wrong(file, yaml_get(entry, "name"), err, "\"%s\" is twice in \"%s\"",
                YAML_SHOW(name), key);
        strv_push(&names, name);
    }
    return 0;
}

static int read_tree(struct kube_file *file, struct error *err)
{
    AUTO(diag) struct diag_list diags = {0};
    file->source = (struct diag_source){file->path, file->text.data, file->text.length};
    if (!file->text.data[strspn(file->text.data, " \t\r\n")])
        return 0;
    file->doc = yaml_read(&file->source, &diags);
    if (diags.errors) {
        diag_sort(&diags);
        const struct diag *first = diags.items.items;
        struct diag_position at = diag_position(&file->source, first->place.offset);
        return error_set(
            err, ERR_CONFIG, "%s:%zu:%zu: %s", file->path, at.line, at.column, first->message);
    }
    const struct yaml_node *root = yaml_root(file->doc);
    const char *kind = NULL, *current = NULL;
    if (root->type != YAML_MAP)
        return kube_wrong(file, root, err, "a kubeconfig must be a map");
    if (kube_text(file, root, "kind", &kind, err) < 0 ||
        kube_text(file, root, "current-context", &current, err) < 0)
        return -1;
    if (kind && strcmp(kind, "Config") != 0)
        return kube_wrong(file, yaml_get(root, "kind"), err,
            "this is a \"%s\", and a kubeconfig is a \"Config\"", YAML_SHOW(kind));
    if (check_entries(file, "clusters", err) < 0 || check_entries(file, "contexts", err) < 0)
        return -1;
    return check_entries(file, "users", err);
}

static int add_file(struct kube_config *c, const char *path, bool must_exist, struct error *err)
{
    struct error why = {0};
    struct kube_file *file = mem_alloc(sizeof *file);
    const char *slash = strrchr(path, '/');
    file->path = mem_strdup(path);
    file->directory = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    if (slash == path)
        mem_replace(&file->directory, "/");
    str_init(&file->text, YAML_SOURCE_MAX);
    strv_push(&c->looked_for, path);
    int status = file_read(AT_FDCWD, path, &file->text, &why);
    if (status < 0 && why.kind == ERR_NOT_FOUND && !must_exist) {
        file_free(file);
        return 0;
    }
    if (status < 0 || read_tree(file, &why) < 0) {
        file_free(file);
        if (status < 0)
            error_wrap(&why, "kubeconfig");
        if (err)
            *err = why;
        return -1;
    }
    vec_push(&c->files, file);
    return 0;
}

static int add_standard(struct kube_config *c, struct error *err)
{
    const char *list = getenv("KUBECONFIG"), *home = getenv("HOME");
    if (!list || !*list) {
        AUTO_FREE char *path = home && *home ? path_join(home, ".kube/config") : NULL;
        return path ? add_file(c, path, false, err) : 0;
    }
    while (*list) {
        size_t length = strcspn(list, ":");
        AUTO_FREE char *path = mem_strndup(list, length);
        if (*path && !strv_has(&c->looked_for, path) && add_file(c, path, false, err) < 0)
            return -1;
        list += length + (list[length] == ':');
    }
    return 0;
}

struct kube_config *kube_config_load(const char *path, struct error *err)
{
    AUTO(kube_config) struct kube_config *c = mem_alloc(sizeof *c);
    if ((path ? add_file(c, path, true, err) : add_standard(c, err)) < 0)
        return NULL;
    return take_ptr(c);
}

// --- entries ---

// An entry of that name, in the first file that has one; NULL.
static const struct yaml_node *find(const struct kube_config *c, const char *key, const char *name,
    const struct kube_file **ret_file)
{
    vec_each (file, &c->files) {
        const struct yaml_node *list = (*file)->doc ? yaml_get(yaml_root((*file)->doc), key) : NULL;
        for (size_t i = 0; list && i < list->count && list->type == YAML_LIST; i++)
            if (strcmp(yaml_get(list->items[i], "name")->text, name) == 0) {
                *ret_file = *file;
                return list->items[i];
            }
    }
    return NULL;
}

static void names_of(const struct kube_config *c, const char *key, struct strv *ret)
{
    vec_each (file, &c->files) {
        const struct yaml_node *list = (*file)->doc ? yaml_get(yaml_root((*file)->doc), key) : NULL;
        for (size_t i = 0; list && i < list->count && list->type == YAML_LIST; i++) {
            const char *name = yaml_get(list->items[i], "name")->text;
            if (!strv_has(ret, name))
                strv_push(ret, name);
        }
    }
}

void kube_config_contexts(const struct kube_config *c, struct strv *ret)
{
    names_of(c, "contexts", ret);
}

const char *kube_config_current(const struct kube_config *c)
{
    const char *current = NULL;
    vec_each (file, &c->files)
        if ((*file)->doc && !current)
            kube_text(*file, yaml_root((*file)->doc), "current-context", &current, NULL);
    return current;
}

static void print_list(const struct strv *names, struct str *out)
{
    for (size_t i = 0; i < names->length; i++)
        str_printf(out, "%s%s", i ? ", " : "", names->items[i]);
}

static int no_context(const struct kube_config *c, const char *context, struct error *err)
{
    AUTO(strv) struct strv names = {0};
    AUTO(str) struct str list;
    AUTO(str) struct str files;
    str_init(&list, ERROR_MESSAGE_MAX / 3);
    str_init(&files, ERROR_MESSAGE_MAX / 3);
    kube_config_contexts(c, &names);
    print_list(&names, &list);
    print_list(&c->looked_for, &files);
    const char *where = files.length ? files.data : "no kubeconfig (neither $KUBECONFIG nor $HOME)";
    if (!names.length)
        return error_set(err, ERR_NOT_FOUND, "there is no context%s%s%s: looked for %s",
            context ? " \"" : "", context ? context : "", context ? "\"" : "", where);
    if (!context)
        return error_set(err, ERR_NOT_FOUND,
            "%s: no current-context is set, and none was named: there are %s", where, list.data);
    const char *near = suggest(context, (const char *const *)strv_argv(&names));
    if (near)
        return error_set(err, ERR_NOT_FOUND, "%s: there is no context \"%s\"; did you mean \"%s\"?",
            where, context, near);
    return error_set(err, ERR_NOT_FOUND, "%s: there is no context \"%s\": there are %s", where,
        context, list.data);
}

// --- clusters ---

static int take_proxy(const struct kube_file *file, const struct yaml_node *map,
    struct kube_cluster *cluster, struct error *err)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://"};
    const char *proxy = NULL;
    if (kube_text(file, map, "proxy-url", &proxy, err) < 0)
        return -1;
    if (!proxy)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (text_starts(proxy, schemes[i]) && proxy[strlen(schemes[i])]) {
            cluster->proxy = mem_strdup(proxy);
            return 0;
        }
    return kube_wrong(file, yaml_get(map, "proxy-url"), err,
        "\"proxy-url\" must begin with http://, https:// or socks5://");
}

static int take_server(const struct kube_file *file, const struct yaml_node *map,
    struct kube_cluster *cluster, struct error *err)
{
    const char *server = NULL;
    AUTO(url) struct url url = {0};
    struct error why = {0};
    if (kube_text(file, map, "server", &server, err) < 0)
        return -1;
    if (!server)
        return kube_wrong(file, map, err, "the cluster has no \"server\"");
    if (url_parse(server, &url, &why) < 0)
        return kube_wrong(file, yaml_get(map, "server"), err, "%s", why.message);
    if (strpbrk(server, "?#"))
        return kube_wrong(
            file, yaml_get(map, "server"), err, "\"server\" has a query or a fragment");
    size_t length = strlen(server);
    while (length && server[length - 1] == '/')
        length--;
    cluster->server = mem_strndup(server, length);
    return 0;
}

static int take_cluster(const struct kube_file *file, const struct yaml_node *map,
    struct kube_cluster *cluster, struct error *err)
{
    const char *name = NULL;
    if (take_server(file, map, cluster, err) < 0 || take_proxy(file, map, cluster, err) < 0 ||
        kube_text(file, map, "tls-server-name", &name, err) < 0 ||
        kube_bool(file, map, "insecure-skip-tls-verify", &cluster->insecure, err) < 0 ||
        kube_pem(file, map, "certificate-authority", &cluster->ca, err) < 0)
        return -1;
    cluster->tls_server_name = mem_strdup_opt(name);
    if (cluster->insecure && cluster->ca)
        return kube_wrong(file, yaml_get(map, "insecure-skip-tls-verify"), err,
            "a certificate authority and insecure-skip-tls-verify exclude each other");
    return 0;
}

// The entry's map below `inner` ("cluster" of an entry of "clusters").
static const struct yaml_node *entry_of(const struct kube_config *c,
    const struct kube_file *from_file, const struct yaml_node *context, const char *inner,
    const struct kube_file **ret_file, struct error *err)
{
    const char *name = NULL;
    AUTO_FREE char *list = mem_printf("%ss", inner);
    if (kube_text(from_file, context, inner, &name, err) < 0)
        return NULL;
    if (!name) {
        kube_wrong(from_file, context, err, "the context has no \"%s\"", inner);
        return NULL;
    }
    const struct yaml_node *entry = find(c, list, name, ret_file);
    const struct yaml_node *map = yaml_get(entry, inner);
    if (map && map->type == YAML_MAP)
        return map;
    if (entry) {
        kube_wrong(*ret_file, entry, err, "this entry of \"%s\" has no map \"%s\"", list, inner);
        return NULL;
    }
    AUTO(strv) struct strv names = {0};
    names_of(c, list, &names);
    const char *near = suggest(name, (const char *const *)strv_argv(&names));
    kube_wrong(from_file, yaml_get(context, inner), err, "there is no %s \"%s\"%s%s%s", inner,
        YAML_SHOW(name), near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return NULL;
}

static int take_context(const struct kube_config *c, const struct kube_file *file,
    const struct yaml_node *entry, struct kube_cluster *cluster, struct kube_source *source,
    struct error *err)
{
    const struct kube_file *cluster_file = NULL, *user_file = NULL;
    const struct yaml_node *context = yaml_get(entry, "context");
    const char *ns = NULL;
    if (!context || context->type != YAML_MAP)
        return kube_wrong(file, entry, err, "this entry of \"contexts\" has no map \"context\"");
    const struct yaml_node *at = entry_of(c, file, context, "cluster", &cluster_file, err);
    if (!at || take_cluster(cluster_file, at, cluster, err) < 0)
        return -1;
    const struct yaml_node *user = entry_of(c, file, context, "user", &user_file, err);
    if (!user || kube_user(user_file, user, yaml_get(at, "extensions"), cluster, source, err) < 0 ||
        kube_text(file, context, "namespace", &ns, err) < 0)
        return -1;
    cluster->namespace = mem_strdup(ns ? ns : "default");
    cluster->dynamic = source->exec || source->token_file;
    return 0;
}

int kube_config_cluster(const struct kube_config *c, const char *context,
    struct kube_cluster *ret_cluster, struct kube_source *ret_source, struct error *err)
{
    AUTO(kube_cluster) struct kube_cluster cluster = {0};
    AUTO(kube_source) struct kube_source source = {0};
    AUTO(strv) struct strv names = {0};
    const char *name = context ? context : kube_config_current(c);
    const struct kube_file *file;
    const struct yaml_node *entry = name ? find(c, "contexts", name, &file) : NULL;
    kube_config_contexts(c, &names);
    bool own = name ? strcmp(name, KUBE_IN_CLUSTER) == 0 : !names.length;
    if (!entry && own && getenv("KUBERNETES_SERVICE_HOST"))
        return kube_config_in_cluster(NULL, ret_cluster, ret_source, err);
    if (!entry)
        return no_context(c, name, err);
    if (take_context(c, file, entry, &cluster, &source, err) < 0)
        return -1;
    cluster.context = mem_strdup(name);
    *ret_cluster = cluster;
    *ret_source = source;
    cluster = (struct kube_cluster){0};
    source = (struct kube_source){0};
    return 0;
}

// --- a pod's own ---

static char *read_mounted(const char *directory, const char *name, struct error *err)
{
    AUTO_FREE char *path = path_join(directory, name);
    AUTO(str) struct str text;
    str_init(&text, YAML_SOURCE_MAX);
    if (file_read(AT_FDCWD, path, &text, err) < 0) {
        error_wrap(err, "the service account of this pod");
        return NULL;
    }
    while (text.length && strchr(" \t\r\n", text.data[text.length - 1]))
        text.data[--text.length] = '\0';
    return str_take(&text);
}

int kube_config_in_cluster(const char *directory, struct kube_cluster *ret_cluster,
    struct kube_source *ret_source, struct error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (!host || !*host || !port || !*port)
        return error_set(err, ERR_NOT_FOUND,
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod");
    directory = directory ? directory : IN_CLUSTER_DIRECTORY;
    AUTO_FREE char *ca = read_mounted(directory, "ca.crt", err);
    AUTO_FREE char *ns = ca ? read_mounted(directory, "namespace", err) : NULL;
    if (!ns)
        return -1;
    bool v6 = strchr(host, ':') && host[0] != '[';
    *ret_cluster = (struct kube_cluster){
        .context = mem_strdup(KUBE_IN_CLUSTER),
        .server = mem_printf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port),
        .namespace = take_ptr(ns),
        .ca = take_ptr(ca),
        .dynamic = true,
    };
    *ret_source = (struct kube_source){.token_file = path_join(directory, "token")};
    return 0;
}
