"""Lints of C++ sources: include direction, sizes of files and functions, first comments, coroutine rules."""
import pathlib
import re

ALLOWED = {
    "base": [], "log": ["base"], "config": ["base", "log"], "loop": ["base"],
    "store": ["base", "loop", "log"], "sasl": ["base"],
    "net": ["base", "loop", "log"], "mail": ["base"], "smtp": ["base", "mail"],
    "hooks": ["base", "loop", "log", "mail", "smtp"],
    "spool": ["base", "loop", "mail"],
    "queue": ["base", "loop", "log", "config", "mail", "smtp", "hooks", "spool"],
    "bounce": ["base", "loop", "log", "config", "mail", "smtp", "hooks", "spool", "queue"],
    "outbound": ["base", "loop", "log", "config", "net", "mail", "smtp", "sasl", "hooks", "spool", "queue"],
    "inbound": ["base", "loop", "log", "config", "net", "mail", "smtp", "sasl", "hooks", "spool", "queue"],
    "drop": ["base", "loop", "log", "config", "net", "mail", "smtp", "hooks", "spool", "queue", "inbound"],
    "migrate": ["base", "config"],
    "sendmail": ["base", "config", "mail", "smtp", "drop", "control"],
    "control": ["base", "loop", "log", "config", "net", "mail", "smtp", "spool", "queue"],
    "plugin": ["base", "log", "config", "loop", "net", "mail", "smtp", "hooks", "spool", "queue", "bounce", "outbound", "inbound",
               "control", "store", "sasl"],
}
ABI_USERS = {"plugin"}
MAX_FILE, MAX_HEADER, MAX_FUNCTION, MAX_MEDIAN, MAX_P90 = 500, 300, 80, 12, 40
FUNCTION_START = re.compile(r"^(?!namespace|class|struct|enum|extern|using|typedef|#|//|\}|\s*\))\S.*\)[^;]*\{$")

LINE_RULES = [
    (re.compile(r"\b(TODO|FIXME|XXX)\b"), "unfinished mark"),
    (re.compile(r"co_await[^;]*\?[^;]*:[^:]|\?[^;:]*co_await"), "co_await inside ?: (some compilers destroy its temporaries twice)"),
    (re.compile(r"\{[^;{}]*\bco_await\b[^;{}]*\}"), "co_await inside braces of an initialiser (some compilers destroy its temporaries twice)"),
    (re.compile(r"\[[^\]\[]*[&=\w][^\]\[]*\]\s*\([^)]*\)\s*(?:mutable\s*)?->\s*Task<"), "a capturing lambda as a coroutine (its captures die before it)"),
]


def include_direction(name, lines, problems):
    folder = name.split("/")[1]
    for number, line in enumerate(lines, 1):
        if folder not in ABI_USERS and re.match(r"#include <veredus/", line):
            problems.append(f"{name}:{number}: only the plugin host includes the headers of the plugin ABI")
    if folder == "main":
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([a-z_]+)/([a-z_./]+)"', line)
        if found and found[1] != folder and found[1] not in ALLOWED.get(folder, []):
            problems.append(f"{name}:{number}: {folder} must not include {found[1]}/{found[2]}")


def plugin_includes(name, lines, problems):
    """A plugin sees the SDK, its own files and what plugins share; nothing of the core. That is what proves the interface."""
    own = name.split("/")[1]
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([^"]+)"', line)
        folder = found[1].split("/")[0] if found and "/" in found[1] else own
        if found and (".." in found[1] or folder not in (own, "common", "mailauth")):
            problems.append(f"{name}:{number}: a plugin includes <veredus/...>, its own files, common/ and mailauth/, not {found[1]}")


def functions(lines):
    """(length, first line) of functions in column 0 or one namespace or class level in; good enough for a style budget."""
    lengths, start, indent = [], None, 0
    for number, line in enumerate(lines):
        if start is None and (FUNCTION_START.match(line) or re.match(r"^  [A-Za-z~].*\)[^;=]*\{$", line)):
            start, indent = number, len(line) - len(line.lstrip())
        elif start is not None and line.startswith(" " * indent + "}") and not line[indent + 1:].strip().startswith("else"):
            lengths.append((number - start + 1, start + 1))
            start = None
    return lengths


def sizes(name, lines, problems):
    header = name.endswith((".h", ".hpp")) and not pathlib.PurePath(name).name.startswith("test_")
    bound = MAX_HEADER if header else MAX_FILE
    if len(lines) > bound:
        problems.append(f"{name}: {len(lines)} lines; at most {bound} (two rooms?)")
    found = functions(lines)
    for length, line in found:
        if length > MAX_FUNCTION and "lint: long" not in lines[line - 2]:
            problems.append(f"{name}:{line}: a function of {length} lines; at most {MAX_FUNCTION}")
    return [length for length, _ in found]


def house_rules(name, text, problems):
    if not text.lstrip().startswith(("//", "/*", "#")):
        problems.append(f"{name}:1: the first comment must say what the file is")
    for number, line in enumerate(text.splitlines(), 1):
        for rule, complaint in LINE_RULES:
            if rule.search(line):
                problems.append(f"{name}:{number}: {complaint}")


def whole_tree(lengths, problems):
    lengths = sorted(lengths)
    if not lengths:
        return
    median, p90 = lengths[len(lengths) // 2], lengths[int(len(lengths) * .9)]
    if median > MAX_MEDIAN or p90 > MAX_P90:
        problems.append(f"the tree: median {median} (at most {MAX_MEDIAN}), p90 {p90} (at most {MAX_P90})")


def check(tree):
    """Problems, and the lengths of functions by folder for the table."""
    problems, rows = [], {}
    for name in tree.files(*(f"{top}/*.{end}" for top in ("core", "plugins", "sdk", "tests") for end in ("cc", "h", "hpp", "c"))):
        if name.startswith("sdk/abi/"):
            continue
        text = tree.text(name)
        lines = text.splitlines()
        if name.startswith("core/") and not name.endswith(("_test.cc", "_bench.cc")):
            include_direction(name, lines, problems)
        if name.startswith("plugins/"):
            plugin_includes(name, lines, problems)
        lengths = sizes(name, lines, problems)
        if not name.endswith("_test.cc"):
            rows.setdefault(name.split("/")[1], []).extend(lengths)
        house_rules(name, text, problems)
    whole_tree([length for lengths in rows.values() for length in lengths], problems)
    return problems, rows
