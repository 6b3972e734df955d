#!/usr/bin/env bash
# ./dev deb: the Debian packages of the last commit, in build-deb/. VEREDUS_COMMIT names another commit.
set -euo pipefail
. tests/dev/common.sh
commit=${VEREDUS_COMMIT:-HEAD}
version=$(dpkg-parsechangelog -l debian/changelog -S Version)
tree=build-deb/veredus-$version

install_build_packages
install_packages $DEB_PACKAGES
mkdir -p build-deb
git diff --quiet HEAD -- || echo "note: what is not committed is not packaged"
rm -rf "$tree" build-deb/*.deb build-deb/*.changes build-deb/*.buildinfo build-deb/*.dsc build-deb/*.tar.xz
git archive --prefix="veredus-$version/" "$commit" | tar -x -C build-deb
(cd "$tree" && CC="ccache clang-16" CXX="ccache clang++-16" DEB_BUILD_OPTIONS="nocheck parallel=$JOBS" dpkg-buildpackage -us -uc) >build-deb/build.log 2>&1 ||
  { grep -A 15 -m 2 -E 'FAILED|dh_.*: error|Error ' build-deb/build.log || tail -n 40 build-deb/build.log; exit 1; }
lintian --no-tag-display-limit --fail-on error,warning build-deb/veredus_"$version"_*.changes >build-deb/lintian.log 2>&1 &&
  echo "lintian: clean" || { cat build-deb/lintian.log; exit 1; }
for file in build-deb/*.deb; do echo "built: $file ($(du -k "$file" | cut -f1) KiB)"; done
