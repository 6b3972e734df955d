#!/usr/bin/env bash
# ./dev run: a server on loopback with its plugins. It takes one signed message for demo.test, checks where it comes from, and a plugin stores it in
# a Maildir; it refuses one by a rule; it takes one from an account over TLS, with a certificate made for the demonstration, and signs it. Names
# are told by a small DNS of its own. Shows what each plugin said, what to try next, and how to stop. With --once it stops by itself: exit 0 = two stored, one refused. VEREDUS_BUILD names another build directory.
set -euo pipefail
once=no
case "${1:-}" in
  --once) once=yes ;;
  "") ;;
  *) echo "usage: ./dev run [--once]" >&2; exit 64 ;;
esac

top=$PWD
build=${VEREDUS_BUILD:-$top/build}
daemon=$build/core/main/veredusd command=$build/core/main/veredus
dir=$build/demo
[ ${#dir} -le 80 ] || dir=$(mktemp -d)  # the path of a Unix socket is bounded
mkdir -p "$dir"
# What an earlier demonstration left in its queue would be delivered now; begin with an empty one.
rm -rf "$dir/conf.d" "$dir/spool" "$dir/state" "$dir/log"
mkdir -p "$dir/conf.d" "$dir/mailboxes"
daemon_pid='' names_pid=''

stop() {
  trap - EXIT INT TERM
  if [ -n "$names_pid" ]; then kill "$names_pid" 2>/dev/null || true; fi
  if [ -n "$daemon_pid" ] && kill "$daemon_pid" 2>/dev/null; then wait "$daemon_pid" || true; fi
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

port=$(free_port 2525 2535 2545 25250 25251 25252)
submission=$(free_port 2587 2597 25870 25871 25872)

# A certificate for this demonstration and its account: "demo" with the password "demo".
if ! openssl x509 -checkend 86400 -noout -in "$dir/tls.pem" >/dev/null 2>&1; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=mx.demo.test -addext "subjectAltName=DNS:mx.demo.test,DNS:localhost" \
    -keyout "$dir/tls.key" -out "$dir/tls.pem" 2>/dev/null || fail "openssl made no certificate"
fi
(umask 027; printf 'demo\n' | "$command" auth-file hash demo --scheme scram-sha-256 >"$dir/accounts") || fail "the account could not be made"

# Keys of demo.test, which this server signs with, and of sender.test, whose first message comes. What DNS says of both.
keys=$dir/keys
for domain in demo.test sender.test; do
  [ -f "$keys/$domain/demo.pem" ] || "$command" dkim keygen --domain "$domain" --selector demo --dir "$keys" >/dev/null || fail "no key was made for $domain"
done
public_key() { openssl pkey -in "$keys/$1/demo.pem" -pubout -outform DER | base64 -w 0; }
cat >"$dir/names.json" <<JSON
{ "demo._domainkey.demo.test": { "TXT": ["v=DKIM1; k=rsa; p=$(public_key demo.test)"] },
  "demo._domainkey.sender.test": { "TXT": ["v=DKIM1; k=rsa; p=$(public_key sender.test)"] },
  "demo.test": { "TXT": ["v=spf1 -all"] }, "sender.test": { "TXT": ["v=spf1 ip4:127.0.0.0/8 -all"] },
  "_dmarc.sender.test": { "TXT": ["v=DMARC1; p=reject"] } }
JSON
rm -f "$dir/names.address"
PYTHONPATH=$top/tests/scenarios NAMES=$dir/names.json ADDRESS=$dir/names.address VEREDUS_BUILD=$build python3 - <<'PYTHON' &
import json, os, signal
from lib_dns import FakeDns
with open(os.environ["NAMES"], encoding="ascii") as file, FakeDns(json.load(file)) as dns:
    with open(os.environ["ADDRESS"] + ".new", "w", encoding="ascii") as out:
        out.write(dns.address)
    os.rename(os.environ["ADDRESS"] + ".new", os.environ["ADDRESS"])
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
PYTHON
names_pid=$!
wait_for 15 test -s "$dir/names.address" || fail "the small DNS did not start"
names=$(cat "$dir/names.address")

cat >"$dir/conf.d/00-core.yaml" <<YAML
core:
  hostname: mx.demo.test
  spool: $dir/spool
  state: $dir/state
  control: $dir/control
  listeners:
    - { address: "127.0.0.1:$port", role: mx }
    - { address: "127.0.0.1:$submission", role: submission }
  tls:
    certificates: [{ cert: $dir/tls.pem, key: $dir/tls.key }]
  relay_domains: [demo.test]
  relay_networks: [192.0.2.0/24]  # not loopback: what comes from there plays mail from outside
  resolvers: ["$names"]
  routes:
    - { match: demo.test, to: ["plugin:deliver-maildir"] }
  log_level: debug  # so that the verdict of every hook is logged
YAML
cat >"$dir/conf.d/10-access.yaml" <<YAML
plugin: access
rules:
  - { name: no-offers, when: { sender: "@offers.test" }, action: reject, reply: "5.7.1 Mail from offers.test is not taken here" }
YAML
cat >"$dir/conf.d/25-greylist.yaml.off" <<YAML
plugin: greylist
delay: 10s
exempt: []  # else loopback is exempt
YAML
cat >"$dir/conf.d/30-spf.yaml" <<YAML
plugin: spf
trusted: []  # else loopback is not checked
YAML
cat >"$dir/conf.d/31-dkim.yaml" <<YAML
plugin: dkim
key_files: "$keys/{domain}/{selector}.pem"
selectors: [demo]
YAML
cat >"$dir/conf.d/34-dmarc.yaml" <<YAML
plugin: dmarc
enforce: true
trusted: []
reports: keep
YAML
cat >"$dir/conf.d/40-header.yaml" <<YAML
plugin: header
rules:
  - { name: mark, add: [{ name: X-Demo, value: "{sender} said {helo} from {client}" }] }
YAML
cat >"$dir/conf.d/70-deliver-maildir.yaml" <<YAML
plugin: deliver-maildir
root: $dir/mailboxes
YAML

cat >"$dir/conf.d/60-auth-file.yaml" <<YAML
plugin: auth-file
file: $dir/accounts
YAML

"$daemon" --conf "$dir/conf.d" 2>"$dir/log" &
daemon_pid=$!
"$command" --conf "$dir/conf.d" status --wait 15 >/dev/null || fail "veredusd did not become ready"

# By hand: each line waits for its reply.
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
hello() {
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  expect 2
  say "EHLO client.demo.test" 2
}
goodbye() { say QUIT 2; exec 5>&-; }

# The message that passes.
hello
say "MAIL FROM:<you@sender.test>" 2
say "RCPT TO:<friend@demo.test>" 2
say "DATA" 3
printf '%s\r\n' "From: You <you@sender.test>" "To: Friend <friend@demo.test>" "Subject: The first message" \
  "Date: $(LC_ALL=C date -R)" "Message-ID: <first.$$@sender.test>" "" "It arrived." |
  "$command" sign dkim --domain sender.test --selector demo --key "$keys/sender.test/demo.pem" >&5
say "." 2
accepted=$reply
goodbye

# The one that a rule refuses.
hello
say "MAIL FROM:<cheap@offers.test>" 5
refused=$reply
goodbye

# The one of an account, over TLS.
submitted=$(SUBMISSION=$submission CERTIFICATE=$dir/tls.pem MARK=second.$$ python3 - <<'PYTHON'
import os, smtplib, ssl
context = ssl.create_default_context(cafile=os.environ["CERTIFICATE"])
with smtplib.SMTP("localhost", int(os.environ["SUBMISSION"]), "client.demo.test") as client:
    client.starttls(context=context)
    client.login("demo", "demo")
    client.sendmail("demo@demo.test", "friend@demo.test", f"To: friend@demo.test\r\nSubject: {os.environ['MARK']}\r\n\r\nOver TLS.\r\n")
    print(client.sock.version(), client.sock.cipher()[0])
PYTHON
) || fail "the message of the account was not taken"

# The one of a program that runs sendmail.
printf '%s\n' "To: friend@demo.test" "Subject: fourth.$$" "" "By sendmail -t." |
  "$command" --conf "$dir/conf.d" sendmail -t -i || fail "sendmail ended with $?"

id=${accepted##* }
of_message() { grep "\"id\":\"$id\"" "$dir/log"; }
final() { of_message | grep -q '"event":"message.finished"'; }
by_rule() { grep '"event":"hook.decided"' "$dir/log" | grep -q 'no-offers'; }
wait_for 15 final || fail "message $id was accepted but not delivered within 15 s"
stored=$(grep -rl "first.$$@sender" "$dir/mailboxes/demo.test/friend/Maildir/new" | head -n 1)
[ -n "$stored" ] || fail "message $id was delivered, but the Maildir does not have it"
grep -q '^X-Demo: ' "$stored" || fail "the plugin header has not marked $stored"
grep -q 'dmarc=pass header.from=sender.test' "$stored" || fail "$stored does not say where it comes from"
submitted_arrived() { grep -rlq "second.$$" "$dir/mailboxes/demo.test/friend/Maildir/new"; }
wait_for 15 submitted_arrived || fail "the message of the account was taken, but the Maildir does not have it"
by_program() { grep -rlq "fourth.$$" "$dir/mailboxes/demo.test/friend/Maildir/new"; }
wait_for 15 by_program || fail "sendmail said that it was taken, but the Maildir does not have the message"
submitted_file=$(grep -rl "second.$$" "$dir/mailboxes/demo.test/friend/Maildir/new" | head -n 1)
signed=$("$command" check dkim --dns "$names" <"$submitted_file" | head -n 1)
[ "${signed%% *}" = pass ] || fail "the message of the account was not signed: $signed"
wait_for 5 by_rule || fail "a message was refused ($refused), but not by the rule of the plugin access"

cat <<TEXT

veredusd accepts mail for demo.test on 127.0.0.1:$port, with these plugins:
$("$command" --conf "$dir/conf.d" plugin list | grep 'enabled by' | sed 's/^/  /')

One message was sent; the server said: $accepted
Its path, from the log ($dir/log); the verdict of each plugin is in the lines of "hook":
$(of_message | "$command" log | sed 's/^/  /')

What was found about where it comes from: SPF, DKIM and DMARC of sender.test (veredus check spf|dkim|dmarc tell more):
$(grep -hA 6 '^Authentication-Results:' "$stored" | sed -n '1p;2,$ { /^[ \t]/p; /^[^ \t]/q }' | sed 's/^/  /')

It was stored in
  $stored

A second one was refused: $refused
$(grep '"event":"hook.decided"' "$dir/log" | "$command" log | sed 's/^/  /')

A third one came from the account demo (password demo) over $submitted to 127.0.0.1:$submission:
$(grep -E '"event":"(session.tls|auth.accepted)"' "$dir/log" | "$command" log | sed 's/^/  /')
This server signed it for demo.test; veredus check dkim says: $signed

A fourth one was handed in with  sendmail -t -i  by $(id -un); the Maildir has it:
$(grep '"event":"submission.local"' "$dir/log" | "$command" log | sed 's/^/  /')

What the plugins did so far (veredus plugin stats):
$("$command" --conf "$dir/conf.d" plugin stats | sed 's/^/  /')

TEXT
[ "$once" = no ] || exit 0
cat <<TEXT
Try next, in another terminal:
  export VEREDUS_CONF=$dir/conf.d PATH=$build/core/main:\$PATH
  veredus status
  veredus queue list
  veredus log follow
  veredus plugin list                     # what there is
  veredus plugin order                    # which plugin is asked when
  veredus enable greylist                 # then send a message: it has to wait 10 s
  edit $dir/conf.d/10-access.yaml and:  veredus reload
  echo Hello | veredus sendmail -i friend@demo.test;  veredus mailq
  veredus check dkim --dns $names < $submitted_file
  veredus check spf --ip 192.0.2.1 --helo h.test --from you@sender.test --dns $names
  veredus check tls localhost:$port --ca $dir/tls.pem     # what a sender would find here
  openssl s_client -starttls smtp -connect localhost:$submission
  veredus plugin new hello                # your own plugin: sdk/README.md, "The first plugin in ten minutes"
and send more mail to 127.0.0.1:$port. Control-C stops everything.
TEXT
wait "$daemon_pid"
