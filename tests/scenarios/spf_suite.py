#!/usr/bin/env python3
# The public test suite of RFC 7208 against the SPF library, and against `veredus check spf` over a DNS server: rfc7208-tests.yml out of pyspf's upstream tarball, which apt fetches with
# sources, lists and cache of its own in a temporary directory; nothing of the system's apt is changed.
import atexit
import concurrent.futures
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import tarfile

from lib_base import BUILD, VEREDUS, run_tests, work_dir
from lib_dns import FakeDns

SUITE = os.path.join(BUILD, "tests/tools/spf_suite")
FEWEST = 180  # cases; the release of 2014.04 has 203


def passing_dir():
    path = work_dir()
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def codename():
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", read("/etc/os-release"), re.M)
    return found[1] if found else "bookworm"


def paragraphs():
    """The sources of /etc/apt in both forms, as dictionaries."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        for block in re.split(r"\n\s*\n", re.sub(r"^#.*\n?", "", read(path), flags=re.M)):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.M))
            if fields.get("Enabled", "yes") != "no" and "URIs" in fields:
                yield fields
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        for line in read(path).splitlines() if os.path.exists(path) else []:
            found = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
            if found:
                signed = re.search(r"signed-by=(\S+)", found[1] or "")
                fields = {"URIs": found[2], "Suites": found[3], "Components": found[4], **({"Signed-By": signed[1]} if signed else {})}
                yield fields


def source_entries():
    """One entry for the sources of this release of Debian, from the mirror and with the key that the system uses for its packages."""
    fitting = [f for f in paragraphs() if codename() in f.get("Suites", "").split() and "main" in f.get("Components", "").split()]
    for fields in sorted(fitting, key=lambda f: "debian" not in f["URIs"]):  # mirrors of Debian before all others
        key = f"Signed-By: {fields['Signed-By']}\n" if "Signed-By" in fields else ""
        return f"Types: deb-src\nURIs: {fields['URIs'].split()[0]}\nSuites: {codename()}\nComponents: main\n{key}"
    raise AssertionError(f"/etc/apt names no source of packages of Debian {codename()}, component main")


def apt(place, *words):
    options = {"Dir::Etc::SourceList": "/dev/null", "Dir::Etc::SourceParts": f"{place}/sources.list.d", "Dir::State": f"{place}/state", "Dir::Cache": f"{place}/cache",
               "APT::Sandbox::User": "root", "Acquire::Retries": "3", "Acquire::Languages": "none"}
    call = ["apt-get", "-q", *[f"-o{key}={value}" for key, value in options.items()], *words]
    done = subprocess.run(call, cwd=place, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, f"{' '.join(call)}\n{done.stdout}{done.stderr}"


@functools.lru_cache
def suite():
    """The path of rfc7208-tests.yml."""
    place = passing_dir()
    for name in ("sources.list.d", "state/lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(place, name))
    with open(os.path.join(place, "sources.list.d/source.sources"), "w", encoding="utf-8") as file:
        file.write(source_entries())
    apt(place, "update")
    apt(place, "source", "--tar-only", "pyspf")
    with tarfile.open(glob.glob(os.path.join(place, "pyspf_*.tar.*"))[0]) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("/rfc7208-tests.yml"))
        text = tar.extractfile(member).read()
    path = os.path.join(place, "rfc7208-tests.yml")
    with open(path, "wb") as file:
        file.write(text)
    return path


def run(path):
    done = subprocess.run([SUITE, path], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def changed(old, new):
    text = read(suite())
    assert old in text
    path = os.path.join(passing_dir(), "changed.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))
    return path


def test_every_case_of_the_suite():
    code, out, err = run(suite())
    passed, cases, explained = map(int, re.search(r"^(\d+) of (\d+) cases passed, (\d+) with their explanation$", out, re.M).groups())
    print(out.splitlines()[-1], flush=True)
    assert code == 0 and passed == cases and cases > FEWEST and explained > 15, out + err


def strings(text):
    """The data of a TXT record."""
    octets = text.encode()
    return b"".join(bytes([len(octets[i : i + 255])]) + octets[i : i + 255] for i in range(0, max(1, len(octets)), 255))


def zone(document):
    out = {name: dict(entry) for name, entry in document["zone"].items()}
    for entry in out.values():
        if isinstance(entry.get("TXT"), list):
            entry["TXT"] = [strings(text) for text in entry["TXT"]]
    return out


def differs(case, address):
    """None when the command says what the suite wants."""
    words = ["--ip", case["ip"], "--helo", case["helo"], "--from", case["sender"], "--dns", address]
    done = subprocess.run([VEREDUS, "check", "spf", *words], capture_output=True, text=True, timeout=30, check=False)
    lines, text = done.stdout.splitlines(), case.get("explanation", "DEFAULT")
    good = done.returncode == 0 and lines[0] in case["results"] and (lines[0] != "fail" or lines[1].startswith("explanation: "))
    if good and text not in ("DEFAULT", lines[1].removeprefix("explanation: ")):
        good = False
    return None if good else f"{case['id']}: wanted {case['results']} {text}\n{done.stdout}{done.stderr}"


def test_the_command_agrees_over_a_dns_server():
    listed = subprocess.run([SUITE, "--json", suite()], capture_output=True, text=True, timeout=60, check=True).stdout
    cases = 0
    for document in map(json.loads, listed.splitlines()):
        with FakeDns(zone(document)) as dns, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            failed = [text for text in pool.map(lambda case: differs(case, dns.address), document["tests"]) if text]
            assert not failed, "\n".join(failed)
        cases += len(document["tests"])
    assert cases > FEWEST, cases


def test_the_program_tells_what_does_not_come_out_so():
    for old, new, told in (("    result: none\n", "    result: pass\n", "FAIL Initial processing: toolonglabel: wanted pass, came none"),
                           ("    explanation: See me.\n", "    explanation: See you.\n", "wanted the explanation 'See you.', came 'See me.'"),
                           ("    result: [permerror, fail]\n", "    result: [pass, fail]\n", "multispf1: wanted fail or pass, came permerror")):
        code, out, _ = run(changed(old, new))
        assert code == 1 and told in out, f"{told}\n{out}"
    assert run("/dev/null")[0] == 1 and run("/nowhere")[0] == 65


if __name__ == "__main__":
    run_tests(globals())
