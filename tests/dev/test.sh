#!/usr/bin/env bash
# ./dev test: lint, one build with assertions, unit tests under the sanitizers, scenarios, each fuzzer for a minute.
set -euo pipefail
. tests/dev/common.sh
PASSED=0; FAILED=0
step() { if "${@:2}"; then PASSED=$((PASSED + 1)); echo "ok   $1"; else FAILED=$((FAILED + 1)); echo "FAIL $1"; fi; }

install_build_packages
install_packages $TEST_PACKAGES
step lint python3 tests/lint/lint.py
step "build with assertions" build_tree build --buildtype=release -Db_ndebug=false
step "build with sanitizers" build_tree build-asan "${ASAN_OPTIONS_MESON[@]}" -Dfuzz=true
run_unit_tests build-asan
for scenario in tests/scenarios/*.py; do
  [ -e "$scenario" ] && case $(basename "$scenario") in lib_*) ;; *) step "scenario $(basename "$scenario" .py)" timeout 900 python3 "$scenario" ;; esac
done
step "fuzzers, ${FUZZ_SECONDS:-60} s each" bash tests/dev/fuzz.sh "${FUZZ_SECONDS:-60}"
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
