#!/usr/bin/env python3
# Processes: crashes of the worker, death of the supervisor, the drain, the service manager, users and limits.
import contextlib
import os
import pwd
import re
import resource
import select
import signal
import socket
import stat
import subprocess
import tempfile
import time

from lib_veredus import *

MESSAGE = b"Subject: supervisor\r\n\r\nbody\r\n"


def down():
    return [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]


def status_of(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return re.search(rf"^{key}:\s*(.*)$", file.read(), re.M)[1]


def new_worker(daemon, old):
    return wait_until(lambda: next((e["pid"] for e in daemon.events("worker.started") if e["pid"] != old and os.path.exists(f"/proc/{e['pid']}")), None), 15, "a new worker")


def test_a_killed_worker_is_started_again():
    for number in (signal.SIGKILL, signal.SIGABRT) if sanitized() else (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT):
        with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon:
            old = daemon.worker_pid()
            send_one(daemon.port)
            os.kill(old, number)
            daemon.wait_event("worker.crashed")
            clients = [Smtp(daemon.port, banner=False) for _ in range(20)]  # connected while nobody is there to serve
            for client in clients:
                client.expect(220)
                client.hello()
                assert client.deliver(MESSAGE)
                client.close()
            assert new_worker(daemon, old) != old
            daemon.wait_event("worker.restarting")
            sink.wait(21)
            assert daemon.cmd("status")
            daemon.wait_empty()
            event = daemon.events("worker.crashed")[0]
            assert event["signal"] == number, event


def test_a_crash_loses_no_mail_and_the_session_ends():
    with Daemon({"routes": down(), "queue": {"retry": ["1h"]}}) as daemon:
        ids = [send_one(daemon.port, sender=f"s{i}@client.test") for i in range(30)]
        open_session = Smtp(daemon.port)
        open_session.hello()
        open_session.envelope()
        open_session.cmd("DATA", 354)
        open_session.send(b"Subject: never finished\r\n\r\n")
        old = daemon.worker_pid()
        daemon.kill9()
        assert open_session.closed()
        new_worker(daemon, old)
        daemon.wait_ready()
        assert sorted(m["id"] for m in daemon.queue()) == sorted(ids)
        assert daemon.balance() == (30, 0, 30)


def test_back_off_grows():
    with Daemon({"routes": down()}) as daemon:
        for _ in range(4):
            old = daemon.worker_pid()
            os.kill(old, signal.SIGKILL)
            new_worker(daemon, old)
            daemon.wait_ready()
        waits = [e["in_ms"] for e in daemon.events("worker.restarting")]
        assert len(waits) == 4 and waits == sorted(waits) and waits[-1] > waits[0] and waits[0] <= 1000, waits
        assert send_one(daemon.port)


def test_the_worker_dies_with_the_supervisor():
    with Sink() as sink, Daemon({"routes": down(), "queue": {"retry": ["1h"]}}) as daemon:
        send_one(daemon.port)
        daemon.kill9("all")
        daemon.configure({"routes": routes_to(sink)})
        daemon.start()  # nothing left behind stands in the way: ports, lock, control socket
        daemon.cmd("queue", "retry", "--older", "0s")
        sink.wait(1)
        daemon.wait_empty()


def test_a_stopped_worker_still_dies_with_the_supervisor():
    with Daemon({"routes": down()}) as daemon:
        os.kill(daemon.worker_pid(), signal.SIGSTOP)
        daemon.kill9("all")
        daemon.start()


def test_sigterm_lets_a_message_finish():
    with Daemon({"routes": down(), "drain": "10s", "queue": {"retry": ["1h"]}}) as daemon:
        idle, busy = Smtp(daemon.port), Smtp(daemon.port)
        idle.hello()
        busy.hello()
        busy.envelope()
        busy.cmd("DATA", 354)
        busy.send(b"Subject: during the drain\r\n\r\n")
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        assert idle.reply().code == 421 and idle.closed()
        daemon.wait_event("worker.draining")
        try:  # nobody new is served
            with Smtp(daemon.port, banner=False, timeout=1) as late:
                assert late.reply().code == 421
        except (OSError, EOFError):
            pass
        busy.send(b"x\r\n.\r\n")
        queue_id = busy.reply().id
        daemon.stop()
        assert time.monotonic() - began < 9, "the drain went on with nothing to wait for"
        daemon.start()
        assert [m["id"] for m in daemon.queue()] == [queue_id]


def test_sigterm_ends_in_bounded_time_whatever_clients_do():
    with Hop({"DOT": STALL}) as hop, Daemon({"routes": routes_to(hop), "drain": "1s", "queue": {"retry": ["1h"]}}) as daemon:
        sender = Smtp(daemon.port)
        sender.hello()
        sender.deliver(MESSAGE)
        hop.wait_command("DATA|BDAT")
        client = Smtp(daemon.port)
        client.hello()
        client.envelope()
        client.cmd("DATA", 354)
        client.send(b"Subject: never ends\r\n\r\n")
        began = time.monotonic()
        daemon.stop(timeout=8)
        assert time.monotonic() - began < 7
        assert client.read_all()[:3] in (b"421", b"")
        daemon.configure({"routes": down()})
        daemon.start()
        assert len(daemon.queue()) == 1, "what was being delivered is still there"


def test_sigint_and_a_second_sigterm():
    with Daemon({"routes": down()}) as daemon:
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(15) == 0
        daemon.start()
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(15) == 0
        assert daemon.events("supervisor.stopped")


def test_sigterm_during_the_back_off():
    with Daemon({"routes": down()}) as daemon:
        for _ in range(2):
            old = daemon.worker_pid()
            os.kill(old, signal.SIGKILL)
            new_worker(daemon, old)
            daemon.wait_ready()
        os.kill(daemon.worker_pid(), signal.SIGKILL)
        wait_until(lambda: len(daemon.events("worker.restarting")) == 3, 5, "the third back-off")
        daemon.stop(timeout=8)


@contextlib.contextmanager
def notify_socket():
    """The service manager's end, and its path."""
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(os.path.join(place, "notify"))
        yield sock, os.path.join(place, "notify")


def notifications(daemon, wanted, sock, timeout=10):
    """Datagrams until one holds `wanted`."""
    got = []
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if select.select([sock], [], [], 0.1)[0]:
            got.append(sock.recv(4096).decode())
            if wanted in got[-1].splitlines():
                return got
    raise AssertionError(f"no {wanted}, only {got}\n{daemon.tail()}")


def test_the_service_manager_is_told():
    with notify_socket() as (sock, path):
        with Daemon({"routes": down()}, start=False, env={"NOTIFY_SOCKET": path}) as daemon:
            daemon.start(ready=False)
            got = notifications(daemon, "READY=1", sock)
            assert len([g for g in got if "READY=1" in g]) == 1
            assert send_one(daemon.port), "ready means ready"
            assert daemon.run("status").returncode == 0
            daemon.process.send_signal(signal.SIGHUP)
            reloading = notifications(daemon, "RELOADING=1", sock)[-1]
            assert re.search(r"^MONOTONIC_USEC=[0-9]+$", reloading, re.M), reloading
            notifications(daemon, "READY=1", sock)
            old = daemon.worker_pid()
            daemon.kill9()
            new_worker(daemon, old)
            daemon.wait_ready()
            daemon.process.send_signal(signal.SIGTERM)
            notifications(daemon, "STOPPING=1", sock)
            daemon.stop()


def test_the_worker_inherits_no_notify_socket():
    with notify_socket() as (sock, path), Daemon({"routes": down()}, start=False, env={"NOTIFY_SOCKET": path}) as daemon:
        daemon.start(ready=False)
        notifications(daemon, "READY=1", sock)
        daemon.wait_ready()
        sock.close()
        os.remove(path)
        daemon.stop()  # a service manager that is gone is no reason to fail


def test_socket_activation():
    listening = socket.create_server(("127.0.0.1", free_port()))
    address = "127.0.0.1:%d" % listening.getsockname()[1]
    early = socket.create_connection(listening.getsockname(), 5)  # before the daemon exists
    with Daemon({"routes": down(), "listeners": [{"address": address, "role": "mx"}, {"role": "relay"}]}, start=False) as daemon:
        number = listening.fileno()
        with open(daemon.log_path, "ab") as log:
            daemon.process = subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', VEREDUSD, "--conf", daemon.conf], stderr=log, env=daemon.env,
                                              preexec_fn=lambda: os.dup2(number, 3), pass_fds=(3, number) if number != 3 else (3,))
        daemon.wait_ready()
        early.settimeout(5)
        assert early.recv(100).startswith(b"220 "), "the connection that waited in the service manager's socket"
        early.close()
        listening.close()
        assert send_one(int(address.rsplit(":", 1)[1])) and send_one(daemon.port_of("relay"))
        old = daemon.worker_pid()
        daemon.kill9()
        new_worker(daemon, old)
        daemon.wait_ready()
        assert send_one(int(address.rsplit(":", 1)[1])), "after a crash"
        with open(f"/proc/{daemon.worker_pid()}/environ", "rb") as file:
            assert b"LISTEN_FDS" not in file.read()


