#!/bin/bash
# Apps on this host, from the outside: rollouts and rollbacks under load, gates, verbs, and what dies.
. "${BASH_SOURCE[0]%/*}/lib_app.sh"

# --- going live ---

test_a_first_deploy_goes_live_behind_nginx() {
    new_app
    expect 0 deploy v1
    expect_version v1
    output=$(curl -fsS -H 'Host: app.example' -H 'X-Forwarded-For: 192.0.2.1' "$url/headers")
    contains 'Host: app.example' 'X-Forwarded-For: 192.0.2.1, 127.0.0.1' 'X-Real-IP: 127.0.0.1'
    [[ $(field .live) == 1 ]] || fail "$(davit status "$app")"
    has_ready 2 || fail "$(davit status "$app")"
    services_are 2 || fail "not two instances: $(service_pids)"
    [[ $(head -c 1000000 /dev/zero | curl -fsS --data-binary @- "$url/echo" | wc -c) == 1000000 ]] || fail "a body was cut"
}

# A worker that waited in accept(2) for a connection that another one took would answer nobody meanwhile.
test_new_connections_do_not_hold_up_those_that_stand() {
    new_app
    expect 0 deploy v1
    start_load --timeout 1s
    local i
    for ((i = 0; i < 100; i++)); do
        davit-load --connections 4 --duration 5ms --timeout 1s "$url/version" >"$here/new" 2>&1 || fail "$(cat "$here/new")"
    done
    stop_load
}

test_a_first_deploy_that_fails_leaves_no_instance() {
    new_app
    expect 1 deploy v1 EXIT_AT_START=7
    contains 'exit 7' 'cannot open the database'
    [[ -z $(service_pids) ]] || fail "instances are left"
    expect 0 deploy v2
    expect_version v2
}

test_blue_green_under_load_fails_no_request() {
    new_app
    expect 0 deploy v1
    start_load --slow-posts 300ms
    expect 0 deploy v2
    expect 0 deploy v3
    stop_load
    load_saw 'v1 v2 v3'
    services_are 2 || fail "not two instances are left: $(davit status "$app")"
}

test_rolling_under_load_fails_no_request() {
    new_app
    strategy=rolling instances=3
    expect 0 deploy v1
    start_load --slow-posts 300ms
    expect 0 deploy v2
    instances=2
    expect 0 deploy v3
    stop_load
    load_saw 'v1 v2 v3'
    services_are 2 || fail "not two instances are left: $(davit status "$app")"
}

# --- what is not fit to serve ---

test_a_gate_before_the_switch_keeps_the_traffic_where_it_is() {
    new_app
    gates='{before_switch: [{http: {path: /ping, json: {message: pong}}}, {http: /check}]}'
    expect 1 deploy v0 # nobody answers /check with 200
    gates='{before_switch: [{http: {path: /ping, json: {message: pong}}}, {http: /version}]}'
    expect 0 deploy v1
    local before
    before=$(service_pids)
    start_load
    expect 3 deploy v2 FAIL_PATH=/version
    contains 'before_switch' '/version' 'status 500'
    stop_load
    load_saw v1
    [[ $(service_pids) == "$before" ]] || fail "the instances are others: $before, now $(service_pids)"
    expect 0 davit history "$app" -o json
    [[ $(jq -r '.releases[0].outcome' <<<"$output") == 'rolled back' ]] || fail "$output"
    [[ $(jq -r '.releases[0].reason' <<<"$output") == *before_switch*'/version'*'status 500'* ]] || fail "$output"
}

test_a_gate_after_the_switch_takes_the_traffic_back() {
    new_app
    gates='{after_switch: [{http: /check}]}'
    expect 1 deploy v0
    gates=
    expect 0 deploy v1
    gates='{after_switch: [{http: /check}]}'
    start_load --slow-posts 300ms
    expect 3 deploy v2
    contains 'traffic 100 % to new' 'going back' after_switch /check 'status 404'
    stop_load
    expect_version v1
    [[ $(field .live) == 2 ]] || fail "$(davit status "$app")"
}

