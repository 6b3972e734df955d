#!/usr/bin/env bash
# ./dev deb test: both tests of the packages, without and with systemd; then what they passed together.
set -uo pipefail
code=0
mkdir -p build-deb
for part in deb-test deb-systemd; do
  bash tests/dev/$part.sh | tee build-deb/$part.out || code=1
done
. tests/dev/deb-root.sh
echo "together:"; totals build-deb/deb-test.out build-deb/deb-systemd.out
exit "$code"
