#!/bin/bash
# Killed at any instant, on a real cluster: a rollout ends as it would have ended, no request fails, and what
# davit-witness, which looks on ten times a second, says is never to be seen is never seen.
#
# Needs executables with failpoints (the presets debug and asan). Whoever dies is the deploy role (its worker starts it
# again), or the worker with it (then a person says `davit resume`, which the Lease of the dead delays).
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

# --- whoever drives ---

# children PID: in $children. Looked at all the time by several at once, so no process is started for it.
children() {
    local all
    children=()
    read -r all 2>/dev/null </proc/"$1"/task/"$1"/children || [[ -n ${all:-} ]] || return 0
    read -ra children <<<"$all"
}

# find_role WORKER: its davit-deploy is $role.
find_role() {
    local init inits pid name
    children "$1"
    inits=("${children[@]}")
    for init in "${inits[@]}"; do
        children "$init"
        for pid in "${children[@]}"; do
            read -r name 2>/dev/null </proc/"$pid"/comm || continue
            role=$pid
            [[ $name != davit-deploy ]] || return 0
        done
    done
    return 1
}

is_stopped() {
    local state
    read -r _ _ state _ 2>/dev/null </proc/"$1"/stat && [[ $state == T ]]
}

# until_stopped WORKER: its role has stopped itself ($role), or 1: the worker has ended.
until_stopped() {
    local deadline=$((SECONDS + 120))
    until find_role "$1" && is_stopped "$role"; do
        ! is_over "$1" || return 1
        ((SECONDS < deadline)) || fail "$app: neither stopped nor over: $(cat "$here/run.log")"
        read -r -t 0.05 <> <(:) || :
    done
}

is_over() {
    local state
    read -r _ _ state _ 2>/dev/null </proc/"$1"/stat || return 0
    [[ $state == Z ]]
}

# Connections that are kept must not make failures of their own, on a machine where a close may take long to be seen.
readonly linger=LINGER_MS=1000

# start_driver POINT VERSION: it stops there; $worker.
start_driver() {
    pipeline "$2" "$linger"
    DAVIT_FAILPOINT=$1=stop davit run >"$here/run.log" 2>&1 &
    worker=$!
}

# --- whoever looks on ---

start_witness() {
    KUBECONFIG=$kube_admin davit-witness "$namespace" "$app" >"$here/witness.json" 2>"$here/witness.log" &
    witness=$!
}

stop_witness() {
    kill -TERM "$witness"
    wait "$witness" || fail "$(cat "$here/witness.json" "$here/witness.log")"
    (($(jq .looks "$here/witness.json") > 20)) || fail "the witness did not look: $(cat "$here/witness.json")"
}

# live_app STRATEGY [NAME]: its first release, and who looks on, in a directory of its own.
live_app() {
    new_app "${2:-app}"
    here=$here/$app
    instances=2
    strategy=$1
    expect 0 deploy v0 "$linger"
    kube_load "$(service_url)/version" --connections 4 --rate 50 --posts 20
    start_witness
}

end_app() {
    stop_load
    stop_witness
    expect 0 davit down "$app" --env lab
    until_true 60 nothing_left
}

readonly canary='{canary: {steps: [{weight: 50}, {pause: 1s}]}}'

# check_end VERSION: wholly this one, once, and nothing is under way.
check_end() {
    local history
    until_true 30 answers "$1"
    history=$(davit history "$app" --env lab -o json)
    [[ $(jq '[.releases[] | select(.outcome == "pending")] | length' <<<"$history") == 0 ]] || fail "$1: $history"
    [[ $(jq '.live as $live | .releases[] | select(.revision == $live) | .outcome' <<<"$history") == '"success"' ]] ||
        fail "$1: $history"
    until_true 30 pods_are "$instances" # the last ones are on their way out
}

# --- killed at every write ---

