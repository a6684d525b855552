#!/bin/bash
# scripts/cluster: that what it boots is a cluster, and that nothing of it stays. Each test has one of its own, beside
# whatever else runs.
unset KUBECONFIG
export DAVIT_CLUSTER=/nonexistent # until a test has its own
. "${BASH_SOURCE[0]%/*}/lib_kube.sh"

new_cluster() {
    export DAVIT_CLUSTER=$here/cluster
    own_cluster=1
}

# What a cluster could change on this machine: settings, mounts, cgroups, interfaces, the places where its daemons keep
# things by default. (Others may work here meanwhile, with a cluster of theirs; what they mount lies where people have
# their files.)
machine() {
    sysctl -a --pattern "^kernel.keys"
    sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops net.ipv4.ip_forward
    awk '{ print $5 }' /proc/self/mountinfo | grep -vE '^/(tmp|root|home)/' | LC_ALL=C sort
    find /sys/fs/cgroup -path '*/davit' -prune -o -path '*/kubepods' -prune -o -type d -print | LC_ALL=C sort
    ip -brief link
    ls -d /run/containerd /run/netns/* /var/lib/cni /var/lib/containerd /var/lib/kubelet /var/log/containers /var/log/pods 2>&1 || :
}

# namespaces: the kernel's names of all that the cluster's processes live in, pods included.
namespaces() {
    local pid
    for pid in $(descendants "$(cut -d ' ' -f 1 "$DAVIT_CLUSTER/holder")"); do
        readlink "/proc/$pid/ns/pid_for_children" "/proc/$pid/ns/net" "/proc/$pid/ns/mnt" || :
    done 2>/dev/null | grep -vxFf <(readlink /proc/self/ns/pid /proc/self/ns/net /proc/self/ns/mnt) | sort -u
}

descendants() {
    local child
    echo "$1"
    for child in $(pgrep --parent "$1"); do
        descendants "$child"
    done
}

# expect_nothing_left MACHINE NAMESPACES
expect_nothing_left() {
    [[ ! -e $DAVIT_CLUSTER ]] || fail "files are left: $(find "$DAVIT_CLUSTER")"
    [[ $(machine) == "$1" ]] || fail "the machine is not as it was: $(diff <(echo "$1") <(machine))"
    [[ -z $2 ]] || ! find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/*' -printf '%p %l\n' 2>/dev/null | grep -F "$2" ||
        fail "processes are left in its namespaces"
    ! grep -F "$DAVIT_CLUSTER" /proc/self/mountinfo || fail "mounts are left"
    # A path with this name is in the command line of each daemon.
    ! pgrep -af "$DAVIT_CLUSTER" || fail "processes are left"
}

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

manifests() { # IMAGE
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      dnsPolicy: Default
      containers:
        - name: web
          image: $1
          readinessProbe: {httpGet: {path: /ping, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
END
}

test_it_serves_and_nothing_of_it_stays() {
    local before inside holder image address api
    before=$(machine)
    new_cluster
    expect 1 "$cluster" status
    contains 'not ready: there is none'
    expect 0 "$cluster" up
    contains "$DAVIT_CLUSTER/kubeconfig"

    # Once more: nothing happens.
    holder=$(<"$DAVIT_CLUSTER/holder")
    [[ $("$cluster" up 2>/dev/null) == "$DAVIT_CLUSTER/kubeconfig" ]] || fail "the second up prints something else"
    [[ $(<"$DAVIT_CLUSTER/holder") == "$holder" ]] || fail "the second up booted it again"
    expect 0 "$cluster" status
    contains 'Kubernetes v1.' kube-apiserver kubelet etcd "$DAVIT_CLUSTER/kubeconfig" 'MiB resident'
    [[ $output == *$'\nready' ]] || fail "$output"
    api=$(sed -n 's|^API server .*:||p' <<<"$output")
    listens "$api" || fail "nothing listens on $api"
    expect 0 "$cluster" up --api "$api"
    expect 1 "$cluster" up --api 1
    contains "it runs already, on the ports $api and "

    # A Deployment of what davit has built answers through its Service.
    kube_namespace
    expect_no_cluster_rights
    image=$(kube_image web v1)
    manifests "$image" | k apply -f - >/dev/null
    expect 0 k rollout status deployment/web --timeout=60s
    address=$(k get service web -o 'jsonpath={.spec.clusterIP}')
    until_true 10 in_kube curl -fsS --max-time 2 "http://$address/version"
    [[ $(in_kube curl -fsS "http://$address/version" | jq -r .version) == v1 ]] || fail "it does not say v1"
    [[ $("$cluster" exec curl -fsS "http://$address/version" | jq -r .version) == v1 ]] || fail "exec does not reach it"

    # A daemon that dies comes back, and no user notices.
    local killed
    kube_load "http://$address/version" --connections 4 --rate 100
    killed=$("$cluster" status | awk '$1 == "kube-scheduler" { print $3 }')
    kill -KILL "$killed"
    until_true 5 gone_pid "$killed"
    until_true 30 "$cluster" status
    end_load
    ((failed == 0)) || fail "requests failed: $(cat "$here/load.log")"

    # A pod ends when it is told to, long before it is made to (30 s).
    local began=$SECONDS
    expect 0 k delete deployment/web --cascade=foreground --timeout=60s
    until_true 20 no_pods
    ((SECONDS - began < 15)) || fail "the pods took $((SECONDS - began)) s to end"

    manifests "$image" | k apply -f - >/dev/null # and it ends in the middle of its work
    expect 0 k rollout status deployment/web --timeout=60s
    inside=$(namespaces)
    (($(wc -l <<<"$inside") > 6)) || fail "not the namespaces of three pods: $inside"
    rm "$here/namespaces"
    expect 0 "$cluster" down
    expect_nothing_left "$before" "$inside"
    ! listens "$api" || fail "something listens on $api"
    expect 0 "$cluster" down # once more: nothing happens
    expect 1 "$cluster" status
}

no_pods() {
    [[ -z $(k get pods -o name) ]]
}

gone_pid() {
    [[ ! -e /proc/$1 ]]
}

test_killed_half_way_nothing_of_it_stays() {
    local before moment up inside
    before=$(machine)
    new_cluster
    for moment in settings pki/admin.crt holder run/etcd.pid log/pause.log run/kubelet.pid; do
        setsid "$cluster" up >"$here/log" 2>&1 &
        up=$!
        until_true 60 test -e "$DAVIT_CLUSTER/$moment"
        kill -KILL "$up"
        wait "$up" || :
        inside=
        [[ ! -e $DAVIT_CLUSTER/holder ]] || inside=$(namespaces)
        expect 0 "$cluster" down
        until_true 5 no_davit # which may be at the pause image, and ends with who asked
        expect_nothing_left "$before" "$inside"
    done
}

no_davit() {
    ! pgrep -f "^davit.* 127.0.0.1:.*/pause:1 $DAVIT_CLUSTER"
}

