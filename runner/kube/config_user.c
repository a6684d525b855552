// Who a kubeconfig's user is.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kube/config_private.h"

#define EXTENSION_NAME "client.authentication.k8s.io/exec" // of a cluster, for plugins

// --- what a plugin is given of its cluster: any YAML, as JSON ---

static struct value *scalar_value(const struct yaml_node *node)
{
    if (!node->plain)
        return value_string_n(node->text, node->length);
    if (!node->length || strcmp(node->text, "~") == 0)
        return value_null();
    bool number = strchr("-0123456789", node->text[0]) != NULL;
    bool word = strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0 ||
                strcmp(node->text, "null") == 0;
    struct value *v = number || word ? value_parse(node->text, node->length, NULL) : NULL;
    return v ? v : value_string_n(node->text, node->length);
}

// The tree's depth is bounded (codec/yaml.h).
static struct value *value_of(const struct yaml_node *node)
{
    if (node->type == YAML_SCALAR)
        return scalar_value(node);
    struct value *v = node->type == YAML_LIST ? value_list() : value_map();
    for (size_t i = 0; i < node->count; i++)
        if (node->type == YAML_LIST)
            value_append(v, value_of(node->items[i]));
        else
            value_set(v, node->pairs[i].key->text, value_of(node->pairs[i].value));
    return v;
}

static struct value *plugin_config(const struct yaml_node *extensions)
{
    for (size_t i = 0; extensions && extensions->type == YAML_LIST && i < extensions->count; i++) {
        const struct yaml_node *name = yaml_get(extensions->items[i], "name");
        const struct yaml_node *extension = yaml_get(extensions->items[i], "extension");
        if (name && extension && name->type == YAML_SCALAR &&
            strcmp(name->text, EXTENSION_NAME) == 0)
            return value_of(extension);
    }
    return NULL;
}

// --- exec ---

static int take_args(const struct kube_file *file, const struct yaml_node *map,
    struct kube_exec *exec, struct error *err)
{
    const struct yaml_node *args = NULL;
    if (kube_list_of(file, map, "args", &args, err) < 0)
        return -1;
    for (size_t i = 0; args && i < args->count; i++) {
        if (args->items[i]->type != YAML_SCALAR)
            return kube_wrong(file, args->items[i], err, "an argument must be a text");
        strv_push(&exec->args, args->items[i]->text);
    }
    return 0;
}

static int take_env(const struct kube_file *file, const struct yaml_node *map,
    struct kube_exec *exec, struct error *err)
{
    const struct yaml_node *env = NULL;
    if (kube_list_of(file, map, "env", &env, err) < 0)
        return -1;
    for (size_t i = 0; env && i < env->count; i++) {
        const char *name = NULL, *value = NULL;
        if (kube_text(file, env->items[i], "name", &name, err) < 0 ||
            kube_text(file, env->items[i], "value", &value, err) < 0)
            return -1;
        if (!name || strchr(name, '='))
            return kube_wrong(
                file, env->items[i], err, "an entry of \"env\" is {name: NAME, value: TEXT}");
        strv_pushf(&exec->env, "%s=%s", name, value ? value : "");
    }
    return 0;
}

static int check_version(const struct kube_file *file, const struct yaml_node *map,
    const char *version, struct error *err)
{
    if (!version)
        return kube_wrong(file, map, err, "\"exec\" has no \"apiVersion\"");
    if (strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
        strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)
        return kube_wrong(file, yaml_get(map, "apiVersion"), err,
            "plugins of \"%s\" are not known: it must be client.authentication.k8s.io/v1 or "
            "…/v1beta1",
            YAML_SHOW(version));
    return 0;
}

