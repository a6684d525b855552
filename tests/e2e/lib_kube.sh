# shellcheck shell=bash
# What the tests on a real cluster share, besides lib.sh: the cluster, a namespace for each test with an account that may
# do what davit needs and nothing else, images, and the cluster's network.
#
# The cluster is the one that KUBECONFIG names, with DAVIT_KUBE_REGISTRY (HOST:PORT, the same for its nodes and for here)
# and DAVIT_KUBE_NETNS (a file; the network in which pods have their addresses). Without KUBECONFIG it is that of
# scripts/cluster, which is booted when it does not run, and stays: `scripts/cluster down` ends it.
. "${BASH_SOURCE[0]%/*}/lib.sh"

# A test has a HOME of its own; the cluster has not.
cluster=$(realpath "${BASH_SOURCE[0]%/*}/../../scripts/cluster")
kube_role=$(realpath "${BASH_SOURCE[0]%/*}/kube_role.yaml")
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
export DAVIT_CLUSTER=${DAVIT_CLUSTER:-${XDG_STATE_HOME:-$HOME/.local/state}/davit-cluster}

kube_admin=''  # the kubeconfig of whoever may do everything
registry=''    # where the cluster's images come from
own_cluster='' # a test sets it whose cluster is to end with it

# kube_up: from here on there is a cluster. kube_namespace and kube_image call it.
kube_up() {
    [[ -z $kube_admin ]] || return 0
    if [[ -z ${KUBECONFIG:-} ]]; then
        "$cluster" up >"$here/cluster.log" 2>&1 || fail "scripts/cluster up: $(cat "$here/cluster.log")"
        # shellcheck disable=SC1091
        . "$DAVIT_CLUSTER/env"
    fi
    [[ -n ${DAVIT_KUBE_REGISTRY:-} && -n ${DAVIT_KUBE_NETNS:-} ]] ||
        fail "KUBECONFIG is set: DAVIT_KUBE_REGISTRY and DAVIT_KUBE_NETNS must say what belongs to that cluster"
    kube_admin=$KUBECONFIG
    registry=$DAVIT_KUBE_REGISTRY
}

# k ARGUMENT…: kubectl, as who may do everything, in the test's namespace.
k() {
    KUBECONFIG=$kube_admin kubectl ${namespace:+--namespace "$namespace"} "$@"
}

# in_kube COMMAND…: in the cluster's network. Not for the background, where $! would be a shell's: see kube_load.
in_kube() {
    nsenter --net="$DAVIT_KUBE_NETNS" -- "$@"
}

# kube_namespace [ROLE]: a fresh $namespace, deleted when the test ends. KUBECONFIG is that of its ServiceAccount `davit`
# from here on, which may do what the Role `davit-app` in the file ROLE says (kube_role.yaml: of what davit says that it
# needs, see kube_role/).
kube_namespace() {
    local name token
    kube_up
    name=davit-e2e-$(printf '%08x' "$SRANDOM")
    namespace='' k create namespace "$name" >/dev/null
    namespace=$name
    echo "$namespace" >>"$here/namespaces"
    k create -f "${1:-$kube_role}" >/dev/null
    k create serviceaccount davit >/dev/null
    k create rolebinding davit --role=davit-app --serviceaccount="$namespace:davit" >/dev/null
    token=$(k create token davit --duration=2h)
    (
        umask 077
        k config view --raw --minify --flatten -o json | jq --arg token "$token" --arg namespace "$namespace" \
            '.users = [{name: "davit", user: {token: $token}}]
                | .contexts[0].context |= (.user = "davit" | .namespace = $namespace)' >"$here/$namespace.kubeconfig"
    )
    export KUBECONFIG=$here/$namespace.kubeconfig
}

# expect_no_cluster_rights: the account reads nothing beyond its namespace, nor gives itself more.
expect_no_cluster_rights() {
    local question
    for question in 'get pods --namespace default' 'list namespaces' 'get nodes' 'create pods' 'create rolebindings'; do
        # shellcheck disable=SC2086 # several words
        [[ $(kubectl auth can-i $question 2>/dev/null) == no ]] || fail "the account of the test may $question"
    done
}

# kube_image NAME TAG [NAME=VALUE…]: davit-service in the cluster's registry, built and pushed by davit; it listens on
# 8080 and answers as version TAG, is ready by GET /ping, and makes the mistakes of these settings. Prints the reference.
kube_image() {
    local name=$1 tag=$2 context setting
    shift 2
    kube_up
    context=$(mktemp -d "$here/image-XXXXXX")
    cp "$bin/davit-service" "$context/service"
    {
        printf 'FROM scratch\nCOPY service /service\nUSER 65532:65532\nEXPOSE 8080\nENTRYPOINT ["/service"]\n'
        for setting in PORT=8080 HOST=0.0.0.0 LINGER_MS=1000 "VERSION=$tag" "$@"; do
            printf 'ENV %s="%s"\n' "${setting%%=*}" "${setting#*=}"
        done
    } >"$context/Dockerfile"
    DAVIT_STATE=$here/images davit build --push -t "$registry/$name:$tag" "$context" >"$context/log" 2>&1 ||
        fail "no image $name:$tag: $(cat "$context/log")"
    rm -rf "$context"
    echo "$registry/$name:$tag"
}

# kube_service_image: the same without a mistake, for tests that give the settings by the pods' environment. Nodes keep
# what they have of a tag: it is the program's.
kube_service_image() {
    kube_image service "$(sha256sum "$bin/davit-service" | cut -c 1-12)"
}

# kube_load URL [OPTION…]: starts davit-load in the cluster's network; $load is its pid, $here/load.json what it counted.
kube_load() {
    local url=$1
    shift
    nsenter --net="$DAVIT_KUBE_NETNS" -- "$bin/davit-load" "$@" "$url" >"$here/load.json" 2>"$here/load.log" &
    load=$!
    until_true 10 load_began
}

load_began() {
    grep -q -e '->' "$here/load.log" || ! kill -0 "$load" # its own mistakes are told by end_load
}

# end_load: how many requests failed is in $failed.
end_load() {
    kill -TERM "$load" || :
    wait "$load" || :
    failed=$(jq .failed "$here/load.json") && [[ -n $failed ]] || fail "$(cat "$here/load.log")"
    (($(jq .requests "$here/load.json") > 10)) || fail "there was no load: $(cat "$here/load.json")"
}

# What a test that failed leaves, as in lib.sh; and its namespaces, after a look at what is in them.
end_leftovers() {
    local status=$? pids name
    pids=$(jobs -p; pgrep -f "^davit .*$here/" || :)
    # shellcheck disable=SC2086 # one word a process
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || :
    while read -r name; do
        namespace=$name
        ((status == 0)) || k get pods,events || :
        namespace='' k delete namespace "$name" --wait=false >/dev/null || :
    done < <(cat "$here/namespaces" 2>/dev/null)
    [[ -z $own_cluster ]] || "$cluster" down >/dev/null || :
    exit "$status"
}