test_a_log_gate_reads_what_the_new_instances_wrote() {
    new_app
    gates='{before_switch: [{http: {path: /bad, status: 500}}, {log: {absent: "panic"}}]}'
    expect 1 deploy v1 FAIL_PATH=/bad # which logs a panic
    contains 'before_switch' 'log' 'panic'
}

test_a_dry_run_is_reported_and_one_address_is_asked_once() {
    new_app
    gates="{before_switch: [{http: {path: /check, dry_run: true}}], after_switch: [{http: {url: \"$url/version\", json: {version: v1}}}]}"
    pipeline v1
    expect 0 davit plan
    contains 'before_switch: http /check (dry run)' "after_switch: http $url/version"
    expect 0 deploy v1
    contains 'http /check (dry run) on instance 1: would have failed: status 404; wanted: status 200' \
        "http $url/version: passed: status 200"
    [[ $(grep -c "http $url/version" <<<"$output") == 1 ]] || fail "$output"
    expect 3 deploy v2 # the address says v2
    contains 'version: v2; wanted: version: v1'
    expect_version v1
}

# start_prometheus: asks $here/exporter/metrics for its numbers; its address is $prometheus.
start_prometheus() {
    local exporter
    exporter=$(free_port)
    prometheus=http://127.0.0.1:$(free_port)
    mkdir -p "$here/exporter" "$here/prometheus"
    printf 'scrape_configs: [{job_name: app, scrape_interval: 200ms, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' \
        "$exporter" >"$here/prometheus/prometheus.yml"
    cd "$here/exporter"
    busybox httpd -f -p "127.0.0.1:$exporter" &
    cd "$here/prometheus"
    prometheus --config.file=prometheus.yml --web.listen-address="${prometheus#http://}" --storage.tsdb.path=data 2>log &
    cd "$here/app"
}

prometheus_knows() { # QUERY
    curl -fsS --data-urlencode "query=$1" "$prometheus/api/v1/query" 2>/dev/null | jq -e '.data.result[0]' >/dev/null
}

test_what_prometheus_says_takes_a_rollout_back() {
    new_app
    expect 0 deploy v1
    start_prometheus
    printf 'errors{pod="a"} 0.001\nerrors{pod="b"} 0.002\n' >"$here/exporter/metrics"
    until_true 30 prometheus_knows errors
    gates="{after_switch: [{prometheus: {url: \"$prometheus\", query: errors, max: 0.01, interval: 200ms, for: 1s}}]}"
    expect 0 deploy v2
    contains 'prometheus "errors" at most 0.01 for 1s: passed: at worst 0.002 of errors{' 'pod="b"}'
    gates="{after_switch: [{prometheus: {url: \"$prometheus\", query: errors, max: 0.01, interval: 200ms, for: 1m}}]}"
    pipeline v3
    start_load
    davit run >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 load_sees v3
    printf 'errors{pod="a"} 0.001\nerrors{pod="b"} 0.5\n' >"$here/exporter/metrics"
    wait "$run" || status=$?
    ((status == 3)) || fail "exit $status: $(cat "$here/run.log")"
    stop_load
    expect_version v2
    grep -q 'rolled back: after_switch: prometheus "errors".*: 0.5 of errors{' "$here/run.log" || fail "$(cat "$here/run.log")"
}

