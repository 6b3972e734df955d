#!/usr/bin/env python3
"""The gate of the plugin ABI. Without arguments: today's headers against sdk/abi/table.txt and every frozen set; exit 1 with what is wrong.
`--write REASON` takes a legal change into the table and into sdk/abi/HISTORY. `--self-test` proves that illegal changes are refused."""
import concurrent.futures
import hashlib
import pathlib
import re
import shutil
import sys
import tempfile
import time

from abi_table import Abi, INCLUDE, ROOT, split

FOLDER = ROOT / "sdk/abi"
TABLE, HISTORY = FOLDER / "table.txt", FOLDER / "HISTORY"
FAMILIES = ("constant VRD_E_", "constant VRD_STAGE_", "constant VRD_ATTR_", "constant VRD_MAY_")


def field_owner(key):
    return "struct " + key.split()[1].split(".")[0]


def tail_only(key, rest, old):
    """A new field of a known struct stands behind all that was there."""
    size = int(old[field_owner(key)].split()[0])
    return int(rest.split()[0]) >= size


def changed(key, before, after):
    if key == "constant VRD_ABI":
        return None if int(after) >= int(before) else f"{key}: went back"
    if key.startswith("struct "):
        if "frozen" in before and before != after:
            return f"{key}: it is frozen at {before.split()[0]} octets and cannot become {after}"
        if "frozen" in after or int(after) < int(before):
            return f"{key}: was {before}, is {after}"
        return None
    return f"{key}: was '{before}', is '{after}'"


def compare(old_rows, new_rows):
    """What of a change is not allowed."""
    old, new = dict(map(split, old_rows)), dict(map(split, new_rows))
    problems = []
    for key, rest in old.items():
        if key not in new:
            problems.append(f"{key}: lost")
        elif new[key] != rest and (problem := changed(key, rest, new[key])):
            problems.append(problem)
    for key, rest in new.items():
        if key not in old and key.startswith("field ") and field_owner(key) in old and not tail_only(key, rest, old):
            problems.append(f"{key}: a new field may stand at the end only")
    return problems + reused(new)


def reused(rows):
    """Numbers that two names of one family share."""
    problems = []
    for family in FAMILIES:
        seen = {}
        for key, rest in rows.items():
            if key.startswith(family):
                if rest in seen:
                    problems.append(f"{key}: {rest} is the number of {seen[rest]}")
                seen[rest] = key
    return problems


def digest(rows):
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def check():
    rows = Abi().rows()
    committed = TABLE.read_text().splitlines()
    problems = compare(committed, rows)
    if not problems and rows != committed:
        problems.append("sdk/abi/table.txt: the headers have legal additions; run tests/abi/gate.py --write REASON")
    entries = re.findall(r"^table: (\w+)$", HISTORY.read_text(), re.M)
    if not entries or entries[-1] != digest(committed):
        problems.append("sdk/abi/HISTORY: its last entry is not about the table as it is; gate.py --write writes both")
    for folder in sorted(FOLDER.glob("[0-9]*")):
        problems += [f"against the frozen headers of {folder.name}: {problem}" for problem in compare(Abi(folder).rows(), rows)]
    return problems


def write(reason):
    rows = Abi().rows()
    old = TABLE.read_text().splitlines() if TABLE.exists() else []
    problems = compare(old, rows)
    if problems:
        return problems
    added = [row for row in rows if row not in old]
    with open(HISTORY, "a") as history:
        history.write(f"\n## {time.strftime('%Y-%m-%d')}\n{reason.strip()}\n")
        if old:
            history.write("".join(f"  + {row}\n" for row in added))
        history.write(f"table: {digest(rows)}\n")
    TABLE.write_text("\n".join(rows) + "\n")
    return []


