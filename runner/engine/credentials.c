#include "engine/credentials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/value.h"
#include "os/file.h"

#define CONFIG_MAX ((size_t)1 << 20)

static char *config_path(void)
{
    const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    if (dir && *dir)
        return path_join(dir, "config.json");
    return home && *home ? path_join(home, ".docker/config.json") : NULL;
}

// "user:password" out of base64; false when it is not that.
static bool decode(const char *auth, struct credentials *ret)
{
    AUTO(str) struct str plain;
    str_init(&plain, CONFIG_MAX);
    if (!base64_decode(auth, &plain))
        return false;
    char *colon = strchr(plain.data, ':');
    if (!colon)
        return false;
    ret->username = mem_strndup(plain.data, (size_t)(colon - plain.data));
    ret->password = mem_strdup(colon + 1);
    return true;
}

int credentials_find(const char *registry, struct credentials *ret, struct error *err)
{
    *ret = (struct credentials){0};
    AUTO_FREE char *path = config_path();
    AUTO(str) struct str text;
    str_init(&text, CONFIG_MAX);
    struct error why = {0};
    if (!path)
        return 0;
    if (file_read(AT_FDCWD, path, &text, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    AUTO(value) struct value *config = value_parse(text.data, text.length, err);
    if (!config)
        return error_wrap(err, "%s", path);
    const struct value *entry = value_get(value_get(config, "auths"), registry);
    const char *auth = value_get_str(entry, "auth");
    if (auth && !decode(auth, ret))
        return error_set(err, ERR_CONFIG, "%s: the \"auth\" of %s is not base64 of user:password",
            path, registry);
    return 0;
}

void credentials_done(struct credentials *c)
{
    free(c->username);
    if (c->password)
        explicit_bzero(c->password, strlen(c->password));
    free(c->password);
    *c = (struct credentials){0};
}
