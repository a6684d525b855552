// Kubernetes manifests: the user's own files become what a release applies. Pure: no cluster.
//
// Read (multi-document YAML or JSON; lists of kind List are opened), substituted in parsed scalars,
// checked, and built: namespace and labels set, ConfigMaps and Secrets that pods use copied under
// names that carry their content's hash, the Deployment behind the Service set apart.
#pragma once

#include "base/diag.h"
#include "codec/value.h"
#include "deploy/program.h"

// On everything that davit applies.
#define KUBE_LABEL_APP          "davit.dev/app"
#define KUBE_LABEL_MANAGED_BY   "app.kubernetes.io/managed-by" // "davit"
#define KUBE_LABEL_SLOT         "davit.dev/slot" // "blue" or "green": Deployments of a slot, pods
#define KUBE_LABEL_COPY         "davit.dev/copy" // "true": a ConfigMap or Secret named for its content
#define KUBE_LABEL_HOOK         "davit.dev/hook"    // "true": a Job that is a hook of a release
#define KUBE_ANNOTATION_RELEASE "davit.dev/release" // whose this object is
#define KUBE_ANNOTATION_EPOCH   "davit.dev/epoch"   // of the driver that wrote last

#define MANIFESTS_MAX ((size_t)1 << 20) // of a release, as JSON: an object may not be larger

// Gives the value of `${{ image }}`, `${{ app }}`, `${{ environment }}`, `${{ git.sha }}`,
// `${{ env.NAME }}`, … (what stands between the braces, trimmed).
typedef int manifest_value_fn(void *arg, const char *name, struct str *out, struct error *err);
struct manifest_values {
    manifest_value_fn *value; // ERR_NOT_FOUND when there is no such value
    void *arg;
};

// Appends the objects of a file to the list *ret_objects. Every mistake goes to *diags, with its
// place; -1 when there was one. Warnings (a plain `yes` is true) may be added in any case.
//
// Plain scalars are typed as kubectl types them. A text with expressions is a string; but plain,
// and where the API does not want a string, it is the number or bool that came out:
// `replicas: ${{ env.REPLICAS }}`.
int manifest_read(const struct diag_source *source, const struct manifest_values *values,
    struct value *ret_objects, struct diag_list *diags);

struct manifest_input {
    const struct value *objects; // of all files
    const char *app, *namespace;
    const char *service; // whose traffic is switched; NULL: the only one that selects a Deployment
    const struct strv *hooks;    // Jobs that are hooks, by name, in the order of running; or NULL
    const char *image;           // the containers that run it get env and secrets; NULL: none do
    const struct value *env;     // map of strings, or NULL: a ConfigMap, by envFrom
    const struct value *secrets; // map of strings, or NULL: a Secret, by envFrom
};

// What a release applies. Stored in its record (manifest_to_value), so it holds no secret.
struct manifest {
    struct value *others;   // list, in the order of applying: all but the ones below
    struct value *hooks;    // list, in the order of running: Jobs as the manifests have them
    struct value *workload; // the Deployment behind the Service, slot not set; NULL: there is none
    struct value *service;  // NULL: there is none
    struct value *secrets;  // list: Secrets as `others` refers to them, with their data. Not stored
    int replicas;           // of the workload; at least 1. With an autoscaler: at the start
    int port;               // of a pod, where the service's first port leads; 0: none
    struct strv notes;      // what a person should know ("ConfigMap/x is copied as x-1f2e…")
};
void kube_manifest_done(struct manifest *m); // accepts an all-zero struct
DEFINE_AUTO(manifest, struct manifest, kube_manifest_done)

// ERR_CONFIG, naming the object (kind/name), for what cannot be deployed: several Deployments
// behind the Service, several Services that it could be, a name twice, another namespace, a
// workload of 0 replicas, too many. Without any Service that selects a Deployment, the only
// Deployment is the workload; where there is none (or several), everything simply rolls.
//
// Every object gets the namespace (but those of kinds that are known to be the cluster's, and those
// of unknown kinds that name none: the server knows) and the labels KUBE_LABEL_APP and
// KUBE_LABEL_MANAGED_BY; pod templates get KUBE_LABEL_APP. What a server has written into
// an exported object (status, uid, …) is dropped. A Job that is no hook gets a name that carries
// the hash of what it runs.
int manifest_build(const struct manifest_input *in, struct manifest *ret, struct error *err);
struct value *manifest_to_value(const struct manifest *m);
int manifest_from_value(const struct value *v, struct manifest *ret, struct error *err);

// A hook of a release, from 1, as the Job that runs for it: NAME-rREVISION, with as many attempts
// as the file says, else one. NULL: there is no such one. The caller's.
struct value *manifest_hook(const struct manifest *m, int number, int64_t revision);
char *manifest_hook_name(const struct manifest *m, int number, int64_t revision);

// The HorizontalPodAutoscaler among `others` that scales the workload, lent; NULL: there is none.
// Its scaleTargetRef says what the manifests say: whoever applies it sets the name of the slot.
struct value *manifest_autoscaler(const struct manifest *m);

// The workload as the Deployment of a slot: blue keeps its name, green's is NAME-green; the slot's
// label stands in selector, template and the object's own; `replicas`, or none when it is negative
// (an autoscaler's). The caller's.
struct value *manifest_slotted(const struct manifest *m, enum slot slot, int replicas);
char *manifest_slotted_name(const struct manifest *m, enum slot slot);
// The Service: selector with the slot (or of both slots: SLOT_ANY), and as the preview
// (NAME-preview, ClusterIP, no node ports, and none of the labels and annotations by which
// something else would find it). The caller's.
#define SLOT_ANY (-1)
struct value *manifest_service(const struct manifest *m, int slot);
struct value *manifest_preview(const struct manifest *m, enum slot slot);
// Objects (of `others`) of `before` that `after` has no more: {apiVersion, kind, metadata: {name,
// namespace}} in the reverse order of applying. Copies with a hash are left to whoever ends
// releases.
struct value *manifest_pruned(const struct manifest *before, const struct manifest *after);
