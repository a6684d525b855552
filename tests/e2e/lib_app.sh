# shellcheck shell=bash
# What the tests of deployed apps share, besides lib.sh: an app of davit-service in an image that holds nothing else,
# deployed to this host, and an outside observer (davit-load) that counts every failed request.
. "${BASH_SOURCE[0]%/*}/lib.sh"

# Of an app, besides: it is taken down however the test ended. A sanitized agent that found a mistake has died and was
# started again, so that only its log tells.
end_leftovers() {
    local status=$? pid self=$BASHPID
    for pid in $(own_processes "$self"); do
        kill -KILL "$pid" 2>/dev/null || :
    done
    for app in "$DAVIT_STATE"/apps/*/; do
        app=$(basename "$app")
        end_agent
        if grep -s -A 30 Sanitizer "$DAVIT_STATE/apps/$app/agent.log"; then
            status=1
        fi
        timeout 60 davit down "$app" >/dev/null 2>&1 || :
    done
    # What is left after a failure has the test's directory in its command line, or its mark in its environment.
    for pid in $(pgrep -f "$here/") $(service_pids); do
        kill -KILL "$pid" 2>/dev/null || :
    done
    [[ ! -e $here/small ]] || umount "$here/small"
    exit "$status"
}

# small_state: a state directory on a file system of its own, which fill_disk fills.
small_state() {
    mkdir "$here/small"
    mount -t tmpfs -o size=20m none "$here/small"
    export DAVIT_STATE=$here/small/state
}

fill_disk() {
    dd if=/dev/zero of="$here/small/fill" bs=4k 2>/dev/null || :
}

end_agent() {
    local pid turn
    pid=$(agent_processes agent)
    [[ -n $pid ]] || return 0
    kill -TERM "$pid"
    for ((turn = 0; turn < 500; turn++)); do
        process_start "$pid" >/dev/null || return 0
        sleep 0.01
    done
    fail "the agent does not end"
}

# What a test has left running in the background works in its directory.
own_processes() { # PID that is not meant
    local link pid
    for link in /proc/[0-9]*/cwd; do
        pid=${link#/proc/}
        pid=${pid%/cwd}
        if [[ $pid != "$1" && $pid != "$BASHPID" && $(readlink "$link" 2>/dev/null)/ == "$here"/* ]]; then
            echo "$pid"
        fi
    done
}

# new_app [NAME]: what deploy() below deploys; a test changes these before it calls it.
new_app() {
    app=${1:-app}
    instances=2
    strategy=blue-green
    gates=
    secrets=
    deadline=20s
    drain=5s
    port=$(free_port)
    url=http://127.0.0.1:$port
    mkdir -p "$here/$app"
    cd "$here/$app"
    cp "$bin/davit-service" .
    printf 'FROM scratch\nCOPY davit-service /service\nENTRYPOINT ["/service"]\n' >Dockerfile
}

# A port that nobody listens on, above those that the agents give.
free_port() {
    local candidate
    while :; do
        candidate=$((10000 + SRANDOM % 9000))
        (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
    done
    echo "$candidate"
}

# pipeline VERSION [NAME=VALUE…]: writes .davit.yaml; the service gets these settings.
pipeline() {
    local version=$1 setting
    shift
    {
        printf 'name: %s\n' "$app"
        [[ -z $secrets ]] || printf 'env: {TOKEN: {secret: true, required: true}}\n'
        printf 'stages:\n  image: {build: {}}\n  deploy:\n    needs: [image]\n'
        printf '    env:\n      VERSION: "%s"\n      TEST: "%s"\n' "$version" "$here"
        for setting; do
            printf '      %s: "%s"\n' "${setting%%=*}" "${setting#*=}"
        done
        printf '    deploy:\n      app: %s\n      image: image\n      instances: %s\n' "$app" "$instances"
        printf '      listen: 127.0.0.1:%s\n      ports: {PORT: http}\n' "$port"
        printf '      healthcheck: {path: /ping, interval: 200ms, timeout: 2s}\n'
        printf '      strategy: %s\n      deadline: %s\n      drain: %s\n      grace: 5s\n' "$strategy" "$deadline" "$drain"
        [[ -z $secrets ]] || printf '      secrets: [%s]\n' "$secrets"
        [[ -z $gates ]] || printf '      gates: %s\n' "$gates"
    } >.davit.yaml
}

# deploy VERSION [NAME=VALUE…]: by a run of its pipeline.
deploy() {
    pipeline "$@"
    timeout 120 davit run
}

answers() {
    [[ $(curl -fsS --max-time 5 "$url/version" | jq -r .version) == "$1" ]]
}

# expect_version V: what the app's address answers now.
expect_version() {
    answers "$1" || fail "$url/version says $(curl -sS --max-time 5 "$url/version" 2>&1), not $1"
}

# field FILTER: of the app's status.
field() {
    davit status "$app" -o json | jq -r ".[0] | $1"
}

is_live() {
    [[ $(field .live) == "$1" ]]
}

has_ready() {
    [[ $(field '[.sets[].instances[] | select(.state == "ready")] | length') == "$1" ]]
}

# The live instances' processes, by the mark that every app of a test gets in its environment.
service_pids() {
    local pid
    for pid in $(pgrep -x service); do
        if tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "TEST=$here"; then
            echo "$pid"
        fi
    done
}

services_are() {
    (($(service_pids | wc -l) == $1))
}

# All davit processes of an app by its agent's command line: the agent, and the inits that it has made for instances and
# nginx. Only those are in a PID namespace of their own.
agent_processes() { # agent|init
    local pid spaces
    for pid in $(pgrep -f "^davit-agent $DAVIT_STATE $app\$"); do
        spaces=$(awk '/^NSpid:/ {print NF - 1}' "/proc/$pid/status" 2>/dev/null) || continue
        case $1:$spaces in
        agent:1 | init:2) echo "$pid" ;;
        esac
    done
}

agent_runs() {
    [[ -n $(agent_processes agent) ]]
}

kill_agent() {
    kill -KILL "$(agent_processes agent)"
}

# expect_nothing_left: of anything that ran below this state directory, but what is meant to stay.
expect_nothing_left() {
    local group
    group=$(printf '%x-%x' "$(stat -c %d "$DAVIT_STATE")" "$(stat -c %i "$DAVIT_STATE")")
    [[ -z $(find /sys/fs/cgroup -path "*davit/$group*") ]] || fail "$(find /sys/fs/cgroup -path "*davit/$group*" -type d)"
    ! grep -F "$here" /proc/mounts || fail "mounts are left"
    ! pgrep -af "$DAVIT_STATE" || fail "processes are left"
    services_are 0 || fail "instances are left"
    [[ -z $(find "$DAVIT_STATE" -name '*.tmp' -o -path '*/images/work/*') ]] || fail "$(find "$DAVIT_STATE")"
}

# start_load [OPTION…]: an observer with keep-alive connections, a fifth of its requests POSTs.
start_load() {
    davit-load --connections 8 --rate 300 --posts 20 "$@" "$url/version" >"$here/$app.load.json" 2>"$here/$app.load.log" &
    load=$!
    until_true 10 grep -q -e '->' "$here/$app.load.log"
}

# load_sees VERSION: has it been answered by this one by now?
load_sees() {
    grep -q -e "-> $1\$" "$here/$app.load.log"
}

# stop_load: not one request may have failed.
stop_load() {
    kill -TERM "$load"
    wait "$load" || :
    [[ $(jq .failed "$here/$app.load.json") == 0 ]] || fail "requests failed: $(cat "$here/$app.load.json" "$here/$app.load.log")"
    (($(jq .requests "$here/$app.load.json") > 10)) || fail "there was no load: $(cat "$here/$app.load.json")"
}

# load_saw VERSIONS: the versions that answered the load, in the order of their first answers.
load_saw() {
    local seen
    seen=$(jq -r '.versions | to_entries | sort_by(.value.first_ms) | map(.key) | join(" ")' "$here/$app.load.json")
    [[ $seen == "$1" ]] || fail "the load saw \"$seen\", not \"$1\""
}
