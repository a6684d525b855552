# shellcheck shell=bash
# shellcheck disable=SC2154 # scripts/cluster sets what is not set here
# Of scripts/cluster: what runs inside. PID 1 of the namespaces gives the cluster its view of the machine and its network,
# starts the daemons, and stays.

# What the cluster sees of this machine: its files, but /run, /var/log and a few others, for which daemons know one fixed
# path only, are its own. Nothing of this is seen from the outside.
own_mounts() {
    local host entry
    mount -t tmpfs -o mode=0755 none /run
    mount -t tmpfs -o mode=0755 none /var/log
    host=/run/host-var-lib
    mkdir "$host"
    mount --rbind /var/lib "$host"
    mount -t tmpfs -o mode=0755 none /var/lib
    for entry in "$host"/*/; do
        entry=$(basename "$entry")
        case $entry in kubelet | cni | containerd) continue ;; esac
        mkdir "/var/lib/$entry"
        mount --rbind "$host/$entry" "/var/lib/$entry"
    done
    # The kubelet sets these for the whole machine, unless it finds them set. Here it finds them set.
    own_setting vm/overcommit_memory 1
    own_setting vm/panic_on_oom 0
    own_setting kernel/panic 10
    own_setting kernel/panic_on_oops 1
    own_setting kernel/keys/root_maxkeys 1000000
    own_setting kernel/keys/root_maxbytes 25000000
}

own_setting() {
    [[ -e /proc/sys/$1 ]] || return 0
    mkdir -p "/run/sys/${1%/*}"
    echo "$2" >"/run/sys/$1"
    mount --bind "/run/sys/$1" "/proc/sys/$1"
}

# The node's interface is a bridge without ports: every kernel that runs pods has bridges.
own_network() {
    ip link set lo up
    ip link add node0 type bridge
    ip address add "$node_address/24" dev node0
    ip link set node0 up
    ip route add default dev node0
    sysctl -qw net.ipv4.ip_forward=1
    [[ ! -e /proc/sys/net/bridge ]] || sysctl -qw net.bridge.bridge-nf-call-iptables=1
}

run_part() {
    local bin=$dir/bin etc=$dir/etc pki=$dir/pki run=$dir/run var=$dir/var
    case $1 in
    registry) exec docker-registry serve "$etc/registry.yaml" ;;
    containerd) exec containerd --config "$etc/containerd.toml" ;;
    etcd) # what a crash of the machine leaves of it is not used again, so nothing waits for the disk
        exec "$bin/etcd" --name davit --data-dir "$var/etcd" --unsafe-no-fsync --log-level warn \
            --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
            --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
            --initial-cluster davit=http://127.0.0.1:2380
        ;;
    kube-apiserver)
        exec "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port="$api_port" \
            --advertise-address="$node_address" --service-cluster-ip-range=10.96.0.0/16 \
            --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
            --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/kube-apiserver.crt" \
            --tls-private-key-file="$pki/kube-apiserver.key" --kubelet-certificate-authority="$pki/ca.crt" \
            --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
            --kubelet-preferred-address-types=InternalIP --service-account-issuer=https://kubernetes.default.svc \
            --service-account-key-file="$pki/service-accounts.pub" \
            --service-account-signing-key-file="$pki/service-accounts.key" --profiling=false
        ;;
    kube-controller-manager)
        exec "$bin/kube-controller-manager" --kubeconfig="$etc/kube-controller-manager.kubeconfig" \
            --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1 \
            --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" \
            --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
            --cluster-cidr=10.244.0.0/16 --service-cluster-ip-range=10.96.0.0/16 \
            --flex-volume-plugin-dir="$var/volumeplugins" --profiling=false
        ;;
    kube-scheduler)
        exec "$bin/kube-scheduler" --kubeconfig="$etc/kube-scheduler.kubeconfig" --leader-elect=false \
            --bind-address=127.0.0.1 --profiling=false
        ;;
    kubelet)
        exec "$bin/kubelet" --config="$etc/kubelet.yaml" --kubeconfig="$etc/kubelet.kubeconfig" \
            --root-dir="$var/kubelet" --cert-dir="$var/kubelet-pki" --hostname-override="$node" \
            --node-ip="$node_address"
        ;;
    kube-proxy) exec "$bin/kube-proxy" --config="$etc/kube-proxy.yaml" ;;
    # A port of the host leads inside through a Unix socket, which no network namespace confines.
    registry-inside) exec socat "UNIX-LISTEN:$run/registry.sock,$accept" "TCP:127.0.0.1:$registry_port" ;;
    registry-outside) exec nsenter --net=/proc/self/fd/9 socat "TCP-LISTEN:$registry_port,$bind" "UNIX:$run/registry.sock" ;;
    api-inside) exec socat "UNIX-LISTEN:$run/api.sock,$accept" "TCP:127.0.0.1:$api_port" ;;
    api-outside) exec nsenter --net=/proc/self/fd/9 socat "TCP-LISTEN:$api_port,$bind" "UNIX:$run/api.sock" ;;
    esac
}
readonly accept=fork,backlog=128,unlink-early bind=fork,backlog=128,reuseaddr,bind=127.0.0.1

# start_part NAME: its pid, as the namespace knows it, is in run/NAME.pid.
declare -A started
start_part() {
    run_part "$1" </dev/null >>"$dir/log/$1.log" 2>&1 &
    started[$!]=$1
    echo $! >"$dir/run/$1.pid"
}

api_answers() {
    curl -fsS --max-time 5 --cacert "$dir/pki/ca.crt" "https://127.0.0.1:$api_port/readyz" >/dev/null 2>&1
}

# Daemons that end are started again, as on any node; before the first is ready nothing may end.
inside() {
    local part ended status pid
    own_mounts
    own_network
    for part in "${first_parts[@]}"; do
        start_part "$part"
    done
    until api_answers; do
        for pid in "${!started[@]}"; do
            kill -0 "$pid" 2>/dev/null || die "${started[$pid]} has ended: $(tail -n 3 "$dir/log/${started[$pid]}.log")"
        done
        sleep 0.1
    done
    for part in "${later_parts[@]}"; do
        start_part "$part"
    done
    while :; do
        status=0
        wait -n -p ended "${!started[@]}" || status=$?
        part=${started[$ended]}
        unset "started[$ended]"
        say "$part" "has ended with $status, and is started again"
        sleep 1
        start_part "$part"
    done
}
