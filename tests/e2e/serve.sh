#!/bin/bash
# `davit serve`: pushes become runs, whatever happens to the daemon.
. "${BASH_SOURCE[0]%/*}/lib.sh"

# start_serve: davit serve on $here/app.git in the background; its pid is left in $serve.
start_serve() { # [MESSAGE to wait for]
    echo hunter2hunter2 >"$here/token"
    chmod 600 "$here/token"
    start_serve_with "$here/token" "$@"
}
start_serve_with() { # TOKEN-FILE [MESSAGE to wait for]
    printf 'repositories:\n  - path: %s\nsecrets: {TOKEN: %s}\n' "$here/app.git" "$1" >"$here/server.yaml"
    shift
    davit serve "$here/server.yaml" 2>>"$here/serve.log" &
    serve=$!
    until_true 20 grep -q "${1:-watching}" "$here/serve.log"
}

stop_serve() {
    kill -TERM "$serve"
    wait "$serve" || :
}

# run_is ID STATUS
run_is() {
    [[ $(davit runs -o json | jq -r ".[] | select(.id == $1) | .status") == "$2" ]]
}

pipeline() {
    printf 'name: t\nstages:\n  a: {run: "%s"}\n' "$1" >"$here/work/.davit.yaml"
    commit "${2:-change}"
}

push() {
    git -C "$here/work" push -q origin "HEAD:${1:-main}"
}

test_a_push_becomes_a_run_of_its_commit() {
    new_repository
    pipeline 'echo \"$CI_COMMIT_MESSAGE $CI_PIPELINE_EVENT $CI_COMMIT_BRANCH\"' 'the message'
    start_serve
    push
    until_true 20 run_is 1 success
    expect 0 davit logs 1 a
    contains 'the message' 'push main'
    stop_serve
}

test_what_was_there_before_the_first_start_is_not_run_and_what_was_pushed_meanwhile_is() {
    new_repository
    pipeline true
    push
    start_serve
    stop_serve
    [[ $(davit runs -o json) == '[]' ]] || fail "it ran what was there"
    pipeline 'echo later'
    push
    : >"$here/serve.log"
    start_serve
    until_true 20 run_is 1 success
    stop_serve
}

test_the_newest_pending_commit_of_a_ref_wins() {
    new_repository
    pipeline 'sleep 2'
    start_serve
    push
    until_true 20 run_is 1 running
    pipeline 'echo second'
    push
    until_true 20 run_is 2 queued
    pipeline 'echo third'
    push
    until_true 20 run_is 3 success
    expect 0 davit show 2
    contains 'superseded by run 3'
    run_is 1 success || fail "the running one was disturbed"
    stop_serve
}

test_pushes_to_many_repositories_at_once_are_one_run_each() {
    local i
    printf 'concurrency: 8\nrepositories:\n' >"$here/server.yaml"
    new_repository
    pipeline 'sleep 0.5'
    for i in 1 2 3 4 5 6; do
        git init -q --bare -b main "$here/many-$i.git"
        printf '  - path: %s\n' "$here/many-$i.git" >>"$here/server.yaml"
    done
    davit serve "$here/server.yaml" 2>>"$here/serve.log" &
    serve=$!
    for i in 1 2 3 4 5 6; do
        until_true 20 grep -q "watching.*many-$i" "$here/serve.log"
    done
    for i in 1 2 3 4 5 6; do
        git -C "$here/work" push -q "$here/many-$i.git" HEAD:main &
    done
    for i in 1 2 3 4 5 6; do
        until_true 30 run_is "$i" success
    done
    ! grep -E 'worker died|does not wait' "$here/serve.log" || fail "a run was started twice"
    stop_serve
}

test_a_run_that_could_not_be_started_is_tried_again() {
    new_repository
    pipeline 'sleep 2'
    start_serve
    push
    until_true 20 run_is 1 running
    pipeline true
    push
    until_true 20 run_is 2 queued
    prlimit --pid "$serve" --nofile=8: # it can open nothing any more
    until_true 20 grep -q 'the queue: .*Too many open files' "$here/serve.log"
    prlimit --pid "$serve" --nofile=1024:
    until_true 20 run_is 2 success
    stop_serve
}

test_stopping_or_killing_the_daemon_changes_no_run() {
    local signal
    new_repository
    pipeline 'sleep 2; echo survived'
    for signal in TERM KILL; do
        : >"$here/serve.log"
        start_serve
        commit "$signal"
        push
        local id=1
        [[ $signal == KILL ]] && id=2
        until_true 20 run_is "$id" running
        kill -"$signal" "$serve"
        wait "$serve" 2>/dev/null || :
        until_true 20 run_is "$id" success
        expect 0 davit logs "$id" a
        contains survived
    done
}

