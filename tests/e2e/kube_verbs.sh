#!/bin/bash
# Verbs for whoever keeps apps on a cluster: the rights that davit needs, what it would do, and what a person does without
# it.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

# What all tests here may do is what davit says that it needs: no more, and that is enough.
test_the_tests_have_the_role_that_davit_generates() {
    cd "${kube_role%.yaml}" || fail "no pipeline of the role"
    export KUBECONFIG=/dev/null
    expect 0 davit plan --role
    diff "$kube_role" - <<<"$output" || fail "kube_role.yaml is not what davit generates: davit plan --role >kube_role.yaml"
}

may() {
    [[ $(kubectl auth can-i "$@" 2>/dev/null) == yes ]]
}

# What one pipeline takes, by its own Role.
test_the_role_of_a_plan_is_enough_and_no_more() {
    new_app
    pipeline v1
    davit plan --role >role.yaml
    k replace -f role.yaml >/dev/null
    may patch deployments || fail "the Role gives nothing: $(cat role.yaml)"
    ! may list secrets || fail "an app without secrets can list them"
    ! may get pods/proxy || fail "an app without http gates can ask pods"
    ! may update deployments || fail "deployments can be updated"
    expect 0 deploy v1
    expect 0 deploy v2
    expect 3 deploy v3 EXIT_AT_START=7
    contains "exit 7"
    expect 0 davit rollback "$app" --env lab
    expect_version v1
    expect 0 davit status "$app" --env lab
    expect 0 davit history "$app" --env lab
    expect 0 davit logs --app "$app" --env lab
    expect 0 davit down "$app" --env lab
    until_true 30 nothing_left
}

# --- what the cluster says before ---

# Of all that anybody could change; controllers write the status of Deployments on their own.
versions() {
    k get deployments,services,configmaps,secrets,controllerrevisions,leases -o json --show-managed-fields |
        jq -S '[.items[] | {kind, name: .metadata.name, 
            version: (if .kind == "Deployment" then .metadata.generation else .metadata.resourceVersion end),
            ours: [.metadata.managedFields[]? | select(.manager == "davit")]}]'
}

test_a_plan_asks_the_cluster_and_changes_nothing() {
    local before
    new_app
    pipeline v1
    expect 0 davit plan --server
    contains "nothing is live there" "Deployment/app is new" "rights: all that it takes"
    nothing_left || fail "$(k get all,configmaps,leases)"
    config=one
    expect 0 deploy v1
    printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n' >>k8s/app.yaml
    expect 0 davit run
    before=$(versions)
    config=two instances=4 pipeline v2
    expect 0 davit plan --server
    contains "against release 2, which is live" "- data.CONFIG: \"one\"" "+ data.CONFIG: \"two\"" "+ spec.replicas: 4" \
        "ConfigMap/more is taken away" "Service/app stays as it is" "at most 7 pods" "may not list nodes"
    lacks "managedFields" "refused" "resourceVersion"
    # The server says no, and what else there is to know is said with it.
    sed -i 's/port: 80,/port: 80000,/' k8s/app.yaml
    expect 1 davit plan --server
    contains "Service/app is refused" "80000"
    [[ $(versions) == "$before" ]] || fail "$(diff <(printf %s "$before") <(versions))"
}

test_a_plan_names_missing_rights_and_room() {
    new_app
    expect 0 deploy v1
    k create quota few --hard=pods=4 >/dev/null
    until_true 30 quota_is_counted
    k create role looks --verb=list --resource=resourcequotas >/dev/null
    k create rolebinding looks --role=looks --serviceaccount="$namespace:davit" >/dev/null
    expect 1 davit plan --server
    contains "ResourceQuota/few: pods: 3 of 4 used, 3 more at the peak: NOT ENOUGH"
    k get role davit-app -o json | jq '.rules |= map(select(.resources != ["endpointslices"]))' | k replace -f - >/dev/null
    expect 1 davit plan --server
    contains "rights that are missing" "apiGroups: [discovery.k8s.io]" "resources: [endpointslices]" "verbs: [list, watch]"
}

