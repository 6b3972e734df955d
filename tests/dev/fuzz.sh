#!/usr/bin/env bash
# ./dev fuzz [SECONDS]: every fuzz target for that long, as many at once as there are cores.
set -euo pipefail
. tests/dev/common.sh
build_tree build-asan "${ASAN_OPTIONS_MESON[@]}" -Dfuzz=true
run_fuzzers "$1" | tee build-asan/fuzzers.out
! grep -q '^FAIL ' build-asan/fuzzers.out
