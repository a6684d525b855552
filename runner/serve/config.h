// server.yaml: what the daemon watches.
//
//     repositories:
//       - path: /srv/git/gin-app.git
//         branches: ["main", "release/*"]      # default: all; the pipeline's `on` decides further
//         tags: ["v*"]                         # default: all
//     secrets:                                 # files of mode 0600; stages get those that they
//     list
//       DATABASE_URL: /etc/davit/secrets/database-url
//     concurrency: 2                           # runs at once
#pragma once

#include "base/diag.h"
#include "codec/value.h"
#include "pipeline/model.h"

struct serve_repository {
    char *path; // absolute, without a slash at the end
    struct trigger trigger;
};

struct serve_config {
    VEC(struct serve_repository) repositories;
    struct value *secrets; // {NAME: path}
    int64_t concurrency;
};

// -1 with every mistake in diags.
int serve_config_parse(
    const struct diag_source *source, struct serve_config *ret, struct diag_list *diags);
void serve_config_done(struct serve_config *config);
