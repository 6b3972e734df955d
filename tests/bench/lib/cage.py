"""Runs a server and stays its ancestor: as subreaper it inherits every orphan of the tree, so that the CPU time of
dead processes ends up in one place (this process's cutime and cstime) and nothing outlives the benchmark.

    cage.py LOGFILE COMMAND [ARGUMENT...]

Ends on SIGTERM (or when its parent dies) by asking the command to end, then by killing what is left of the tree.
"""
import ctypes
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from accounting import descendants  # noqa: E402

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STOP_SECONDS = 15


def prctl(option, value):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def reap():
    """Collects every dead child; False when there is none left at all."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def stop(server):
    deadline = time.monotonic() + STOP_SECONDS
    if server in descendants(os.getpid()):
        os.kill(server, signal.SIGTERM)
    while reap():
        if time.monotonic() > deadline:
            for pid in descendants(os.getpid()):
                os.kill(pid, signal.SIGKILL)
        signal.sigtimedwait({signal.SIGCHLD}, 0.2)


def main():
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    watched = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    with open(sys.argv[1], "ab") as log:
        server = subprocess.Popen(
            sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: (os.setpgid(0, 0), signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)))
    while True:
        if signal.sigwait(watched) != signal.SIGCHLD:
            break
        if not reap():
            return
    stop(server.pid)


if __name__ == "__main__":
    main()