test_gates_without_data_are_held_until_a_person_says_to_go_on() {
    new_app
    expect 0 deploy v1
    start_prometheus
    until_true 30 prometheus_knows 'vector(1)'
    gates="{after_switch: [{prometheus: {url: \"$prometheus\", query: nobody_counts, max: 0, interval: 200ms}}, {stable: 1s}]}"
    pipeline v2
    davit run >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 grep -q 'held: prometheus "nobody_counts"' "$here/run.log"
    is_live 1 || fail "$(davit status "$app")"
    expect 0 davit promote "$app"
    wait "$run" || status=$?
    ((status == 0)) || fail "exit $status: $(cat "$here/run.log")"
    is_live 2 || fail "$(davit status "$app")"
    output=$(cat "$here/run.log")
    contains 'prometheus "nobody_counts" at most 0: held: no data: the answer is empty' 'stable for 1s: passed'
    pipeline v3
    davit run >"$here/run.log" 2>&1 &
    run=$!
    until_true 30 grep -q 'held: prometheus "nobody_counts"' "$here/run.log"
    expect 0 davit abort "$app"
    wait "$run" || status=$?
    ((status == 130)) || fail "exit $status: $(cat "$here/run.log")"
    expect_version v2
}

# with_shell: the app's image has a shell for exec gates; exec_gates SCRIPT [SETTING] is a list of one.
with_shell() {
    cp "$(command -v busybox)" .
    printf 'COPY busybox /bin/busybox\nRUN ["/bin/busybox", "ln", "-s", "busybox", "/bin/sh"]\n' >>Dockerfile
}

exec_gates() {
    printf '{before_switch: [{exec: {command: [/bin/sh, -c, %s]%s}}]}' "$(jq -Rn --arg s "$1" '$s')" "${2:+, $2}"
}

test_an_exec_gate_runs_beside_each_instance_as_the_instance_would() {
    new_app
    with_shell
    secrets=TOKEN
    export TOKEN=hunter2-hunter2
    gates=$(exec_gates 'busybox wget -qO- http://127.0.0.1:$PORT/version && echo "told $TOKEN" && echo x >/tmp/x && ! echo x >/x')
    expect 0 deploy v1
    [[ $(grep -c 'passed: exit 0: ' <<<"$output") == 2 ]] || fail "not on both instances: $output"
    gates=$(exec_gates 'echo first; echo "told $TOKEN"; exit 3')
    expect 3 deploy v2
    contains 'rolled back: before_switch: exec /bin/sh -c' 'exit 3: told ***; wanted: exit 0'
    lacks "$TOKEN"
    gates=$(exec_gates 'busybox sleep 77' 'timeout: 500ms')
    expect 3 deploy v3
    contains 'killed after 500ms; wanted: exit 0'
    gone '^busybox sleep 77' || fail 'it still runs'
    gates='{before_switch: [{exec: [/no/such, thing]}, {exec: {command: [/service-not], dry_run: true}}]}'
    expect 3 deploy v4
    contains 'exec /no/such thing on instance ' 'No such file'
    gates=$(exec_gates 'kill -KILL $$')
    expect 3 deploy v5
    contains 'signal 9 (KILL); wanted: exit 0'
    gates=$(exec_gates 'busybox yes | busybox head -c 300000000; echo; echo end')
    expect 0 deploy v6
    contains 'passed: exit 0: end'
    expect_version v6
}

test_an_exec_gate_outlives_its_agent_and_ends_with_its_driver() {
    new_app
    with_shell
    instances=1
    expect 0 deploy v1
    gates=$(exec_gates 'busybox sleep 2; echo slept')
    pipeline v2
    davit run >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 pgrep -f '^busybox sleep 2'
    kill_agent
    wait "$run" || status=$?
    ((status == 0)) || fail "exit $status: $(cat "$here/run.log")"
    grep -q 'passed: exit 0: slept' "$here/run.log" || fail "$(cat "$here/run.log")"
    gates=$(exec_gates 'busybox sleep 78')
    pipeline v3
    davit run >"$here/run.log" 2>&1 &
    run=$!
    until_true 30 pgrep -f '^busybox sleep 78'
    expect 0 davit abort "$app"
    until_true 10 gone '^busybox sleep 78'
    wait "$run" || status=$?
    ((status == 130)) || fail "exit $status: $(cat "$here/run.log")"
}

