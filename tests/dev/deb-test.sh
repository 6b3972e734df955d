#!/usr/bin/env bash
# ./dev deb test: the packages of build-deb/ in a Debian of their own, in which Exim was installed before. The programs that hand in mail run
# there, in a network, process and mount namespace of its own; then upgrade, downgrade, removal, purge. Last line: N passed, N failed.
set -euo pipefail
. tests/dev/common.sh
. tests/dev/deb-root.sh
fresh_root
download '/packages/*.deb'
download --reinstall exim4-daemon-light exim4-base exim4-config
download postfix monitoring-plugins-standard
code=0
unshare --mount --pid --net --uts --fork --kill-child --mount-proc="$root/proc" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 python3 /packages/deb-test.py || code=$?
[ "${KEEP_ROOT:-}" ] || rm -rf "$root"
exit "$code"
