# shellcheck shell=bash
# What the scripts share. Source it after `set -euo pipefail`:
#
#     . "${BASH_SOURCE[0]%/*}/lib.sh"
#
# Sourcing it starts nothing; it takes the EXIT trap (see at_exit).

# die MESSAGE…: ends the script with one line that says why.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# say STEP TEXT…: one line of progress, with the seconds since the script began.
say() {
    local step=$1
    shift
    printf '%4ds  %-10s %s\n' "$SECONDS" "$step" "$*"
}

# at_exit COMMAND…: runs it when the script ends, however it ends; the last one first.
exit_commands=()
at_exit() {
    local quoted
    printf -v quoted '%q ' "$@"
    exit_commands=("$quoted" ${exit_commands[@]+"${exit_commands[@]}"})
}
run_exit_commands() {
    local status=$? command
    for command in ${exit_commands[@]+"${exit_commands[@]}"}; do
        eval "$command" || :
    done
    exit "$status"
}
trap run_exit_commands EXIT

# quietly LOG COMMAND…: runs it in a subshell with stderr to a file; when it fails, the last lines are
# shown and the script ends. Not within a condition: there bash would not stop COMMAND at its first error.
quietly() {
    local log=$1 status
    shift
    set +e
    (
        set -e
        "$@" 2>"$log"
    )
    status=$?
    set -e
    if ((status)); then
        tail -n 20 "$log" >&2
        die "$1 failed with exit code $status (the end of its log is above)"
    fi
}

# need PACKAGE…: installs what is missing of Debian's packages, without starting their services.
need() {
    local package status missing=()
    for package; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
        [[ $status == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || die "these packages are missing, and only root can install them: ${missing[*]}"
    say packages "installing ${missing[*]}"
    install_packages "${missing[@]}"
}

# Debian starts a service when its package is installed, unless this file says no (invoke-rc.d(8)).
# One that an administrator wrote stays as it is.
readonly policy_file=/usr/sbin/policy-rc.d
readonly policy_mark='# davit: no service starts while its scripts install packages'

install_packages() (
    log=$(mktemp)
    trap 'rm -f "$log"; forget_policy' EXIT
    # One at a time: the first of two to end would take the policy away from the other.
    exec {lock}>>/run/lock/davit-packages
    flock "$lock"
    forget_policy # of a run that was killed
    if [[ ! -e $policy_file ]]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy_file"
        chmod 0755 "$policy_file"
    fi
    export DEBIAN_FRONTEND=noninteractive
    install=(apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
    # The lists may be absent, or older than the mirror.
    if ! "${install[@]}" >"$log" 2>&1 &&
        ! { apt-get update -qq >"$log" 2>&1; "${install[@]}" >"$log" 2>&1; }; then
        tail -n 20 "$log" >&2
        die "apt-get could not install: $*"
    fi
)

forget_policy() {
    if grep -qsF "$policy_mark" "$policy_file"; then
        rm -f "$policy_file"
    fi
}

# A process is named by its pid and its start time (field 22 of /proc/PID/stat, proc(5)): a pid that
# means another process by now is left alone.

# process_start PID: prints the start time; fails when there is no such process, or only its zombie.
process_start() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -r -a fields <<<"${stat##*) }" # the name before it may hold anything
    [[ ${fields[0]} != Z ]] || return 1
    printf '%s\n' "${fields[19]}"
}

# write_pid PID FILE: keeps the name of a process for end_process.
write_pid() {
    local start
    start=$(process_start "$1") || return 1
    printf '%s %s\n' "$1" "$start" >"$2"
}

# end_process FILE: ends what write_pid wrote there: TERM, after five seconds KILL. Gone is fine.
end_process() {
    local pid start signal turn
    [[ -s $1 ]] || return 0
    read -r pid start <"$1"
    for signal in TERM KILL; do
        for ((turn = 0; turn < 100; turn++)); do
            if [[ $(process_start "$pid") != "$start" ]]; then
                rm -f "$1"
                return 0
            fi
            ((turn)) || kill -"$signal" "$pid" 2>/dev/null || :
            sleep 0.05
        done
    done
    printf '%s: process %s does not end\n' "${0##*/}" "$pid" >&2
    return 1
}

# with_registry DIR PORT: starts Debian's docker-registry on 127.0.0.1:PORT with its data in DIR and
# waits until it listens. Sets registry_pid; `end_process DIR/pid` ends it, and nothing else does.
registry_pid=
with_registry() {
    local dir=$1 port=$2 turn
    need docker-registry
    mkdir -p "$dir/data"
    cat >"$dir/config.yml" <<EOF
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: "$dir/data"}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
EOF
    setsid docker-registry serve "$dir/config.yml" </dev/null >"$dir/log" 2>&1 &
    registry_pid=$!
    write_pid "$registry_pid" "$dir/pid" || die "docker-registry did not start (log: $dir/log)"
    for ((turn = 0; turn < 200; turn++)); do
        # An answer on the port would not say whose it is.
        if grep -q 'msg="listening on ' "$dir/log"; then
            return 0
        fi
        process_start "$registry_pid" >/dev/null || die "docker-registry: $(tail -n 1 "$dir/log")"
        sleep 0.05
    done
    end_process "$dir/pid" || :
    die "docker-registry does not listen on 127.0.0.1:$port (log: $dir/log)"
}
