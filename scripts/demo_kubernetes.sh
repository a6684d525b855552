# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what scripts/demo has
# The steps of scripts/demo --kubernetes; scripts/demo has the rest of what is used here. The app goes from v1 to v2
# (blue-green), to a v3 that is refused, to v4 (canary), and back: davit does it by an account that may do what it needs
# in one namespace, and an observer in the cluster's network counts every request that fails.

stop_kubernetes() {
    [[ -d $dir ]] || return 0
    stop_davit
    DAVIT_CLUSTER=$dir/cluster "$root/scripts/cluster" down
    rm -rf "$dir"
}

# --- parts ---

k() {
    KUBECONFIG=$admin "$DAVIT_CLUSTER/bin/kubectl" --namespace gin-app "$@"
}

boot_cluster() {
    export DAVIT_CLUSTER=$dir/cluster
    within=("$root/scripts/cluster" exec)
    "$root/scripts/cluster" up >"$dir/cluster.kubeconfig"
    # shellcheck disable=SC1091
    . "$DAVIT_CLUSTER/env"
    admin=$KUBECONFIG
    registry=$DAVIT_KUBE_REGISTRY
    say cluster "Kubernetes $(k version -o json | jq -r .serverVersion.gitVersion), one node; $("$root/scripts/cluster" status | grep together)"
}

# make_account: for what the pipeline in the working copy needs; KUBECONFIG is davit's from here on.
make_account() {
    local token
    k create namespace gin-app >/dev/null
    AUTH_TOKEN=$(<"$dir/auth-token") davit plan -C "$dir/work" --role >"$dir/role.yaml" # secrets are kept where there are some
    k create -f "$dir/role.yaml" >/dev/null
    k create serviceaccount davit >/dev/null
    k create rolebinding davit-gin-app --role=davit-gin-app --serviceaccount=gin-app:davit >/dev/null
    token=$(k create token davit --duration=24h)
    export KUBECONFIG=$dir/davit.kubeconfig
    (
        umask 077
        k config view --raw --minify --flatten -o json | jq --arg token "$token" \
            '.users = [{name: "davit", user: {token: $token}}] | .contexts[0].context.user = "davit"' >"$KUBECONFIG"
    )
    say account "davit has the rights that davit plan --role prints, in the namespace gin-app: $KUBECONFIG"
}

# release VERSION MESSAGE: commits and pushes it, under load, and waits for run $run to end.
release() {
    sed -i "s/const version = .*/const version = \"$1\"/" "$dir/work/version.go"
    begin_load
    commit_and_push "$2"
    run=$((run + 1))
    await_run "$run"
    end_load
}

begin_load() {
    start_load
    await_true "the load to begin" grep -q -e '->' "$dir/load.log"
}

# end_load: when the pods that were to go have gone, which is when requests get lost. What it counted is in $counts.
end_load() {
    await_true "three pods to be left" three_pods
    counts=$(stop_load)
}

three_pods() {
    [[ $(k get pods -o name | wc -l) == 3 ]]
}

# await_true WHAT COMMAND…
await_true() {
    local what=$1 until=$((SECONDS + 60))
    shift
    until "$@"; do
        ((SECONDS < until)) || die "waited a minute for $what"
        sleep 0.1
    done
}

# expect_run STATUS: of run $run.
expect_run() {
    [[ $status == "$1" ]] || die "run $run: $status instead of $1; davit logs $run says why"
}

# deploy_time: how long the deploy stage of run $run took.
deploy_time() {
    run_field "$run" '.stages[] | select(.name == "deploy") | "\(.duration_ms) ms"'
}

# shares: who answered, by the load's count.
shares() {
    jq -r '[.versions | to_entries[] | "\(.key) \(.value.answers)"] | join(", ")' "$dir/load.json"
}

# --- the steps ---

