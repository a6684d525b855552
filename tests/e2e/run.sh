#!/bin/bash
# `davit run`, `validate`, `plan`, `runs`, `show`, `logs`: pipelines on a checkout.
. "${BASH_SOURCE[0]%/*}/lib.sh"

test_a_pipeline_runs_in_the_order_of_its_needs_and_hands_artifacts_on() {
    cat >.davit.yaml <<'EOF'
name: order
stages:
  last: {needs: [middle], run: "cat out/a out/b; test ! -e secret.tmp"}
  first: {needs: [], run: "mkdir out; echo A >out/a; touch secret.tmp", artifacts: [out/]}
  middle: {needs: [first], run: "echo B >out/b", artifacts: ["out/*"]}
EOF
    expect 0 davit run
    contains 'last   | A' 'last   | B' 'success in'
    test ! -e out || fail "the checkout was written"
    expect 0 davit show 1
    contains 'first   success' 'middle  success' 'last    success'
}

test_the_stage_sees_the_checkout_as_it_is_and_who_runs_it() {
    new_repository
    cd "$here/work"
    cat >.davit.yaml <<'EOF'
name: git
stages:
  a: {run: 'echo "$CI_COMMIT_SHA $CI_COMMIT_BRANCH $CI_PIPELINE_EVENT"; cat uncommitted'}
EOF
    commit one
    echo here >uncommitted
    expect 0 davit run
    contains "$(git rev-parse HEAD) main manual" 'a | here'
    expect 0 davit plan
    contains 'with uncommitted changes'
}

test_a_linked_worktree_and_a_submodule_know_their_commit() {
    new_repository
    printf 'name: git\nstages: {a: {run: '"'"'echo "$CI_COMMIT_SHA $CI_COMMIT_BRANCH"'"'"'}}\n' >"$here/work/.davit.yaml"
    commit one
    git -C "$here/work" worktree add -q -b side "$here/side"
    cd "$here/side"
    expect 0 davit run
    contains "a | $(git rev-parse HEAD) side"
    cd "$here/work"
    git -c protocol.file.allow=always submodule --quiet add "$here/work" sub
    cd sub
    expect 0 davit run
    contains "a | $(git rev-parse HEAD) main"
    echo 'gitdir: /nowhere' >.git
    expect 70 davit run
    contains '.git: /nowhere: No such file'
}

test_logs_are_shown_in_the_order_of_the_stages() {
    cat >.davit.yaml <<'END'
name: order
stages:
  z: {run: echo first}
  a: {run: echo then}
END
    expect 0 davit run
    expect 0 davit logs 1
    [[ $output == *first*then* ]] || fail "$output"
    expect 0 davit logs 1 -o json
    [[ $(jq -r '[.[].stage] | unique_by(.) | length' <<<"$output") == 2 ]] || fail "$output"
    [[ $(jq -r '.[] | select(.stage == "a") | .line' <<<"$output") == *then ]] || fail "$output"
    expect 0 davit run -o json
    [[ $(jq .duration_ms <<<"$output") -ge 0 ]] || fail "$output"
}

test_a_failure_names_its_stage_and_skips_what_needs_it() {
    cat >.davit.yaml <<'EOF'
name: fails
stages:
  a: {run: "echo before; false | true; echo not reached"}
  b: {needs: [a], run: echo never}
  cleanup: {needs: [], when: {status: [failure]}, run: echo cleaning}
EOF
    expect 1 davit run
    contains 'failure: exit 1' 'b is skipped: a failed' 'cleanup | cleaning' 'run 1: failure'
    lacks 'not reached' 'never'
    expect 0 davit runs -o json
    [[ $(jq -r '.[0].reason' <<<"$output") == "a: exit 1"* ]] || fail "$output"
}

test_a_timeout_ends_everything_and_exits_124() {
    cat >.davit.yaml <<'EOF'
name: slow
stages:
  a: {run: "trap '' TERM; setsid sleep 4321 & sleep 4321", timeout: 1s}
EOF
    expect 124 timeout 60 davit run
    contains 'timeout after 1s'
    gone 'sleep 4321' || fail "a process survived"
}

