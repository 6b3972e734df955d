#!/usr/bin/env bash
# ./dev test: lint, one build with assertions, unit tests under the sanitizers, scenarios, the demonstration, each fuzzer for a minute.
set -euo pipefail
. tests/dev/common.sh
PASSED=0; FAILED=0
began=$SECONDS
step() {
  local from=$SECONDS name=$1; shift
  if "$@"; then PASSED=$((PASSED + 1)); echo "ok   $name ($((SECONDS - from)) s)"; else FAILED=$((FAILED + 1)); echo "FAIL $name"; fi
}
# count FILE: adds the result lines of a file to the totals.
count() {
  PASSED=$((PASSED + $(grep -c '^ok ' "$1" || true)))
  FAILED=$((FAILED + $(grep -c '^FAIL ' "$1" || true)))
}
demonstration() { bash tests/dev/demo.sh --once >build/demo.out 2>&1 || { cat build/demo.out; return 1; }; }

install_build_packages
install_packages $TEST_PACKAGES
install_packages mailman3 || echo "mailman3 cannot be installed here: the scenario local_mailman will be skipped"
step lint python3 tests/lint/lint.py
step "plugin ABI: gate" python3 tests/abi/gate.py
step "plugin ABI: the gate refuses" python3 tests/abi/gate.py --self-test
step "plugin ABI: headers" python3 tests/abi/headers.py
step "build with assertions" build_tree build --buildtype=release -Db_ndebug=false
step "plugin ABI: samples with frozen headers" python3 tests/abi/frozen.py
step "plugin ABI: examples of the guide" python3 tests/abi/guide.py
step "settings and manual pages" python3 tests/lint/built.py build
step "build with sanitizers" build_tree build-asan "${ASAN_OPTIONS_MESON[@]}" -Dfuzz=true
run_unit_tests build-asan
run_scenarios build | tee build/scenarios.out; count build/scenarios.out
step demonstration demonstration
run_fuzzers "${FUZZ_SECONDS:-60}" | tee build/fuzzers.out; count build/fuzzers.out
echo "in $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
