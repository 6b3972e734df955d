#!/usr/bin/env bash
# ./dev deb: the Debian packages of the checkout as it stands, in build-deb/. VEREDUS_COMMIT names a commit to build instead.
set -euo pipefail
. tests/dev/common.sh
version=$(dpkg-parsechangelog -l debian/changelog -S Version)
tree=build-deb/veredus-$version

install_build_packages
install_packages $DEB_PACKAGES
mkdir -p build-deb
rm -rf "$tree" build-deb/*.deb build-deb/*.changes build-deb/*.buildinfo build-deb/*.dsc build-deb/*.tar.xz
mkdir "$tree"
if [ "${VEREDUS_COMMIT:-}" ]; then git archive "$VEREDUS_COMMIT"
else git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - 2>/dev/null; fi | tar -x -C "$tree"
(cd "$tree" && CC="ccache clang-16" CXX="ccache clang++-16" DEB_BUILD_OPTIONS="nocheck parallel=$JOBS" dpkg-buildpackage -us -uc) >build-deb/build.log 2>&1 ||
  { grep -A 15 -m 2 -E 'FAILED|dh_.*: error|Error ' build-deb/build.log || tail -n 40 build-deb/build.log; exit 1; }
lintian --no-tag-display-limit --fail-on error,warning build-deb/veredus_"$version"_*.changes >build-deb/lintian.log 2>&1 &&
  echo "lintian: clean" || { cat build-deb/lintian.log; exit 1; }
for file in build-deb/*.deb; do echo "built: $file ($(du -k "$file" | cut -f1) KiB)"; done