test_restarts_are_counted_and_a_few_may_be_fine() {
    new_app
    instances=1
    gates='{after_switch: [{restarts: {for: 5s}}]}'
    expect 1 deploy v1 CRASH_AFTER_MS=1500
    contains 'restarts at most 0 in 5s: failed: 1, most of instance 0: signal 6 (ABRT); wanted: at most 0 in 5s'
    gates='{after_switch: [{restarts: {max: 3, for: 2500ms}}, {restarts: {dry_run: true, for: 2500ms}}]}'
    expect 0 deploy v2 CRASH_AFTER_MS=1500
    contains 'restarts at most 3 in 2s500ms: passed: ' 'restarts at most 0 in 2s500ms (dry run): would have failed: '
}

test_an_instance_that_exits_at_its_start_is_refused_early() {
    new_app
    deadline=60s
    expect 0 deploy v1
    local began=$SECONDS
    expect 3 deploy v2 EXIT_AT_START=7
    contains 'exit 7' 'cannot open the database'
    ((SECONDS - began < 15)) || fail "it took $((SECONDS - began)) s"
    expect_version v1
}

test_a_hard_coded_port_is_told_what_to_change() {
    new_app
    deadline=60s
    expect 0 deploy v1
    local wrong began=$SECONDS
    wrong=$(free_port)
    instances=1
    expect 3 deploy v2 "LISTEN_PORT=$wrong"
    contains "listens on $wrong" '$PORT'
    ((SECONDS - began < 15)) || fail "it took $((SECONDS - began)) s"
    expect 3 deploy v3 "LISTEN_PORT=$port" # nginx has it
    contains '$PORT'
    expect_version v1
}

test_one_that_never_becomes_ready_runs_into_the_deadline() {
    new_app
    expect 0 deploy v1
    deadline=2s
    expect 3 deploy v2 NEVER_READY=1
    contains 'ready'
    expect_version v1
}

test_a_slow_start_within_the_deadline_is_waited_for() {
    new_app
    expect 0 deploy v1 START_DELAY_MS=1500
    expect_version v1
}

# --- rollback, refused commits ---

test_a_rollback_brings_back_config_and_secrets_without_a_failed_request() {
    new_app
    secrets=TOKEN
    TOKEN=first-secret expect 0 deploy v1
    TOKEN=second-secret-longer expect 0 deploy v2
    [[ $(curl -fsS "$url/secret-length" | jq -r .length) == 20 ]] || fail "$(curl -sS "$url/secret-length")"
    start_load --slow-posts 300ms
    expect 0 davit rollback "$app" --dry-run
    expect_version v2
    expect 0 davit rollback "$app" -m 'the test says so'
    contains '2' '1'
    stop_load
    load_saw 'v2 v1'
    expect_version v1
    [[ $(curl -fsS "$url/secret-length" | jq -r .length) == 12 ]] || fail "$(curl -sS "$url/secret-length")"
    expect 0 davit history "$app" -o json
    [[ $(jq -r '.releases[0].why' <<<"$output") == *'the test says so'* ]] || fail "$output"
    expect 0 davit rollback "$app" --to 2
    expect_version v2
    ! grep -r -l -e first-secret -e second-secret "$DAVIT_STATE" | grep -v "/apps/$app/secrets/" || fail "a secret is elsewhere"
    [[ -z $(find "$DAVIT_STATE/apps/$app/secrets" -type f ! -perm 600) ]] || fail "secrets can be read by others"
    expect 2 davit rollback "$app" --to 77
}

test_a_commit_that_failed_is_refused_until_it_is_allowed() {
    new_app
    git init -q -b main .
    here_commit() {
        git add -A
        git -c user.name=Ann -c user.email=ann@example.org commit -q --allow-empty -m "$1"
    }
    gates='{before_switch: [{http: /version}]}'
    pipeline v1
    here_commit one
    expect 0 davit run
    pipeline v2 FAIL_PATH=/version
    here_commit two
    expect 3 davit run
    expect 1 davit run
    contains refused 'davit allow'
    expect 0 davit history "$app"
    contains 'davit allow'
    expect 0 davit allow "$app" "$(git rev-parse --short HEAD)"
    expect 3 davit run
    expect_version v1
}