# die_at COUNT VERSION: the role dies after that many writes, and once more as its successor is at the same; 1 when there
# are not as many.
die_at() {
    local status=0
    start_driver "kube.written:$1" "$2"
    until_stopped "$worker" || { wait "$worker" || fail "$2: $(cat "$here/run.log")"; check_end "$2"; return 1; }
    kill -KILL "$role"
    ! until_stopped "$worker" || kill -CONT "$role"
    wait "$worker" || status=$?
    ((status == 0)) || fail "$2: exit $status: $(cat "$here/run.log")"
    check_end "$2"
}

live_release() {
    davit history "$app" --env lab -o json | jq .live
}

# die_with_worker_at COUNT VERSION: 1 when there are not as many. `davit resume` brings the rollout to its end; before
# its begin there is nothing to resume, and $live stays.
die_with_worker_at() {
    local before
    before=$(live_release)
    start_driver "kube.written:$1" "$2"
    until_stopped "$worker" || { wait "$worker" || fail "$2: $(cat "$here/run.log")"; check_end "$2"; return 1; }
    kill -KILL "$worker"
    wait "$worker" 2>/dev/null || :
    timeout 120 davit resume "$app" --env lab >"$here/resume.log" 2>&1 ||
        fail "$2: $?: $(cat "$here/run.log" "$here/resume.log")"
    if [[ $(live_release) != "$before" ]]; then
        live=$2
    elif grep -q 'step 1' "$here/run.log"; then
        fail "$2: it was begun, and is not live: $(cat "$here/run.log" "$here/resume.log")"
    fi
    check_end "$live"
}

kill_role_everywhere() { # FIRST STRIDE
    local count
    for ((count = $1; ; count += $2)); do
        die_at "$count" "v$count" || break
    done
    ((count > 15)) || fail "only $count writes were seen: were they failpoints?"
}

kill_worker_everywhere() { # FIRST STRIDE
    local count live=v0
    for ((count = $1; ; count += $2)); do
        die_with_worker_at "$count" "v$count" || break
    done
    [[ $live != v0 ]] || fail "nothing was ever resumed"
}

# A rollback's role is not started again: a person says so. What was not begun changes nothing.
kill_rollback_everywhere() { # FIRST STRIDE
    local count status before live=v1 other=v0 now
    expect 0 deploy v1 "$linger"
    for ((count = $1, status = 70; status; count += $2)); do
        status=0
        before=$(live_release)
        DAVIT_FAILPOINT=kube.written:$count=kill davit rollback "$app" --env lab >"$here/run.log" 2>&1 || status=$?
        if ((status)); then
            ((status == 70)) || fail "exit $status: $(cat "$here/run.log")"
            timeout 120 davit resume "$app" --env lab >"$here/resume.log" 2>&1 ||
                fail "$count: $?: $(cat "$here/run.log" "$here/resume.log")"
        fi
        if [[ $(live_release) != "$before" ]]; then
            now=$other other=$live live=$now
        fi
        check_end "$live"
    done
}

# beside NAME COMMAND…: in the background, with what it prints in a file; wait_all fails when one of them does.
declare -A beside
beside() {
    local name=$1
    shift
    (
        # shellcheck disable=SC2046 # one word a process
        trap 'kill -KILL $(jobs -p) 2>/dev/null || :' EXIT
        "$@"
    ) >"$here/$name.out" 2>&1 &
    beside[$name]=$!
}

