# Dovecot: the authentication service of a real Dovecot, as an ordinary user in a directory of its own.
import contextlib
import grp
import os
import pwd
import shutil
import signal
import subprocess

from lib_base import wait_until, work_dir

CONFIG = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
auth_verbose = yes
protocols =
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
auth_mechanisms = {mechanisms}
auth_failure_delay = {delay}
auth_master_user_separator =
ssl = no
disable_plaintext_auth = yes
{passdb}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  user = {user}
  unix_listener auth-client {{
    path = {dir}/auth
    mode = 0600
    user = {user}
  }}
}}
service auth-worker {{
  user = {user}
}}
"""


class Dovecot:
    """`users`: name -> the rest of a line of the passwd-file. `masters` may act as others."""

    def __init__(self, users, masters=None, mechanisms="plain", delay="0 secs", passdb=None):
        self.dir = work_dir()
        self.socket = os.path.join(self.dir, "auth")
        for name, lines in (("users", users), ("masters", masters or {})):
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
                file.write("".join(f"{user}:{rest}\n" for user, rest in lines.items()))
        master = f"passdb {{\n driver = passwd-file\n master = yes\n args = {self.dir}/masters\n}}\n" if masters else ""
        passdb = passdb or f"passdb {{\n driver = passwd-file\n args = {self.dir}/users\n}}\n"
        self.conf = os.path.join(self.dir, "dovecot.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(dir=self.dir, user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name, mechanisms=mechanisms, delay=delay, passdb=master + passdb))
        self.process = None
        self.start()

    def log(self):
        try:
            with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", self.conf], stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, 10, self.log)
        assert self.process.poll() is None, self.log()

    def children(self):
        return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if self._parent(pid) == self.process.pid]

    @staticmethod
    def _parent(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                return int(file.read().rsplit(") ", 1)[1].split()[1])
        except OSError:
            return None

    def stop(self):
        """The processes that serve connections would go on until their clients leave."""
        children = self.children()
        self.process.terminate()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(15)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
