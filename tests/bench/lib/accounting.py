"""What a tree of processes has used: CPU seconds of its living and dead members, and proportional memory (PSS)."""
import os
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
LOOKED_AT = 250


def read_stat(pid):
    """(ppid, utime, stime, cutime, cstime) of a process, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), *(int(field) for field in fields[11:15])


def descendants(root):
    """{pid: stat} of everything below root, without root."""
    stats = {int(name): read_stat(name) for name in os.listdir("/proc") if name.isdigit()}
    children = {}
    for pid, stat in stats.items():
        if stat is not None:
            children.setdefault(stat[0], []).append(pid)
    found, queue = {}, [root]
    while queue:
        for pid in children.get(queue.pop(), []):
            found[pid] = stats[pid]
            queue.append(pid)
    return found


def cpu_seconds(cage):
    """Of all processes that ever ran in the cage: the living with the dead they reaped, and what the cage reaped."""
    own = read_stat(cage)
    if own is None:
        raise RuntimeError("the server's process tree is gone")
    ticks = own[3] + own[4]
    for stat in descendants(cage).values():
        ticks += sum(stat[1:])
    return ticks / TICKS


def pss_of(pid):
    """PSS of one process, None when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


def pss_bytes(cage):
    """Sum of PSS of the tree (the cage itself not counted), and the number of processes. Reading it is slow, so of
    more than LOOKED_AT processes an even share is read and taken for all."""
    pids = sorted(descendants(cage))
    step = -(-len(pids) // LOOKED_AT) or 1
    sizes = [size for size in map(pss_of, pids[::step]) if size is not None]
    total = sum(sizes) * len(pids) // len(sizes) if sizes else 0
    return total, len(pids)


class MemorySampler:
    """Samples PSS in the background, at most a twentieth of the time, and keeps the peak."""

    def __init__(self, cage, interval=1.0):
        self.cage, self.interval = cage, interval
        self.peak = self.processes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._sample()

    def _sample(self):
        began = time.monotonic()
        size, count = pss_bytes(self.cage)
        self.peak, self.processes = max(self.peak, size), max(self.processes, count)
        return time.monotonic() - began

    def _run(self):
        pause = self.interval
        while not self._stop.wait(pause):
            pause = max(self.interval, 20 * self._sample())


def settle(cage, seconds=30.0):
    """Waits until the tree is idle: below 2 % of one CPU over half a second, or the deadline. Returns CPU seconds."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds(cage)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_seconds(cage)
        if now - before <= 0.011:
            return now
        before = now
    return before