test_one_that_was_killed_is_booted_anew() {
    local before
    before=$(machine)
    new_cluster
    expect 0 "$cluster" up
    kill -KILL "$(cut -d ' ' -f 1 "$DAVIT_CLUSTER/holder")"
    until_true 10 not_ready
    expect 0 "$cluster" up
    contains 'what is left'
    expect 0 "$cluster" status
    expect 0 "$cluster" down
    expect_nothing_left "$before" ""
}

not_ready() {
    ! "$cluster" status
}

test_what_is_not_a_cluster_is_left_alone() {
    mkdir "$here/mine"
    echo precious >"$here/mine/run"
    DAVIT_CLUSTER=$here/mine expect 1 "$cluster" up
    contains "$here/mine is not empty"
    DAVIT_CLUSTER=$here/mine expect 0 "$cluster" down
    [[ $(<"$here/mine/run") == precious ]] || fail "it is gone"
    DAVIT_CLUSTER=/run/davit-e2e-cluster expect 1 "$cluster" up
    contains 'set DAVIT_CLUSTER'
    [[ ! -e /run/davit-e2e-cluster ]] || fail "it has made it all the same"
}

# without_go COMMAND…: where no go is.
without_go() {
    # shellcheck disable=SC2016 # that shell expands it
    unshare --mount bash -c 'for go in /usr/local/go/bin/go /usr/bin/go; do
            [[ ! -e $go ]] || mount --bind /dev/null "$go"
        done
        PATH=$(dirname "$(command -v davit)"):/usr/sbin:/usr/bin:/sbin:/bin exec "$@"' without_go "$@"
}

test_what_is_missing_is_named() {
    new_cluster
    XDG_CACHE_HOME=$here/empty expect 1 without_go "$cluster" up
    contains 'is built with Go' 'KUBEBUILDER_ASSETS'
    expect 1 setpriv --reuid 65534 --regid 65534 --clear-groups "$cluster" up
    contains 'must be root'
    expect 2 "$cluster" boot
    contains 'scripts/cluster up'
}

run_tests "$@"