test_a_cancelled_run_leaves_nobody_and_exits_130() {
    cat >.davit.yaml <<'EOF'
name: cancel
stages:
  a: {run: "setsid sleep 4322 & sleep 4322"}
  b: {needs: [a], run: echo never}
EOF
    davit run >log 2>&1 &
    local pid=$! status=0
    until_true 20 pgrep -f 'sleep 4322'
    kill -INT "$pid"
    wait "$pid" || status=$?
    ((status == 130)) || fail "exit $status: $(cat log)"
    gone 'sleep 4322' || fail "a process survived"
    expect 0 davit show 1
    contains 'cancelled' 'b  skipped'
}

test_a_killed_runner_leaves_nobody_and_its_run_is_an_error() {
    cat >.davit.yaml <<'EOF'
name: killed
stages:
  a: {run: "setsid sleep 4323 & sleep 4323"}
EOF
    davit run >log 2>&1 &
    local pid=$!
    until_true 20 pgrep -f 'sleep 4323'
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || :
    until_true 10 gone 'sleep 4323'
    expect 0 davit show 1
    contains 'error: its worker died' 'a  error'
    [[ -z $(find "$DAVIT_STATE/runs/1" -name upper) ]] || fail "its workspace was left"
}

test_what_a_runner_left_that_died_as_it_began_is_in_nobodys_way() {
    printf 'name: x\nstages: {a: {run: "echo hello"}}\n' >.davit.yaml
    mkdir -p "$DAVIT_STATE/runs/1/logs" # it was killed before it committed its row
    echo '99999999 1' >"$DAVIT_STATE/runs/1/worker"
    expect 0 davit run
    contains 'run 1: success'
}

test_values_are_checked_before_anything_starts() {
    cat >.davit.yaml <<'EOF'
name: env
env:
  API_TIMEOUT: {type: int, required: true}
  PORT: {type: port, default: 8080}
  TOKEN: {required: true, secret: true}
stages:
  a: {run: 'echo "$API_TIMEOUT $PORT ${TOKEN:-none}"'}
  b: {run: 'echo "token $TOKEN"', secrets: [TOKEN]}
EOF
    echo 'API_TIMEOUT=30s' >.env
    expect 2 davit run
    contains '.env:1:13: error: API_TIMEOUT' 'TOKEN'
    lacks 'run 1'
    echo 'API_TIMEOUT=30' >.env
    PORT=9 TOKEN=hunter2hunter2 expect 0 davit run
    contains 'a | 30 9 none' 'b | token ***'
    lacks hunter2
    ! grep -r hunter2 "$DAVIT_STATE" || fail "the secret is on disk"
    TOKEN=hunter2hunter2 expect 0 davit plan
    contains 'TOKEN=***'
    lacks hunter2
}

test_what_stands_where_the_env_file_should_is_told_and_waited_for_never() {
    printf 'name: x\nstages: {a: {run: "true"}}\n' >.davit.yaml
    mkfifo .env
    expect 0 timeout 20 davit run
    rm .env
    ln -s /etc/passwd .env
    expect 70 davit run
    contains '.env: leads out of the directory'
}

test_every_mistake_is_reported_at_once_with_its_place() {
    cat >.davit.yaml <<'EOF'
name: bad
stages:
  a: {neds: [b], run: x}
  b: {needs: [c], run: x}
  c: {needs: [b], run: x}
  d: {run: x, timeout: soon}
EOF
    expect 2 davit validate
    contains '.davit.yaml:3:7: error:' 'did you mean "needs"?' 'b → c → b' '.davit.yaml:6:24: error:'
    expect 2 davit validate -o json . .davit.yaml
    [[ $(jq -r '.[] | "\(.file):\(.line):\(.column) \(.severity)"' <<<"$output") == $'.:null:null error\n.davit.yaml:3:7 error\n'* ]] ||
        fail "$output"
    printf 'name: x\nstages: {a: {run: x}}\n' >.davit.yaml
    expect 0 davit validate -o json
    [[ $output == '[]' ]] || fail "$output"
}

