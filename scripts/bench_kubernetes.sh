# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what scripts/bench has
# The figures of scripts/bench --kubernetes: davit beside kubectl, on the same app, on a cluster that is booted for it. With
# KUBECONFIG another cluster is used, of which DAVIT_KUBE_REGISTRY and DAVIT_KUBE_NETNS say what tests/e2e/lib_kube.sh says.

readonly peer_deadline=60 # seconds; kubectl rollout status ends no earlier when a rollout cannot succeed

k() {
    KUBECONFIG=$kube_admin kubectl --namespace "$namespace" "$@"
}

# kube_begin: from here on there is a cluster, with the image of davit-service.
kube_begin() {
    [[ -z ${kube_admin:-} ]] || return 0
    need busybox-static
    if [[ -z ${KUBECONFIG:-} ]]; then
        export DAVIT_CLUSTER=$work/cluster
        at_exit "$root/scripts/cluster" down
        quietly "$work/cluster.log" "$root/scripts/cluster" up >/dev/null
        # shellcheck disable=SC1091
        . "$DAVIT_CLUSTER/env"
        PATH=$DAVIT_CLUSTER/bin:$PATH
    fi
    kube_admin=$KUBECONFIG
    mkdir "$work/service"
    cp "$bin/davit-service" "$work/service/service"
    cp /bin/busybox "$work/service/busybox"
    printf 'FROM scratch\nCOPY service busybox /\nENV PORT=8080 HOST=0.0.0.0 LINGER_MS=1000\nUSER 65532:65532\nENTRYPOINT ["/service"]\n' \
        >"$work/service/Dockerfile"
    image=$DAVIT_KUBE_REGISTRY/davit-bench:1
    DAVIT_STATE=$work/service.state quietly "$work/service.log" davit build --push -t "$image" "$work/service" >/dev/null
}

# kube_app NAME: what the functions below are about: an app of three pods in a namespace of its own.
kube_app() {
    kube_begin
    namespace=davit-bench-$(printf '%06x' $((SRANDOM & 0xffffff)))
    app=$work/$1
    service_image=$image setting='' resources='' config='' command='' strategy=rolling gates='{}'
    mkdir -p "$app/k8s"
    export DAVIT_STATE=$app.state
    k create namespace "$namespace" >/dev/null
    at_exit end_kube_app "$namespace"
}

end_kube_app() {
    KUBECONFIG=$kube_admin kubectl delete namespace "$1" --wait=false --ignore-not-found >/dev/null
}

# manifest NAME IMAGE VERSION
manifest() {
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: 3
  progressDeadlineSeconds: $peer_deadline
  selector: {matchLabels: {name: $1}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {name: $1}}
    spec:
      dnsPolicy: Default
      terminationGracePeriodSeconds: 10
      containers:
        - name: service
          image: $2
          $command
          env: [{name: VERSION, value: "$3"}$setting]
          $config
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ping, port: http}, periodSeconds: 1, failureThreshold: 2}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
          resources: {$resources}
---
apiVersion: v1
kind: Service
metadata: {name: $1}
spec:
  selector: {name: $1}
  ports: [{name: http, port: 80, targetPort: http}]
END
}

# by_davit VERSION: a run of its pipeline; the exit code is davit's.
by_davit() {
    manifest bench "\${{ image }}" "$1" >"$app/k8s/app.yaml"
    cat >"$app/.davit.yaml" <<END
name: bench
environments: {lab: {target: kubernetes, namespace: $namespace}}
stages:
  deploy:
    deploy: {app: bench, environment: lab, image: "$service_image", manifests: [k8s/], strategy: $strategy, gates: $gates}
END
    (cd "$app" && exec davit run) >"$app.log" 2>&1
}

# by_kubectl NAME VERSION: what it says is in $app.NAME.log.
by_kubectl() {
    manifest "$1" "$service_image" "$2" >"$app.$1.yaml"
    k apply -f "$app.$1.yaml" >"$app.$1.log" && k rollout status "deployment/$1" >>"$app.$1.log" 2>&1
}

must() {
    "$@" || die "$* failed: $(tail -n 20 "$app"*.log)"
}

# took COMMAND…: its milliseconds are left in $ms, its exit code in $status.
took() {
    local began=${EPOCHREALTIME/./}
    status=0
    "$@" || status=$?
    ms=$(milliseconds $((${EPOCHREALTIME/./} - began)))
}