# --- a person's word ---

test_a_manual_promotion_parks_and_goes_on_when_told() {
    new_app
    expect 0 deploy v1
    strategy='{blue-green: {promotion: manual}}'
    start_load
    expect 0 deploy v2
    contains promote
    expect_version v1
    [[ $(field .rollout) != null ]] || fail "$(davit status "$app")"
    services_are 4 || fail "both sets should be there"
    expect 0 davit promote "$app"
    stop_load
    load_saw 'v1 v2'
    expect_version v2
    [[ $(field .live) == 2 ]] || fail "$(davit status "$app")"
}

# share_of VERSION: how many of a hundred requests it answers.
share_of() {
    davit-load --connections 4 --rate 500 --duration 4s "$url/version" >"$here/share.json" 2>/dev/null
    jq "100 * (.versions.$1.answers // 0) / .requests | round" "$here/share.json"
}

test_a_canary_gets_its_share_and_all_of_the_traffic_once_it_is_promoted() {
    local share canary pid
    new_app
    instances=3
    expect 0 deploy v1
    strategy='{canary: {steps: [{weight: 20}, {pause: manual}, {weight: 60}, {pause: 100ms}, {weight: 80}, {pause: manual}]}}'
    pipeline v2
    expect 0 davit plan
    contains 'scale new to 1' 'traffic 20 % to new' 'pause until promoted' 'scale new to 2' 'traffic 60 % to new' \
        'pause 100ms' 'scale new to 3' 'traffic 80 % to new' 'at most 6 instances at once'
    start_load --slow-posts 300ms
    expect 0 deploy v2
    contains promote
    services_are 4 || fail "not one canary beside three: $(davit status "$app")"
    [[ $(field .rollout) == *"has 20 % of the traffic and waits for"* ]] || fail "$(davit status "$app")"
    share=$(share_of v2)
    ((share >= 15 && share <= 25)) || fail "$share % instead of 20 %: $(cat "$here/share.json")"
    canary=$(service_pids)
    expect 0 davit promote "$app" # and the next pause is not passed by it
    contains promote
    [[ $(field .live) == 1 ]] || fail "$(davit status "$app")"
    share=$(share_of v2)
    ((share >= 75 && share <= 85)) || fail "$share % instead of 80 %: $(cat "$here/share.json")"
    for pid in $canary; do
        grep -qx "$pid" <<<"$(service_pids)" || fail "instance $pid was restarted: $(davit status "$app")"
    done
    canary=$(davit status "$app" -o json | jq '.[0].sets[] | select(.release == 2) | .instances | length')
    [[ $canary == 3 ]] || fail "$(davit status "$app")"
    canary=$(service_pids)
    expect 0 davit promote "$app"
    stop_load
    load_saw 'v1 v2'
    services_are 3 || fail "not three instances are left: $(davit status "$app")"
    for pid in $(service_pids); do
        grep -qx "$pid" <<<"$canary" || fail "instance $pid was restarted: $(davit status "$app")"
    done
    [[ $(field .live) == 2 ]] || fail "$(davit status "$app")"
    expect 2 davit promote "$app"
    contains "no rollout of $app is under way"
}

test_an_aborted_canary_leaves_the_old_release_as_it_was() {
    local before
    new_app
    expect 0 deploy v1
    before=$(service_pids)
    strategy='{canary: {steps: [{weight: 50}, {pause: manual}]}}'
    start_load
    expect 0 deploy v2
    until_true 10 load_sees v2
    expect 0 davit abort "$app"
    until_true 20 services_are 2
    stop_load
    expect_version v1
    [[ $(service_pids) == "$before" ]] || fail "the old instances were not left alone"
}

