#include "pipeline/keys.h"

#include "pipeline/format.h"

#define CHOICES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define MS_SECOND    INT64_C(1000)
#define MS_DAY       (86400 * MS_SECOND)
#define STAGE_MAX_MS (7 * MS_DAY)
#define PROBE_MAX_MS (3600 * MS_SECOND)

// An item of a list of strings.
#define ITEM(...) ((const struct schema_row[]){{.key = "", .type = SCHEMA_STRING, __VA_ARGS__}})

static const struct schema_row env_entry_rows[] = {
    {"type", SCHEMA_ENUM,
        .choices = CHOICES("string", "int", "bool", "port", "duration", "url", "enum"),
        .doc = "what a value must be; string unless `enum` is given"},
    {"enum", SCHEMA_LIST, .rows = ITEM(), .also = " values choices options ",
        .doc = "the values that are allowed"},
    {"default", SCHEMA_STRING, SCHEMA_BLANK | SCHEMA_EXPRESSION, .also = " value ",
        .doc = "the value where nobody gives one"},
    {"required", SCHEMA_BOOL, .fallback = "false",
        .doc = "whether a selected stage that gets it cannot start without a value"},
    {"secret", SCHEMA_BOOL, .fallback = "false", .also = " masked sensitive ",
        .doc = "only stages that list it under `secrets` get it, and logs never show it"},
    {"pattern", SCHEMA_STRING, .check = format_pattern, .also = " regex regexp ",
        .doc = "a POSIX extended regular expression that the whole value must match"},
    {0},
};

static const struct schema_row env_rows[] = {
    {"env", SCHEMA_MAP, SCHEMA_OR_SCALAR | SCHEMA_EXPRESSION, .rows = env_entry_rows},
};
#define ENV_ROW(what)                                                                              \
    {                                                                                              \
        "env", SCHEMA_DICT, SCHEMA_EMPTY, .rows = env_rows, .check = format_env_name,              \
                                          .also = " variables environment vars ", .doc = what      \
    }

static const struct schema_row push_rows[] = {
    {"branches", SCHEMA_LIST, SCHEMA_SINGLE, .rows = ITEM(.check = format_glob), .also = " branch ",
        .doc = "globs; pushes to branches that one of them matches"},
    {"tags", SCHEMA_LIST, SCHEMA_SINGLE, .rows = ITEM(.check = format_glob), .also = " tag ",
        .doc = "globs; pushes of tags that one of them matches"},
    {0},
};
static const struct schema_row no_rows[] = {{0}};

static const struct schema_row trigger_rows[] = {
    {"push", SCHEMA_MAP, .rows = push_rows,
        .doc = "run for pushes: of branches and tags, or of those that are named"},
    {"pull_request", SCHEMA_MAP, .rows = no_rows, .also = " merge_request pull_requests ",
        .doc = "run for pull requests"},
    {"schedule", SCHEMA_LIST, SCHEMA_LATER, .also = " cron ", .doc = "run at times"},
    {0},
};

static const struct schema_row environment_rows[] = {
    {"target", SCHEMA_ENUM, .fallback = "local", .choices = CHOICES("local", "kubernetes"),
        .doc = "where apps of this environment run"},
    ENV_ROW("values over those of the pipeline, for deploys to this environment"),
    {"context", SCHEMA_STRING, .also = " cluster ",
        .doc = "kubernetes: of the kubeconfig; its current one if not given"},
    {"namespace", SCHEMA_STRING, .check = format_dns_label, .also = " ns ",
        .doc = "kubernetes: where the app lives; that of the context if not given"},
    {"approval", SCHEMA_STRING, SCHEMA_LATER, .doc = "whether a person must agree"},
    {0},
};

static const struct schema_row when_rows[] = {
    {"branch", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = ITEM(.check = format_glob),
        .also = " branches ", .doc = "globs, one of which the branch must match"},
    {"event", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .also = " events ",
        .rows = (const struct schema_row[]){{.key = "",
            .type = SCHEMA_ENUM,
            .choices = CHOICES("push", "tag", "pull_request", "manual"),
            .later = CHOICES("schedule")}},
        .doc = "what must have happened"},
    {"status", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY,
        .rows =
            (const struct schema_row[]){
                {.key = "", .type = SCHEMA_ENUM, .choices = CHOICES("success", "failure")}},
        .doc = "how the stages before must have ended"},
    {0},
};

static const struct schema_row artifacts_rows[] = {
    {"paths", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_REQUIRED, .rows = ITEM(.check = format_beneath),
        .doc = "files, directories and globs below the workspace"},
    {"reports", SCHEMA_MAP, SCHEMA_LATER, .doc = "results of tests"},
    {0},
};