# service_load NAME: load on the Service of that name, in the cluster's network.
service_load() {
    local address
    address=$(k get service "$1" -o 'jsonpath={.spec.clusterIP}')
    nsenter --net="$DAVIT_KUBE_NETNS" -- "$bin/davit-load" --connections 16 --rate 200 --posts 20 "http://$address/version" \
        >"$app.json" 2>"$app.load" &
    load=$!
    write_pid "$load" "$app.load.pid"
    at_exit end_process "$app.load.pid"
    await "an answer to the load" grep -q -e '->' "$app.load"
}

# gone: the pods that were to go have, which is when requests get lost.
gone() {
    [[ $(k get pods -l "name=$1" -o name | wc -l) == 3 ]]
}

# --- the figures ---

figure_kube_rollout() {
    local n ms status
    kube_app rollout
    for ((n = 0; n <= 5; n++)); do # the first one warms
        took must by_davit "v$n"
        ((n == 0)) || echo "$ms" >>"$work/rolling.davit"
        took must by_kubectl peer "v$n"
        ((n == 0)) || tee -a "$work/rolling.peer" "$work/blue.peer" <<<"$ms" >/dev/null
    done
    row rollout "rolling, 3 pods, against kubectl apply, rollout status" "$(against s "$work/rolling")"
    kube_app blue
    strategy=blue-green
    for ((n = 0; n <= 5; n++)); do
        took must by_davit "v$n"
        ((n == 0)) || echo "$ms" >>"$work/blue.davit"
    done
    row rollout "  blue-green, against the same" "$(against s "$work/blue")"
}

# mistake NAME: v2 has it.
mistake() {
    service_image=$image setting='' resources='' config='' command=''
    case $1 in
    image) service_image=$DAVIT_KUBE_REGISTRY/davit-bench:no-such-tag ;;
    crash) setting=', {name: EXIT_AT_START, value: "7"}' ;;
    config) config='envFrom: [{secretRef: {name: nowhere}}]' ;;
    probe) setting=', {name: NEVER_READY, value: "1"}' ;;
    memory) command='command: [/busybox, tail, /dev/zero]' resources='limits: {memory: 16Mi}' ;;
    place) resources='requests: {cpu: "1000"}' ;;
    quota) k create quota full --hard="pods=$(k get pods -o name | wc -l)" >/dev/null ;;
    esac
}

# All of kubectl's at once: each waits for its deadline.
peer_verdicts() {
    local name ms status waiting=()
    for name in "$@"; do
        must by_kubectl "$name" v1
    done
    for name in "$@"; do
        mistake "$name"
        (
            took by_kubectl "$name" v2
            ((status)) || die "kubectl rollout status took $name for good"
            echo "$ms" >"$work/$name.peer"
        ) &
        waiting+=("$!")
    done
    wait "${waiting[@]}"
}

figure_kube_verdict() {
    local name ms status names=(image crash config probe memory place quota)
    local -A mistakes=([image]="an image that is not there" [crash]="exits at its start" [config]="a Secret that is not there"
        [probe]="never ready" [memory]="more memory than its limit" [place]="no node has room" [quota]="no quota is left")
    kube_app verdict.peer
    peer_verdicts "${names[@]}"
    for name in "${names[@]}"; do
        kube_app "verdict.$name"
        must by_davit v1
        mistake "$name"
        took by_davit v2
        ((status == 3)) || die "$name: davit run ended with $status: $(<"$app.log")"
        echo "$ms" >"$work/$name.davit"
        row verdict "${mistakes[$name]}, against kubectl's end" "$(against s "$work/$name")"
        row verdict "" "$(sed -n 's/.*took [^:]*: \(.*\)/\1/p' "$app.log" | tail -n 1)"
        end_kube_app "$namespace"
    done
}

# switches NAME WHAT DEPLOY…: twenty under load; the last word is the version's.
kube_switches() {
    local name=$1 what=$2 n
    shift 2
    must "$@" v0
    service_load "$name"
    for ((n = 1; n <= 20; n++)); do
        must "$@" "v$n"
    done
    await "pods to go" gone "$name"
    stop_load
    row switches "$what" "$(load_counts)"
}

