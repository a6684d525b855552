#!/bin/bash
# pipelines/davit.yaml: davit builds itself and runs its unit tests.
. "${BASH_SOURCE[0]%/*}/lib.sh"
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)

test_davit_builds_and_tests_itself() {
    expect 0 davit run -C "$root" "$root/pipelines/davit.yaml"
    contains '100% tests passed' 'Left to scripts/test' 'success in'
}

run_tests "$@"
