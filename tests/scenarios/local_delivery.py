#!/usr/bin/env python3
# Local delivery in a real daemon, as users that exist in this test only: mailboxes, aliases, lists, .forward, commands, virtual addresses.
import os
import subprocess

from lib_local import *  # noqa: F401,F403
from lib_local import SPOOL_GROUP, USERS, LocalHost

TEXT = b"Subject: hello\r\n\r\nline one\r\nFrom the start\r\n"


def mail(daemon, *recipients, sender="ann@from.test", message=TEXT):
    return send_one(daemon.port, sender=sender, recipients=list(recipients), message=message)


def test_strangers_may_write_to_users_and_the_mailbox_is_as_it_should_be():
    with LocalHost() as daemon:
        mail(daemon, "Bob@host.test")
        event = daemon.wait_event("recipient.delivered", recipient="Bob@host.test")
        assert event["remote"] == "plugin:local", event
        text = daemon.box("bob")
        assert text.startswith("From ann@from.test "), text
        assert "\nReturn-Path: <ann@from.test>\nDelivered-To: Bob@host.test\nReceived: " in text, text
        assert text.endswith("Subject: hello\n\nline one\n>From the start\n\n"), text
        info = os.stat(os.path.join(daemon.mail, "bob"))
        assert (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (USERS["bob"], SPOOL_GROUP, 0o600), info
        assert os.listdir(daemon.mail) == ["bob"]
        mail(daemon, "bob@host.test", "carol@localhost")
        daemon.idle()
        assert daemon.count("bob") == 2 and daemon.count("carol") == 1


def test_a_worker_without_rights_and_a_helper_with_them():
    with LocalHost('both: bob, "|id -u > OUT"\n', core={"user": "nobody"}, start=False) as daemon:
        out = os.path.join(daemon.dir, "out")
        os.mkdir(out)
        os.chmod(out, 0o777)
        daemon.write_aliases(f'both: \\bob, "|id -u > {out}/id; cat > /dev/null"\n')
        daemon.start()
        status = open(f"/proc/{daemon.worker_pid()}/status", encoding="ascii").read()
        assert "\nUid:\t65534\t" in status, status
        mail(daemon, "both@host.test", "carol@host.test")
        daemon.idle()
        assert daemon.count("bob") == 1 and daemon.count("carol") == 1, daemon.tail()
        assert open(os.path.join(out, "id"), encoding="ascii").read() == f"{USERS['nobody']}\n"


def test_unknown_users_are_refused_and_other_domains_are_not_relayed():
    with LocalHost("gone: :fail: 5.1.6 moved away\nsoon: :defer: come back\nodd: error:553 5.1.8 not you\n") as daemon:
        with Smtp(daemon.port) as client:
            client.cmd("EHLO c.test")
            client.cmd("MAIL FROM:<ann@from.test>")
            assert client.cmd("RCPT TO:<stranger@host.test>").text == "550 5.1.1 User unknown"
            assert client.cmd("RCPT TO:<gone@host.test>").text == "550 5.1.6 moved away"
            assert client.cmd("RCPT TO:<soon@host.test>").text.startswith("451 4.2.1 come back")
            assert client.cmd("RCPT TO:<odd@host.test>").text == "553 5.1.8 not you"
            assert client.cmd("RCPT TO:<bob@else.test>").code == 550
            assert client.cmd("RCPT TO:<bob+lists@host.test>").code == 250
            assert client.cmd('RCPT TO:<"../bob"@host.test>').code == 550
        daemon.write_aliases("stranger: bob\n")
        mail(daemon, "stranger@host.test")
        daemon.idle()
        assert daemon.count("bob") == 1


def test_aliases_are_read_live_and_lists_have_owners():
    with Sink() as sink, LocalHost("postmaster: root\nroot: admin\nteam: bob, carol, x@else.test\nowner-team: dan\nmany: :include:LIST\n", core=None, start=False) as daemon:
        listing = os.path.join(daemon.dir, "list")
        with open(listing, "w", encoding="ascii") as file:
            file.write("# readers\nbob\ncarol@host.test\n|/bin/false\n")
        with open(daemon.aliases, encoding="ascii") as file:
            daemon.write_aliases(file.read().replace("LIST", listing))
        daemon.configure({"routes": [{"match": "else.test", "to": [sink.hop]}]})
        daemon.start()
        mail(daemon, "PostMaster@host.test", "team@host.test")
        daemon.idle()
        assert daemon.count("admin") == 1
        assert daemon.count("bob") == 1 and daemon.count("carol") == 1 and daemon.count("dan") == 0
        arrived = sink.wait(1)[0]
        assert arrived.sender == "owner-team@host.test" and arrived.recipients == ["x@else.test"], (arrived.sender, arrived.recipients)
        assert b"Delivered-To: team@host.test" in arrived.octets
        assert "Return-Path: <owner-team@host.test>" in daemon.box("bob")
        mail(daemon, "many@host.test")
        daemon.idle()
        assert daemon.count("bob") == 2 and daemon.count("carol") == 2
        assert daemon.events("local.expansion_problem"), daemon.tail()
        daemon.write_aliases("team: dan\n")
        mail(daemon, "team@host.test")
        daemon.idle()
        assert daemon.count("dan") == 1 and daemon.count("bob") == 2


def test_forward_files():
    with Sink() as sink, LocalHost(core={"relay_domains": []}, start=False) as daemon:
        daemon.configure({"routes": [{"match": "else.test", "to": [sink.hop]}]})
        daemon.start()
        daemon.put("bob", ".forward", "\\bob, b@else.test\n\"|cat > $HOME/piped\"\n")
        daemon.put("carol", ".forward+lists", f"{daemon.homes}/carol/lists\n")
        daemon.put("dan", ".forward", "# not yet\n")
        mail(daemon, "bob@host.test")
        daemon.idle()
        assert daemon.count("bob") == 1
        assert sink.wait(1)[0].recipients == ["b@else.test"]
        assert "Delivered-To: bob@host.test" in daemon.home("bob", "piped")
        mail(daemon, "carol+lists@host.test", "carol@host.test", "dan@host.test")
        daemon.idle()
        assert "Delivered-To: carol+lists@host.test" in daemon.home("carol", "lists")
        assert daemon.count("carol") == 1 and daemon.count("dan") == 1
        info = os.stat(os.path.join(daemon.homes, "carol", "lists"))
        assert info.st_uid == USERS["carol"], info


def test_commands_of_aliases_run_as_nobody_or_as_the_owner_of_the_file():
    with LocalHost(options=["--default-user=nobody"], start=False) as daemon:
        out = os.path.join(daemon.dir, "out")
        os.mkdir(out)
        os.chmod(out, 0o777)
        owned = os.path.join(daemon.dir, "dans")
        with open(owned, "w", encoding="ascii") as file:
            file.write(f'two: "|id -u > {out}/two; cat > /dev/null"\n')
        os.chown(owned, USERS["dan"], USERS["dan"])
        daemon.write_aliases(f'one: "|(id -u; id -G; env) > {out}/one; cat >> {out}/one"\nbad: "|echo 5.7.0 never; exit 1"\nlater: "|exit 75"\n')
        settings = open(os.path.join(daemon.conf, "70-local.yaml"), encoding="ascii").read()
        daemon.write("70-local.yaml", settings.replace(f'"{daemon.aliases}"', f'"{daemon.aliases}", "{owned}"'))
        daemon.core["helpers"][0]["command"].append(f"--aliases={owned}")
        daemon.configure({})
        daemon.start()
        mail(daemon, "one+x@host.test", "two@host.test", sender="a`id`$x|y@from.test")
        daemon.idle()
        with open(os.path.join(out, "one"), encoding="ascii") as file:
            said = file.read()
        assert said.startswith(f"{USERS['nobody']}\n{USERS['nobody']}\n"), said
        assert "SENDER=a_id__x_y@from.test\n" in said and "PATH=/usr/bin:/bin\n" in said and "RECIPIENT=one+x@host.test\n" in said, said
        assert open(os.path.join(out, "two"), encoding="ascii").read() == f"{USERS['dan']}\n"
        mail(daemon, "bad@host.test", sender="")
        event = daemon.wait_event("recipient.bounced", recipient="bad@host.test")
        assert "5.7.0" in event["reply"] and "never" in event["reply"], event
        mail(daemon, "later@host.test", sender="")
        daemon.wait_event("recipient.deferred", recipient="later@host.test")
        daemon.write_aliases("later: :blackhole:\n")
        daemon.idle()


def test_maildirs_and_a_command_instead_of_the_mailbox():
    with LocalHost(mailbox="{home}/Maildir/") as daemon:
        mail(daemon, "bob@host.test")
        daemon.idle()
        new = os.path.join(daemon.homes, "bob", "Maildir", "new")
        (name,) = os.listdir(new)
        with open(os.path.join(new, name), encoding="ascii") as file:
            assert file.read().endswith("Subject: hello\n\nline one\nFrom the start\n")
        assert os.stat(os.path.join(new, name)).st_uid == USERS["bob"]
    with LocalHost(options=['--mailbox-command=cat > "$HOME/by-$USER-$EXTENSION"']) as daemon:
        mail(daemon, "bob+x@host.test")
        daemon.idle()
        assert "Subject: hello" in daemon.home("bob", "by-bob-x")


def test_procmail_as_the_mailbox_command():
    if not os.path.exists("/usr/bin/procmail"):
        raise Skip("procmail is not installed")
    with LocalHost(options=['--mailbox-command=/usr/bin/procmail -a "$EXTENSION" -m "$HOME/.procmailrc"']) as daemon:
        daemon.put("bob", ".procmailrc", f":0\n* ^Subject: hello\n{daemon.homes}/bob/sorted\n")
        mail(daemon, "bob@host.test")
        daemon.idle()
        assert "Subject: hello" in daemon.home("bob", "sorted"), daemon.tail()


def test_maildrop_as_the_mailbox_command():
    if not os.path.exists("/usr/bin/maildrop"):
        raise Skip("maildrop is not installed")
    needs_mounts()  # it asks the machine who it is, whatever the environment says
    with LocalHost(options=["--mailbox-command=/usr/bin/maildrop"], real=True) as daemon:
        home = f"{daemon.homes}/bob"
        daemon.put("bob", ".mailfilter", f'if (/^Subject: hello/)\n{{\n  to "{home}/sorted"\n}}\nEXITCODE=65\nexit\n', mode=0o600)
        mail(daemon, "bob@host.test")
        daemon.idle()
        assert "Subject: hello" in daemon.home("bob", "sorted"), daemon.tail()


def test_virtual_addresses_and_mailboxes():
    core = {"local_domains": ["host.test", "shop.test"]}
    settings = "virtual_domains: [shop.test]\nvirtual: addresses\nmailboxes: boxes\n"
    with LocalHost(settings=settings, core=core, start=False) as daemon:
        root = os.path.join(daemon.dir, "vmail")
        os.mkdir(root)
        os.chown(root, USERS["vmail"], USERS["vmail"])
        for table, text in (("addresses", "info@shop.test bob@host.test, ann@shop.test\n"), ("boxes", "ann@shop.test shop.test/ann/\neve@shop.test eve\nevil@shop.test ../evil\n")):
            path = os.path.join(daemon.dir, table)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            daemon.write(f"20-{table}.yaml", f"plugin: table-file\ninstance: {table}\nfile: {path}\n")
        daemon.core["helpers"][0]["command"] += [f"--virtual-root={root}", "--virtual-user=vmail"]
        daemon.configure({})
        daemon.start()
        with Smtp(daemon.port) as client:
            client.cmd("EHLO c.test")
            client.cmd("MAIL FROM:<>")
            assert client.cmd("RCPT TO:<bob@shop.test>").text == "550 5.1.1 User unknown"
        mail(daemon, "info@shop.test", "ann+x@shop.test", "eve@shop.test")
        daemon.idle()
        assert daemon.count("bob") == 1
        new = os.path.join(root, "shop.test", "ann", "new")
        assert len(os.listdir(new)) == 2
        assert os.stat(new).st_uid == USERS["vmail"]
        with open(os.path.join(root, "eve"), encoding="ascii") as file:
            assert file.read().startswith("From ann@from.test ")
        mail(daemon, "evil@shop.test", sender="")
        event = daemon.wait_event("recipient.deferred", recipient="evil@shop.test")
        assert "no path below" in event["reply"], event
        daemon.cmd("queue", "delete", "--state", "queued")


def test_mail_of_cron_and_others_by_sendmail_reaches_users_and_aliases():
    with LocalHost("root: admin\n", core={"origin": "host.test", "user": None}) as daemon:
        link = os.path.join(daemon.dir, "sendmail")
        os.symlink(VEREDUS, link)
        def call(*words, text, code=0):
            argv = ["setpriv", f"--reuid={USERS['dan']}", f"--regid={USERS['dan']}", "--clear-groups", link, *words]
            done = subprocess.run(argv, input=text, capture_output=True, cwd="/", env={"VEREDUS_CONF": daemon.conf}, check=False)
            assert done.returncode == code, (done.returncode, done.stderr)
        call("-i", "-FCronDaemon", "root", text=b"Subject: Cron\n\noutput\n")
        call("-t", text=b"To: bob, Carol <carol@host.test>\nSubject: hi\n\n.\n")
        daemon.idle()
        assert daemon.count("admin") == 1 and "Subject: Cron" in daemon.box("admin")
        assert daemon.count("bob") == 1 and daemon.count("carol") == 1
        os.unlink(link)


def test_without_the_plugin_nothing_is_local_and_without_the_helper_it_says_so():
    with Daemon({"hostname": "host.test", "local_domains": ["host.test"], "relay_networks": []}) as daemon, Smtp(daemon.port) as client:
        client.cmd("EHLO c.test")
        client.cmd("MAIL FROM:<a@from.test>")
        assert client.cmd("RCPT TO:<root@host.test>").code == 550
    daemon = Daemon(start=False)
    try:
        daemon.write("70-local.yaml", "plugin: local\n")
        process = daemon.start(ready=False).process
        assert process.wait(20) == 78, process.returncode
        assert "there is no helper 'local'" in daemon.tail() and "veredus-local" in daemon.tail(), daemon.tail()
    finally:
        daemon.clean()


if __name__ == "__main__":
    run_tests(globals())
