#!/bin/bash
# pipelines/davit.yaml: davit builds itself, runs its unit tests, and deploys itself to a cluster.
. "${BASH_SOURCE[0]%/*}/lib_kube.sh"
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)

# own_repository: davit's sources as they are here; the pipeline knows the test's registry and namespace.
own_repository() {
    new_repository
    tar -C "$root" --exclude=./.git --exclude=./build --exclude=./out -c . | tar -C "$here/work" -x
    sed "s/^  REGISTRY: .*/  REGISTRY: $registry/; s/namespace: davit}/namespace: $namespace}/" \
        "$root/pipelines/davit.yaml" >"$here/work/.davit.yaml"
    commit "As it is"
}

# await_run ID: it takes minutes, so that there is no hurry.
await_run() {
    local turn
    for ((turn = 0; turn < 840; turn++)); do
        [[ $(davit show "$1" -o json 2>/dev/null | jq -r .status) != @(success|failure|error|cancelled) ]] || return 0
        sleep 1
    done
    fail "run $1 does not end: $(davit show "$1")"
}

deployed_image() {
    k get pods -l app.kubernetes.io/name=davit -o json | jq -r \
        '.items[] | select(any(.status.conditions[]; .type == "Ready" and .status == "True")) | .spec.containers[0].image'
}

test_a_push_to_main_builds_tests_and_deploys_davit() {
    local serve
    kube_namespace
    own_repository
    # By hand, and from another branch, it is built and tested only.
    expect 0 davit plan -C "$here/work"
    contains 'deploy (deploy) skipped'
    printf 'repositories:\n  - path: %s\n' "$here/app.git" >"$here/server.yaml"
    davit serve "$here/server.yaml" 2>"$here/serve.log" &
    serve=$!
    until_true 20 grep -q watching "$here/serve.log"
    git -C "$here/work" push -q origin HEAD:topic
    until_true 20 grep -q 'run 1:' "$here/serve.log"
    git -C "$here/work" push -q origin HEAD:main
    await_run 2
    expect 0 davit logs 2
    contains '100% tests passed' 'Left to scripts/test'
    [[ $(davit runs -o json | jq -r 'map(.status) | join(" ")') == 'success skipped' ]] || fail "$(davit runs): $output"
    [[ $(deployed_image) == "$registry/davit@sha256:"* ]] || fail "$(k get pods -o yaml)"

    # It runs there as it was told to, and reaches its cluster as the account that it has.
    expect 0 k logs deployment/davit
    contains /srv/git/davit.git
    expect 0 k exec deployment/davit -- /usr/bin/davit status davit --namespace "$namespace"
    contains 'release 1 is live'
    kill -TERM "$serve"
    wait "$serve" || :
}

run_tests "$@"
