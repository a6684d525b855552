#!/bin/bash
# Rollouts on a real cluster (scripts/cluster): what a person does, and an outside observer who counts
# every failed request.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

test_first_deployment_and_history() {
    new_app
    expect 0 deploy v1
    contains "success"
    expect_version v1
    [[ $(pods ready) == 3 ]] || fail "$(k get pods)"
    expect 0 davit history "$app" --env lab
    contains "1 *" "success"
    expect 0 davit status "$app" --env lab
    contains "3"
    expect_no_cluster_rights
}

test_blue_green_under_load() {
    new_app
    expect 0 deploy v1
    start_load
    expect 0 deploy v2
    expect_version v2
    expect 0 deploy v3
    expect_version v3
    expect 0 davit rollback "$app" --env lab -m "a test says so"
    contains "release 3" "release 2" "context"
    expect_version v2
    stop_load
    expect 0 davit history "$app" --env lab
    contains "back to release 2: a test says so"
}

test_rolling_under_load() {
    new_app
    strategy=rolling
    expect 0 deploy v1
    start_load
    expect 0 deploy v2
    expect_version v2
    expect 0 davit rollback "$app" --env lab
    expect_version v1
    stop_load
    # In one slot: the Deployment is the one that the manifests name.
    [[ $(k get deployments -o name) == deployment.apps/"$app" ]] || fail "$(k get deployments)"
}

# The gate's no: traffic never leaves the old release.
test_a_gate_refuses() {
    new_app
    gates='{before_switch: [{http: {path: /version, json: {version: v2}}}]}'
    expect 0 deploy v2
    start_load
    expect 3 deploy v3
    contains 'before_switch' 'wanted'
    expect_version v2
    stop_load
    [[ $(pods all) == 3 ]] || until_true 30 pods_are 3
}

# doomed NAME TEXT… -- COMMAND…: a deploy that can never come to be ready goes back by the first sign, long before its
# deadline, and says why first.
test_a_doomed_pod_decides() {
    local began
    new_app
    deadline=300s
    expect 0 deploy v1
    began=$SECONDS
    image=$registry/no-such-image:1 expect 3 deploy v2
    contains "no-such-image:1 cannot be pulled" "not found"
    expect 3 deploy v3 EXIT_AT_START=7
    contains "exit 7"
    expect 3 deploy v4 NEVER_READY=1
    contains "503"
    expect_version v1
    ((SECONDS - began < 120)) || fail "the verdicts took $((SECONDS - began)) s"
}

# ConfigMaps and Secrets go back with the pods.
test_config_goes_back_too() {
    new_app
    config=one
    expect 0 deploy v1
    config=two
    expect 0 deploy v2
    [[ $(app_config) == two ]] || fail "$(app_config)"
    expect 0 davit rollback "$app" --env lab
    [[ $(app_config) == one ]] || fail "$(app_config)"
}

# What an autoscaler found stays, and it scales the slot that has the traffic.
test_an_autoscaler_is_respected() {
    new_app
    autoscaled=1
    k create role autoscalers --verb=get,list,watch,create,patch,delete --resource=horizontalpodautoscalers.autoscaling >/dev/null
    k create rolebinding autoscalers --role=autoscalers --serviceaccount="$namespace:davit" >/dev/null
    expect 0 deploy v1
    k scale deployment "$app" --replicas=5 >/dev/null
    until_true 30 pods_are 5
    expect 0 deploy v2
    contains "scale new to 5"
    [[ $(k get hpa "$app" -o 'jsonpath={.spec.scaleTargetRef.name}') == "$app-green" ]] || fail "$(k get hpa)"
    until_true 30 pods_are 5
    strategy=rolling
    k scale deployment "$app-green" --replicas=4 >/dev/null
    until_true 30 pods_are 4
    expect 0 deploy v3
    until_true 30 pods_are 4
    expect 0 davit rollback "$app" --env lab
    expect_version v2
}

# Whoever has a kubeconfig, and nothing else of the first machine.
test_verbs_work_from_elsewhere() {
    new_app
    expect 0 deploy v1
    promotion=manual
    expect 0 deploy v2
    contains "davit promote"
    expect_version v1
    cd "$here" # no pipeline file
    export DAVIT_STATE=$here/elsewhere
    expect 0 davit status "$app" --namespace "$namespace"
    contains "promote"
    expect 0 davit promote "$app" --namespace "$namespace"
    expect_version v2
    cd "$here/$app"
    expect 0 deploy v3
    expect 0 davit abort "$app" --env lab
    expect_version v2
}

test_two_drivers_on_one_app() {
    local first status=0
    new_app
    expect 0 deploy v1
    pipeline v2 START_DELAY_MS=4000
    davit run >"$here/first.log" 2>&1 &
    first=$!
    until_true 30 grep -q 'await new' "$here/first.log"
    expect 5 deploy v3
    contains "is driven by"
    wait "$first" || status=$?
    ((status == 0)) || fail "the first: $status: $(cat "$here/first.log")"
    expect_version v2
}

# A driver that slept through its Lease writes nothing any more.
test_a_stale_driver_is_fenced() {
    local driver role status=0
    new_app
    expect 0 deploy v1
    pipeline v2
    DAVIT_FAILPOINT=deploy.position_written:3=stop davit run >"$here/stale.log" 2>&1 &
    driver=$!
    until_true 60 stopped_role "$driver"
    role=$(deploy_role "$driver")
    expect 0 davit rollback "$app" --env lab
    before=$(objects)
    kill -CONT "$role"
    wait "$driver" || status=$?
    ((status != 0)) || fail "the stale driver says that it succeeded: $(cat "$here/stale.log")"
    [[ $(objects) == "$before" ]] || fail "$(diff <(printf %s "$before") <(objects))"
    expect_version v1
}

test_missing_rights_are_named() {
    new_app
    k delete rolebinding davit >/dev/null
    expect 1 deploy v1
    contains "cannot list resource"
}

test_down_leaves_nothing() {
    new_app
    config=one
    expect 0 deploy v1
    expect 0 davit down "$app" --env lab
    until_true 60 nothing_left
}

run_tests "$@"
