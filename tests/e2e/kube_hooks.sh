#!/bin/bash
# Hooks, Jobs and rendered manifests on a real cluster.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

# job NAME EXIT [SPEC]: a Job that exits so, in k8s/. It knows which version it is of.
job() {
    cat >"k8s/$1.yaml" <<END
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  ${3:-}
  template:
    spec:
      dnsPolicy: Default
      restartPolicy: Never
      containers:
        - {name: $1, image: "\${{ image }}", env: [{name: EXIT_AT_START, value: "$2"}]}
END
}

# hooked VERSION HOOKS: deploys with these hooks. SETTINGS are those of deploy().
hooked() {
    local version=$1 hooks=$2
    shift 2
    pipeline "$version" "$@"
    printf '      hooks: %s\n' "$hooks" >>.davit.yaml
    timeout 300 davit run
}

# runs JOB COUNT: so many pods of it were ever there.
runs() {
    local count
    count=$(k get pods -l "batch.kubernetes.io/job-name=$1" -o name | wc -l)
    [[ $count == "$2" ]] || fail "$count pods of Job $1 instead of $2: $(k get jobs,pods)"
}

# Before the first pod of the release, and once; a release that needs no other Job takes the old ones away.
test_hooks_run_once_before_and_after() {
    new_app
    job migrate 0
    job clean 0
    expect 0 hooked v1 '{before: {job: migrate, timeout: 1m}, after: [clean]}'
    contains 'run hook 1 (migrate)' 'await hook 2 (clean)'
    expect_version v1
    runs migrate-r1 1
    runs clean-r1 1
    [[ $(k get pods -o json | jq -r '[.items[] | {job: .metadata.labels["batch.kubernetes.io/job-name"],
        at: .metadata.creationTimestamp}] | sort_by(.at) | .[0].job') == migrate-r1 ]] || fail "$(k get pods)"
    strategy=rolling
    expect 0 hooked v2 '{before: [migrate], after: [clean]}'
    expect_version v2
    runs migrate-r2 1
    [[ -z $(k get jobs -o name | grep r1) ]] || fail "$(k get jobs)"
    expect 0 davit rollback "$app" --env lab
    lacks 'run hook'
    expect_version v1
    [[ -z $(k get jobs -o name | grep r3) ]] || fail "$(k get jobs)"
    expect 0 davit down "$app" --env lab
    until_true 60 nothing_left
}

# killed_at FAILPOINT VERSION RELEASE: a migration whose drivers are killed there, each of them, until a person takes the
# rollout up, runs once all the same.
killed_at() {
    local status=0
    pipeline "$2"
    printf '      hooks: {before: {job: migrate, irreversible: true}}\n' >>.davit.yaml
    DAVIT_FAILPOINT=$1=kill timeout 300 davit run >"$here/killed.log" 2>&1 || status=$?
    ((status == 70)) || fail "$1: $status: $(cat "$here/killed.log")"
    expect 0 timeout 120 davit resume "$app" --env lab
    expect_version "$2"
    runs "migrate-$3" 1
}

test_a_hook_outlives_its_driver() {
    new_app
    job migrate 0
    killed_at deploy.hook_created:1 v1 r1
    killed_at deploy.hook_begun:1 v2 r2
}

test_a_hook_that_fails_goes_back() {
    new_app
    job migrate 0
    expect 0 hooked v1 '{before: {job: migrate, irreversible: true}}'
    job migrate 3
    expect 3 hooked v2 '{before: {job: migrate, irreversible: true}}'
    contains 'Job/migrate-r2' 'exit 3' 'cannot open the database' \
        'hook migrate of release 2 is irreversible and was begun'
    expect_version v1
    [[ $(pods ready) == 3 ]] || fail "$(k get pods)"
    job migrate 0
    job clean 4
    start_load
    expect 3 hooked v3 '{before: migrate, after: {job: clean, timeout: 30s}}'
    contains 'Job/clean-r3' 'exit 4'
    expect_version v1
    stop_load
    # A hook without an end is ended by its timeout.
    job migrate ''
    rm k8s/clean.yaml
    expect 3 hooked v4 '{before: {job: migrate, timeout: 5s}}'
    contains 'Job/migrate-r4' 'deadline'
    expect_version v1
    expect 2 hooked v5 '{before: [nothing]}'
    contains 'the hook nothing is not in the manifests'
}

test_an_irreversible_hook_is_a_fence() {
    new_app
    job migrate 0
    expect 0 deploy v1
    pipeline v2
    printf '      hooks: {before: {job: migrate, irreversible: true}}\n' >>.davit.yaml
    git init -q -b main .
    git add -A
    git -c user.name=Ann -c user.email=a@example.org commit -qm migration
    expect 0 timeout 300 davit run
    expect 0 deploy v3
    expect 0 davit rollback "$app" --env lab # to v2: the migration is its own
    expect_version v2
    before=$(objects)
    expect 1 davit rollback "$app" --env lab --to 1
    contains 'release 1 was made before hook migrate of release 2' "commit $(git rev-parse --short=12 HEAD)" '--past-migration'
    expect 1 davit rollback "$app" --env lab --to 1 --dry-run
    [[ $(objects) == "$before" ]] || fail "$(diff <(printf %s "$before") <(objects))"
    expect_version v2
    expect 0 davit rollback "$app" --env lab --to 1 --past-migration
    expect_version v1
}

# A Job that is no hook runs once for each content, whatever the other objects do.
test_a_guestbook_with_a_plain_job() {
    new_app
    config=one
    instances=2
    job seed 0
    cat >k8s/store.yaml <<'END'
apiVersion: v1
kind: Service
metadata: {name: store}
spec: {clusterIP: None, selector: {name: store}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  serviceName: store
  selector: {matchLabels: {name: store}}
  template:
    metadata: {labels: {name: store}}
    spec:
      dnsPolicy: Default
      terminationGracePeriodSeconds: 1
      containers: [{name: store, image: "${{ image }}", env: [{name: STORE, value: "1"}]}]
END
    expect 0 deploy v1
    contains 'Job/seed runs as seed-'
    expect_version v1
    [[ $(seeds) == 1 ]] || fail "$(k get jobs)"
    # The same content again: left alone. Another: another Job, and the first goes with its release.
    expect 0 deploy v2
    [[ $(seeds) == 1 ]] || fail "$(k get jobs)"
    first=$(k get jobs -o name)
    job seed 0 'backoffLimit: 1'
    config=two
    expect 0 deploy v3
    [[ $(seeds) == 1 && $(k get jobs -o name) != "$first" ]] || fail "$(k get jobs)"
    # One that fails takes the release back; nothing of the old one runs again on the way.
    job seed 5 'backoffLimit: 0'
    expect 3 deploy v4
    contains 'Job/seed-' 'exit 5'
    expect_version v3
    [[ $(app_config) == two ]] || fail "$(app_config)"
    expect 0 davit rollback "$app" --env lab
    expect_version v2
    [[ $(app_config) == one ]] || fail "$(app_config)"
}

# rendered COMMAND [IMAGE]: deploys what it prints.
rendered() {
    cat >.davit.yaml <<END
name: $app
environments: {lab: {target: kubernetes, namespace: $namespace}}
env: {VERSION: v1, PORT: "8080", HOST: 0.0.0.0, WEB: "$image", TOKEN: {secret: true, default: hush}}
stages:
  deploy:
    deploy:
      app: $app
      environment: lab
      image: $image
      secrets: [TOKEN]
      manifests: {render: '$1'${2:+, image: "$2"}}
END
    timeout 300 davit run
}

# What a command prints is what a file says; it sees the workspace and the variables, and no secret.
test_manifests_that_a_command_prints() {
    new_app
    write_manifests
    sed -i 's/\${{ image }}/@IMAGE@/' k8s/app.yaml
    # shellcheck disable=SC2016 # the stage's variables
    expect 0 rendered 'test -z "${TOKEN:-}"; sed "s,@IMAGE@,$WEB," k8s/*.yaml'
    contains '+ sed'
    expect_version v1
    expect 0 davit plan
    contains 'printed by a command'
    expect 7 rendered 'echo not now >&2; exit 7'
    contains 'render: exit 7: not now'
    expect 2 rendered 'echo "kind: ["'
    contains 'render:2:1'
    expect 1 rendered 'head -c 2000000 /dev/zero'
    contains 'more than 1024 KiB'
    expect 2 rendered 'cat k8s/*' "$image" # an image from scratch
    contains 'there is neither bash nor sh in the image'
    expect_version v1
}

seeds() {
    k get jobs -o name | grep -c seed
}

run_tests "$@"
