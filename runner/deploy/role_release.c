#include "deploy/role_release.h"

#include "deploy/spec.h"
#include "os/clock.h"

static const char *text_of(const struct session *s, const char *key)
{
    const char *text = value_get_str(s->job, key);
    return text ? text : "";
}

static int make(const struct session *s, const struct release_image *image,
    const struct release *live, struct release *ret, struct error *err)
{
    AUTO(value) struct value *none = value_map();
    const struct value *env = value_get(s->job, "env");
    const struct spec_origin origin = {
        .commit = text_of(s, "commit"),
        .who = s->who,
        .why = text_of(s, "why"),
        .run = text_of(s, "run"),
        .trace_id = text_of(s, "trace_id"),
        .created_unix_ms = clock_unix_ms(),
        .image = image,
        .env = env ? env : none,
    };
    return spec_release(value_get(s->job, "spec"), &origin, live, ret, err);
}

int role_release(struct session *s, const struct value *document, const struct release *live,
    struct release *ret, struct value **ret_secrets, struct error *err)
{
    AUTO(release) struct release made = {0}; // holds the image
    struct value *secrets = value_get(document, "secrets");
    bool any = value_length(secrets) > 0;
    if (spec_image(value_get(s->job, "image"), &made.image, err) < 0 ||
        make(s, &made.image, live, ret, err) < 0)
        return -1;
    *ret_secrets = any ? value_share(secrets) : NULL;
    return 0;
}
