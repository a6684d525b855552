// Between config.c (files, contexts) and config_user.c (who a user is).
#pragma once

#include "codec/yaml.h"
#include "kube/config.h"

struct kube_file {
    char *path, *directory;
    struct str text;
    struct diag_source source;
    struct yaml_doc *doc; // NULL: the file is empty
};

// ERR_CONFIG with the node's place. Returns -1.
int kube_wrong(const struct kube_file *file, const struct yaml_node *node, struct error *err,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
char *kube_place(const struct kube_file *file, const struct yaml_node *node);

// A key's scalar, lent; *ret stays NULL where it is absent or empty. What else it is is wrong.
int kube_text(const struct kube_file *file, const struct yaml_node *map, const char *key,
    const char **ret, struct error *err);
int kube_bool(const struct kube_file *file, const struct yaml_node *map, const char *key, bool *ret,
    struct error *err);
// A list's items; *ret stays NULL where it is absent or empty.
int kube_list_of(const struct kube_file *file, const struct yaml_node *map, const char *key,
    const struct yaml_node **ret, struct error *err);
// PEM of "KEY-data" (base64), else of the file that "KEY" names.
int kube_pem(const struct kube_file *file, const struct yaml_node *map, const char *key, char **ret,
    struct error *err);
// A path as the file means it; the caller's.
char *kube_file_path(const struct kube_file *file, const char *path);

// Who the user is: fills what of *cluster is of a user, and *source. `cluster` has what is of its
// cluster; its `extensions` (may be NULL) hold what is for a plugin.
int kube_user(const struct kube_file *file, const struct yaml_node *user,
    const struct yaml_node *extensions, struct kube_cluster *cluster, struct kube_source *source,
    struct error *err);