test_a_rollout_is_paused_and_resumed() {
    new_app
    expect 0 deploy v1
    deploy v2 START_DELAY_MS=3000 >"$here/run.log" 2>&1 &
    local run=$!
    until_true 30 grep -q 'await new' "$here/run.log"
    expect 0 davit pause "$app"
    wait "$run" || fail "$(cat "$here/run.log")"
    expect_version v1
    expect 0 davit status "$app"
    contains "is paused at step"
    expect 0 davit resume "$app"
    expect_version v2
}

test_a_parked_rollout_can_be_aborted() {
    new_app
    expect 0 deploy v1
    strategy='{blue-green: {promotion: manual}}'
    expect 0 deploy v2
    start_load
    expect 0 davit abort "$app"
    until_true 20 services_are 2
    stop_load
    load_saw v1
    [[ $(field .live) == 1 ]] || fail "$(davit status "$app")"
    expect 0 davit history "$app" -o json
    [[ $(jq -r '.releases[0].outcome' <<<"$output") == cancelled ]] || fail "$output"
}

test_an_abort_takes_a_rollout_back() {
    new_app
    expect 0 deploy v1
    gates='{after_switch: [{stable: 60s}]}'
    start_load --slow-posts 300ms
    deploy v2 >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 load_sees v2
    expect 0 davit abort "$app"
    wait "$run" || status=$?
    ((status == 130)) || fail "exit $status: $(cat "$here/run.log")"
    stop_load
    expect_version v1
    load_saw 'v1 v2'
    expect 0 davit history "$app" -o json
    [[ $(jq -r '.releases[0].outcome' <<<"$output") == cancelled ]] || fail "$output"
}

test_a_run_that_is_interrupted_takes_its_rollout_back() {
    new_app
    expect 0 deploy v1
    gates='{after_switch: [{stable: 60s}]}'
    start_load
    pipeline v2
    davit run >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 answers v2
    kill -INT "$run"
    wait "$run" || status=$?
    ((status == 130)) || fail "exit $status: $(cat "$here/run.log")"
    stop_load
    expect_version v1
}

test_a_rollback_preempts_a_rollout() {
    new_app
    expect 0 deploy v1
    expect 0 deploy v2
    gates='{after_switch: [{stable: 60s}]}'
    start_load
    deploy v3 >"$here/run.log" 2>&1 &
    local run=$! status=0
    until_true 30 answers v3
    expect 0 davit rollback "$app"
    wait "$run" || status=$?
    ((status != 0)) || fail "the run that was pre-empted says success"
    stop_load
    expect_version v2 # what v3 was to replace
    [[ $(field .live) == 2 ]] || fail "$(davit status "$app")"
    services_are 2 || fail "$(davit status "$app")"
    expect 0 davit rollback "$app"
    expect_version v1
}

test_only_one_deploys_an_app_at_a_time() {
    new_app
    expect 0 deploy v1
    gates='{after_switch: [{stable: 5s}]}'
    deploy v2 >"$here/run.log" 2>&1 &
    local run=$!
    until_true 30 answers v2
    expect 5 davit resume "$app"
    wait "$run" || fail "$(cat "$here/run.log")"
    expect_version v2
}

test_the_verbs_that_look_tell_it_as_json_too() {
    new_app
    expect 0 deploy v1
    davit history "$app" -o json | jq -e '.releases[0].outcome == "success" and .live == 1' >/dev/null
    davit status "$app" -o json | jq -e '.[0].app == "'"$app"'"' >/dev/null
    davit status -o json | jq -e 'length == 1' >/dev/null
    expect 0 davit history "$app"
    contains success '1 *'
    expect 0 davit status
    contains "$app: release 1 is live" '2 of 2 ready' '100 %'
    expect 0 davit logs --app "$app"
    contains '"msg":"listening"'
    expect 2 davit status nothing-of-the-kind
    contains nothing-of-the-kind
    [[ ! -e $DAVIT_STATE/apps/nothing-of-the-kind ]] || fail "a question made an app"
}

