# A daemon of one host whose programs call sendmail: links to veredus by its names, and the drop directory beside it.
import os
import pwd
import shutil
import subprocess

from lib_veredus import *  # noqa: F401,F403
from lib_veredus import BUILD, Daemon, VEREDUS, routes_to

DROP = os.path.join(BUILD, "core/drop/veredus-drop")
NAMES = ("sendmail", "mailq", "newaliases", "rmail", "runq")
ORDINARY = "nobody"


class Host(Daemon):
    """Mail goes to `hop`. `self.sendmail(...)` and its kin run in an environment that knows this daemon only."""

    def __init__(self, hop=None, files=None, start=True, **core):
        super().__init__({"origin": "host.test", "log_level": "debug", "drain": "1s", "relay_networks": [], "routes": routes_to(hop or "smtp://127.0.0.1:1"),
                          **core}, files=files, start=start)
        self.bin = os.path.join(self.dir, "bin")
        self.drop = os.path.join(self.spool, "drop")
        os.mkdir(self.bin)
        for name in NAMES:
            os.symlink(VEREDUS, os.path.join(self.bin, name))
        self.little = {"VEREDUS_CONF": self.conf, "VEREDUS_DROP": DROP, "PATH": "/usr/bin:/bin"}

    @property
    def submit(self):
        return os.path.join(self.dir, "run", "submit")

    def call(self, name, *words, stdin=b"", env=None, user=None, cwd="/", code=0, timeout=60, **more):
        """Runs a program by its name; the exit code must be `code` (None: any)."""
        argv = [os.path.join(self.bin, name), *map(str, words)]
        if user:
            argv = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", *argv]
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, env=self.little if env is None else env, cwd=cwd, check=False, **more)
        text = f"{name} {words}: exit {done.returncode}, not {code}\n{done.stdout!r}\n{done.stderr!r}"
        assert code is None or done.returncode == code, text
        return done

    def sendmail(self, *words, **more):
        return self.call("sendmail", *words, **more)

    def dropped(self):
        """Names in the drop directory, by what they begin with."""
        names = sorted(os.listdir(self.drop)) if os.path.isdir(self.drop) else []
        return {kind: [n for n in names if n.startswith(kind + ".")] for kind in ("new", "work", "tmp", "bad")}

    def open_to(self, user):
        """The drop directory, as it is where a group of its own has it: whoever is `user` may put files there."""
        os.chmod(self.spool, 0o711)
        os.chmod(self.drop, 0o1733 if user else 0o700)

    def clean(self):
        for path in (self.bin,):
            shutil.rmtree(path, ignore_errors=True)
        super().clean()