static const struct schema_row cache_rows[] = {
    {"paths", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_REQUIRED, .rows = ITEM(.check = format_path),
        .also = " path ", .doc = "directories that are kept from one run to the next"},
    {"key", SCHEMA_STRING, SCHEMA_REQUIRED | SCHEMA_EXPRESSION,
        .doc = "runs with the same key share them, as in ${{ hashFiles('go.sum') }}"},
    {0},
};

static const struct schema_row limits_rows[] = {
    {"memory", SCHEMA_SIZE, .also = " mem ", .doc = "beyond it the stage is killed"},
    {"processes", SCHEMA_INT, .min = 1, .max = 1000000, .also = " pids ",
        .doc = "and threads, at once"},
    {"cpu", SCHEMA_CPU, .also = " cpus ", .doc = "how many CPUs' time the stage may use"},
    {0},
};

static const struct schema_row build_rows[] = {
    {"dockerfile", SCHEMA_STRING, .fallback = "Dockerfile", .check = format_beneath,
        .also = " file ", .doc = "the Dockerfile's path"},
    {"context", SCHEMA_STRING, .fallback = ".", .check = format_beneath,
        .doc = "the directory that COPY copies from"},
    {"target", SCHEMA_STRING, .doc = "the Dockerfile's stage to build; the last one if not given"},
    {"args", SCHEMA_DICT, SCHEMA_EMPTY, .also = " build_args ",
        .rows = (const struct schema_row[]){{.key = "build argument",
            .type = SCHEMA_STRING,
            .flags = SCHEMA_BLANK | SCHEMA_EXPRESSION}},
        .doc = "values of the Dockerfile's ARGs"},
    {"tags", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY,
        .rows = ITEM(.flags = SCHEMA_EXPRESSION, .check = format_image), .also = " tag image ",
        .doc = "references that the image gets"},
    {"push", SCHEMA_BOOL, .doc = "whether it is pushed; it is when there are tags"},
    {0},
};

static const struct schema_row healthcheck_rows[] = {
    {"path", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_url_path, .also = " url ",
        .doc = "what is asked for, such as /health"},
    {"status", SCHEMA_INT, .fallback = "200", .min = 100, .max = 599, .doc = "what must come back"},
    {"interval", SCHEMA_DURATION, .fallback = "1s", .min = 100, .max = PROBE_MAX_MS,
        .doc = "between two checks"},
    {"timeout", SCHEMA_DURATION, .fallback = "5s", .min = 10, .max = PROBE_MAX_MS,
        .doc = "for an answer"},
    {0},
};

static const struct schema_row blue_green_rows[] = {
    {"promotion", SCHEMA_ENUM, .fallback = "automatic", .choices = CHOICES("automatic", "manual"),
        .doc = "whether the switch waits for `davit promote`"},
    {"scale_down_delay", SCHEMA_DURATION, .fallback = "0s", .max = MS_DAY,
        .doc = "how long the old instances stay after the switch"},
    {0},
};

static const struct schema_row weight_rows[] = {
    {"percent", SCHEMA_INT, SCHEMA_REQUIRED, .min = 1, .max = 100,
        .doc = "of the traffic, for the new instances"},
    {0},
};
static const struct schema_row pause_rows[] = {
    {"for", SCHEMA_DURATION, SCHEMA_REQUIRED, .min = 1, .max = MS_DAY, .choices = CHOICES("manual"),
        .also = " duration ", .doc = "how long, or manual: until `davit promote`"},
    {0},
};
static const struct schema_row canary_step_rows[] = {
    {"weight", SCHEMA_MAP, .rows = weight_rows, .shorthand = "percent",
        .doc = "sends a share of the traffic to the new instances"},
    {"pause", SCHEMA_MAP, .rows = pause_rows, .shorthand = "for", .doc = "leaves it at that"},
    {0},
};
static const struct schema_row canary_rows[] = {
    {"steps", SCHEMA_LIST,
        .rows =
            (const struct schema_row[]){{.key = "", .type = SCHEMA_KIND, .rows = canary_step_rows}},
        .doc = "weights that rise, and pauses; [{weight: 10}, {pause: 60s}, {weight: 50}, {pause: "
               "60s}] if not given"},
    {0},
};