test_a_restarted_daemon_finds_its_workers_again() {
    new_repository
    pipeline 'sleep 3'
    start_serve
    push
    until_true 20 run_is 1 running
    kill -KILL "$serve"
    wait "$serve" 2>/dev/null || :
    : >"$here/serve.log"
    start_serve
    commit next
    push
    until_true 20 run_is 2 queued # the ref is busy: the worker of the first daemon is known
    until_true 20 run_is 2 success
    run_is 1 success || fail "$(davit runs)"
    stop_serve
}

test_a_dead_worker_is_an_error_and_not_rerun() {
    new_repository
    pipeline 'sleep 4324'
    start_serve
    push
    until_true 20 pgrep -f 'sleep 4324'
    kill -KILL "$(cut -d' ' -f1 "$DAVIT_STATE/runs/1/worker")"
    until_true 20 run_is 1 error
    until_true 10 gone 'sleep 4324'
    expect 0 davit show 1
    contains 'its worker died'
    until_true 10 [ ! -e "$DAVIT_STATE/runs/1/checkout" ]
    stop_serve
}

test_a_run_is_cancelled_while_it_waits_and_while_it_runs() {
    new_repository
    pipeline 'sleep 4325'
    start_serve
    push
    until_true 20 pgrep -f 'sleep 4325'
    pipeline true
    push
    until_true 20 run_is 2 queued
    expect 0 davit cancel 2
    contains 'run 2 will not begin'
    run_is 2 cancelled || fail "$(davit runs)"
    expect 0 davit cancel 1
    contains 'run 1 is told to end'
    until_true 20 run_is 1 cancelled
    gone 'sleep 4325' || fail "a process survived"
    run_is 2 cancelled || fail "$(davit runs)"
    expect 2 davit cancel 2
    contains 'run 2 is not running (cancelled)'
    stop_serve
}

test_secrets_of_the_server_reach_only_stages_that_list_them() {
    new_repository
    cat >"$here/work/.davit.yaml" <<'EOF'
name: secrets
env: {TOKEN: {secret: true, required: true}}
stages:
  a: {run: 'echo "[${TOKEN:-none}]"'}
  b: {run: 'echo "[$TOKEN]"; test "$TOKEN" = hunter2hunter2', secrets: [TOKEN]}
EOF
    commit one
    start_serve
    push
    until_true 20 run_is 1 success
    expect 0 davit logs 1
    contains '[none]' '[***]'
    lacks hunter2
    chmod 644 "$here/token"
    commit two
    push
    until_true 20 run_is 2 error
    expect 0 davit show 2
    contains 'chmod 600'
    stop_serve
    # It is said when the daemon starts, and concerns only runs that want it.
    : >"$here/serve.log"
    start_serve_with "$here/token"
    grep -q 'secret TOKEN: .*chmod 600' "$here/serve.log" || fail "$(cat "$here/serve.log")"
    pipeline true
    push
    until_true 20 run_is 3 success
    stop_serve
}

test_mistakes_in_a_pushed_pipeline_are_in_the_runs_log() {
    new_repository
    printf 'name: bad\nstages:\n  a: {rum: x}\n' >"$here/work/.davit.yaml"
    commit bad
    start_serve
    push
    until_true 20 run_is 1 failure
    expect 0 davit logs 1
    contains '.davit.yaml:3:7: error:' 'did you mean "run"?'
    stop_serve
}

test_pushes_that_the_pipeline_does_not_ask_for_are_skipped() {
    new_repository
    printf 'name: x\non: {push: {branches: [main]}}\nstages:\n  a: {run: "true"}\n' >"$here/work/.davit.yaml"
    commit one
    start_serve
    push topic
    until_true 20 run_is 1 skipped
    push main
    until_true 20 run_is 2 success
    stop_serve
}

test_a_push_is_not_lost_for_a_listing_that_failed() {
    new_repository
    pipeline 'echo found'
    start_serve
    git -C "$here/app.git" config core.repositoryformatversion 1
    git -C "$here/app.git" config extensions.refstorage reftable
    cp -r "$here/work/.git/objects/." "$here/app.git/objects"
    git -C "$here/work" rev-parse HEAD >"$here/app.git/refs/heads/main"
    until_true 20 grep -q 'reftable' "$here/serve.log"
    sed -i '/refstorage/d' "$here/app.git/config" # of which no event tells
    until_true 20 run_is 1 success
    [[ $(grep -c reftable "$here/serve.log") == 1 ]] || fail "$(cat "$here/serve.log")"
    stop_serve
}

test_a_sha256_repository_is_refused_by_name() {
    git init -q --bare --object-format=sha256 "$here/app.git"
    start_serve 'named by .*sha256'
    stop_serve
}

test_only_one_daemon_serves_a_state_directory() {
    new_repository
    start_serve
    expect 5 davit serve "$here/server.yaml"
    contains 'another `davit serve`'
    stop_serve
}

run_tests "$@"
