# shellcheck shell=bash
# shellcheck disable=SC2154 # scripts/cluster sets what is not set here
# Of scripts/cluster: the Kubernetes executables.

# build_kubernetes: into $built, whole or not at all. Two at a time would only take turns with the processor.
build_kubernetes() {
    local go lock temporary pid
    needs_build || return 0
    go=$(command -v go) || go=/usr/local/go/bin/go
    [[ -x $go ]] || die "Kubernetes $version is built with Go, which is not here: install Go 1.21 or later, or set" \
        "KUBEBUILDER_ASSETS to a directory with ${programs[*]}"
    mkdir -p "${built%/*}"
    exec {lock}>"${built%/*}/lock"
    flock --nonblock "$lock" || { say build "waiting for another build" && flock "$lock"; }
    if [[ ! -e $built ]]; then
        rm -rf "${built%/*}"/building-* # of builds that were killed
        temporary=$(mktemp -d "${built%/*}/building-XXXXXX")
        chmod 0755 "$temporary"
        say build "Kubernetes $version from its Go modules, into $built (about ten minutes, the first time)"
        # Dies with this script; what it has compiled by then stays in Go's own cache.
        setpriv --pdeathsig TERM env -C "$root/tests/cluster" CGO_ENABLED=0 GO111MODULE=on GOFLAGS= GOWORK=off \
            "$go" build -v -mod=readonly -trimpath -ldflags "$(kubernetes_ldflags)" -o "$temporary/" tool \
            </dev/null >"$temporary/log" 2>&1 {lock}>&- &
        pid=$!
        show_build "$pid" "$temporary/log"
        if ! wait "$pid"; then
            tail -n 20 "$temporary/log" >&2
            rm -rf "$temporary"
            die "Kubernetes could not be built (the end of its log is above)"
        fi
        rm "$temporary/log"
        mv -T "$temporary" "$built"
        say build "Kubernetes $version is built"
    fi
    exec {lock}>&-
}

# The API server wants to know which version it is.
kubernetes_ldflags() {
    local package minor=${version#*.}
    printf -- '-s -w'
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf -- ' -X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s' "$package" "$version" \
            "$package" "${version%%.*}" "$package" "${minor%%.*}"
    done
}

# show_build PID LOG: a line every 20 seconds, until the build has ended.
show_build() {
    local pid=$1 log=$2 turn=0
    while process_start "$pid" >/dev/null; do
        sleep 0.1
        if ((++turn % 200 == 0)); then
            say build "$(grep -vc '^go: ' "$log") packages compiled; now $(tail -n 1 "$log")"
        fi
    done
}

# link_programs: $dir/bin has each executable, from $KUBEBUILDER_ASSETS or from the build.
link_programs() {
    local program from
    mkdir -p "$dir/bin"
    for program in "${programs[@]}" etcd; do
        from=$(realpath -m "${KUBEBUILDER_ASSETS:-/nowhere}/$program")
        [[ -x $from ]] || from=$built/$program
        [[ $program != etcd || -x $from ]] || from=/usr/bin/etcd
        ln -s "$from" "$dir/bin/$program"
    done
}

needs_build() {
    local program
    [[ ! -e $built ]] || return 1
    for program in "${programs[@]}"; do
        [[ -x ${KUBEBUILDER_ASSETS:-/nowhere}/$program ]] || return 0
    done
    return 1
}
