#!/bin/bash
# Apps that kubectl or Helm has made: adopted, deployed over, gone back to, ejected; under load, with the pods looked at.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

# What adopting needs beyond what every deploy does.
may_adopt() {
    k create -f - >/dev/null <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: adopt}
rules:
  - {apiGroups: [apps], resources: [replicasets], verbs: [get, patch]}
  - {apiGroups: [""], resources: [pods], verbs: [get, patch]}
  - {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [get, list, patch]}
END
    k create rolebinding adopt --role=adopt --serviceaccount="$namespace:davit" >/dev/null
}

# running_app: what kubectl applies of an app that davit knows nothing of; answers as version v0. What is in $labels and
# $annotations stands on both objects.
running_app() {
    new_app running
    labels=${labels:-'{}'} annotations=${annotations:-'{}'}
    cat >running.yaml <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $app, labels: $labels, annotations: $annotations}
spec:
  replicas: 3
  selector: {matchLabels: {name: $app}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {name: $app}}
    spec:
      dnsPolicy: Default
      terminationGracePeriodSeconds: 15
      containers:
        - name: service
          image: $image
          env: [{name: VERSION, value: v0}, {name: FORGOTTEN, value: "by the file"}]
          envFrom: [{configMapRef: {name: by-hand}}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ping, port: http}, periodSeconds: 1, failureThreshold: 2}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
---
apiVersion: v1
kind: Service
metadata: {name: $app, labels: $labels, annotations: $annotations}
spec:
  selector: {name: $app}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: by-hand}
data: {CONFIG: by-hand}
END
    k apply -f running.yaml >/dev/null
    k rollout status "deployment/$app" --timeout=60s >/dev/null
    may_adopt
    pipeline v1 # says where `lab` is
    expect_version v0
    before=$(running_pods)
}

# Which pods there are, since when, and how often they were restarted.
running_pods() {
    k get pods -o json | jq -r '[.items[] | select(.metadata.deletionTimestamp == null) | "\(.metadata.uid)
        \(.metadata.creationTimestamp) \(.status.startTime) \([.status.containerStatuses[].restartCount])"] | sort | .[]'
}

same_pods() {
    [[ $(running_pods) == "$before" ]] || fail "$(k get pods,replicasets; diff <(echo "$before") <(running_pods))"
}

replica_sets() {
    k get replicasets -o json | jq '.items | length'
}

endpoints() {
    k get endpointslices -l "kubernetes.io/service-name=$app" -o json | jq '[.items[].endpoints[]? | select(.conditions.ready)] | length'
}

# adopted: what an adoption leaves, however often it was begun.
adopted() {
    same_pods
    [[ $(replica_sets) == 1 ]] || fail "$(k get replicasets)"
    [[ $(k get deployment "$app" -o json | jq -c '[.spec.paused, .metadata.annotations["davit.dev/adopting"], .metadata.annotations["davit.dev/release"]]') == '[null,null,"1"]' ]] ||
        fail "$(k get deployment "$app" -o yaml)"
    [[ $(k get service "$app" -o 'jsonpath={.spec.selector.davit\.dev/slot}') == blue ]] || fail "$(k get service "$app" -o yaml)"
    [[ $(endpoints) == 3 ]] || fail "$(k get endpointslices -o yaml)"
    expect 0 davit status "$app" --env lab
    contains "release 1" "3 of 3"
}

test_adoption_restarts_nothing() {
    local seen
    running_app
    seen=$(objects)
    start_load
    expect 0 davit adopt "$app" --env lab --dry-run
    contains "nothing was changed" "ReplicaSet/"
    [[ $(objects) == "$seen" ]] || fail "$(diff <(printf %s "$seen") <(objects))"
    expect 0 davit adopt "$app" --env lab
    contains "Deployment/$app and Service/$app live as the app $app"
    adopted
    stop_load
    expect 0 davit history "$app" --env lab
    contains "1 *" "success" "adopted from kubectl-client-side-apply"
    expect 5 davit adopt "$app" --env lab
    contains "is davit's already: release 1 is live"
    # Pods that come later are of the slot, too.
    k scale "deployment/$app" --replicas=4 >/dev/null
    k rollout status "deployment/$app" --timeout=60s >/dev/null
    [[ $(k get pods -l davit.dev/slot=blue -o name | wc -l) == 4 ]] || fail "$(k get pods --show-labels)"
    [[ $(replica_sets) == 1 ]] || fail "$(k get replicasets)"
}

# After it, what stands in the files is what there is: also where kubectl had said something.
test_adopt_then_roll_and_back() {
    running_app
    strategy=rolling
    start_load
    expect 0 davit adopt "$app" --env lab
    expect 0 deploy v1
    expect_version v1
    ! k get deployment "$app" -o yaml | grep FORGOTTEN || fail "a setting that no file has stays"
    expect 0 davit rollback "$app" --env lab
    contains "release 2" "release 1"
    expect_version v0
    stop_load
    # Back by the ReplicaSet that kubectl's apply had made, not by one like it.
    [[ $(replica_sets) == 2 ]] || fail "$(k get replicasets)"
    [[ $(k get deployments -o name) == deployment.apps/"$app" ]] || fail "$(k get deployments)"
}

test_adopt_then_blue_green_and_back() {
    running_app
    start_load
    expect 0 davit adopt "$app" --env lab
    expect 0 deploy v1
    expect_version v1
    expect 0 davit rollback "$app" --env lab
    expect_version v0
    expect 0 deploy v2
    expect_version v2
    stop_load
    [[ $(k get replicasets -o json | jq --arg app "$app" '[.items[] | select(.metadata.ownerReferences[0].name == $app)] | length') == 1 ]] ||
        fail "$(k get replicasets)"
}

