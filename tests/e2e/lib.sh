# shellcheck shell=bash
# What the end-to-end tests share: they use davit as a person does, by its command line.
#
# A test file sources this, defines functions named test_*, and ends with `run_tests`. Each test runs in a subshell with
# a directory of its own ($here, removed afterwards) and a state directory of its own; the first command that fails ends
# it. Prints one line a test: "ok NAME" or "not ok NAME", with what it printed when it failed.
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/../../scripts/lib.sh"

bin=${DAVIT_BIN:?the directory of the executables under test}
# davit's executables are sanitized in one of the builds; leaks of libraries are known to tests/sanitize only.
export PATH=$bin:$PATH

# fail TEXT…: ends the test.
fail() {
    printf 'failed: %s\n' "$*"
    exit 1
}

# expect WANTED COMMAND…: the command's exit code must be WANTED; its output (both streams) is left in $output.
expect() {
    local wanted=$1 status=0
    shift
    output=$("$@" 2>&1) || status=$?
    ((status == wanted)) || fail "$* exited $status instead of $wanted:
$output"
}

# contains TEXT…: each must occur in $output.
contains() {
    local text
    for text; do
        [[ $output == *"$text"* ]] || fail "\"$text\" is not in:
$output"
    done
}
lacks() {
    local text
    for text; do
        [[ $output != *"$text"* ]] || fail "\"$text\" is in:
$output"
    done
}

# until_true SECONDS COMMAND…: waits for a condition that another process brings about.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "not true in time: $*"
        sleep 0.02
    done
}

# gone TEXT: no process has it in its command line.
gone() {
    ! pgrep -f "$1" >/dev/null
}

# new_repository: a bare repository $here/app.git with a working copy $here/work.
new_repository() {
    git init -q --bare -b main "$here/app.git"
    git clone -q "$here/app.git" "$here/work" 2>/dev/null
    git -C "$here/work" checkout -q -b main 2>/dev/null || :
}

# commit MESSAGE: everything in the working copy.
commit() {
    git -C "$here/work" add -A
    git -C "$here/work" -c user.name=Ann -c user.email=ann@example.org commit -q --allow-empty -m "$1"
}

# What a test that failed did not end: its background jobs, and workers, which outlive their daemon.
end_leftovers() {
    local pids
    pids=$(jobs -p; pgrep -f "^davit .*$here/" || :)
    # shellcheck disable=SC2086 # one word a process
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || :
}

run_tests() {
    local name passed=0 failed=0 log status
    [[ $(id -u) == 0 ]] || die "the end-to-end tests need root"
    log=$(mktemp)
    for name in $(declare -F | sed -n 's/^declare -f \(test_\)/\1/p'); do
        [[ $# == 0 || $name == *"$1"* ]] || continue
        here=$(mktemp -d /tmp/davit-e2e-XXXXXX)
        (
            set -e
            trap 'end_leftovers' EXIT
            export DAVIT_STATE=$here/state HOME=$here/home GIT_CONFIG_GLOBAL=/dev/null
            mkdir -p "$HOME" "$here/dir"
            cd "$here/dir"
            "$name"
        ) >"$log" 2>&1 </dev/null
        status=$?
        if ((status == 0)); then
            printf 'ok %s\n' "${name#test_}"
            ((++passed))
        else
            printf 'not ok %s\n' "${name#test_}"
            sed 's/^/    /' "$log"
            ((++failed))
        fi
        rm -rf "$here"
    done
    rm -f "$log"
    ((failed == 0))
}
