#!/usr/bin/env python3
# The plugin srs: its scripts in the test host; then real daemons: mail of strangers that a plugin sends on, bounces that come back through the
# rewritten address, what is forged or too late, secrets that change, the store over a restart.
import atexit
import functools
import os
import re
import shutil
import subprocess

from lib_base import BUILD, ROOT
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

MESSAGE = b"Subject: hello\r\n\r\ntext\r\n"
LONG = "bounces-0123456789-0123456789-0123456789-user=example.test@a.long.name.of.a.test"
# Sends what is for away@ on to somebody elsewhere, as aliases will.
REDIRECT = r"""
#include <string.h>
#include <veredus/veredus.h>
static const vrd_core_hook_1 *hook;
static const vrd_core_edit_1 *edit;
static const vrd_core_message_1 *message;
static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)conf, (void)prev, (void)err;
  hook = host->iface(host, VRD_CORE_HOOK_1), edit = host->iface(host, VRD_CORE_EDIT_1), message = host->iface(host, VRD_CORE_MESSAGE_1);
  *self = (void *)host;
  return hook && edit && message ? VRD_OK : VRD_E_UNSUPPORTED;
}
static void destroy(void *self) { (void)self; }
static void quiesce(void *self) { (void)self; }
static const void *provide(void *self, const char *id) { return (void)self, (void)id, NULL; }
static vrd_status on_rcpt(void *shard, vrd_stage *stage, vrd_verdict *out) {
  vrd_value local, index;
  (void)shard, (void)out;
  if (message->attr(hook->view(stage), VRD_ATTR_RECIPIENT_LOCAL, &local) != VRD_OK || local.kind != VRD_TEXT) return VRD_OK;
  if (local.text.len != 4 || memcmp(local.text.ptr, "away", 4) != 0) return VRD_OK;
  message->attr(hook->view(stage), VRD_ATTR_RECIPIENT_INDEX, &index);
  return edit->set_recipient(hook->edits(stage), (uint32_t)index.number, VRD_STR("friend@elsewhere.test"));
}
static const vrd_hook kRcpt = {VRD_SIZED(vrd_hook), VRD_STAGE_RCPT, 0, 0, VRD_MAY_RECIPIENTS, VRD_ON_FAULT_TEMPFAIL, 0, 0, on_rcpt, NULL};
static const vrd_setting *const kSettings[] = {NULL};
static const vrd_hook *const kHooks[] = {&kRcpt, NULL};
static const vrd_command *const kCommands[] = {NULL};
static const char *const kServices[] = {NULL};
static const vrd_plugin kPlugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "org.test.redirect", "1.0", "Apache-2.0", "Sends mail on",
  kSettings, kHooks, kCommands, kServices, create, NULL, NULL, quiesce, destroy, provide};
VRD_EXPORT const vrd_plugin *veredus_plugin_1(void) { return &kPlugin; }
"""


@functools.lru_cache
def plugins():
    directory = work_dir()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    source = os.path.join(directory, "redirect.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(REDIRECT)
    done = subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-I", os.path.join(ROOT, "sdk/include"), "-Wl,--version-script=" + os.path.join(ROOT, "sdk/plugin.map"), "-Wl,-z,defs", "-Wl,-z,now",
                           "-o", os.path.join(directory, "org.test.redirect.so"), source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return directory


def forwarding(hop, settings="secrets: [one secret of this host]\n", **core):
    core = {"routes": routes_to(hop), "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32"], "relay_domains": ["example.test"], **core}
    env = {"VEREDUS_PLUGINS": f"{plugins()}:{os.path.join(BUILD, 'plugins/srs')}"}
    return Daemon(core, files={"20-redirect.yaml": "plugin: org.test.redirect\n", "60-srs.yaml": "plugin: srs\n" + settings}, env=env)


def stranger(daemon, address="203.0.113.5"):
    client = Smtp(daemon.port)
    client.hello()
    client.cmd(f"XCLIENT ADDR={address}", 220)
    client.hello()
    return client


def send(daemon, hop, sender, recipients, count):
    with stranger(daemon) as client:
        client.deliver(MESSAGE, sender=sender, recipients=recipients)
    return hop.wait(count)


def test_scripts_strict():
    run_scripts("srs", "strict")


def test_mail_that_is_sent_on_leaves_with_a_sender_of_ours_and_its_bounce_comes_back():
    with Hop() as hop, forwarding(hop) as daemon:
        there = send(daemon, hop, "User@a.test", ["away@example.test"], 1)[0]
        assert there.recipients == ["friend@elsewhere.test"] and re.fullmatch(r"SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=a\.test=User@example\.test", there.sender), (there.sender, there.recipients)
        back = send(daemon, hop, "", [there.sender.lower()], 2)[1]
        assert back.recipients == ["user@a.test"] and back.sender == "", (back.sender, back.recipients)
        assert daemon.events("srs.rewritten")[0]["from"] == "User@a.test" and daemon.events("srs.returned")[0]["to"] == "user@a.test", daemon.tail()


def test_failures_that_this_host_reports_go_to_the_sender_too():
    with Hop({"RCPT friend@elsewhere.test": "550 5.1.1 no such user"}) as hop, forwarding(hop) as daemon:
        for count, sender in enumerate(("user@a.test", LONG), 1):
            with stranger(daemon) as client:
                client.deliver(MESSAGE, sender=sender, recipients=["away@example.test"])
            report = hop.wait(count)[-1]
            assert report.sender == "" and report.recipients == [sender] and b"no such user" in report.octets, (report.sender, report.recipients)