# Rendered by a chart, with the marks that Helm leaves.
test_a_helm_release() {
    labels='{app.kubernetes.io/managed-by: Helm, helm.sh/chart: running-0.1.0}'
    annotations='{meta.helm.sh/release-name: running, meta.helm.sh/release-namespace: default}'
    running_app
    start_load
    expect 0 davit adopt "$app" --env lab
    contains "of the Helm release running" "helm upgrade"
    adopted
    expect 0 deploy v1
    expect_version v1
    stop_load
}

# As if fifteen seconds had gone by since its holder died.
lease_runs_out() {
    k patch lease "davit-$app" --type=merge -p '{"spec": {"holderIdentity": ""}}' >/dev/null
}

test_killed_in_the_middle_and_again() {
    local point
    running_app
    start_load
    for point in put paused set_labelled pods_labelled template_labelled owned resumed narrowed ended; do
        DAVIT_FAILPOINT=adopt.$point:1=kill davit adopt "$app" --env lab >"$here/killed.log" 2>&1 && fail "$point was not passed"
        same_pods
        lease_runs_out
    done
    expect 0 davit adopt "$app" --env lab
    adopted
    stop_load
    [[ $(k get controllerrevisions -o name | wc -l) == 1 ]] || fail "$(k get controllerrevisions)"
}

test_refused_by_name() {
    local seen
    running_app
    seen=$(k get deployments,services -o json | jq '.items[].spec')
    expect 2 davit adopt other --env lab
    contains "neither a Service nor a Deployment named other"
    expect 2 davit adopt "$app" --env lab --service none
    contains "no Service/none"
    k delete rolebinding adopt >/dev/null
    expect 1 davit adopt "$app" --env lab
    contains "nothing was changed" "replicasets" "forbidden"
    [[ $(k get deployments,services -o json | jq '.items[].spec') == "$seen" ]] || fail "$(k get deployments,services -o yaml)"
    k create rolebinding adopt --role=adopt --serviceaccount="$namespace:davit" >/dev/null
    k rollout pause "deployment/$app" >/dev/null
    expect 5 davit adopt "$app" --env lab
    contains "Deployment/$app is paused" "kubectl rollout resume"
    k rollout resume "deployment/$app" >/dev/null

    k get deployment "$app" -o json | jq '.metadata = {name: "second"}' | k create -f - >/dev/null
    expect 5 davit adopt "$app" --env lab
    contains "selects several Deployments (Deployment/running, Deployment/second)"
    k delete deployment second --wait=true >/dev/null
    until_true 60 pods_are 3

    k run stray --image "$image" --labels "name=$app" --overrides '{"spec": {"dnsPolicy": "Default"}}' >/dev/null
    expect 5 davit adopt "$app" --env lab
    contains "leads to Pod/stray as well"
    k delete pod stray --grace-period=1 >/dev/null

    k set env "deployment/$app" NEVER_READY=1 >/dev/null
    expect 5 davit adopt "$app" --env lab
    contains "in the middle of its own rollout"
}

test_an_autoscaler_keeps_its_replicas() {
    running_app
    k create -f - >/dev/null <<END
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaler}
spec: {minReplicas: 3, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: $app}}
END
    expect 0 davit adopt "$app" --env lab --dry-run
    contains "HorizontalPodAutoscaler/scaler goes on setting its replicas"
    expect 0 davit adopt "$app" --env lab
    adopted
    k get deployment "$app" -o json --show-managed-fields |
        jq -e '[.metadata.managedFields[] | select(.manager == "davit" and .operation == "Apply") | .fieldsV1["f:spec"] | has("f:replicas")] == [false]' >/dev/null ||
        fail "davit owns the replicas"
    k get horizontalpodautoscaler scaler >/dev/null
}

# Back to plain manifests, with what runs untouched; and the manifests are what runs.
test_eject() {
    local point
    running_app
    expect 0 davit adopt "$app" --env lab
    config=one
    expect 0 deploy v1
    expect_version v1
    until_true 60 pods_are 3
    before=$(running_pods)
    start_load
    expect 2 davit eject "$app" --env lab
    expect 0 davit eject "$app" --env lab --directory out --dry-run
    contains "history (2 releases)" "davit rollback" "called $app-green" "stays: the labels"
    same_pods
    k get lease "davit-$app" >/dev/null
    for point in service stripped forgotten; do
        DAVIT_FAILPOINT=eject.$point:1=kill davit eject "$app" --env lab -d out >"$here/killed.log" 2>&1 && fail "$point was not passed"
        same_pods
        lease_runs_out
    done
    expect 0 davit eject "$app" --env lab --directory out
    contains "its pods run on"
    same_pods
    [[ -z $(k get leases,controllerrevisions -o name) ]] || fail "$(k get leases,controllerrevisions)"
    [[ $(k get deployments,services -o name | xargs) == "deployment.apps/$app-green service/$app" ]] || fail "$(k get deployments,services)"
    ! k get deployments,services,configmaps -o json | jq '.items[].metadata | .labels, .annotations' | grep -e 'davit\.dev/' -e '"davit"' || fail "davit's marks stay"
    # Applied by hand, they change nothing that runs.
    k apply --server-side -f "out/$app.json" >/dev/null
    k rollout status "deployment/$app-green" --timeout=60s >/dev/null
    same_pods
    expect_version v1
    stop_load
    expect 0 davit status "$app" --env lab
    contains "nothing is live"
    expect 5 davit adopt "$app" --env lab
    contains "Deployment/$app-green selects its pods by davit.dev/slot=green"
}

run_tests "$@"