test_a_plan_says_why_and_changes_nothing() {
    cat >.davit.yaml <<'EOF'
name: plan
env: {PIN: {secret: true, required: true}}
stages:
  a: {run: x, secrets: [PIN], limits: {memory: 64MiB, processes: 100, cpu: 0.5}}
  b: {run: x, when: {branch: main}}
  i: {build: {}, needs: [a]}
  d: {deploy: {app: x, image: "localhost:5000/x:1", instances: 3, listen: 127.0.0.1:18099, ports: {PORT: http}, strategy: blue-green}}
EOF
    PIN=1234 expect 0 davit plan
    contains '1. a (run) runs:' '2. b (run) skipped: no item of `when` matches manual' 'own user, mount, pid' 'scale new to 3' \
        'memory 64.0 MiB, 100 processes, 50 % of a CPU' 'PIN=*** (caller): too short to be hidden in logs' \
        'sandbox: davit-image' 'sandbox: davit-deploy'
    lacks 1234
    test ! -e "$DAVIT_STATE" || fail "the plan made a state directory"
    PIN=1234 expect 0 davit plan -o json
    [[ $(jq -r '.stages[1].selected' <<<"$output") == false ]] || fail "$output"
    [[ $(jq -c '.stages[0] | [.limits.cpu_percent, .env[0].hidden_in_logs, (.sandbox | length > 1000)]' <<<"$output") == '[50,false,true]' ]] ||
        fail "$output"
}

# touched LOG: what a traced davit changed, or connected to. A sandbox's init puts its own root together by relative
# names; an absolute path is the host's, whoever names it.
touched() {
    local davit
    davit=$(head -n 1 "$1" | cut -d' ' -f1)
    grep -vE '= -1 |resumed|"/proc/[0-9a-z]*/(uid_map|gid_map|setgroups)"|"/dev/null"' "$1" |
        grep -E "^$davit .*(mkdir|unlink|rename|link|symlink|mknod|chmod|chown|truncate|O_CREAT)|AT_FDCWD, \"/.*(O_WRONLY|O_RDWR|O_CREAT)|connect\(|sendto\(" || :
}

test_a_plan_opens_no_connection_and_writes_nothing() {
    # (Under a tracer the leak sanitizer cannot look.)
    local calls=connect,sendto,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat
    calls+=,symlink,symlinkat,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchown,fchownat,truncate,ftruncate
    new_repository
    cd "$here/work"
    cat >.davit.yaml <<'END'
name: plan
env: {TOKEN: {secret: true, default: hunter2hunter2}}
stages:
  a: {run: x, image: "localhost:5000/go:1", cache: {paths: [/c], key: "${{ hashFiles('.davit.yaml') }}"}}
  i: {build: {tags: ["localhost:5000/x:1"], push: true}}
  d: {secrets: [TOKEN], deploy: {app: x, image: i, instances: 2, listen: 127.0.0.1:18099, ports: {PORT: http}}}
END
    commit one
    seen() { find "$here/work" "$here/app.git" "$HOME" -printf '%p %i %s %T@ %C@\n' | sort; }
    seen >"$here/before"
    ASAN_OPTIONS=detect_leaks=0 expect 0 strace -f -o "$here/trace" -e "trace=$calls" davit plan
    contains 'TOKEN=***' 'scale new to'
    [[ -z $(touched "$here/trace") ]] || fail "$(touched "$here/trace")"
    seen >"$here/after"
    cmp "$here/before" "$here/after" || fail "a file has changed"
    [[ ! -e $DAVIT_STATE ]] || fail "there is a state directory"
    # The control: of what does write, that is seen.
    printf 'name: x\nstages: {a: {run: "true"}}\n' >other.yaml
    ASAN_OPTIONS=detect_leaks=0 expect 0 strace -f -o "$here/trace" -e "trace=$calls" davit run other.yaml
    [[ $(touched "$here/trace") == *davit.db* ]] || fail "the trace shows nothing of a run"
}

