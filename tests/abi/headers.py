#!/usr/bin/env python3
"""Lint of the plugin ABI's headers: comments that must be there; every header alone through gcc, which shows that it includes what it needs,
and all together, in both orders, through clang; as C11 and C++20 without a hole. `--text` leaves the compilers out. Exit 1 with findings."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

from abi_table import INCLUDE, ROOT, headers

ALONE = [("gcc", "c", "c11"), ("g++", "c++", "c++20")]
TOGETHER = [("clang-16", "c", "c11"), ("clang++-16", "c++", "c++20")]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wpadded", "-Werror"]
FUNCTION = re.compile(r"(?P<result>[\w ]+[\w*](?: \*|\*| )|typedef void )\(\*(?P<name>\w+)\)\((?P<arguments>[^;]*)\);", re.S)
STRUCT = re.compile(r"(?P<comment>/\*\*(?:(?!\*/).)*\*/)?\s*(?:typedef )?struct (?P<name>\w+) \{\n(?P<body>.*?)\n\}", re.S)
NO_CROSSING = {"attr.h", "plugin.h", "stage.h", "types.h", "veredus.h"}  # numbers and the description: the whole of them is what crosses
PROVIDER = re.compile(r"^svc_")


def comment_before(text, at):
    """The doc comment that ends right before a place, or nothing."""
    found = re.search(r"/\*\*((?:(?!\*/).)*)\*/\s*$", text[:at], re.S)
    return found[1] if found else ""


def carries_pointer(name, found):
    """Data that the other side owns: results of the host's functions, arguments of callbacks and of what plugins provide."""
    if "typedef" in found["result"] or PROVIDER.match(name):
        return re.search(r"vrd_str|const \w+ \*", found["arguments"]) is not None
    return "vrd_str" in found["result"] or "*" in found["result"]


def functions(name, text):
    for found in FUNCTION.finditer(text):
        start = text.rfind("\n", 0, found.start("name")) + 1
        comment, what = comment_before(text, start), f"sdk/include/veredus/{name}: {found['name']}()"
        yield from (f"{what}: no {tag} in its comment" for tag in ("@thread", "@since") if tag not in comment)
        if found["result"].strip() == "vrd_status" and "@errors" not in comment:
            yield f"{what}: gives a vrd_status and does not say @errors"
        if carries_pointer(name, found) and "@lifetime" not in comment:
            yield f"{what}: hands over a pointer or text and does not say its @lifetime"


def fields(name, text):
    for struct in STRUCT.finditer(text):
        what = f"sdk/include/veredus/{name}: {struct['name']}"
        if not struct["comment"]:
            yield f"{what}: no comment"
        body = FUNCTION.sub("", struct["body"])
        for line in body.splitlines():
            if re.match(r"\s*[\w ]+[*\w ]+;", line) and "/**<" not in line:
                yield f"{what}: '{line.strip()}' has no comment"


def crossing(name, text):
    first = re.sub(r"[\s*]+", " ", text[:text.index("*/")])
    if name not in NO_CROSSING and "n another process" not in first:
        yield f"sdk/include/veredus/{name}: its first comment does not say how it would cross to another process"


def compile_one(job):
    included, (compiler, language, standard) = job
    if shutil.which(compiler) is None:
        return f"tests/abi/headers.py: there is no {compiler}"
    source = "".join(f"#include <veredus/{header.name}>\n" for header in included)
    done = subprocess.run([compiler, "-x", language, f"-std={standard}", *WARNINGS, "-fsyntax-only", f"-I{INCLUDE}", "-"],
                          input=source, text=True, capture_output=True)
    what = included[0].relative_to(ROOT) if len(included) == 1 else "all headers"
    return f"{what} as {standard} with {compiler}: {done.stderr.strip()[:300]}" if done.returncode else None


def compiled():
    every = headers(INCLUDE)
    jobs = [(order, compiler) for order in (every, every[::-1]) for compiler in TOGETHER]
    jobs += [([header], compiler) for header in every for compiler in ALONE]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [problem for problem in pool.map(compile_one, jobs) if problem]


def check_text(name, text):
    return [problem for one in (functions, fields, crossing) for problem in one(name, text)]


def self_test():
    """Each rule finds a header that breaks it."""
    text = (INCLUDE / "veredus/table.h").read_text()
    broken = {word: text.replace(word, "", 1) for word in ("@thread any", "@thread main", "@since", "@errors", "@lifetime rows", "In another process", "/**< its value; may be empty */")}
    broken["@thread any"] = text.replace("@thread loop", "")
    return [f"tests/abi/headers.py: self-test: a header without '{word}' passes" for word, mutant in broken.items() if not check_text("table.h", mutant)]


def main():
    problems = self_test()
    for path in headers(INCLUDE):
        problems += check_text(path.name, path.read_text())
    if sys.argv[1:] != ["--text"]:
        problems += compiled()
    print("\n".join(problems) or "the headers are in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