def test_recipients_of_ours_keep_the_sender_and_senders_of_ours_stay():
    with Hop() as hop, forwarding(hop) as daemon:
        arrived = send(daemon, hop, "user@a.test", ["bob@example.test", "away@example.test"], 2)
        senders = {m.recipients[0]: m.sender for m in arrived}
        assert senders["bob@example.test"] == "user@a.test" and senders["friend@elsewhere.test"].startswith("SRS0="), senders
        assert send(daemon, hop, "carol@example.test", ["away@example.test"], 3)[2].sender == "carol@example.test"
        assert send(daemon, hop, "", ["away@example.test"], 4)[3].sender == ""
        with Smtp(daemon.port) as client:  # one of our own hosts sends for somebody else
            client.hello()
            client.deliver(MESSAGE, sender="user@a.test", recipients=["friend@elsewhere.test"])
        assert hop.wait(5)[4].sender == "user@a.test"


def test_forged_expired_and_misused_addresses_are_refused():
    with Hop() as hop, forwarding(hop) as daemon:
        good = send(daemon, hop, "user@a.test", ["away@example.test"], 1)[0].sender
        with stranger(daemon) as client:
            client.cmd("MAIL FROM:<>", 250)
            client.cmd(f"RCPT TO:<{good.replace('user', 'other')}>", "550 5.7.1 This return address (SRS) was not made here")
            client.cmd("RCPT TO:<SRS0=AAAAAAAA=AA@example.test>", "550 5.7.1 This return address (SRS) is incomplete")
            client.cmd(f"RCPT TO:<{good}>", 250)
            client.cmd("RSET", 250)
            client.cmd("MAIL FROM:<spam@b.test>", 250)
            client.cmd(f"RCPT TO:<{good}>", "550 5.7.1 This return address (SRS) takes bounces only")
            client.cmd("RCPT TO:<friend@elsewhere.test>", 550)  # nobody relays by this
        assert [e["reason"] for e in daemon.events("srs.refused")] == ["forged", "malformed", "not_a_bounce"], daemon.tail()


def test_secrets_are_replaced_and_the_commands_agree():
    with Hop() as hop, forwarding(hop) as daemon:
        old = send(daemon, hop, "user@a.test", ["away@example.test"], 1)[0].sender
        assert daemon.cmd("srs", "decode", old).strip() == "user@a.test"
        daemon.write("60-srs.yaml", "plugin: srs\nsecrets: [the secret after that one, one secret of this host]\n")
        daemon.cmd("reload")
        assert daemon.cmd("srs", "decode", old).strip() == "user@a.test"
        new = daemon.cmd("srs", "encode", "user@a.test").strip()
        assert new != old and send(daemon, hop, "user@a.test", ["away@example.test"], 2)[1].sender == new
        daemon.write("60-srs.yaml", "plugin: srs\nsecrets: [the secret after that one]\n")
        daemon.cmd("reload")
        done = daemon.run("srs", "decode", old)
        assert done.returncode == 65 and done.stderr.startswith(b"forged: "), done


def test_long_addresses_and_an_own_secret_survive_a_restart():
    with Hop() as hop, forwarding(hop, "") as daemon:
        first, second = (send(daemon, hop, sender, ["away@example.test"], n)[n - 1].sender for n, sender in ((1, LONG), (2, "user@a.test")))
        assert re.fullmatch(r"SRSK=[A-Z2-7]{32}@example\.test", first) and second.startswith("SRS0="), (first, second)
        secret = os.path.join(daemon.dir, "state", "srs", "secret")
        assert os.stat(secret).st_mode & 0o777 == 0o600 and os.path.getsize(secret) == 64
        daemon.restart()
        assert daemon.cmd("srs", "decode", first).strip() == LONG and daemon.cmd("srs", "decode", second).strip() == "user@a.test"
        assert send(daemon, hop, "", [first.lower()], 3)[2].recipients == [LONG]


def test_a_second_forwarder_writes_srs1_and_bounces_go_to_the_first():
    with Hop() as last, forwarding(last, "secrets: [secret of the second]\n", relay_domains=["second.test"]) as second:
        sender = send(second, last, "SRS0=HHHH=TT=a.test=user@first.test", ["away@second.test"], 1)[0].sender
        assert re.fullmatch(r"SRS1=[A-Z2-7]{8}=first\.test==HHHH=TT=a\.test=user@second\.test", sender), sender
        assert send(second, last, "", [sender], 2)[1].recipients == ["SRS0=HHHH=TT=a.test=user@first.test"]


def test_settings_that_cannot_work_are_refused_at_reload():
    with Hop() as hop, forwarding(hop) as daemon:
        daemon.write("60-srs.yaml", "plugin: srs\ndomains: [other.test]\n")
        done = daemon.run("reload")
        assert done.returncode != 0 and b"'other.test' is not in core.relay_domains" in done.stdout + done.stderr, done
        assert send(daemon, hop, "user@a.test", ["away@example.test"], 1)[0].sender.startswith("SRS0=")


if __name__ == "__main__":
    run_tests(globals())