test_a_cache_is_kept_by_key_and_only_from_success() {
    cat >.davit.yaml <<'EOF'
name: cache
stages:
  a:
    cache: {paths: [/cache, inside], key: "k-${{ hashFiles('lock') }}"}
    run: |
      ls /cache inside
      echo kept >/cache/file; echo too >inside/file
      test ! -e fail
EOF
    echo 1 >lock
    touch fail
    expect 1 davit run
    rm fail
    expect 0 davit run
    contains 'cache: empty'
    expect 0 davit run
    contains 'cache: found' 'a | file'
    echo 2 >lock
    expect 0 davit run
    contains 'cache: empty'
    test ! -e inside || fail "the checkout was written"
}

test_a_cache_is_used_by_one_stage_at_a_time() {
    cat >.davit.yaml <<'EOF'
name: lock
stages:
  a: {needs: [], cache: {paths: [/c], key: k}, run: "mkdir /c/held; sleep 0.3; rmdir /c/held"}
  b: {needs: [], cache: {paths: [/c], key: k}, run: "mkdir /c/held; sleep 0.3; rmdir /c/held"}
EOF
    expect 0 davit run
    expect 0 davit run
}

test_what_a_failing_stage_does_to_a_cache_is_forgotten() {
    cat >.davit.yaml <<'END'
name: cache
stages:
  a: {cache: {paths: [/c, /other], key: k}, run: "sh ./script"}
END
    echo 'echo 1 >/c/a; echo 1 >/c/gone; mkdir /c/d; echo 1 >/c/d/x; echo other >/other/o' >script
    expect 0 davit run
    echo 'echo poison >/c/a; rm -r /c/gone /c/d; echo new >/c/new; exit 1' >script
    expect 1 davit run
    sed -i 's:/c, /other:/other, /c:' .davit.yaml # the order says nothing
    echo 'cat /c/a /c/gone /c/d/x /other/o; test ! -e /c/new; echo 2 >/c/a; rm -r /c/gone /c/d; mkdir /c/d; echo 2 >/c/d/y' >script
    expect 0 davit run
    contains 'a | 1
a | 1
a | 1
a | other' 'cache: found'
    echo 'cat /c/a /c/d/*; ls /c; ls /c/d' >script
    expect 0 davit run
    contains 'a | 2
a | 2' 'a | a
a | d
a | y'
    lacks 'a | gone' 'a | x'
    # One that was killed while it kept something is finished by the next.
    local cache part
    cache=$(dirname "$(find "$DAVIT_STATE/cache" -name kept)")
    part=$(basename "$(dirname "$(find "$cache/kept" -name a)")")
    mkdir -p "$cache/merge/$part/upper"
    echo 3 >"$cache/merge/$part/upper/a"
    echo 'cat /c/a' >script
    expect 0 davit run
    contains 'a | 3'
    [[ $(ls "$cache") == $'kept\nlock' ]] || fail "$(ls "$cache")"
}

test_a_cache_that_breaks_while_one_waits_for_it_fails_the_stage() {
    local cache waiting status=0
    cat >.davit.yaml <<'END'
name: cache
stages:
  a: {cache: {paths: [/c], key: k}, run: "sleep 1"}
END
    expect 0 davit run
    cache=$(dirname "$(find "$DAVIT_STATE/cache" -name kept)")
    davit run >/dev/null 2>&1 &
    until_true 10 test -e "$cache/view"
    davit run >"$here/log" 2>&1 &
    waiting=$!
    mkdir "$cache/new"
    mount -t tmpfs none "$cache/new"
    wait "$waiting" || status=$?
    umount "$cache/new"
    ((status == 70)) || fail "exit $status: $(cat "$here/log")"
    output=$(cat "$here/log")
    contains 'error: cache' 'resource busy'
}

test_stages_run_without_privileges_too() {
    cat >.davit.yaml <<'EOF'
name: plain
stages:
  a: {run: "id -u; mkdir o; echo x >o/f", artifacts: [o]}
  b: {needs: [a], run: cat o/f}
EOF
    chmod a+rx "$here"
    mkdir "$here/nobody"
    chown nobody "$here/nobody"
    local nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env "DAVIT_STATE=$here/nobody/state" "HOME=$here/nobody")
    expect 0 "${nobody[@]}" davit run
    contains 'a | 0' 'b | x' success
    # What cannot be given is refused, not left out.
    cat >.davit.yaml <<'EOF'
