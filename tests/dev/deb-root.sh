# Sourced by the tests of the packages: a root directory with a Debian in which Exim is installed, and the packages in it.
top=$PWD/build-deb base=$PWD/build-deb/base.tar root=$PWD/build-deb/root
PROGRAMS="exim4-daemon-light cron bsd-mailx s-nail mutt git git-email libmailtools-perl php-cli python3-minimal python3 logwatch at sudo procmail iproute2 procps rmail- libnet-smtp-ssl-perl"

skip() { echo "skip deb test: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }

# The mirror that this host uses.
mirror() { apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 2>/dev/null | awk '$1 == "bookworm" && $2 == "main" { print $3; exit }'; }

make_base() {
  local from; from=$(mirror)
  [ "$from" ] || skip "no Debian 12 among this host's package sources"
  rm -rf "$root"
  echo "making a Debian 12 with Exim (once; kept in build-deb/base.tar)"
  debootstrap --variant=minbase bookworm "$root" "$from" >"$top/debootstrap.log" 2>&1 || skip "debootstrap: $(tail -n 1 "$top/debootstrap.log")"
  in_root apt-get install -y --no-install-recommends $PROGRAMS >>"$top/debootstrap.log" 2>&1 || skip "packages: $(tail -n 1 "$top/debootstrap.log")"
  tar -C "$root" -cf "$base.new" . && mv "$base.new" "$base"
}

# Programs of the root, with this host's network: only for packages.
in_root() {
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod +x "$root/usr/sbin/policy-rc.d"
  unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
}

# The same packages with a higher version: what an upgrade and a downgrade need.
next_version() {
  local deb name tree
  mkdir -p "$root/packages/next"
  for deb in "$root"/packages/veredus_*.deb "$root"/packages/veredus-plugin-*.deb; do
    name=$(basename "$deb") tree=$top/repack
    rm -rf "$tree"; dpkg-deb -R "$deb" "$tree"
    sed -i 's/^Version: .*/&+next/; s/\(veredus (= [^)]*\))/\1+next)/' "$tree/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -z1 -b "$tree" "$root/packages/next/$name" >/dev/null
  done
  rm -rf "$top/repack"
}

# fresh_root: a new root from the base, with the packages in /packages and the same with a higher version in /packages/next.
fresh_root() {
  [ "$(id -u)" = 0 ] || skip "a root directory of another Debian needs root"
  install_packages debootstrap dpkg-dev util-linux
  unshare --mount --pid --net --uts --fork true 2>/dev/null || skip "this host gives no namespaces (unshare)"
  mkdir -p "$top"
  [ -f "$base" ] || make_base
  ls "$top"/veredus_*.deb >/dev/null 2>&1 || bash tests/dev/deb.sh
  rm -rf "$root"; mkdir -p "$root/packages"
  tar -C "$root" -xf "$base"
  cp "$top"/veredus*.deb "$root/packages/"
  rm -f "$root"/packages/*-dbgsym_*
  next_version
  cp tests/dev/deb-*.py tests/dev/deb_world.py "$root/packages/"
}

# download PACKAGES...: into the root, whose tests have no network.
download() {
  in_root sh -c "apt-get install -y --download-only --no-install-recommends $*" >>"$top/download.log" 2>&1 || { tail -n 5 "$top/download.log"; skip "packages cannot be fetched: $*"; }
}

# The last line of a test's output, summed over both tests by ./dev deb test.
totals() { grep -hE '^[0-9]+ passed, [0-9]+ failed' "$@" | awk '{ passed += $1; failed += $3; skipped += $5 } END { printf "%d passed, %d failed", passed, failed; if (skipped) printf ", %d skipped", skipped; print "" }'; }