kubernetes_1() {
    boot_cluster
    "$root/scripts/base-image" "$registry/go-base:latest" | sed 's/^/      /'
    new_repository
    mv "$dir/work/kubernetes.yaml" "$dir/work/.davit.yaml"
    sed -i "s/REGISTRY: .*/REGISTRY: $registry/" "$dir/work/.davit.yaml"
    (umask 077 && head -c 24 /dev/urandom | base64 >"$dir/auth-token")
    make_account
    printf 'repositories:\n  - path: %s\nsecrets:\n  AUTH_TOKEN: %s\n' "$dir/app.git" "$dir/auth-token" >"$dir/server.yaml"
    start_serve
}

kubernetes_2() {
    commit_and_push "First version"
    run=1
    await_run 1
    davit show 1 | sed 's/^/      /'
    expect_run success
    url=http://$(k get service gin-app -o 'jsonpath={.spec.clusterIP}')
    expect_version v1
    say "push v1" "run 1 began $(($(run_field 1 .started_unix_ms) - pushed_at)) ms after git push had returned, and deployed in $(deploy_time)"
    say live "three pods behind the Service on ${url#http://}; $url/version says v1"
}

kubernetes_3() {
    release v2 "Second version"
    expect_run success
    expect_version v2
    say "push v2" "blue-green in $(deploy_time), under load: $counts"
    say answers "$(shares)"
    (cd "$dir/work" && davit status gin-app --env cluster) | sed 's/^/      /'
}

# A duration without its unit: the service says so, and ends.
kubernetes_4() {
    sed -i 's/{name: SHUTDOWN_TIMEOUT, value: 10s}/{name: SHUTDOWN_TIMEOUT, value: "10"}/' "$dir/work/k8s/app.yaml"
    release v3 "Third version, with a mistake in a manifest"
    expect_run failure
    expect_version v2
    say "push v3" "refused by the first sign in $(deploy_time), traffic never left v2: $counts"
    say reason "$(run_field "$run" .reason)"
    davit logs "$run" | sed -n '/last lines of/,/failure:/{/failure:/d; s/^deploy | [0-9.]* */        /; p}'
    say "exit code" "$(run_field "$run" .exit_code) (3: rolled back)"
    [[ $(run_field "$run" .exit_code) == 3 ]] || die "the exit code should be 3"
}

kubernetes_5() {
    git_work checkout -q HEAD~1 -- k8s
    sed -i 's/strategy: blue-green/strategy: {canary: {steps: [{weight: 33}, {pause: 5s}, {weight: 67}, {pause: 5s}]}}/' \
        "$dir/work/.davit.yaml"
    release v4 "Fourth version, by canary"
    expect_run success
    expect_version v4
    say "push v4" "canary of 33 %, 67 % and all in $(deploy_time), under load: $counts"
    say answers "$(shares)"
}

kubernetes_6() {
    local began ended
    begin_load
    began=${EPOCHREALTIME/./}
    (cd "$dir/work" && davit rollback gin-app --env cluster -m "the demo says so") | sed 's/^/      /'
    ended=${EPOCHREALTIME/./}
    expect_version v2
    end_load
    say rollback "back on v2, config included, $(((ended - began) / 1000)) ms from command to end: $counts"
    (cd "$dir/work" && davit history gin-app --env cluster) | sed 's/^/      /'
}

kubernetes_7() {
    say cluster "export KUBECONFIG=$admin PATH=\$PATH:$DAVIT_CLUSTER/bin; its network: DAVIT_CLUSTER=$DAVIT_CLUSTER scripts/cluster exec curl $url/"
    say davit "export DAVIT_STATE=$DAVIT_STATE KUBECONFIG=$KUBECONFIG; in $dir/work: $bin/davit status gin-app --env cluster"
    say logs "davit logs ID; of the daemon: $dir/serve.log"
    say ready "scripts/demo --kubernetes --stop ends everything, the cluster included, and removes $dir"
}

demo_kubernetes() {
    local admin registry run counts
    new_directory
    prepare
    kubernetes_1
    kubernetes_2
    kubernetes_3
    kubernetes_4
    kubernetes_5
    kubernetes_6
    kubernetes_7
}