name: refused
stages:
  image: {needs: [], image: "localhost:1/none:1", run: x}
  egress: {needs: [], network: egress, run: x}
  memory: {needs: [], limits: {memory: 64MiB}, run: x}
  cpu: {needs: [], limits: {cpu: 1}, run: x}
EOF
    expect 1 "${nobody[@]}" davit run
    [[ $(grep -c 'needs\? davit to run as root\|need davit to run as root' <<<"$output") == 5 ]] || fail "$output"
}

test_an_artifact_that_was_not_made_fails_the_stage() {
    printf 'name: x\nstages:\n  a: {run: "true", artifacts: [dist/app]}\n' >.davit.yaml
    expect 1 davit run
    contains 'artifact dist/app was not made by the stage'
}

test_a_full_disk_is_told_and_ends_nothing_but_the_run() {
    cat >.davit.yaml <<'END'
name: full
stages:
  a: {run: "head -c 3M /dev/zero >big", artifacts: [big]}
  b: {needs: [a], run: "echo never"}
END
    mkdir "$here/disk"
    mount -t tmpfs -o size=1m none "$here/disk"
    export DAVIT_STATE=$here/disk/state
    (
        expect 1 davit run
        contains 'No space left on device' 'b is skipped: a failed'
        lacks INSERT
        expect 0 davit show 1 # recorded once the workspace was gone
        contains 'run 1: failure' 'a  failure' 'b  skipped'
        printf 'name: x\nstages: {a: {run: "echo fine"}}\n' >.davit.yaml
        expect 0 davit run
        dd if=/dev/zero "of=$here/disk/fill" bs=4k 2>/dev/null || :
        expect 70 davit run
        contains 'No space left on device'
    ) || { umount "$here/disk"; exit 1; }
    umount "$here/disk"
}