wait_all() {
    local name failed=()
    for name in "${!beside[@]}"; do
        wait "${beside[$name]}" || failed+=("$name: $(cat "$here/$name.out")")
    done
    beside=()
    ((${#failed[@]} == 0)) || fail "${failed[@]}"
}

survive() { # WHO STRATEGY NAME FIRST STRIDE
    live_app "$2" "$3"
    "kill_$1_everywhere" "$4" "$5"
    end_app
}

# Taken away in the middle of a rollout that nobody drives any more, in two pieces.
down_survives() { # FIRST STRIDE
    local count status
    new_app down
    here=$here/$app
    instances=1
    for ((count = $1, status = 70; status; count += $2)); do
        status=0
        expect 0 deploy v0
        start_driver kube.written:13 v1
        until_stopped "$worker" || fail "not as many writes: $(cat "$here/run.log")"
        kill -KILL "$worker"
        wait "$worker" 2>/dev/null || :
        DAVIT_FAILPOINT=kube.written:$count=kill davit down "$app" --env lab >"$here/run.log" 2>&1 || status=$?
        if ((status)); then
            ((status == 70)) || fail "exit $status: $(cat "$here/run.log")"
            expect 0 davit down "$app" --env lab
        fi
        until_true 60 nothing_left
    done
    ((count > 12)) || fail "only $count writes were seen: were they failpoints?"
}

# They wait most of the time, so all of them go side by side. By scripts/test --long every write of a rollout is some
# strategy's; else every other one.
test_rollouts_survive_their_drivers() {
    local who first stride sparse=2
    kube_up
    [[ -z ${DAVIT_LONG:-} ]] || sparse=1
    for who in 'role 1 3' 'worker 1 9'; do
        read -r who first stride <<<"$who"
        ((stride *= sparse))
        beside "$who-rolling" survive "$who" rolling "$who-rolling" "$first" "$stride"
        beside "$who-blue-green" survive "$who" blue-green "$who-blue-green" $((first + stride / 3)) "$stride"
        beside "$who-canary" survive "$who" "$canary" "$who-canary" $((first + 2 * stride / 3)) "$stride"
    done
    beside rollback survive rollback blue-green rollback 2 $((6 * sparse))
    beside down down_survives 2 $((4 * sparse))
    wait_all
}

# The positive control: what must never be seen is done until it is.
breaks_i1() {
    k patch service "$app" --type merge -p '{"spec": {"selector": {"name": "nobody"}}}'
    read -r -t 0.5 <> <(:) || :
    k patch service "$app" --type merge -p "{\"spec\": {\"selector\": {\"name\": \"$app\"}}}"
    grep -q 'I1' "$here/witness.log"
}

breaks_i6() {
    k annotate --overwrite deployment "$app" davit.dev/epoch=9
    read -r -t 0.5 <> <(:) || :
    k annotate --overwrite deployment "$app" davit.dev/epoch=1
    grep -q 'I6' "$here/witness.log"
}

test_the_witness_is_not_blind() {
    new_app
    instances=1
    expect 0 deploy v0
    start_witness
    until_true 30 breaks_i1
    until_true 30 breaks_i6
    kill -TERM "$witness"
    ! wait "$witness" || fail "it says that all is well: $(cat "$here/witness.json")"
}

# --- two drivers ---

# Whoever comes first has it; the other one is told so, and nothing of its own is begun.
two_at_once() {
    local one two first=0 second=0 winner
    live_app blue-green at-once
    pipeline v1 "$linger"
    mkdir "$here/other"
    cp -r .davit.yaml k8s "$here/other"
    sed -i 's/VERSION: "v1"/VERSION: "v2"/' "$here/other/.davit.yaml"
    davit run >"$here/one.log" 2>&1 &
    one=$!
    (cd "$here/other" && exec davit run) >"$here/two.log" 2>&1 &
    two=$!
    wait "$one" || first=$?
    wait "$two" || second=$?
    case $first:$second in
    0:5) winner=v1 ;;
    5:0) winner=v2 ;;
    *) fail "exit $first and $second: $(cat "$here/one.log" "$here/two.log")" ;;
    esac
    grep -q 'is driven by' "$here/one.log" "$here/two.log" || fail "$(cat "$here/one.log" "$here/two.log")"
    check_end "$winner"
    end_app
}

# What of an object a driver could have written, but for empty Deployments: a creation cannot be fenced.
written() {
    k get deployments,services,configmaps,controllerrevisions,leases -o json | jq -S '[.items[]
        | select(.kind != "Deployment" or .spec.replicas > 0)
        | {kind, name: .metadata.name, annotations: .metadata.annotations, spec, data} | del(.spec.renewTime)]'
}

