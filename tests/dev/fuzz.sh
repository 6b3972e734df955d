#!/usr/bin/env bash
# Runs every fuzz target for the given number of seconds, as many at once as there are cores.
set -euo pipefail
. tests/dev/common.sh
seconds=$1
build_tree build-asan "${ASAN_OPTIONS_MESON[@]}" -Dfuzz=true
one() {
  local target=$1 name; name=$(basename "$target")
  mkdir -p "build-asan/corpus/$name"
  local seeds=(); [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
  if "$target" -max_total_time="$2" -rss_limit_mb=2048 -timeout=20 -artifact_prefix="build-asan/$name-" -print_final_stats=1 \
      "build-asan/corpus/$name" "${seeds[@]}" >"build-asan/$name.log" 2>&1
  then echo "ok   fuzz $name: $(grep -a number_of_executed_units "build-asan/$name.log" | tail -1)"
  else echo "FAIL fuzz $name"; tail -n 30 "build-asan/$name.log"; return 1; fi
}
export -f one
find build-asan/tests/fuzz -maxdepth 1 -type f -name '*_fuzz' -executable | sort | xargs -r -P "$JOBS" -I{} bash -c 'one {} '"$seconds"