test_the_callers_umask_decides_nothing() {
    cat >.davit.yaml <<'END'
name: umask
stages:
  a: {run: "umask; touch g; stat -c %a g"}
END
    printf 'FROM scratch\nWORKDIR /a\nCOPY f /f\n' >Dockerfile
    echo f >f
    expect 0 davit build .
    local digest=${output##*$'\n'}
    umask 077
    expect 0 davit run
    contains 'a | 0022' 'a | 644'
    expect 0 davit build --state "$here/other" .
    contains "$digest"
    [[ $(stat -c %a "$here/other") == 711 ]] || fail "$(stat "$here/other")"
    [[ $(stat -c %a "$DAVIT_STATE/davit.db") == 600 ]] || fail "$(stat "$DAVIT_STATE/davit.db")"
}

test_an_interrupted_build_leaves_nobody_and_exits_130() {
    cp /bin/busybox busybox
    # shellcheck disable=SC2016 # the step's own
    printf 'FROM scratch\nCOPY busybox /bin/sh\nRUN echo begun; trap "" TERM; sh -c "while :; do :; done # 4326"\n' >Dockerfile
    davit build . >log 2>&1 &
    local pid=$! status=0
    until_true 20 pgrep -f '# 4326'
    kill -INT "$pid"
    wait "$pid" || status=$?
    ((status == 130)) || fail "exit $status: $(cat log)"
    gone '# 4326' || fail "a step survived"
    [[ -z $(find /sys/fs/cgroup -type d -path "*davit*image-$pid*") ]] || fail "its cgroup was left"
}

test_doctor_says_what_is_missing_and_what_to_do() {
    expect 0 davit doctor
    contains 'full: seven namespaces' 'davit-git, with libgit2' 'davit-image, davit-deploy, davit-agent'
    mkdir "$here/half"
    cp "$bin/davit" "$bin/davit-git" "$here/half"
    expect 70 "$here/half/davit" doctor -o json
    [[ $(jq -c '[.[] | select(.finding == "missing") | .what]' <<<"$output") == '["helpers"]' ]] || fail "$output"
    contains 'davit-image is missing' 'install davit whole'
}

test_an_image_is_a_stages_root_and_one_without_a_shell_is_told() {
    cp /bin/busybox busybox
    printf 'FROM scratch\nCOPY busybox /bin/sh\nCOPY busybox /bin/ls\nENV FROM_IMAGE=yes\n' >Dockerfile
    expect 0 davit build -t localhost:1/shell:1 .
    printf 'FROM scratch\nCOPY busybox /x\n' >Dockerfile
    expect 0 davit build -t localhost:1/none:1 .
    cat >.davit.yaml <<'END'
name: image
stages:
  a: {image: "localhost:1/shell:1", run: "echo \"$FROM_IMAGE $CI_JOB_NAME\"; ls /; echo x >out; ! echo x >/y", artifacts: [out]}
  b: {image: "localhost:1/none:1", run: "echo never"}
END
    expect 1 davit run
    contains 'a | yes a' 'a | workspace' 'a | bin' 'neither bash nor sh in the image localhost:1/none:1'
    lacks 'a | usr'
}

test_usage_mistakes_exit_2_with_a_hint() {
    expect 2 davit rnu
    contains 'did you mean "run"?'
    expect 2 davit run --direktory x
    contains 'did you mean --directory?'
    expect 2 davit show x
    expect 2 davit run
    contains '.davit.yaml'
}

test_output_that_cannot_be_written_is_an_error_and_a_reader_that_has_gone_is_none() {
    printf 'name: x\nstages: {a: {run: "true"}}\n' >.davit.yaml
    local verb
    for verb in help validate plan run runs 'image list' doctor; do
        # shellcheck disable=SC2086 # one word an argument
        expect 70 bash -c 'exec davit "$@" >/dev/full' davit $verb
        contains 'standard output: No space left on device'
    done
    expect 0 bash -o pipefail -c "davit run | true"
}

# sandbox_of PROGRAM WORKER: the pid of the init of its sandbox.
sandbox_of() {
    local pid init
    for pid in $(pgrep -f "^$1\$"); do
        init=$(ps -o ppid= -p "$pid" | tr -d ' ')
        [[ -n $init && $(ps -o ppid= -p "$init" | tr -d ' ') == "$2" ]] || continue
        echo "$init"
        return
    done
    return 1
}

test_a_deploy_whose_role_is_killed_with_its_sandbox_goes_on() {
    cp /bin/busybox busybox
    echo pong >ping
    # shellcheck disable=SC2016 # the instance's own
    printf 'FROM scratch\nCOPY busybox /bin/busybox\nCOPY ping /www/ping\nENTRYPOINT ["/bin/busybox", "sh", "-c"]\nCMD ["%s"]\n' \
        '/bin/busybox sleep 2; exec /bin/busybox httpd -f -p 127.0.0.1:$PORT -h /www' >Dockerfile
    cat >.davit.yaml <<'EOF'
name: goes-on
stages:
  image: {build: {}}
  deploy: {deploy: {app: goes-on, image: image, instances: 1, listen: 127.0.0.1:18097, ports: {PORT: http}, healthcheck: /ping, grace: 1s}}
EOF
    davit run >log 2>&1 &
    local pid=$! init status=0
    until_true 30 grep -q 'step 2 of' log
    init=$(sandbox_of davit-deploy "$pid")
    kill -KILL "$init"
    wait "$pid" || status=$?
    davit down goes-on
    output=$(cat log)
    ((status == 0)) || fail "exit $status: $output"
    contains 'it goes on from where it was' 'release 1 is live'
}

# The helper that gives the network ends all mounts that it sees: not those of the host, also where they are shared.
test_egress_leaves_the_hosts_mounts() {
    local mount=$here/shared
    mkdir "$mount"
    mount -t tmpfs none "$mount"
    mount --make-shared "$mount"
    mkdir "$mount/below"
    mount -t tmpfs none "$mount/below"
    printf 'name: e\nstages:\n  a: {run: "true", network: egress}\n' >.davit.yaml
    output=$(davit run 2>&1) || :
    mountpoint -q "$mount/below" || { umount "$mount"; fail "it is not mounted any more: $output"; }
    umount "$mount/below" "$mount"
    contains success
}

run_tests "$@"
