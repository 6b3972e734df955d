# Sourced by ./dev and its parts: packages, build directories, unit tests, scenarios, fuzzers.
BUILD_PACKAGES="git clang-16 lld-16 libclang-rt-16-dev llvm-16 clang-format-16 ccache meson ninja-build pkg-config libuv1-dev libldns-dev
 libyaml-cpp-dev doctest-dev libsystemd-dev libdeflate-dev libidn2-dev libmicrohttpd-dev libjemalloc-dev nlohmann-json3-dev
 libcurl4-gnutls-dev libgnutls28-dev libgsasl-dev libunbound-dev dns-root-data libargon2-dev libsqlite3-dev libpcre2-dev zlib1g-dev libssl-dev libopendkim-dev libxml2-dev libpsl-dev libarchive-dev openssl python3 man-db"
TEST_PACKAGES="nsd unbound ldnsutils strace gcc g++ rustc gnutls-bin swaks libnet-ssleay-perl libauthen-sasl-perl gsasl dovecot-core dovecot-lmtpd procmail maildrop s-nail ca-certificates python3-dkim python3-authres python3-nacl publicsuffix libxml2-utils"
DEB_PACKAGES="dpkg-dev debhelper po-debconf fakeroot lintian"
BENCH_PACKAGES="util-linux unbound opendkim opendmarc openssl"
ASAN_OPTIONS_MESON=(-Db_sanitize=address,undefined -Db_lundef=false --buildtype=plain -Doptimization=1 -Dcpp_args=-gline-tables-only)
JOBS=$(nproc)
export CCACHE_NOHASHDIR=1  # paths are relative to the build directory, so all of them share the cache

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_build_packages() { install_packages $BUILD_PACKAGES; }

# build_tree DIR [MESON OPTIONS]: the release into build/; elsewhere, with sanitizers, the unit tests too.
build_tree() {
  local dir=$1 targets=all; shift
  [ "$dir" = build ] || targets="all meson-test-prereq"
  if [ ! -f "$dir/build.ninja" ]; then
    CC="ccache clang-16" CXX="ccache clang++-16" meson setup "$dir" . -Dwerror=true "$@" >"$dir.log" 2>&1 || { tail -n 30 "$dir.log"; return 1; }
  fi
  ninja -C "$dir" -j "$JOBS" -v $targets >"$dir.log" 2>&1 || { grep -A 15 -m 3 'FAILED' "$dir.log" || tail -n 40 "$dir.log"; return 1; }
}

# Prints one line a test binary and adds to PASSED and FAILED.
run_unit_tests() {
  local dir=$1 list name binary
  list=$(meson introspect --tests "$dir" | python3 -c 'import json,sys
for t in json.load(sys.stdin): print(t["name"], t["cmd"][0])')
  PASSED=${PASSED:-0}; FAILED=${FAILED:-0}
  while read -r name binary; do
    [ -n "$name" ] || continue
    if timeout 600 "$binary" >"$dir/$name.out" 2>&1; then PASSED=$((PASSED + 1)); echo "ok   unit $name: $(grep -a 'test cases' "$dir/$name.out" | tail -1)"
    else FAILED=$((FAILED + 1)); echo "FAIL unit $name"; tail -n 60 "$dir/$name.out"; fi
  done <<<"$list"
}

one_scenario() {
  local script=$1 name from=$SECONDS; name=$(basename "$script" .py)
  if timeout 600 python3 "$script" >"$VEREDUS_BUILD/scenario-$name.out" 2>&1; then
    # Skipped is not passed: a scenario of which nothing ran is not counted.
    if grep -q '^ok .*# skipped' "$VEREDUS_BUILD/scenario-$name.out" && ! grep '^ok ' "$VEREDUS_BUILD/scenario-$name.out" | grep -qv '# skipped'
    then echo "skip scenario $name: $(grep -m 1 -o '# skipped.*' "$VEREDUS_BUILD/scenario-$name.out")"
    else echo "ok   scenario $name ($((SECONDS - from)) s)"; fi
  else { echo "FAIL scenario $name"; tail -n 60 "$VEREDUS_BUILD/scenario-$name.out" | sed 's/^/    /'; }; fi
}
export -f one_scenario

# run_scenarios BUILD: one line each, as many at once as there are cores.
run_scenarios() {
  export VEREDUS_BUILD=$PWD/$1
  find tests/scenarios -maxdepth 1 -name '*.py' ! -name 'lib_*' | sort | xargs -r -P "$JOBS" -I{} bash -c 'one_scenario {}'
}

one_fuzzer() {
  local target=$1 name; name=$(basename "$target")
  mkdir -p "build-asan/corpus/$name"
  local seeds=(); [ -d "tests/fuzz/seeds/$name" ] && seeds=("tests/fuzz/seeds/$name")
  if "$target" -max_total_time="$2" -rss_limit_mb=2048 -timeout=20 -artifact_prefix="build-asan/$name-" -print_final_stats=1 \
      "build-asan/corpus/$name" "${seeds[@]}" >"build-asan/$name.log" 2>&1
  then echo "ok   fuzz $name: $(grep -a number_of_executed_units "build-asan/$name.log" | tail -1)"
  else echo "FAIL fuzz $name"; tail -n 30 "build-asan/$name.log" | sed 's/^/    /'; fi
}
export -f one_fuzzer

# run_fuzzers SECONDS: one line a target, two at once for each core, so that all of them have their time soon enough.
run_fuzzers() {
  find build-asan/tests/fuzz -maxdepth 1 -type f -name '*_fuzz' -executable | sort | xargs -r -P "$((2 * JOBS))" -I{} bash -c 'one_fuzzer {} '"$1"
}