static int check_mode(const struct kube_file *file, const struct yaml_node *map,
    const char *version, struct error *err)
{
    const char *mode = NULL;
    if (kube_text(file, map, "interactiveMode", &mode, err) < 0)
        return -1;
    if (!mode && text_ends(version, "/v1"))
        return kube_wrong(file, map, err, "\"exec\" has no \"interactiveMode\", which v1 asks for");
    if (!mode || strcmp(mode, "Never") == 0 || strcmp(mode, "IfAvailable") == 0)
        return 0;
    const struct yaml_node *node = yaml_get(map, "interactiveMode");
    if (strcmp(mode, "Always") == 0)
        return kube_wrong(
            file, node, err, "this plugin wants a terminal to ask at, and davit never gives one");
    return kube_wrong(file, node, err, "\"interactiveMode\" must be Never, IfAvailable or Always");
}

static int take_exec(const struct kube_file *file, const struct yaml_node *map,
    const struct yaml_node *extensions, struct kube_exec *exec, struct error *err)
{
    const char *version = NULL, *command = NULL, *hint = NULL;
    exec->place = kube_place(file, map);
    if (map->type != YAML_MAP)
        return kube_wrong(file, map, err, "\"exec\" must be a map");
    if (kube_text(file, map, "apiVersion", &version, err) < 0 ||
        check_version(file, map, version, err) < 0 || check_mode(file, map, version, err) < 0 ||
        kube_text(file, map, "command", &command, err) < 0 ||
        kube_text(file, map, "installHint", &hint, err) < 0 ||
        kube_bool(file, map, "provideClusterInfo", &exec->provide_cluster, err) < 0 ||
        take_args(file, map, exec, err) < 0 || take_env(file, map, exec, err) < 0)
        return -1;
    if (!command)
        return kube_wrong(file, map, err, "\"exec\" has no \"command\"");
    exec->api_version = mem_strdup(version);
    exec->command = strchr(command, '/') ? kube_file_path(file, command) : mem_strdup(command);
    exec->install_hint = mem_strdup_opt(hint);
    if (exec->provide_cluster)
        exec->config = plugin_config(extensions);
    return 0;
}

// --- impersonation ---

// A header's name from any text: what it cannot hold is percent-encoded.
static char *header_name(const char *key)
{
    AUTO(str) struct str name;
    str_init(&name, 3 * strlen(key) + 1);
    for (const char *c = key; *c; c++)
        if (isalnum((unsigned char)*c) || strchr("!#$&'*+-.^_`|~", *c))
            str_putc(&name, (char)tolower((unsigned char)*c));
        else
            str_printf(&name, "%%%02X", (unsigned)(unsigned char)*c);
    return str_take(&name);
}

static int add_header(const struct kube_file *file, const struct yaml_node *node, const char *name,
    const char *value, struct strv *headers, struct error *err)
{
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return kube_wrong(file, node, err, "a control character has no place here");
    strv_pushf(headers, "%s: %s", name, value);
    return 0;
}

static int add_list(const struct kube_file *file, const struct yaml_node *list, const char *name,
    struct strv *headers, struct error *err)
{
    for (size_t i = 0; list && i < list->count; i++) {
        const struct yaml_node *item = list->items[i];
        if (item->type != YAML_SCALAR)
            return kube_wrong(file, item, err, "this must be a text");
        if (add_header(file, item, name, item->text, headers, err) < 0)
            return -1;
    }
    return 0;
}

static int add_extra(const struct kube_file *file, const struct yaml_node *user,
    struct strv *headers, struct error *err)
{
    const struct yaml_node *extra = yaml_get(user, "as-user-extra");
    if (!extra || yaml_is_empty(extra))
        return 0;
    if (extra->type != YAML_MAP)
        return kube_wrong(file, extra, err, "\"as-user-extra\" must be a map of lists");
    for (size_t i = 0; i < extra->count; i++) {
        const char *key = extra->pairs[i].key->text;
        const struct yaml_node *list = NULL;
        AUTO_FREE char *name = header_name(key);
        AUTO_FREE char *header = mem_printf("Impersonate-Extra-%s", name);
        if (kube_list_of(file, extra, key, &list, err) < 0 ||
            add_list(file, list, header, headers, err) < 0)
            return -1;
    }
    return 0;
}

