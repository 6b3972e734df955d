#!/usr/bin/env python3
# What was received is what is verified: a plugin that is asked first rewrites Subject and From, takes signatures away and adds a footer, at each
# stage where it may, for messages in memory and in a file; dkim, arc and dmarc judge the message as its sender made it.
import atexit
import base64
import functools
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-dkim, whatever python3 is in the path
import dkim

from lib_base import BUILD, ROOT
from lib_veredus import *  # noqa: F401,F403

# STAGES: bits: 1 headers, 2 body, 4 message.
REWRITE = r"""
#include <string.h>
#include <veredus/veredus.h>
static const vrd_core_hook_1 *hook;
static const vrd_core_edit_1 *edit;
static const vrd_core_body_1 *body;
static vrd_status create(const vrd_host *host, const vrd_conf *conf, void *prev, void **self, vrd_err *err) {
  (void)conf, (void)prev, (void)err;
  hook = host->iface(host, VRD_CORE_HOOK_1), edit = host->iface(host, VRD_CORE_EDIT_1), body = host->iface(host, VRD_CORE_BODY_1);
  *self = (void *)host;
  return hook && edit && body ? VRD_OK : VRD_E_UNSUPPORTED;
}
static void destroy(void *self) { (void)self; }
static void quiesce(void *self) { (void)self; }
static const void *provide(void *self, const char *id) { return (void)self, (void)id, NULL; }
static vrd_status on_header(void *shard, vrd_stage *stage, vrd_verdict *out) {
  vrd_edits *edits = hook->edits(stage);
  (void)shard, (void)out;
  edit->replace_header(edits, VRD_STR("Subject"), 1, VRD_STR("changed here"));
  edit->replace_header(edits, VRD_STR("From"), 1, VRD_STR("other@elsewhere.test"));
  edit->remove_header(edits, VRD_STR("DKIM-Signature"), 0);
  return edit->remove_header(edits, VRD_STR("ARC-Seal"), 0);
}
static vrd_status on_message(void *shard, vrd_stage *stage, vrd_verdict *out) {
  vrd_status done = on_header(shard, stage, out);
  return done < 0 ? done : edit->replace_body(hook->edits(stage), VRD_STR("nothing is left\r\n-- \r\nfooter\r\n"));
}
static vrd_status on_body(void *shard, vrd_stage *stage, vrd_verdict *out) {
  (void)shard, (void)out;
  body->emit(stage, body->chunk(stage));
  return body->last(stage) ? body->emit(stage, VRD_STR("-- \r\nfooter\r\n")) : VRD_OK;
}
#define HOOK(stage, needs, may, call) {VRD_SIZED(vrd_hook), stage, 0, needs, may, VRD_ON_FAULT_TEMPFAIL, 0, 0, call, NULL}
static const vrd_hook kHeaders = HOOK(VRD_STAGE_HEADERS, VRD_NEED_CONTENT, VRD_MAY_HEADERS, on_header);
static const vrd_hook kBody = HOOK(VRD_STAGE_BODY, 0, VRD_MAY_BODY, on_body);
static const vrd_hook kMessage = HOOK(VRD_STAGE_MESSAGE, VRD_NEED_CONTENT, VRD_MAY_HEADERS | VRD_MAY_BODY, on_message);
static const vrd_setting *const kSettings[] = {NULL};
static const vrd_hook *const kHooks[] = {
#if STAGES & 1
  &kHeaders,
#endif
#if STAGES & 2
  &kBody,
#endif
#if STAGES & 4
  &kMessage,
#endif
  NULL};
static const vrd_command *const kCommands[] = {NULL};
static const char *const kServices[] = {NULL};
static const vrd_plugin kPlugin = {VRD_SIZED(vrd_plugin), VRD_ABI, VRD_PER_LOOP, 0, "org.test.rewrite", "1.0", "Apache-2.0", "Rewrites mail",
  kSettings, kHooks, kCommands, kServices, create, NULL, NULL, quiesce, destroy, provide};
VRD_EXPORT const vrd_plugin *veredus_plugin_1(void) { return &kPlugin; }
"""
SMALL = b"a line of text\r\n" * 3
LARGE = b"a line of a text that is so long that it goes to a file\r\n" * 8000
TO_FILE = {"inline_size": "64KiB"}


