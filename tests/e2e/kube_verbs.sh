#!/bin/bash
# Verbs for whoever keeps apps on a cluster: the rights that davit needs, what it would do, and what a person does without
# it.
. "${BASH_SOURCE[0]%/*}/lib_kube_app.sh"

# What all tests here may do is what davit says that it needs: no more, and that is enough.
test_the_tests_have_the_role_that_davit_generates() {
    cd "${kube_role%.yaml}" || fail "no pipeline of the role"
    export KUBECONFIG=/dev/null
    expect 0 davit plan --role
    diff "$kube_role" - <<<"$output" || fail "kube_role.yaml is not what davit generates: davit plan --role >kube_role.yaml"
}

may() {
    [[ $(kubectl auth can-i "$@" 2>/dev/null) == yes ]]
}

# What one pipeline takes, by its own Role.
test_the_role_of_a_plan_is_enough_and_no_more() {
    new_app
    pipeline v1
    davit plan --role >role.yaml
    k replace -f role.yaml >/dev/null
    may patch deployments || fail "the Role gives nothing: $(cat role.yaml)"
    ! may list secrets || fail "an app without secrets can list them"
    ! may get pods/proxy || fail "an app without http gates can ask pods"
    ! may update deployments || fail "deployments can be updated"
    expect 0 deploy v1
    expect 0 deploy v2
    expect 3 deploy v3 EXIT_AT_START=7
    contains "exit 7"
    expect 0 davit rollback "$app" --env lab
    expect_version v1
    expect 0 davit status "$app" --env lab
    expect 0 davit history "$app" --env lab
    expect 0 davit logs --app "$app" --env lab
    expect 0 davit down "$app" --env lab
    until_true 30 nothing_left
}

run_tests "$@"