static int take_impersonation(const struct kube_file *file, const struct yaml_node *user,
    struct strv *headers, struct error *err)
{
    const char *as = NULL, *uid = NULL;
    const struct yaml_node *groups = NULL;
    if (kube_text(file, user, "as", &as, err) < 0 ||
        kube_text(file, user, "as-uid", &uid, err) < 0 ||
        kube_list_of(file, user, "as-groups", &groups, err) < 0)
        return -1;
    if (as && add_header(file, yaml_get(user, "as"), "Impersonate-User", as, headers, err) < 0)
        return -1;
    if (uid && add_header(file, yaml_get(user, "as-uid"), "Impersonate-Uid", uid, headers, err) < 0)
        return -1;
    if (add_list(file, groups, "Impersonate-Group", headers, err) < 0 ||
        add_extra(file, user, headers, err) < 0)
        return -1;
    if (!as && headers->length)
        return kube_wrong(
            file, user, err, "\"as-uid\", \"as-groups\" and \"as-user-extra\" need \"as\"");
    return 0;
}

// --- the whole ---

static int take_secrets(const struct kube_file *file, const struct yaml_node *user,
    struct kube_cluster *cluster, char **ret_token_file, struct error *err)
{
    const char *token = NULL, *path = NULL, *username = NULL, *password = NULL;
    if (kube_text(file, user, "token", &token, err) < 0 ||
        kube_text(file, user, "tokenFile", &path, err) < 0 ||
        kube_text(file, user, "username", &username, err) < 0 ||
        kube_text(file, user, "password", &password, err) < 0 ||
        kube_pem(file, user, "client-certificate", &cluster->cert, err) < 0 ||
        kube_pem(file, user, "client-key", &cluster->key, err) < 0)
        return -1;
    if (!cluster->cert != !cluster->key)
        return kube_wrong(file, user, err, "a client-%s without a client-%s",
            cluster->cert ? "certificate" : "key", cluster->cert ? "key" : "certificate");
    if ((token || path) && (username || password))
        return kube_wrong(file, user, err, "a token and a password exclude each other");
    if (token && !kube_token_ok(token))
        return kube_wrong(file, yaml_get(user, "token"), err, "\"token\" holds what no token can");
    if (username && strchr(username, ':'))
        return kube_wrong(file, yaml_get(user, "username"), err, "a name cannot hold a colon");
    *ret_token_file = path ? kube_file_path(file, path) : NULL;
    cluster->token = path ? NULL : mem_strdup_opt(token); // the file is newer
    cluster->username = mem_strdup_opt(username);
    cluster->password = mem_strdup_opt(password);
    return 0;
}

int kube_user(const struct kube_file *file, const struct yaml_node *user,
    const struct yaml_node *extensions, struct kube_cluster *cluster, struct kube_source *source,
    struct error *err)
{
    const struct yaml_node *exec = yaml_get(user, "exec");
    const struct yaml_node *provider = yaml_get(user, "auth-provider");
    if (provider && !yaml_is_empty(provider)) {
        const struct yaml_node *name = yaml_get(provider, "name");
        return kube_wrong(file, provider, err,
            "the auth-provider \"%s\" is not supported: use its exec plugin (\"exec\")",
            name && name->type == YAML_SCALAR ? YAML_SHOW(name->text) : "");
    }
    if (take_secrets(file, user, cluster, &source->token_file, err) < 0 ||
        take_impersonation(file, user, &cluster->impersonate, err) < 0)
        return -1;
    if (!exec || yaml_is_empty(exec))
        return 0;
    if (source->token_file || cluster->token || cluster->username)
        return kube_wrong(file, exec, err, "\"exec\" and a token or a password exclude each other");
    source->exec = mem_alloc(sizeof *source->exec);
    return take_exec(file, exec, extensions, source->exec, err);
}
