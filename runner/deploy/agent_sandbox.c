// What a process of an instance is given: its own, and those that run beside it.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "deploy/agent_private.h"
#include "os/fd.h"
#include "os/file.h"

#define ACCOUNTS_MAX     ((size_t)1 << 20)
#define DEFAULT_PATH_ENV "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int add_secrets(const struct agent_instance *i, struct strv *environment, struct error *err)
{
    if (!i->release->secrets.length)
        return 0;
    AUTO(value) struct value *secrets = agent_secrets(i->agent, i->release->revision, err);
    if (!secrets)
        return error_wrap(err, "the release's secrets");
    strv_each (name, &i->release->secrets) {
        const char *value = value_get_str(secrets, *name);
        if (value)
            strv_pushf(environment, "%s=%s", *name, value);
    }
    return 0;
}

// Later ones win: the image's, the release's, its secrets, and the ports that it is given.
int instance_environment(const struct agent_instance *i, struct strv *ret, struct error *err)
{
    AUTO(strv) struct strv all = {0};
    strv_push(&all, DEFAULT_PATH_ENV);
    strv_copy(&all, &i->release->image.config.env);
    struct value_cursor cursor = {.map = i->release->env};
    const char *name;
    struct value *item;
    while (value_next(&cursor, &name, &item))
        strv_pushf(&all, "%s=%s", name, value_text(item));
    if (add_secrets(i, &all, err) < 0)
        return -1;
    int port = i->kept.port;
    vec_each (row, &i->release->ports.items)
        strv_pushf(&all, "%s=%d", row->name, port++);
    for (size_t k = 0; k < all.length; k++) {
        size_t length = strcspn(all.items[k], "=") + 1;
        bool last = true;
        for (size_t later = k + 1; last && later < all.length; later++)
            last = strncmp(all.items[k], all.items[later], length) != 0;
        if (last)
            strv_push(ret, all.items[k]);
    }
    return 0;
}

// The topmost layer that has the file has it; without one there are no accounts.
static char *read_account_file(const struct strv *layers, const char *path)
{
    strv_each (layer, layers) {
        AUTO_FD int root = dir_open(AT_FDCWD, *layer, NULL);
        AUTO_FD int fd =
            root < 0 ? -1 : file_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0, NULL);
        AUTO(str) struct str text;
        str_init(&text, ACCOUNTS_MAX);
        if (fd >= 0 && fd_read_all(fd, &text, NULL) == 0)
            return str_take(&text);
    }
    return NULL;
}

int instance_ids(
    const struct agent_instance *i, const struct strv *layers, struct ids *ret, struct error *err)
{
    *ret = (struct ids){0};
    const char *user = i->release->image.config.user;
    if (!user || !*user)
        return 0;
    AUTO_FREE char *passwd = read_account_file(layers, "etc/passwd");
    AUTO_FREE char *group = read_account_file(layers, "etc/group");
    AUTO_FREE char *home = NULL;
    return passwd_user(passwd, group, user, ret, &home, err);
}

// Bottom first in the record, top first for the sandbox; unpacked by davit-image.
void instance_layers(const struct agent_instance *i, struct strv *ret)
{
    const struct strv *digests = &i->release->image.layers;
    for (size_t k = digests->length; k--;)
        strv_push_take(ret, agent_layer_path(i->agent, digests->items[k]));
}
