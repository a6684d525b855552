// Where an app is: on this host or in a cluster's namespace. What a verb's options, this host, and
// the pipeline file here say.
#pragma once

#include "cli/cli.h"

struct place_options {
    const char *environment, *context, *namespace, *file;
};
// Rows of an option table whose struct has a `struct place_options place`.
#define PLACE_OPTIONS(type)                                                                        \
    OPT_STRING('e', "env", type, place.environment, "E",                                           \
        "where `environments` of the pipeline file says that E is"),                               \
        OPT_STRING(0, "context", type, place.context, "C",                                         \
            "on Kubernetes: of the kubeconfig ('': its current one)"),                             \
        OPT_STRING('N', "namespace", type, place.namespace, "NS",                                  \
            "on Kubernetes: there (default: the context's)"),                                      \
        OPT_STRING('f', "file", type, place.file, "FILE",                                          \
            "the pipeline file that --env is of (default: .davit.yaml)")

struct place_command { // of verbs without options of their own
    struct place_options place;
};
extern const struct opt place_options[]; // of struct place_command

struct place {
    struct value *cluster; // {"context"?, "namespace"?}; NULL: this host
};
void place_done(struct place *p);
DEFINE_AUTO(place, struct place, place_done)

// --context or --namespace: there. --env: what the pipeline file says of it. Neither: this host if
// the app is on it; else where the pipeline file here deploys it. When these are several, ERR_USAGE
// with the command for each; when it is nowhere, ERR_NOT_FOUND with what was looked for.
int place_find(const struct cli *cli, const char *app, const struct place_options *options,
    struct place *ret, struct error *err);
// Names of the apps that the pipeline file deploys to environment `name`; for `davit status`.
int place_apps(const struct place_options *options, struct strv *ret, struct error *err);
// For who is told that there is nothing on this host: "davit status web --env staging" for each app
// and environment on Kubernetes of the pipeline file here, one a line; nothing without such a file.
void place_suggest(struct str *out);
