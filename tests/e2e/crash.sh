#!/bin/bash
# Killed at any instant: a rollout ends as it would have ended, and nobody outside notices.
#
# Needs executables with failpoints (the presets debug and asan). Whoever dies is the deploy role (its worker starts it
# again), the worker with it (then a person says `davit resume`), or the agent.
. "${BASH_SOURCE[0]%/*}/lib_app.sh"

# deploy_role WORKER: the pid of davit-deploy below it.
deploy_role() {
    local inits
    inits=$(pgrep -P "$1" | paste -sd,)
    [[ -n $inits ]] && pgrep -f '^davit-deploy' -P "$inits"
}

is_stopped() {
    [[ $(awk '/^State:/ {print $2}' "/proc/$1/status" 2>/dev/null) == T ]]
}

# A role of this worker has stopped itself, or the worker has ended.
stopped_or_ended() {
    local role
    ! kill -0 "$1" 2>/dev/null || { role=$(deploy_role "$1") && is_stopped "$role"; }
}

# check_end VERSION: wholly new, and only once.
check_end() {
    local history
    expect_version "$1"
    ((++revision))
    history=$(davit history "$app" -o json)
    [[ $(jq -r '.releases[0] | "\(.revision) \(.outcome)"' <<<"$history") == "$revision success" ]] || fail "$1: $history"
    [[ $(jq .live <<<"$history") == "$revision" ]] || fail "$1: $history"
    [[ $(jq '[.releases[] | select(.outcome == "pending")] | length' <<<"$history") == 0 ]] || fail "$1: $history"
    [[ $(field '[.sets[].instances[]] | length') == "$instances" ]] || fail "$1: $(davit status "$app")"
}

# die_at FAILPOINT VERSION: the role dies there, each time that it is started; when three of them have died, a person
# takes the rollout up.
die_at() {
    local status=0
    DAVIT_FAILPOINT=$1=kill deploy "$2" >"$here/$app.log" 2>&1 || status=$?
    if ((status)); then
        ((status == 70)) || fail "$1: exit $status: $(cat "$here/$app.log")"
        expect 0 timeout 60 davit resume "$app"
    fi
    check_end "$2"
}

# die_with_worker_at FAILPOINT VERSION: 1 when the failpoint was not passed: the rollout has fewer steps.
die_with_worker_at() {
    local worker status=0
    pipeline "$2"
    DAVIT_FAILPOINT=$1=stop davit run >"$here/$app.log" 2>&1 &
    worker=$!
    until_true 60 stopped_or_ended "$worker"
    kill -KILL "$worker" 2>/dev/null
    wait "$worker" 2>/dev/null || status=$?
    if ((status == 0)); then
        check_end "$2"
        return 1
    fi
    ((status == 137)) || fail "$1: exit $status: $(cat "$here/$app.log")"
    expect 0 timeout 60 davit resume "$app"
    check_end "$2"
}

# kill_driver_everywhere: at every write of a rollout, before or after it, alone or with its worker.
kill_driver_everywhere() {
    local step point first=before then=after
    for ((step = 1; ; step++)); do
        die_with_worker_at "deploy.${first}_write:$step" "$step-$first" || break
        die_at "deploy.${then}_write:$step" "$step-$then"
        point=$first first=$then then=$point
    done
    ((step > 4)) || fail "only $step writes were seen: were they failpoints?"
    for point in begun before_finish after_finish; do
        die_with_worker_at "deploy.$point:1" "$point" || fail "deploy.$point was not passed"
    done
    die_at deploy.before_finish:1 role-before-finish
}

# agent_dies_at FAILPOINT VERSION: 1 when it lives on.
agent_dies_at() {
    local agent
    kill_agent
    DAVIT_FAILPOINT=$1=kill davit status "$app" >/dev/null || :
    agent=$(agent_processes agent)
    deploy "$2" >"$here/$app.log" 2>&1 || fail "$1: exit $?: $(cat "$here/$app.log" "$DAVIT_STATE/apps/$app/agent.log")"
    check_end "$2"
    [[ $(agent_processes agent) != "$agent" ]]
}

kill_agent_everywhere() {
    local count=2
    while agent_dies_at "agent.saved:$count" "saved-$count"; do
        ((++count))
    done
    ((count > 5)) || fail "only $count saves were seen: were they failpoints?"
    for count in 1 2; do
        agent_dies_at "agent.started:$count" "started-$count" || fail "agent.started:$count was not passed"
    done
}

# survive WHO STRATEGY: under load, from the first release on.
survive() {
    new_app "$1-$2"
    strategy=$2 revision=1 drain=3s
    expect 0 deploy v0
    start_load
    "kill_$1_everywhere"
    stop_load
}

# They wait most of the time, so all of them go side by side.
test_rollouts_survive_driver_and_agent() {
    local who strategy
    declare -A pids
    for who in driver agent; do
        for strategy in blue-green rolling; do
            survive "$who" "$strategy" >"$here/$who-$strategy.out" 2>&1 &
            pids[$who-$strategy]=$!
        done
    done
    for who in "${!pids[@]}"; do
        wait "${pids[$who]}" || fail "$who: $(cat "$here/$who.out")"
    done
    # Whoever looks next cleans up after the dead, and the apps leave nothing.
    expect 0 davit runs
    for app in "${!pids[@]}"; do
        expect 0 davit down "$app"
    done
    expect_nothing_left
}

test_a_rollback_survives_its_driver() {
    local step status versions=(v2 v1)
    new_app
    expect 0 deploy v1
    expect 0 deploy v2
    start_load
    for ((step = 1, status = 70; status; step++)); do
        status=0
        DAVIT_FAILPOINT=deploy.before_write:$step=kill davit rollback "$app" >"$here/rollback.log" 2>&1 || status=$?
        if ((status)); then
            ((status == 70)) || fail "exit $status: $(cat "$here/rollback.log")"
            expect 0 davit resume "$app"
        fi
        expect_version "${versions[step % 2]}"
    done
    ((step > 4)) || fail "only $step writes were seen: were they failpoints?"
    stop_load
    expect 0 davit down "$app"
    expect_nothing_left
}

test_a_driver_that_wakes_up_too_late_changes_nothing() {
    local worker role status=0
    new_app
    expect 0 deploy v1
    start_load
    pipeline v2
    DAVIT_FAILPOINT=deploy.before_write:3=stop davit run >"$here/run.log" 2>&1 &
    worker=$!
    until_true 60 stopped_or_ended "$worker"
    role=$(deploy_role "$worker")
    expect 5 davit resume "$app" # somebody holds it
    expect 0 davit rollback "$app" # which takes it over
    kill -CONT "$role"
    wait "$worker" || status=$?
    ((status != 0)) || fail "the stale driver says success: $(cat "$here/run.log")"
    stop_load
    load_saw v1
    expect 0 davit history "$app" -o json
    [[ $(jq -r '"\(.live) \(.releases[0].outcome)"' <<<"$output") == '1 cancelled' ]] || fail "$output"
}

run_tests "$@"
