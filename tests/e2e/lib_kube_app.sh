# shellcheck shell=bash
# What the tests of apps on a cluster share, besides lib_kube.sh: davit-service in three pods behind a Service, deployed
# by whoever may do what davit needs and nothing else, and an outside observer (davit-load, in the cluster's network).
. "${BASH_SOURCE[0]%/*}/lib_kube.sh"

# new_app [NAME]: what deploy() below deploys; a test changes these before it calls it.
new_app() {
    app=${1:-app}
    instances=3
    strategy=blue-green
    promotion=automatic
    gates=
    config=
    autoscaled=
    deadline=60s
    kube_namespace
    image=$(kube_service_image)
    mkdir -p "$here/$app/k8s"
    cd "$here/$app" || fail "no $here/$app"
}

# may_keep RESOURCE…: davit's account gets the rights that kinds beyond those of the tests' app take.
may_keep() {
    k create role more --verb=get,list,watch,create,patch,delete --resource="$(IFS=,; echo "$*")" >/dev/null
    k create rolebinding more --role=more --serviceaccount="$namespace:davit" >/dev/null
}

write_manifests() {
    cat >k8s/app.yaml <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $app}
spec:
  replicas: $instances
  progressDeadlineSeconds: 300
  selector: {matchLabels: {name: $app}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {name: $app}}
    spec:
      dnsPolicy: Default
      terminationGracePeriodSeconds: 15
      containers:
        - name: service
          image: \${{ image }}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ping, port: http}, periodSeconds: 1, failureThreshold: 2}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
$([[ -z $config ]] || printf '          envFrom: [{configMapRef: {name: settings}}]\n')
---
apiVersion: v1
kind: Service
metadata: {name: $app}
spec:
  selector: {name: $app}
  ports: [{name: http, port: 80, targetPort: http}]
END
    [[ -z $config ]] || printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {CONFIG: "%s"}\n' "$config" >>k8s/app.yaml
}

write_autoscaler() {
    cat >k8s/autoscaler.yaml <<END
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: $app}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: $app}
  minReplicas: 2
  maxReplicas: 6
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
END
}

# pipeline VERSION [NAME=VALUE…]: writes .davit.yaml and k8s/; the service gets these settings.
pipeline() {
    local version=$1 setting
    shift
    write_manifests
    [[ -z $autoscaled ]] || write_autoscaler
    {
        printf 'name: %s\nenvironments: {lab: {target: kubernetes, namespace: %s}}\n' "$app" "$namespace"
        printf 'stages:\n  deploy:\n    env:\n      VERSION: "%s"\n      PORT: "8080"\n      HOST: 0.0.0.0\n' "$version"
        for setting; do
            printf '      %s: "%s"\n' "${setting%%=*}" "${setting#*=}"
        done
        printf '    deploy:\n      app: %s\n      environment: lab\n      image: %s\n' "$app" "$image"
        printf '      manifests: [k8s/]\n      deadline: %s\n' "$deadline"
        if [[ $promotion == manual ]]; then
            printf '      strategy: {blue-green: {promotion: manual}}\n'
        else
            printf '      strategy: %s\n' "$strategy"
        fi
        [[ -z $gates ]] || printf '      gates: %s\n' "$gates"
    } >.davit.yaml
}

# deploy VERSION [NAME=VALUE…]: by a run of its pipeline.
deploy() {
    pipeline "$@"
    timeout 300 davit run
}

# --- looking on from outside ---

service_url() {
    printf 'http://%s' "$(k get service "$app" -o 'jsonpath={.spec.clusterIP}')"
}

version() {
    in_kube curl -fsS --max-time 5 "$(service_url)/version" | jq -r .version
}

answers() {
    [[ $(version) == "$1" ]]
}

only_answers() { # VERSION
    for _ in 1 2 3 4 5; do
        answers "$1" || return
    done
}

# Nodes learn of a change after the API server, and for a moment old pods and new ones answer by turns.
expect_version() {
    local turn
    for ((turn = 0; turn < 100; turn++)); do
        ! only_answers "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    fail "$app answers as $(version), not only as $1: $(k get pods,endpointslices)"
}

# pods all|ready: how many there are that are not ending.
pods() {
    local which='true'
    [[ $1 == all ]] || which='any(.status.conditions[]?; .type == "Ready" and .status == "True")'
    k get pods -o json | jq "[.items[] | select(.metadata.deletionTimestamp == null) | select($which)] | length"
}

pods_are() {
    [[ $(pods all) == "$1" ]]
}

# The ConfigMap that the live pods were started with.
app_config() {
    local name
    name=$(k get pods -o json | jq -r '[.items[] | select(.metadata.deletionTimestamp == null)
        | .spec.containers[0].envFrom[].configMapRef.name | strings | select(startswith("settings"))] | unique | join(" ")')
    k get configmap "$name" -o 'jsonpath={.data.CONFIG}'
}

# What a driver could change, without what controllers write.
objects() {
    k get deployments,services,configmaps,controllerrevisions -o json |
        jq -S '[.items[] | {kind, name: .metadata.name, annotations: .metadata.annotations, spec}]'
}

nothing_left() {
    [[ -z $(k get all,configmaps,secrets,leases,controllerrevisions -o name | grep -v -e kube-root-ca.crt -e '^serviceaccount') ]]
}

# Each request on a connection of its own: one that is kept open goes to the same pod to its end, and dies with it.
start_load() {
    kube_load "$(service_url)/version" --connections 8 --requests 1 --rate 200 --posts 20
}

# stop_load: no request may have failed.
stop_load() {
    end_load
    [[ $failed == 0 ]] || fail "$(cat "$here/load.json" "$here/load.log")"
}

# --- drivers ---

# deploy_role WORKER: the pid of davit-deploy below it.
deploy_role() {
    local inits
    inits=$(pgrep -P "$1" | paste -sd,)
    [[ -n $inits ]] && pgrep -f '^davit-deploy' -P "$inits"
}

stopped_role() {
    local role
    role=$(deploy_role "$1") && [[ $(awk '/^State:/ {print $2}' "/proc/$role/status" 2>/dev/null) == T ]]
}