quota_is_counted() {
    [[ $(k get quota few -o 'jsonpath={.status.used.pods}') == 3 ]]
}

# --- without davit ---

# What davit printed is carried out by kubectl, without davit, and with the same rights.
rollback_by_hand() {
    local before
    before=$(objects)
    davit rollback "$app" --env lab --print >rollback.sh || fail "no script"
    [[ $(objects) == "$before" ]] || fail "printing a rollback changes something"
    expect 0 env PATH="${PATH#"$bin":}" sh rollback.sh
}

# What davit says of the app is what there is, and it goes on from there.
expect_live() {
    expect 0 davit status "$app" --env lab
    contains "release $1 is live" "3 of 3 ready, 100 % of the traffic" "rollback: ready"
    lacks "release $2: "
}

# Those that were live before have gone, with the connections that were left to them.
nobody_ends() {
    [[ $(k get pods -o name | wc -l) == "$instances" ]]
}

test_a_rollback_by_hand_of_blue_green() {
    new_app
    config=one
    expect 0 deploy v1
    config=two
    expect 0 deploy v2
    expect_version v2
    until_true 60 nobody_ends
    start_load
    rollback_by_hand
    expect_version v1
    stop_load
    [[ $(app_config) == one ]] || fail "$(app_config)"
    expect_live 3 2
    expect 0 davit history "$app" --env lab
    contains "back to release 1"
    expect 0 deploy v4
    expect_version v4
    expect 0 davit rollback "$app" --env lab
    expect_version v1
}

test_a_rollback_by_hand_of_rolling() {
    new_app
    strategy=rolling
    expect 0 deploy v1
    expect 0 deploy v2
    rollback_by_hand
    expect_version v1
    expect_live 3 2
    expect 0 deploy v4
    expect_version v4
}

# davit is killed in the middle, and cannot be started any more.
test_a_rollout_under_way_is_taken_back_by_hand() {
    local driver
    new_app
    expect 0 deploy v1
    pipeline v2
    DAVIT_FAILPOINT=deploy.position_written:4=stop davit run >"$here/stopped.log" 2>&1 &
    driver=$!
    until_true 60 stopped_role "$driver"
    rollback_by_hand
    expect 0 davit status "$app" --env lab
    contains "release 1 is live" "3 of 3 ready, 100 % of the traffic"
    lacks "under way"
    before=$(objects)
    kill -CONT "$(deploy_role "$driver")"
    ! wait "$driver" || fail "the driver that was taken over says that it succeeded"
    [[ $(objects) == "$before" ]] || fail "$(diff <(printf %s "$before") <(objects))"
    expect_version v1
    expect 1 sh rollback.sh # the app is another by now
    expect 0 deploy v3
}

# --- in the middle of a rollout ---

test_a_rollout_is_paused_and_resumed() {
    local driver
    new_app
    expect 0 deploy v1
    expect 2 davit pause "$app" --env lab
    contains "no rollout of app is under way"
    pipeline v2 START_DELAY_MS=3000
    davit run >"$here/paused.log" 2>&1 &
    driver=$!
    until_true 30 grep -q 'await new' "$here/paused.log"
    expect 0 davit pause "$app" --env lab
    contains "pauses after the step that it is at"
    wait "$driver" || fail "a run whose rollout is paused fails: $(cat "$here/paused.log")"
    grep -q "davit resume app" "$here/paused.log" || fail "$(cat "$here/paused.log")"
    expect_version v1
    expect 0 davit status "$app" --env lab
    contains "is paused at step" "davit resume app"
    expect 0 davit resume "$app" --env lab
    expect_version v2
}

test_a_paused_rollout_can_be_taken_back() {
    local driver
    new_app
    expect 0 deploy v1
    pipeline v2 START_DELAY_MS=3000
    davit run >"$here/paused.log" 2>&1 &
    driver=$!
    until_true 30 grep -q 'await new' "$here/paused.log"
    expect 0 davit pause "$app" --env lab
    wait "$driver" || fail "$(cat "$here/paused.log")"
    expect 0 davit abort "$app" --env lab
    expect_version v1
    expect 0 deploy v3
    expect_version v3
}

run_tests "$@"