static const struct schema_row strategy_rows[] = {
    {"rolling", SCHEMA_MAP, .rows = no_rows, .doc = "one instance after the other"},
    {"blue-green", SCHEMA_MAP, .rows = blue_green_rows,
        .doc = "all new ones beside the old, then the traffic at once"},
    {"canary", SCHEMA_MAP, .rows = canary_rows, .doc = "the traffic in steps"},
    {0},
};

#define DRY_RUN_ROW                                                                                \
    {                                                                                              \
        "dry_run", SCHEMA_BOOL, .doc = "only report the verdict"                                   \
    }

static const struct schema_row http_gate_rows[] = {
    {"path", SCHEMA_STRING, .check = format_gate_path,
        .doc = "what each instance is asked for, such as /ping"},
    {"url", SCHEMA_STRING, .check = format_http_url, .also = " address ",
        .doc = "what is asked for once, such as https://app.example/ping"},
    {"status", SCHEMA_INT, .fallback = "200", .min = 100, .max = 599, .doc = "what must come back"},
    {"headers", SCHEMA_DICT, SCHEMA_EMPTY, .check = format_header, .also = " header ",
        .rows =
            (const struct schema_row[]){
                {.key = "header", .type = SCHEMA_STRING, .flags = SCHEMA_BLANK}},
        .doc = "headers that must come back with these values"},
    {"content_type", SCHEMA_STRING, .doc = "that must come back, parameters aside"},
    {"body", SCHEMA_STRING, .doc = "a text that must be in the body"},
    {"json", SCHEMA_DICT, SCHEMA_EMPTY,
        .rows =
            (const struct schema_row[]){
                {.key = "JSON path", .type = SCHEMA_STRING, .flags = SCHEMA_BLANK}},
        .doc = "dotted paths into a JSON body, and the values that must be there"},
    {"timeout", SCHEMA_DURATION, .fallback = "5s", .min = 10, .max = PROBE_MAX_MS,
        .doc = "for the gate to pass"},
    DRY_RUN_ROW,
    {0},
};
static const struct schema_row tcp_gate_rows[] = {
    {"timeout", SCHEMA_DURATION, .fallback = "5s", .min = 10, .max = PROBE_MAX_MS,
        .doc = "for a connection to be taken"},
    DRY_RUN_ROW,
    {0},
};
static const struct schema_row log_gate_rows[] = {
    {"absent", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_pattern,
        .doc = "a pattern that no line of the new instances may match"},
    DRY_RUN_ROW,
    {0},
};
static const struct schema_row stable_gate_rows[] = {
    {"for", SCHEMA_DURATION, SCHEMA_REQUIRED, .min = 1, .max = MS_DAY,
        .doc = "how long no instance may restart, such as 10s"},
    DRY_RUN_ROW,
    {0},
};

static const struct schema_row restarts_gate_rows[] = {
    {"max", SCHEMA_INT, .fallback = "0", .max = 1000, .also = " count ",
        .doc = "how many restarts of all new instances together are fine"},
    {"for", SCHEMA_DURATION, .fallback = "10s", .min = 1, .max = MS_DAY,
        .doc = "how long they are counted"},
    DRY_RUN_ROW,
    {0},
};
static const struct schema_row exec_gate_rows[] = {
    {"command", SCHEMA_LIST, SCHEMA_REQUIRED, .rows = ITEM(), .also = " run cmd args ",
        .doc = "a program of the image and its arguments, as in [/app, check]"},
    {"timeout", SCHEMA_DURATION, .fallback = "30s", .min = 10, .max = PROBE_MAX_MS,
        .doc = "for it to end"},
    DRY_RUN_ROW,
    {0},
};
static const struct schema_row prometheus_gate_rows[] = {
    {"url", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_http_url, .also = " address server ",
        .doc = "of the Prometheus, such as http://prometheus:9090"},
    {"query", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_query, .also = " expr ",
        .doc = "in PromQL; each number that it gives is judged"},
    {"max", SCHEMA_STRING, .check = format_number, .also = " threshold maximum ",
        .doc = "the largest number that passes"},
    {"min", SCHEMA_STRING, .check = format_number, .also = " minimum ",
        .doc = "the smallest number that passes"},
    {"no_data", SCHEMA_ENUM, .fallback = "hold", .choices = CHOICES("hold", "pass", "fail"),
        .doc = "what it means that there is no number: to wait for one, or for a person's word; "
               "that all is well; or that it is not"},
    {"interval", SCHEMA_DURATION, .fallback = "10s", .min = 100, .max = PROBE_MAX_MS,
        .doc = "from one query to the next"},
    {"for", SCHEMA_DURATION, .max = MS_DAY,
        .doc = "how long the numbers must stay within bounds; once is enough if not given"},
    {"timeout", SCHEMA_DURATION, .fallback = "10s", .min = 10, .max = PROBE_MAX_MS,
        .doc = "for each answer"},
    DRY_RUN_ROW,
    {0},
};