def test_root_gives_its_rights_away():
    if not is_root():
        raise Skip("needs root")
    account = pwd.getpwnam("nobody")
    with Sink() as sink, Daemon({"routes": routes_to(sink), "user": "nobody"}) as daemon:
        worker = daemon.worker_pid()
        assert status_of(worker, "Uid").split() == [str(account.pw_uid)] * 4
        assert status_of(worker, "Gid").split() == [str(account.pw_gid)] * 4
        assert "0" not in status_of(worker, "Groups").split()
        for caps in ("CapPrm", "CapEff"):
            assert int(status_of(worker, caps), 16) == 0, caps
        assert status_of(daemon.process.pid, "Uid").split()[0] == "0"
        for path in (daemon.spool, daemon.core["state"], os.path.dirname(daemon.control)):
            assert os.path.isdir(path), path
        for path in (daemon.spool, daemon.core["state"]):
            assert os.stat(path).st_uid == account.pw_uid, path
        # Others may pass through to the drop directory, and see nothing on their way.
        assert stat.S_IMODE(os.stat(daemon.spool).st_mode) & 0o066 == 0, "mail is not for everybody"
        assert stat.S_IMODE(os.stat(os.path.join(daemon.spool, "drop")).st_mode) in (0o700, 0o1730)
        send_one(daemon.port)
        sink.wait(1)
        daemon.wait_empty()
        daemon.cmd("reload")
        old = daemon.worker_pid()
        daemon.kill9()
        new_worker(daemon, old)
        daemon.wait_ready()
        assert status_of(daemon.worker_pid(), "Uid").split()[0] == str(account.pw_uid)
        assert not daemon.events("supervisor.root_user")
    with Daemon({"routes": down()}) as daemon:
        assert len(daemon.events("supervisor.root_user")) == 1, "one warning when root stays root"