# --- what dies ---

test_a_killed_agent_costs_no_request_and_no_instance() {
    new_app
    expect 0 deploy v1
    local before
    before=$(service_pids)
    start_load --slow-posts 300ms
    kill_agent
    sleep 0.5 # a while without
    [[ $(service_pids) == "$before" ]] || fail "the instances are others"
    has_ready 2 || fail "$(davit status "$app")"
    kill_agent
    expect 0 deploy v2
    stop_load
    load_saw 'v1 v2'
    expect_version v2
}

test_after_a_reboot_one_question_brings_everything_back() {
    new_app
    secrets=TOKEN
    TOKEN=first-secret expect 0 deploy v1
    # shellcheck disable=SC2046 # a pid each
    kill -KILL $(agent_processes agent) $(agent_processes init)
    until_true 5 services_are 0
    ! curl -sf --max-time 1 "$url/version" || fail "something still answers"
    expect 0 davit status "$app"
    until_true 20 answers v1
    [[ $(curl -fsS "$url/secret-length" | jq -r .length) == 12 ]] || fail "$(curl -sS "$url/secret-length")"
    [[ $(field .live) == 1 ]] || fail "$(davit status "$app")"
}

test_on_a_full_disk_nothing_changes_and_everything_goes_on() {
    small_state
    new_app
    expect 0 deploy v1
    expect 0 deploy v2
    start_load
    fill_disk
    expect 70 davit rollback "$app"
    contains 'No space left on device'
    kill_agent
    expect 0 davit status "$app"
    contains 'release 2 is live' '2 of 2 ready'
    rm "$here/small/fill"
    expect 0 davit rollback "$app"
    stop_load
    load_saw 'v2 v1'
}

test_the_daemon_keeps_agents_alive() {
    new_app
    expect 0 deploy v1
    printf 'repositories: []\n' >"$here/server.yaml"
    davit serve "$here/server.yaml" 2>>"$here/serve.log" &
    local serve=$!
    kill_agent
    until_true 10 agent_runs
    # shellcheck disable=SC2046 # a pid each
    kill -KILL $(agent_processes agent) $(agent_processes init)
    until_true 20 answers v1
    kill -TERM "$serve"
    wait "$serve" || :
    expect 0 davit down "$app"
}

test_the_daemon_goes_on_with_a_rollout_whose_worker_died() {
    new_app
    new_repository
    gates='{after_switch: [{stable: 1500ms}]}'
    cd "$here/work"
    cp "$here/$app"/{Dockerfile,davit-service} .
    printf 'repositories:\n  - path: %s\n' "$here/app.git" >"$here/server.yaml"
    davit serve "$here/server.yaml" 2>>"$here/serve.log" &
    local serve=$!
    until_true 20 grep -q watching "$here/serve.log"
    pipeline v1
    commit one
    git push -q origin HEAD:main
    until_true 60 answers v1
    until_true 20 is_live 1
    pipeline v2
    commit two
    git push -q origin HEAD:main
    start_load
    until_true 60 answers v2
    kill -KILL "$(cut -d' ' -f1 "$DAVIT_STATE/runs/2/worker")"
    until_true 30 is_live 2
    stop_load
    load_saw 'v1 v2'
    expect 0 davit show 2
    contains 'its worker died'
    kill -TERM "$serve"
    wait "$serve" || :
}

test_an_instance_that_crashes_is_started_again_ever_more_rarely() {
    new_app
    instances=1
    expect 0 deploy v1 CRASH_AFTER_MS=700
    has_restarted() {
        (($(field '.sets[].instances[0].restarts') >= $1))
    }
    until_true 20 has_restarted 2
    [[ $(field '.sets[].instances[0].last_end') == 'signal 6 (ABRT)' ]] || fail "$(davit status "$app")"
    grep -q 'started again in 400 ms' "$DAVIT_STATE/apps/$app/agent.log" || fail "$(cat "$DAVIT_STATE/apps/$app/agent.log")"
}

