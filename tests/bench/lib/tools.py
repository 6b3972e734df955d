"""veredus-load and veredus-sink as Python objects, and waiting for conditions with a deadline."""
import json
import os
import random
import signal
import socket
import subprocess
import time


def wait_for(condition, seconds, what, pause=0.02):
    """The first true value of condition(); raises after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def free_port():
    """A port below the ephemeral range, so that no outgoing connection takes it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Sink:
    """A running veredus-sink."""

    def __init__(self, binary, folder, addresses, options=()):
        self.count_file = os.path.join(folder, "sink-counts.json")
        self.ids_file = os.path.join(folder, "sink-ids")
        if os.path.exists(self.count_file):
            os.unlink(self.count_file)
        listen = [word for address in addresses for word in ("--listen", address)]
        self.process = subprocess.Popen([binary, *listen, "--count-file", self.count_file,
                                         "--ids", self.ids_file, *options],
                                        stdout=subprocess.PIPE, text=True)
        for _ in addresses:
            if not self.process.stdout.readline().startswith("ready"):
                raise RuntimeError("veredus-sink did not start")

    def counts(self):
        if os.path.exists(self.count_file):
            os.unlink(self.count_file)
        self.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(self.count_file), 10, "counts of veredus-sink")
        with open(self.count_file, encoding="ascii") as file:
            return json.load(file)

    def forget(self):
        self.process.send_signal(signal.SIGUSR2)

    def wait_for_arrivals(self, wanted, stall_seconds):
        """Until `wanted` distinct recipients arrived, or nothing new came for a while. Returns the counts."""
        last, since = -1, time.monotonic()
        while True:
            counts = self.counts()
            if counts["distinct"] >= wanted:
                return counts
            if counts["distinct"] != last:
                last, since = counts["distinct"], time.monotonic()
            elif time.monotonic() - since > stall_seconds:
                return counts
            time.sleep(0.1)

    def bulk_rate(self, tag, wanted, share=0.85):
        """Arrivals a second until `share` of the wanted messages were there: leaves out the wait for retries."""
        times = []
        with open(self.ids_file, encoding="utf-8", errors="replace") as file:
            for line in file:
                time_text, load_id, _ = line.split("\t", 2)
                if load_id.startswith(tag + "-"):
                    times.append(float(time_text))
        count = int(wanted * share)
        if count < 2 or len(times) < count:
            return 0.0
        return count / max(times[count - 1] - times[0], 1e-6)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Load:
    """A running veredus-load; result() is its JSON summary."""

    def __init__(self, binary, port, options):
        self.process = subprocess.Popen([binary, "--to", f"127.0.0.1:{port}", "--json", *map(str, options)],
                                        stdout=subprocess.PIPE, text=True)

    def wait_for_idle(self):
        line = self.process.stdout.readline()
        if not line.startswith("idle"):
            raise RuntimeError(f"veredus-load did not open its idle connections: {line}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def result(self):
        output = self.process.communicate()[0]
        if not output.strip():
            raise RuntimeError("veredus-load said nothing")
        return json.loads(output.splitlines()[-1])