@functools.lru_cache
def rewriter(stages):
    directory = work_dir()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    source = os.path.join(directory, "rewrite.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(REWRITE)
    done = subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Wno-unused", "-Werror", f"-DSTAGES={stages}", "-I", os.path.join(ROOT, "sdk/include"), "-Wl,--version-script=" + os.path.join(ROOT, "sdk/plugin.map"),
                           "-Wl,-z,defs", "-Wl,-z,now", "-o", os.path.join(directory, "org.test.rewrite.so"), source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return directory


@functools.lru_cache
def key():
    """A key as PEM, and the zone in which it and a policy stand."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", file.name, "2048"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", file.name, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        record = "v=DKIM1; p=" + base64.b64encode(public).decode()
        zone = {"s._domainkey.a.test": {"TXT": [record]}, "_dmarc.a.test": {"TXT": ["v=DMARC1; p=reject"]}, "_dmarc.elsewhere.test": {"TXT": ["v=DMARC1; p=reject"]}}
        return open(file.name, "rb").read(), zone


def signed(body):
    pem, _ = key()
    plain = b"From: Ann <ann@a.test>\r\nTo: bob@example.test\r\nSubject: as it was sent\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n\r\n" + body
    octets = dkim.sign(plain, b"s", b"a.test", pem, include_headers=[b"from", b"to", b"subject"], length=False) + plain
    return b"".join(dkim.arc_sign(b"Authentication-Results: a.test; spf=none\r\n" + octets, b"s", b"a.test", pem, b"a.test")) + octets


def judging(dns, hop, stages):
    core = {"routes": routes_to(hop), "resolvers": [dns.address], "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32"], "spool_options": TO_FILE}
    env = {"VEREDUS_PLUGINS": ":".join([rewriter(stages), *(os.path.join(BUILD, "plugins", name) for name in ("dkim", "arc", "dmarc"))])}
    files = {"10-rewrite.yaml": "plugin: org.test.rewrite\n", "31-dkim.yaml": "plugin: dkim\n", "32-arc.yaml": "plugin: arc\n", "34-dmarc.yaml": "plugin: dmarc\nenforce: true\n"}
    return Daemon(core, files=files, env=env)


def send(daemon, octets):
    with Smtp(daemon.port) as client:
        client.hello()
        client.cmd("XCLIENT ADDR=192.0.2.1", 220)
        client.hello()
        client.envelope("ann@a.test")
        return client.data(octets)


def results(octets):
    header = octets.split(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ").replace("\r\n ", " ")
    return next(line for line in header.split("\r\n") if line.startswith("Authentication-Results: mx.example.test"))


def test_what_was_valid_as_received_passes_whatever_is_changed_at_which_stage():
    with FakeDns(key()[1]) as dns:
        for stages in (1, 2, 4, 7):
            with Hop() as hop, judging(dns, hop, stages) as daemon:
                for count, body in enumerate((SMALL, LARGE), 1):
                    reply = send(daemon, signed(body))
                    assert reply.code == 250, (stages, reply, daemon.tail())
                    octets = hop.wait(count)[-1].octets
                    field = results(octets)
                    assert "dkim=pass header.d=a.test" in field and "arc=pass" in field and "dmarc=pass header.from=a.test" in field, (stages, field)
                    header, _, rest = octets.partition(b"\r\n\r\n")
                    assert (b"Subject: changed here" in header) == (stages & 5 != 0) and (b"\r\nDKIM-Signature:" in header) == (stages & 5 == 0), (stages, header)
                    assert rest.endswith(b"-- \r\nfooter\r\n") == (stages & 6 != 0) and rest.startswith(b"nothing" if stages & 4 else body[:5]), (stages, rest[-100:])


def test_what_was_not_valid_as_received_does_not_pass():
    with FakeDns(key()[1]) as dns, Hop() as hop, judging(dns, hop, 3) as daemon:
        for body in (SMALL, LARGE):
            for old, new in ((b"Subject: as it", b"Subject: as I"), (body[-40:], body[-40:].upper())):
                reply = send(daemon, signed(body).replace(old, new))
                assert str(reply).startswith("550 5.7.1") and "DMARC" in str(reply), (old, reply)
        assert send(daemon, signed(SMALL)).code == 250
        assert "dkim=pass" in results(hop.wait(1)[0].octets)


if __name__ == "__main__":
    run_tests(globals())