static const struct schema_row gate_rows[] = {
    {"http", SCHEMA_MAP, .rows = http_gate_rows, .shorthand = "path", .doc = "a request"},
    {"tcp", SCHEMA_MAP, .rows = tcp_gate_rows, .doc = "a connection"},
    {"log", SCHEMA_MAP, .rows = log_gate_rows, .doc = "what the instances write"},
    {"stable", SCHEMA_MAP, .rows = stable_gate_rows, .shorthand = "for", .doc = "no restart"},
    {"restarts", SCHEMA_MAP, .rows = restarts_gate_rows, .shorthand = "max", .doc = "few restarts"},
    {"exec", SCHEMA_MAP, .rows = exec_gate_rows, .shorthand = "command", .doc = "a command"},
    {"prometheus", SCHEMA_MAP, .rows = prometheus_gate_rows, .doc = "what a query gives"},
    {0},
};
#define GATES ((const struct schema_row[]){{.key = "", .type = SCHEMA_KIND, .rows = gate_rows}})
static const struct schema_row gates_rows[] = {
    {"before_switch", SCHEMA_LIST, SCHEMA_EMPTY, .rows = GATES,
        .doc = "what must hold before the new instances get traffic"},
    {"after_switch", SCHEMA_LIST, SCHEMA_EMPTY, .rows = GATES,
        .doc = "what must hold once they have it"},
    {0},
};

static const struct schema_row manifest_rows[] = {
    {"path", SCHEMA_STRING, .check = format_beneath, .also = " file directory ",
        .doc = "a file or directory of the workspace"},
    {"render", SCHEMA_LINES, .also = " run command ",
        .doc = "a shell script that prints manifests, run like a stage without network"},
    {"image", SCHEMA_STRING, SCHEMA_EXPRESSION, .check = format_image, .also = " container ",
        .doc = "the image that `render` runs in"},
    {0},
};

static const struct schema_row hook_rows[] = {
    {"job", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_dns_label, .also = " name ",
        .doc = "the name of a Job in the manifests"},
    {"irreversible", SCHEMA_BOOL,
        .doc = "`davit rollback` does not go back across it without --past-migration"},
    {"timeout", SCHEMA_DURATION, .fallback = "10m", .min = MS_SECOND, .max = MS_DAY,
        .doc = "for it to end well, or the rollout goes back"},
    {0},
};
#define HOOKS                                                                                      \
    ((const struct schema_row[]){                                                                  \
        {.key = "", .type = SCHEMA_MAP, .rows = hook_rows, .shorthand = "job"}})
static const struct schema_row hooks_rows[] = {
    {"before", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = HOOKS,
        .doc = "run when the release's other objects have settled, before its pods start"},
    {"after", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = HOOKS,
        .doc = "run when its pods have the traffic"},
    {0},
};

static const struct schema_row deploy_rows[] = {
    {"app", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_dns_label, .also = " name ",
        .doc = "the name that releases, `davit status` and `davit rollback` go by"},
    {"environment", SCHEMA_STRING, .also = " env ", .doc = "one of `environments`"},
    {"image", SCHEMA_STRING, SCHEMA_REQUIRED | SCHEMA_EXPRESSION, .check = format_image,
        .doc = "the build stage whose image is deployed, or a reference"},
    {"instances", SCHEMA_INT, .fallback = "1", .min = 1, .max = 64,
        .also = " replicas scale count ", .doc = "how many run"},
    {"listen", SCHEMA_STRING, .check = format_listen, .also = " address bind ",
        .doc = "HOST:PORT where the app is reached"},
    {"ports", SCHEMA_DICT, SCHEMA_EMPTY, .check = format_env_name,
        .rows =
            (const struct schema_row[]){
                {.key = "port", .type = SCHEMA_ENUM, .choices = CHOICES("http", "private")}},
        .doc = "variables by which an instance learns its ports: NAME: http or private"},
    {"healthcheck", SCHEMA_MAP, .rows = healthcheck_rows, .shorthand = "path",
        .also = " health health_check readiness ", .doc = "when an instance is ready"},
    {"strategy", SCHEMA_KIND, .fallback = "rolling", .rows = strategy_rows,
        .doc = "how the new replaces the old"},
    {"gates", SCHEMA_MAP, SCHEMA_EMPTY, .rows = gates_rows,
        .doc = "what must hold, or the rollout goes back"},
    {"secrets", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = ITEM(), .also = " secret ",
        .doc = "`env` entries marked `secret` that the app gets"},
    {"grace", SCHEMA_DURATION, .fallback = "30s", .max = MS_DAY, .also = " stop_grace_period ",
        .doc = "that an instance has to end after it was told to"},
    {"drain", SCHEMA_DURATION, .fallback = "30s", .max = MS_DAY,
        .doc = "that connections of an instance have to end by themselves"},
    {"deadline", SCHEMA_DURATION, .fallback = "10m", .min = MS_SECOND, .max = STAGE_MAX_MS,
        .doc = "for the new instances to become ready, or the rollout goes back"},
    {"manifests", SCHEMA_LIST, SCHEMA_SINGLE, .also = " manifest k8s yaml ",
        .rows =
            (const struct schema_row[]){
                {.key = "", .type = SCHEMA_MAP, .rows = manifest_rows, .shorthand = "path"}},
        .doc = "kubernetes: files and directories of the workspace, and commands that print some"},
    {"service", SCHEMA_STRING, .check = format_dns_label,
        .doc = "kubernetes: the Service whose traffic is switched, if there are several"},
    {"hooks", SCHEMA_MAP, .rows = hooks_rows,
        .doc = "kubernetes: Jobs of the manifests that run once for each release"},
    {0},
};