figure_kube_switches() {
    kube_app switches.blue
    strategy=blue-green
    kube_switches bench "20 under load, blue-green" by_davit
    no_failures
    kube_app switches.rolling
    kube_switches bench "  rolling" by_davit
    no_failures
    kube_app switches.peer
    kube_switches peer "  rolling, by kubectl" by_kubectl peer
}

# account NAME: a kubeconfig of a ServiceAccount of that name, whose requests the API server counts apart.
account() {
    local token
    k create serviceaccount "$1" >/dev/null
    k create rolebinding "$1" --clusterrole=admin --serviceaccount="$namespace:$1" >/dev/null
    k create role "$1" --verb='*' --resource=leases.coordination.k8s.io,controllerrevisions.apps,endpointslices.discovery.k8s.io >/dev/null
    k create rolebinding "$1-more" --role="$1" --serviceaccount="$namespace:$1" >/dev/null
    k apply -f - >/dev/null <<END
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: $namespace-$1}
spec:
  matchingPrecedence: 100
  priorityLevelConfiguration: {name: workload-low}
  rules:
    - subjects: [{kind: ServiceAccount, serviceAccount: {name: $1, namespace: $namespace}}]
      resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true}]
      nonResourceRules: [{verbs: ["*"], nonResourceURLs: ["*"]}]
END
    at_exit quietly "$app.schema.log" env KUBECONFIG="$kube_admin" kubectl delete flowschema "$namespace-$1" -o name
    token=$(k create token "$1" --duration=2h)
    (
        umask 077
        k config view --raw --minify --flatten -o json | jq --arg token "$token" \
            '.users = [{name: "bench", user: {token: $token}}] | .contexts[0].context.user = "bench"' >"$app.$1.kubeconfig"
    )
}

# calls NAME: that the account has made.
calls() {
    k get --raw /metrics | awk -v schema="flow_schema=\"$namespace-$1\"" \
        '/^apiserver_flowcontrol_dispatched_requests_total/ && index($0, schema) {n += $2} END {print n + 0}'
}

# call_count NAME COMMAND…: how many it makes, in $made.
call_count() {
    local name=$1 before
    shift
    before=$(calls "$name")
    KUBECONFIG=$app.$name.kubeconfig must "$@"
    made=$(($(calls "$name") - before))
}

kubectl_as_it_is() {
    manifest peer "$service_image" "$1" >"$app.peer.yaml"
    kubectl -n "$namespace" apply -f "$app.peer.yaml" >"$app.peer.log" &&
        kubectl -n "$namespace" rollout status deployment/peer >>"$app.peer.log" 2>&1
}

# peak_of PARENT NAME: the most that the process NAME somewhere below it has had, KiB, until it ends.
peak_of() {
    local below pid peak=0 now
    while [[ -e /proc/$1 ]]; do
        below=$1 pid=
        while [[ -n $below && -z $pid ]]; do
            pid=$(pgrep -f "^$2" -P "$below" | head -n 1) || :
            below=$(pgrep -d , -P "$below") || below=
        done
        now=$([[ -z $pid ]] || awk '$1 == "VmHWM:" {print $2}' "/proc/$pid/status" 2>/dev/null) || now=
        peak=$((${now:-0} > peak ? now : peak))
        pause 0.05
    done
    echo "$peak"
}

figure_kube_cost() {
    local made short run peak
    kube_app cost
    account davit
    account peer
    export KUBECACHEDIR=$app.cache
    call_count davit by_davit v1
    call_count davit by_davit v2
    short=$made
    call_count peer kubectl_as_it_is v1
    call_count peer kubectl_as_it_is v2
    row cost "API calls of a rollout of 3 pods, against kubectl" "$short against $made"
    gates='{after_switch: [{stable: 1s}]}'
    call_count davit by_davit v3
    short=$made
    gates='{after_switch: [{stable: 21s}]}'
    call_count davit by_davit v4
    row cost "  of 20 s in which nothing happens" "$((made - short))"
    gates='{}'
    must by_davit v5 &
    run=$!
    peak=$(peak_of "$run" davit-deploy)
    wait "$run" || die "the rollout failed"
    ((peak)) || die "davit-deploy was not seen"
    row cost "davit-deploy, the most resident in a rollout" "$peak KiB"
    unset KUBECACHEDIR
}