# (what, header, old text, new text, the row that must be refused). All are made at once, so each concerns rows of its own.
ILLEGAL = [
    ("a field in the middle", "dns.h", "  uint32_t ttl; ", "  uint64_t more; /**< x */\n  uint32_t ttl; ", "field vrd_dns_record.ttl"),
    ("two fields swapped", "http.h", "vrd_str method;         /**< \"GET\", \"POST\" ... */\n  vrd_str url; ", "vrd_str url; vrd_str method; ", "field vrd_http_request.url"),
    ("two functions of one type swapped", "control.h", "(*write)", "(*SWAP)", "field vrd_core_control_1.write"),
    ("another signature", "clock.h", "int64_t (*mono_ms)(const vrd_host *host);", "uint64_t (*mono_ms)(const vrd_host *host);", "field vrd_core_clock_1.mono_ms"),
    ("another argument", "timer.h", "void (*cancel)(const vrd_host *host, vrd_op timer);", "void (*cancel)(const vrd_host *host, vrd_op timer, int32_t now);", "field vrd_core_timer_1.cancel"),
    ("another type of the same size", "kv.h", "  int64_t rate; ", "  uint64_t rate; ", "field vrd_kv_op.rate"),
    ("another constant", "types.h", "VRD_E_BUSY ((vrd_status)-8)", "VRD_E_BUSY ((vrd_status)-80)", "constant VRD_E_BUSY"),
    ("another id", "kv.h", '"core.kv/1"\n', '"core.kv/2"\n', "constant VRD_CORE_KV_1"),
    ("another attribute", "attr.h", 'X(HELO, 30, "helo"', 'X(HELO, 31, "helo"', "attribute helo"),
    ("a callback with another argument", "work.h", "typedef void (*vrd_work_done_fn)(void *ctx, vrd_status status);", "typedef void (*vrd_work_done_fn)(void *ctx);", "type vrd_work_done_fn"),
    ("a constant removed", "stage.h", "#define VRD_MAY_SPLIT 64u", "//", "constant VRD_MAY_SPLIT"),
    ("a field removed", "log.h", "  void (*write)(", "  void (*SKIP)(", "field vrd_core_log_1.write"),
    ("a number used twice", "stage.h", "#define VRD_STAGE_AUTH 140u", "#define VRD_STAGE_AGAIN 150u\n#define VRD_STAGE_AUTH 140u", "constant VRD_STAGE_AGAIN"),
    ("a frozen struct that grows", "table.h", "  vrd_str value;  /**< its value; may be empty */", "  vrd_str value;\n  uint64_t more; ", "struct vrd_table_row"),
]
# Made alone: it moves fields of nearly every struct.
ILLEGAL_ALONE = [("a struct without size that grows", "types.h", "  size_t len;      /**< octets */", "  size_t len;\n  size_t more;", "struct vrd_str")]
LEGAL = [
    ("a field at the end", "timer.h", "  void (*cancel)(const vrd_host *host, vrd_op timer);", "  void (*cancel)(const vrd_host *host, vrd_op timer);\n  void (*more)(void);", "field vrd_core_timer_1.more"),
    ("a new constant", "stage.h", "#define VRD_STAGE_AUTH 140u", "#define VRD_STAGE_NEW 145u\n#define VRD_STAGE_AUTH 140u", "constant VRD_STAGE_NEW"),
    ("a new struct", "timer.h", "/** \"core.timer/1\" */", "typedef struct vrd_new { uint32_t size; uint32_t zero; } vrd_new;\n", "struct vrd_new"),
    ("a new attribute", "attr.h", 'X(HELO, 30, "helo"', 'X(NEW, 31, "new", TEXT, HELO, 0, "x") X(HELO, 30, "helo"', "attribute new"),
    ("a comment", "timer.h", "core.timer/1: calls", "core.timer/1: really calls", None),
]


def mutated(folder, name, changes):
    """Today's headers with these changes."""
    copy = pathlib.Path(folder) / name
    shutil.copytree(INCLUDE, copy)
    for _, header, old, new, _ in changes:
        path = copy / "veredus" / header
        text = path.read_text()
        if old not in text:
            raise SystemExit(f"gate.py: the self-test finds no '{old}' in {header}")
        text = text.replace(old, new, 1)
        if "SWAP" in new:
            text = text.replace("(*error)", "(*write)", 1).replace("(*SWAP)", "(*error)", 1)
        path.write_text(text)
    return copy


def headers_refused(rows):
    """Changed headers: each illegal change is refused by the row it concerns, the legal ones are seen and none is refused."""
    problems, sets = [], {"illegal": ILLEGAL, "alone": ILLEGAL_ALONE, "legal": LEGAL}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as pool:
        copies = [mutated(folder, name, changes) for name, changes in sets.items()]
        after = dict(zip(sets, pool.map(lambda copy: Abi(copy).rows(), copies)))
    for name in ("illegal", "alone"):
        found = [part for problem in compare(rows, after[name]) for part in (problem.split(":")[0], problem.split(" of ")[-1])]
        problems += [f"self-test: {what} in {header} was accepted" for what, header, _, _, row in sets[name] if row not in found]
    problems += [f"self-test: a legal change was refused: {problem}" for problem in compare(rows, after["legal"])]
    seen = dict(map(split, after["legal"]))
    return problems + [f"self-test: {what} in {header} was not seen" for what, header, _, _, row in LEGAL if row and row not in seen]


def rows_refused(rows):
    """Every row of the table by itself: lost, or with another number or type, it is refused."""
    problems = []
    for at, row in enumerate(rows):
        key, rest = split(row)
        others = rows[:at] + rows[at + 1:]
        changed_row = f"{key} {rest[:-1]}{'1' if rest[-1] != '1' else '2'}" if not rest.endswith("frozen") else row.replace(" frozen", "")
        if key not in [problem.split(":")[0] for problem in compare(rows, others)]:
            problems.append(f"self-test: '{row}' may be lost")
        grows = key == "constant VRD_ABI" or key.startswith("struct ") and not rest.endswith("frozen")
        if not grows and not compare(rows, others[:at] + [changed_row] + others[at:]):
            problems.append(f"self-test: '{row}' may become '{changed_row}'")
    return problems


def self_test():
    rows = Abi().rows()
    return headers_refused(rows) + rows_refused(rows)


def main():
    if sys.argv[1:2] == ["--write"] and len(sys.argv) == 3:
        problems = write(sys.argv[2])
    elif sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    elif not sys.argv[1:]:
        problems = check()
    else:
        sys.exit(__doc__)
    print("\n".join(problems) or "the ABI is as sdk/abi/table.txt says")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