# late STRATEGY NAME COUNT: it sleeps between its position and its act, for longer than its Lease; another one ends its
# rollout and does one of its own.
late() {
    local before late status=0
    live_app "$1" "$2"
    start_driver "deploy.position_written:$3" v1
    late=$worker
    until_stopped "$late" || fail "it never came to write $3: $(cat "$here/run.log")"
    expect 0 timeout 120 davit resume "$app" --env lab
    check_end v1
    expect 0 deploy v2 "$linger"
    check_end v2
    before=$(written)
    kill -CONT "$role"
    wait "$late" || status=$?
    ((status != 0)) || fail "the late driver says that it succeeded: $(cat "$here/run.log")"
    [[ $(written) == "$before" ]] || fail "$(diff <(printf %s "$before") <(written)) $(cat "$here/run.log")"
    check_end v2
    end_app
}

# The same before it writes how its rollout ended; the other one has taken over, and has not come to that yet.
late_to_finish() {
    local before late first status=0
    live_app rolling finish
    start_driver deploy.before_finish:1 v1
    late=$worker
    until_stopped "$late" || fail "it never came to the end: $(cat "$here/run.log")"
    first=$role
    DAVIT_FAILPOINT=deploy.before_finish:1=stop davit resume "$app" --env lab >"$here/resume.log" 2>&1 &
    worker=$!
    until_stopped "$worker" || fail "it never came to the end: $(cat "$here/resume.log")"
    before=$(written)
    kill -CONT "$first"
    wait "$late" || status=$?
    ((status != 0)) || fail "the late driver says that it succeeded: $(cat "$here/run.log")"
    [[ $(written) == "$before" ]] || fail "$(diff <(printf %s "$before") <(written)) $(cat "$here/run.log")"
    kill -CONT "$role"
    wait "$worker" || fail "$?: $(cat "$here/resume.log")"
    check_end v1
    end_app
}

test_two_drivers_on_one_app() {
    kube_up
    beside at-once two_at_once
    beside apply late rolling apply 1
    beside scale late blue-green scale 3
    beside weight late "$canary" weight 5
    beside commit late rolling commit 5
    beside finish late_to_finish
    wait_all
}

# --- the cluster's own troubles ---

# part NAME: its pid is $pid; 1 when the cluster is not of scripts/cluster, and its daemons are not ours to disturb.
part() {
    [[ $kube_admin == "$DAVIT_CLUSTER/kubeconfig" ]] || return 1
    pid=$("$cluster" status | awk -v part="$1" '$1 == part { print $3 }')
    [[ -n $pid ]]
}

readonly troubles=(killed_api_server stopped_etcd)

killed_api_server() {
    part kube-apiserver || fail "there is none: $("$cluster" status)"
    kill -KILL "$pid"
}

# Drivers go on at once, and find nothing that answers for eight seconds. However this test ends, it goes on.
stopped_etcd() {
    part etcd || fail "there is none: $("$cluster" status)"
    kill -STOP "$pid"
    (
        (
            sleep 8
            kill -CONT "$pid"
        ) >/dev/null 2>&1 &
    )
}

# troubled STRATEGY NAME COUNT: its driver waits at that write until the trouble has come, and ends as if nothing were.
troubled() {
    local trouble status=0
    live_app "$1" "$2"
    for trouble in "${troubles[@]}"; do
        start_driver "deploy.before_write:$3" "$trouble"
        until_stopped "$worker" || fail "it never came to write $3: $(cat "$here/run.log")"
        : >"$here/waits-for-$trouble"
        until_true 120 test -e "${here%/*}/$trouble"
        kill -CONT "$role"
        wait "$worker" || status=$?
        ((status == 0)) || fail "exit $status: $(cat "$here/run.log")"
        check_end "$trouble"
    done
    end_app
}

all_wait_for() {
    local name
    for name in "${!beside[@]}"; do
        [[ -e $here/$name/waits-for-$1 ]] || is_over "${beside[$name]}" || return 1
    done
}

# A server that has just started forbids everything for a moment, and that is no reason to go back.
test_the_control_plane_fails_half_way() {
    local trouble
    kube_up
    part etcd || return 0
    beside scale troubled rolling scale 3
    beside weight troubled blue-green weight 5
    beside steps troubled "$canary" steps 5
    for trouble in "${troubles[@]}"; do
        until_true 120 all_wait_for "$trouble"
        "$trouble"
        : >"$here/$trouble"
    done
    wait_all
}

run_tests "$@"
