# shellcheck shell=bash
# shellcheck disable=SC2154 # scripts/cluster sets what is not set here
# Of scripts/cluster: what a cluster is given before it boots: certificates, configuration, cgroups.

make_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$dir/pki/$1.key"
}

# certificate NAME SUBJECT USAGE [NAMES]
certificate() {
    local name=$dir/pki/$1
    make_key "$1"
    {
        printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$3"
        [[ -z ${4:-} ]] || printf 'subjectAltName=%s\n' "$4"
    } >"$name.ext"
    openssl req -new -key "$name.key" -subj "$2" |
        openssl x509 -req -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" -CAcreateserial -days 3650 \
            -extfile "$name.ext" -out "$name.crt"
    rm "$name.ext"
}

make_certificates() {
    local api_names=DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$node_address,DNS:kubernetes
    api_names+=,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
    mkdir -m 0700 "$dir/pki"
    make_key ca
    openssl req -x509 -new -key "$dir/pki/ca.key" -subj /CN=davit-kube -days 3650 -out "$dir/pki/ca.crt" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    make_key service-accounts
    openssl ec -in "$dir/pki/service-accounts.key" -pubout -out "$dir/pki/service-accounts.pub"
    certificate kube-apiserver /CN=kube-apiserver serverAuth "$api_names"
    certificate kubelet-server "/O=system:nodes/CN=system:node:$node" serverAuth "DNS:$node,IP:$node_address"
    certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
    certificate kubelet "/O=system:nodes/CN=system:node:$node" clientAuth
    certificate kube-controller-manager /CN=system:kube-controller-manager clientAuth
    certificate kube-scheduler /CN=system:kube-scheduler clientAuth
    certificate kube-proxy /CN=system:kube-proxy clientAuth
    certificate admin /O=system:masters/CN=admin clientAuth
}

# kubeconfig NAME FILE: the API server has the same address inside and outside.
kubeconfig() {
    local certificates=$dir/pki
    (
        umask 077
        cat >"$2" <<END
apiVersion: v1
kind: Config
current-context: davit
contexts: [{name: davit, context: {cluster: davit, user: $1}}]
clusters:
  - name: davit
    cluster:
      server: https://127.0.0.1:$api_port
      certificate-authority-data: $(base64 -w 0 "$certificates/ca.crt")
users:
  - name: $1
    user:
      client-certificate-data: $(base64 -w 0 "$certificates/$1.crt")
      client-key-data: $(base64 -w 0 "$certificates/$1.key")
END
    )
}

# render FILE TARGET: a file of tests/cluster/etc, with what is this cluster's own.
render() {
    mkdir -p "${2%/*}"
    sed "s|@DIR@|$dir|g; s|@REGISTRY@|$registry_port|g; s|@GROUP@|$group|g" "$root/tests/cluster/etc/$1" >"$2"
}

make_configuration() {
    local etc=$dir/etc name
    render registry.yaml "$etc/registry.yaml"
    render containerd.toml "$etc/containerd.toml"
    render hosts.toml "$etc/certs.d/127.0.0.1:$registry_port/hosts.toml"
    render cni.conflist "$etc/cni/10-davit.conflist"
    render resolv.conf "$etc/resolv.conf"
    render kubelet.yaml "$etc/kubelet.yaml"
    render kube-proxy.yaml "$etc/kube-proxy.yaml"
    for name in kubelet kube-controller-manager kube-scheduler kube-proxy; do
        kubeconfig "$name" "$etc/$name.kubeconfig"
    done
    kubeconfig admin "$dir/kubeconfig"
}

# make_cgroups: the parent of all pods, in every hierarchy that there is.
make_cgroups() {
    local hierarchy own file
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        mkdir "/sys/fs/cgroup/$group"
        echo '+cpuset +cpu +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
        return
    fi
    for hierarchy in /sys/fs/cgroup/*/; do
        [[ -e $hierarchy/tasks ]] || continue # version 2 beside version 1 has no controllers to give
        own=$hierarchy$group
        [[ -d $own ]] || mkdir "$own"
        for file in cpuset.cpus cpuset.mems; do # empty in a new one, which nothing can run in
            [[ ! -e $own/$file ]] || cat "$hierarchy$file" >"$own/$file"
        done
    done
}

remove_cgroups() {
    local own turn
    for own in "/sys/fs/cgroup/$group" /sys/fs/cgroup/*/"$group"; do
        for ((turn = 0; turn < 100; turn++)); do # processes that were killed may be on their way out
            [[ -d $own ]] || break
            find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
        done
        [[ ! -d $own ]] || die "the cgroup $own cannot be removed"
    done
}