static const struct schema_row stage_rows[] = {
    {"needs", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = ITEM(),
        .also = " depends_on dependencies ",
        .doc = "the stages that must have ended well before this one starts"},
    {"when", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .also = " only if rules ",
        .rows = (const struct schema_row[]){{.key = "", .type = SCHEMA_MAP, .rows = when_rows}},
        .doc = "conditions, of which one must hold"},
    {"timeout", SCHEMA_DURATION, .fallback = "1h", .min = MS_SECOND, .max = STAGE_MAX_MS,
        .also = " timeout_minutes ", .doc = "after which the stage is ended"},
    ENV_ROW("values over those of the pipeline"),
    {"secrets", SCHEMA_LIST, SCHEMA_SINGLE | SCHEMA_EMPTY, .rows = ITEM(), .also = " secret ",
        .doc = "`env` entries marked `secret` that this stage gets"},
    {"artifacts", SCHEMA_MAP, .rows = artifacts_rows, .shorthand = "paths",
        .doc = "what dependents find in their workspace"},
    {"cache", SCHEMA_MAP, .rows = cache_rows, .doc = "what is kept for the next run"},
    {"image", SCHEMA_STRING, SCHEMA_EXPRESSION, .check = format_image, .also = " container ",
        .doc = "the image that a run stage runs in"},
    {"network", SCHEMA_ENUM, .fallback = "none", .choices = CHOICES("none", "egress", "host"),
        .doc = "none but loopback, to the outside, or this host's"},
    {"limits", SCHEMA_MAP, .rows = limits_rows, .also = " resources ",
        .doc = "of memory, processes and CPU"},
    {"run", SCHEMA_LINES, .also = " script commands steps command ",
        .doc = "a shell script; a list is one script of several lines"},
    {"build", SCHEMA_MAP, .rows = build_rows, .doc = "build an image"},
    {"deploy", SCHEMA_MAP, .rows = deploy_rows, .doc = "roll an app out"},
    {"matrix", SCHEMA_MAP, SCHEMA_LATER, .doc = "the stage once for each of several values"},
    {"services", SCHEMA_MAP, SCHEMA_LATER, .doc = "what runs beside the stage"},
    {0},
};

const struct schema_row pipeline_rows[] = {
    {"name", SCHEMA_STRING, SCHEMA_REQUIRED, .check = format_name, .doc = "the pipeline's name"},
    {"on", SCHEMA_MAP, .rows = trigger_rows, .also = " trigger triggers ",
        .doc = "what starts a run"},
    ENV_ROW("values that stages see, and what they must be"),
    {"environments", SCHEMA_DICT, SCHEMA_EMPTY, .check = format_name,
        .rows =
            (const struct schema_row[]){
                {.key = "environment", .type = SCHEMA_MAP, .rows = environment_rows}},
        .doc = "where apps are deployed to"},
    {"stages", SCHEMA_DICT, SCHEMA_REQUIRED, .check = format_name, .also = " jobs steps tasks ",
        .rows =
            (const struct schema_row[]){{.key = "stage", .type = SCHEMA_MAP, .rows = stage_rows}},
        .doc = "what is done: a map of stages, each with one of run, build and deploy"},
    {0},
};
