# Reads what `strace -f -y -o FILE` wrote: system calls with the places in the trace where each began and ended.
# The tracer logs a call when it is entered and again when it is left, so a call whose line stands behind the end of
# another began after that one had ended, whatever threads they ran on.
import re
from dataclasses import dataclass

LINE = re.compile(r"^(\d+)\s+(.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
CALL = re.compile(r"^(\w+)\((.*)$", re.S)
RESULT = re.compile(r"^(.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(.*)$", re.S)  # greedy: data may look like a result
FIRST_FD = re.compile(r"^(-?\d+|AT_FDCWD)<(.*?)>\s*(?:[,)]|$)", re.S)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Call:
    pid: int
    name: str
    text: str  # arguments as strace prints them
    began: int
    ended: int = -1
    result: int = -1
    extra: str = ""

    @property
    def target(self):
        """Path (or socket:[N]) of the descriptor that is the first argument."""
        found = FIRST_FD.match(self.text)
        return found[2] if found else ""

    @property
    def opened(self):
        """Path that a successful open gave."""
        found = re.match(r"<(.*)>", self.extra)
        return found[1] if found else ""

    @property
    def paths(self):
        return STRING.findall(self.text)

    def ok(self):
        return self.ended >= 0 and self.result >= 0


def _end(call, text, place):
    found = RESULT.search(text)
    call.ended = place
    if found:
        call.text += found[1] + ")"
        call.extra = found[3]
        call.result = int(found[2], 0) if found[2] != "?" else -1


def read_trace(path):
    """Calls in the order in which they began; calls that never ended have ended == -1."""
    calls, open_calls = [], {}
    with open(path, encoding="latin-1") as file:
        for place, line in enumerate(file):
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            pid, rest = int(found[1]), found[2]
            resumed = RESUMED.match(rest)
            if resumed:
                call = open_calls.pop(pid, None)
                if call:
                    _end(call, resumed[2], place)
                continue
            started = CALL.match(rest)
            if not started:
                continue
            call = Call(pid, started[1], "", place)
            calls.append(call)
            if rest.endswith("<unfinished ...>"):
                call.text = started[2][:-len("<unfinished ...>")]
                open_calls[pid] = call
            else:
                _end(call, started[2], place)
    return calls


WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2"}
SENDS = WRITES | {"sendto", "sendmsg", "sendmmsg"}
SYNCS = {"fsync", "fdatasync"}
