#!/usr/bin/env bash
# ./dev deb test, second part: the packages in a Debian that systemd has booted, in namespaces of its own. Last line: N passed, N failed.
set -euo pipefail
. tests/dev/common.sh
. tests/dev/deb-root.sh

# Process 1 of the machine: a root with file systems of its own, then init.
boot() {
  exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child bash -euc '
    root=$1
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    for place in run tmp dev; do mount -t tmpfs -o mode=1777 tmpfs "$root/$place"; done
    chmod 755 "$root/run" "$root/dev"
    for name in null zero full random urandom tty; do touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
    hostname host.example.test
    mkdir -p "$root/mnt"; cd "$root"; pivot_root . mnt; umount -l /mnt
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init </dev/null' - "$root" >"$top/boot.log" 2>&1
}

in_machine() { nsenter -t "$init" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

wait_for_init() {
  local tries
  for tries in $(seq 300); do
    init=$(pgrep -P "$machine" || true)
    [ "$init" ] && [ "$(cat "/proc/$init/comm" 2>/dev/null)" = systemd ] && in_machine systemctl is-system-running --wait >/dev/null 2>&1 && return
    [ -d "/proc/$machine" ] || break
    sleep 0.1
  done
  skip "systemd does not start in namespaces here: $(tail -n 1 "$top/boot.log")"
}

fresh_root
download '/packages/*.deb'
in_root apt-get install -y --no-install-recommends systemd systemd-sysv dbus >>"$top/download.log" 2>&1 || skip "systemd cannot be installed"
rm -f "$root/usr/sbin/policy-rc.d"  # from here on packages may start services
printf '127.0.0.1 localhost\n127.0.1.1 host.example.test host\n::1 localhost\n' >"$root/etc/hosts"
boot & machine=$!
init=
end_machine() {
  [ -z "$init" ] || kill -9 "$init" 2>/dev/null || true
  wait "$machine" 2>/dev/null || true
  [ "${KEEP_ROOT:-}" ] || rm -rf "$root"
}
trap end_machine EXIT
wait_for_init
in_machine python3 /packages/deb-systemd.py
