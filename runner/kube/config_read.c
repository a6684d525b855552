// Reading values of kubeconfig files, each with its place.
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "kube/config_private.h"
#include "os/file.h"

#define PEM_MAX ((size_t)1 << 20)

char *kube_place(const struct kube_file *file, const struct yaml_node *node)
{
    struct diag_position at = diag_position(&file->source, node->place.offset);
    return mem_printf("%s:%zu:%zu", file->path, at.line, at.column);
}

int kube_wrong(const struct kube_file *file, const struct yaml_node *node, struct error *err,
    const char *format, ...)
{
    char what[ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    AUTO_FREE char *place = kube_place(file, node);
    return error_set(err, ERR_CONFIG, "%s: %s", place, what);
}

static bool is_nothing(const struct yaml_node *node)
{
    if (!node || node->type != YAML_SCALAR)
        return !node;
    return node->plain &&
           (!node->length || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

int kube_text(const struct kube_file *file, const struct yaml_node *map, const char *key,
    const char **ret, struct error *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (is_nothing(node))
        return 0;
    if (node->type != YAML_SCALAR)
        return kube_wrong(file, node, err, "\"%s\" must be a text", key);
    if (node->length)
        *ret = node->text;
    return 0;
}

int kube_bool(const struct kube_file *file, const struct yaml_node *map, const char *key, bool *ret,
    struct error *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (is_nothing(node))
        return 0;
    bool yes = node->type == YAML_SCALAR && strcmp(node->text, "true") == 0;
    bool no = node->type == YAML_SCALAR && strcmp(node->text, "false") == 0;
    if (!yes && !no)
        return kube_wrong(file, node, err, "\"%s\" must be true or false", key);
    *ret = yes;
    return 0;
}

int kube_list_of(const struct kube_file *file, const struct yaml_node *map, const char *key,
    const struct yaml_node **ret, struct error *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (is_nothing(node))
        return 0;
    if (node->type != YAML_LIST)
        return kube_wrong(file, node, err, "\"%s\" must be a list", key);
    *ret = node;
    return 0;
}

char *kube_file_path(const struct kube_file *file, const char *path)
{
    return path[0] == '/' ? mem_strdup(path) : path_join(file->directory, path);
}

static int take_data(const struct kube_file *file, const struct yaml_node *node, const char *key,
    struct str *out, struct error *err)
{
    if (base64_decode(node->text, out))
        return 0;
    return kube_wrong(file, node, err, "\"%s\" is not base64", key);
}

static int take_file(const struct kube_file *file, const struct yaml_node *node, const char *key,
    struct str *out, struct error *err)
{
    struct error why = {0};
    AUTO_FREE char *path = kube_file_path(file, node->text);
    if (file_read(AT_FDCWD, path, out, &why) == 0)
        return 0;
    return kube_wrong(file, node, err, "\"%s\": %s", key, why.message);
}

int kube_pem(const struct kube_file *file, const struct yaml_node *map, const char *key, char **ret,
    struct error *err)
{
    AUTO_FREE char *data_key = mem_printf("%s-data", key);
    const char *data = NULL, *path = NULL;
    if (kube_text(file, map, data_key, &data, err) < 0 || kube_text(file, map, key, &path, err) < 0)
        return -1;
    if (!data && !path)
        return 0;
    const char *used = data ? data_key : key;
    const struct yaml_node *node = yaml_get(map, used);
    AUTO(str) struct str pem;
    str_init(&pem, PEM_MAX);
    if ((data ? take_data : take_file)(file, node, used, &pem, err) < 0)
        return -1;
    if (strlen(pem.data) != pem.length || !strstr(pem.data, "-----BEGIN "))
        return kube_wrong(file, node, err, "\"%s\" holds no PEM", used);
    *ret = str_take(&pem);
    return 0;
}