test_one_instance_that_dies_is_out_of_the_traffic_at_once() {
    new_app
    expect 0 deploy v1
    start_load
    kill -KILL "$(service_pids | head -n 1)"
    until_true 10 grep -q 'started again in' "$DAVIT_STATE/apps/$app/agent.log"
    until_true 10 has_ready 2
    kill -TERM "$load"
    wait "$load" || :
    # What was under way, and half of what came within a fifth of a second.
    (($(jq .failed "$here/$app.load.json") < 40)) || fail "$(cat "$here/$app.load.json")"
}

test_nginx_is_started_again_when_it_dies() {
    new_app
    expect 0 deploy v1
    kill -KILL "$(pgrep -f "nginx: master" -P "$(agent_processes init | paste -sd,)")"
    until_true 10 answers v1
}

# --- others ---

test_another_user_can_neither_speak_to_the_agent_nor_read_secrets() {
    new_app
    secrets=TOKEN
    TOKEN=first-secret expect 0 deploy v1
    local socket=$DAVIT_STATE/apps/$app/agent.sock
    chmod a+rx "$here" "$DAVIT_STATE"
    hello() {
        perl -MSocket -e 'socket(S, PF_UNIX, SOCK_SEQPACKET, 0) or die; connect(S, sockaddr_un($ARGV[0])) or exit 3;
            send(S, "{\"op\":\"hello\",\"id\":1,\"protocol\":1}", 0); recv(S, $answer, 1000, 0); exit($answer eq "" ? 4 : 0)' "$socket"
    }
    expect 0 hello
    expect 3 setpriv --reuid 12345 --regid 12345 --clear-groups bash -c "$(declare -f hello); socket=$socket; hello"
    chmod 666 "$socket" # even then
    expect 4 setpriv --reuid 12345 --regid 12345 --clear-groups bash -c "$(declare -f hello); socket=$socket; hello"
    local file
    while read -r file; do
        ! setpriv --reuid 12345 --regid 12345 --clear-groups cat "$file" >/dev/null 2>&1 || fail "$file can be read"
    done < <(grep -rl first-secret "$DAVIT_STATE")
    # Nor does an instance see more of this than its own root.
    expect 0 davit status "$app"
}

test_two_apps_live_side_by_side() {
    new_app one
    expect 0 deploy v1
    local first=$url
    new_app two
    expect 0 deploy v7
    expect_version v7
    url=$first
    expect_version v1
    [[ $(davit status -o json | jq '[.[].sets[].instances[].address] | unique | length') == 4 ]] || fail "$(davit status)"
    expect 0 davit down one
    app=two url=http://127.0.0.1:$port
    expect_version v7
}

test_an_address_that_somebody_else_has_is_refused_by_name() {
    new_app one
    expect 0 deploy v1
    local taken=$port
    new_app two
    port=$taken
    deploy v2 >"$here/log" 2>&1 && fail "it went live on a taken address"
    grep -q "127.0.0.1:$taken" "$here/log" || fail "$(cat "$here/log")"
    url=http://127.0.0.1:$taken
    expect_version v1
}

test_down_leaves_nothing() {
    new_app
    secrets=TOKEN
    TOKEN=first-secret expect 0 deploy v1
    TOKEN=first-secret expect 0 deploy v2
    expect 0 davit down "$app"
    [[ ! -e $DAVIT_STATE/apps/$app ]] || fail "files are left: $(find "$DAVIT_STATE/apps/$app")"
    expect_nothing_left
    ! curl -sf --max-time 1 "$url/version" || fail "something still answers"
    expect 2 davit status "$app"
    TOKEN=first-secret expect 0 davit run # and it may come again
    expect_version v2
}

run_tests "$@"