def test_a_port_below_1024_with_a_user():
    if not is_root():
        raise Skip("needs root")
    port = next((p for p in range(1023, 900, -1) if usable(p)), None)
    if not port:
        raise Skip("no free port below 1024")
    with Daemon({"routes": down(), "user": "nobody", "listeners": [{"address": f"127.0.0.1:{port}", "role": "mx"}]}) as daemon:
        assert send_one(port)
        old = daemon.worker_pid()
        daemon.kill9()
        new_worker(daemon, old)
        daemon.wait_ready()
        assert send_one(port), "the socket outlives the worker, which could not open it"


def usable(port):
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        return True
    except OSError:
        return False


def open_files(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return [int(n) for n in re.search(r"^Max open files\s+(\d+)\s+(\d+)", file.read(), re.M).groups()]


def test_the_limit_of_descriptors_is_raised():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Daemon({"routes": down()}, command=["prlimit", f"--nofile=256:{hard}", VEREDUSD]) as daemon:
        have = open_files(daemon.worker_pid())[0]
        assert have >= min(10000, hard), (have, hard)
    if is_root():
        with Daemon({"routes": down()}, command=["prlimit", "--nofile=256:2048", VEREDUSD]) as daemon:
            assert open_files(daemon.worker_pid())[0] >= 10000 or daemon.events("supervisor.file_limit")
        daemon = Daemon({"routes": down()}, user="nobody", start=False)
        group = pwd.getpwnam("nobody").pw_gid
        # The limit before the user: a program started by nobody might not reach the checkout.
        daemon.command = ["prlimit", "--nofile=256:2048", "setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups", VEREDUSD]
        daemon.user = None
        daemon.start()
        with daemon:
            assert open_files(daemon.worker_pid())[0] == 2048
            assert daemon.wait_event("supervisor.file_limit")["level"] == "warning"
            assert send_one(daemon.port)
    assert soft


def test_it_stays_in_the_foreground_and_the_session():
    with Daemon({"routes": down()}) as daemon:
        assert daemon.process.poll() is None
        assert os.getsid(daemon.worker_pid()) == os.getsid(daemon.process.pid) == os.getsid(0)
        assert status_of(daemon.worker_pid(), "PPid") == str(daemon.process.pid)
        held = [os.readlink(f"/proc/{daemon.worker_pid()}/fd/{n}") for n in os.listdir(f"/proc/{daemon.worker_pid()}/fd")]
        assert not any("/conf.d" in name for name in held), held
        assert daemon.noise() == [], daemon.noise()


def failing(core, code=None):
    """Starts a daemon that must end by itself; its exit code and log."""
    daemon = Daemon(core, start=False)
    try:
        daemon.start(ready=False)
        ended = daemon.process.wait(15)
        assert ended != 0 and code in (None, ended), (ended, daemon.tail())
        assert not daemon.processes()
        return daemon.tail(), daemon.events()
    finally:
        daemon.clean()


def test_what_cannot_start_says_why():
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        text, events = failing({"listeners": [{"address": "127.0.0.1:%d" % taken.getsockname()[1], "role": "mx"}]})
        assert [e for e in events if e["event"] == "supervisor.listen_failed"] and str(taken.getsockname()[1]) in text, text
    text, _ = failing({"listeners": [{"address": f"192.0.2.1:{free_port()}", "role": "mx"}]})
    assert "192.0.2.1" in text, text
    text, _ = failing({"spool": "/proc/no/spool"})
    assert "/proc/no" in text, text
    with tempfile.NamedTemporaryFile() as file:
        text, events = failing({"spool": file.name})
        assert file.name in text and events, text
    text, _ = failing({"control": "/proc/no/control"})
    assert "/proc/no" in text, text
    done = subprocess.run([VEREDUSD, "--nonsense"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 64 and "usage" in done.stderr, done
    assert subprocess.run([VEREDUSD, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout.startswith("veredusd ")


run_tests(globals())
