#!/bin/bash
# What scripts/demo --kubernetes shows, with davit-service in the place of examples/gin-app: pushes that `davit serve`
# rolls out, under load of which no request may fail.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"
example=$(realpath "${BASH_SOURCE[0]%/*}/../../examples/gin-app")

start_serve() {
    printf 'repositories:\n  - path: %s\n' "$here/app.git" >"$here/server.yaml"
    davit serve "$here/server.yaml" 2>"$here/serve.log" &
    serve=$!
    until_true 20 grep -q watching "$here/serve.log"
}

# push_version STATUS VERSION [NAME=VALUE…]: run $run must end with STATUS.
push_version() {
    local wanted=$1
    shift
    run=$((run + 1))
    pipeline "$@"
    commit "$1"
    git push -q origin HEAD:main
    until_true 120 run_has_ended
    [[ $(run_field .status) == "$wanted" ]] || fail "run $run: $(davit logs "$run")"
}

run_field() {
    davit show "$run" -o json | jq -r "$1"
}

run_has_ended() {
    [[ $(run_field .status) == @(success|failure) ]]
}

# no_failures: once the pods that go have gone, which is when requests get lost.
no_failures() {
    until_true 30 three_pods
    stop_load
}

three_pods() {
    [[ $(k get pods -o name | wc -l) == 3 ]]
}

# answered VERSION…: under the last load, these and no others.
answered() {
    [[ $(jq -r '.versions | keys | join(" ")' "$here/load.json") == "$*" ]] || fail "$(jq .versions "$here/load.json")"
}

test_the_example_is_in_order() {
    expect 0 davit validate "$example/kubernetes.yaml"
    expect 0 davit plan -C "$example" "$example/kubernetes.yaml"
    contains 'Deployment/gin-app' 'deploy (deploy) runs'
    lacks 'preStop'
}

test_the_story() {
    local serve run=0
    new_app
    new_repository
    git -C "$here/app.git" config receive.denyDeleteCurrent ignore # a commit is pushed a second time
    cd "$here/work"
    mkdir k8s
    gates='{before_switch: [{http: /ping}, {http: {path: /version, status: 200}}], after_switch: [{stable: 1s}]}'
    start_serve
    push_version success v1
    expect_version v1

    start_load
    push_version success v2
    expect_version v2
    no_failures
    answered v1 v2

    # The first line says why, long before any deadline.
    start_load
    push_version failure v3 EXIT_AT_START=7
    expect_version v2
    no_failures
    answered v2
    [[ $(run_field .exit_code) == 3 && $(run_field .reason) == *'rolled back: '*'exit 7'* ]] || fail "$(davit show "$run")"
    (($(run_field .duration_ms) < 30000)) || fail "$(davit show "$run")"

    start_load
    strategy='{canary: {steps: [{weight: 33}, {pause: 2s}, {weight: 67}, {pause: 2s}]}}'
    push_version success v4
    expect_version v4
    no_failures
    answered v2 v4
    expect 0 davit logs "$run"
    contains 'traffic 33 % to new' 'traffic 67 % to new' 'traffic 100 % to new'

    start_load
    expect 0 davit rollback "$app" --env lab -m "the story says so"
    expect_version v2
    no_failures
    answered v2 v4

    # Git agrees: what was rolled back from does not come back by itself.
    git push -q origin :main
    git push -q origin HEAD:main
    run=$((run + 1))
    until_true 60 run_has_ended
    [[ $(run_field .status) == failure && $(run_field .reason) == *refused* ]] || fail "$(davit show "$run")"
    expect_version v2
    kill -TERM "$serve"
    wait "$serve" || :
}

run_tests "$@"
