#!/usr/bin/env bash
# ./dev run: a server on loopback that takes one real message for demo.test and relays it to a second process, which stores it in a
# Maildir. Says where the message went, what to try next, and how to stop. With --once it stops by itself: exit 0 = stored.
set -euo pipefail
once=no
case "${1:-}" in
  --once) once=yes ;;
  "") ;;
  *) echo "usage: ./dev run [--once]" >&2; exit 64 ;;
esac

top=$PWD
daemon=build/core/main/veredusd command=build/core/main/veredus sink=build/tests/tools/veredus-sink
dir=$top/build/demo
[ ${#dir} -le 80 ] || dir=$(mktemp -d)  # the path of a Unix socket is bounded
mkdir -p "$dir"
# What an earlier demonstration left in its queue would be delivered now; begin with an empty one.
rm -rf "$dir/conf.d" "$dir/spool" "$dir/state" "$dir/log"
mkdir -p "$dir/conf.d" "$dir/maildir"
daemon_pid='' sink_pid=''

stop() {
  trap - EXIT INT TERM
  for pid in $daemon_pid $sink_pid; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'echo; exit 0' INT TERM

fail() { echo "demonstration: $*" >&2; [ -s "$dir/log" ] && tail -n 20 "$dir/log" >&2; exit 1; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1)); shift
  until "$@"; do [ "$SECONDS" -lt "$until" ] || return 1; sleep 0.05; done
}

free_port() {
  local port
  for port in "$@"; do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }; done
  fail "no free port among $*"
}

"$sink" --listen 127.0.0.1:0 --hostname mailbox.demo.test --maildir "$dir/maildir" >"$dir/sink" 2>"$dir/sink.err" &
sink_pid=$!
wait_for 10 grep -q ready "$dir/sink" || fail "the mailbox process did not start: $(cat "$dir/sink.err")"
mailbox=$(sed -n 's/^ready //p' "$dir/sink" | head -n 1)
port=$(free_port 2525 2535 2545 25250 25251 25252)

cat >"$dir/conf.d/00-core.yaml" <<YAML
core:
  hostname: mx.demo.test
  spool: $dir/spool
  state: $dir/state
  control: $dir/control
  listeners:
    - { address: "127.0.0.1:$port", role: mx }
  relay_domains: [demo.test]
  routes:
    - { match: demo.test, to: ["smtp://$mailbox"] }
YAML

"$daemon" --conf "$dir/conf.d" 2>"$dir/log" &
daemon_pid=$!
"$command" --conf "$dir/conf.d" status --wait 15 >/dev/null || fail "veredusd did not become ready"

# One message, by hand: each line waits for its reply.
exec 5<>"/dev/tcp/127.0.0.1/$port"
expect() {
  local line
  while IFS= read -r -t 10 line <&5; do
    line=${line%$'\r'}
    [ "${line:3:1}" = - ] || break
  done
  [ "${line:0:1}" = "$1" ] || fail "unexpected reply: $line"
  reply=$line
}
say() { printf '%s\r\n' "$1" >&5; expect "$2"; }
expect 2
say "EHLO client.demo.test" 2
say "MAIL FROM:<you@client.demo.test>" 2
say "RCPT TO:<friend@demo.test>" 2
say "DATA" 3
printf '%s\r\n' "From: You <you@client.demo.test>" "To: Friend <friend@demo.test>" "Subject: The first message" \
  "Date: $(LC_ALL=C date -R)" "Message-ID: <first.$$@client.demo.test>" "" "It arrived." >&5
say "." 2
accepted=$reply
say "QUIT" 2
exec 5>&-

id=${accepted##* }
final() { grep "\"id\":\"$id\"" "$dir/log" | grep -q '"event":"message.finished"'; }
wait_for 15 final || fail "message $id was accepted but not delivered within 15 s"
stored=$(grep -rl "first.$$@client" "$dir/maildir/new" | head -n 1)
[ -n "$stored" ] || fail "message $id was delivered, but the Maildir does not have it"

cat <<TEXT

veredusd accepts mail for demo.test on 127.0.0.1:$port.
One message was sent; the server said: $accepted

Its path, from the log ($dir/log):
$(grep "\"id\":\"$id\"" "$dir/log" | "$command" log | sed 's/^/  /')

It was stored in
  $stored

TEXT
[ "$once" = no ] || exit 0
cat <<TEXT
Try next, in another terminal:
  export VEREDUS_CONF=$dir/conf.d
  $top/$command status
  $top/$command queue list
  $top/$command log follow
and send more mail to 127.0.0.1:$port. Control-C stops everything.
TEXT
wait "$daemon_pid"
