"""The declared settings, read from core/config/table_*.cc without a build: name, default, member of Settings. For the other lints."""
import dataclasses
import pathlib
import re

STRING = r'"(?:[^"\\]|\\.)*"'
ROW = re.compile(r"\{\s*\.name = (" + STRING + r"),(.*?)\},\n(?=\s*\{\s*\.name|\s*\};)", re.S)
TABLE = re.compile(r"constexpr Setting (k\w+)\[\] = \{\n(.*?)^\};", re.S | re.M)


@dataclasses.dataclass
class Setting:
    name: str          # "queue.retry", "listeners[].role", "sources.NAME.helo"
    default: str       # as YAML; empty when it is derived or required
    derived: str
    owner: str         # the struct that holds the member: "QueueSettings"
    member: str        # "retry"
    table: bool        # { NAME: ... }
    place: str         # file:line of the row
    planned: str = ""  # what it waits for before it has an effect


def joined(text):
    """The value of adjacent string literals."""
    return "".join(re.sub(r"\\(.)", r"\1", part[1:-1]) for part in re.findall(STRING, text))


def attribute(row, name):
    found = re.search(r"\." + name + r" =\s*((?:" + STRING + r"\s*)+)", row)
    return joined(found[1]) if found else ""


def member_of(row, text):
    """(struct, member) from at<&Settings::queue, &QueueSettings::retry>() or a helper such as queue<&Q::retry>()."""
    found = re.search(r"\.member = \w+<(.*?)>\(\)", row, re.S)
    owner, member = re.findall(r"&(\w+)::(\w+)", found[1])[-1]
    alias = re.search(r"using " + owner + r" = (\w+);", text)
    return (alias[1] if alias else owner), member


def file_settings(path, root):
    text = path.read_text()
    tables = {}
    for table in TABLE.finditer(text):
        rows = []
        for row in ROW.finditer(table[2] + "};"):
            line = text[:table.start(2) + row.start()].count("\n") + 1
            body = row[2]
            fields = re.search(r"\.fields = (k\w+)", body)
            owner, member = member_of(body, text)
            rows.append((Setting(joined(row[1]), attribute(body, "fallback"), attribute(body, "derived"), owner, member,
                                 ".shape = Shape::table" in body, f"{path.relative_to(root)}:{line}", attribute(body, "planned")), fields[1] if fields else None))
        tables[table[1]] = rows
    return tables


def declared_settings(root):
    out = []
    for path in sorted((pathlib.Path(root) / "core/config").glob("table_*.cc")):
        if path.name.endswith("_test.cc"):
            continue
        tables = file_settings(path, root)
        for setting, fields in tables.get("kRows", []):
            out.append(setting)
            for field, _ in tables.get(fields, []):
                between = ".NAME." if setting.table else "[]."
                out.append(dataclasses.replace(field, name=setting.name + between + field.name))
    return out


GROUPS = {"Settings": ["settings"], "QueueSettings": ["queue"], "OutboundSettings": ["outbound"], "LimitsSettings": ["limits"],
          "SpoolSettings": ["spool"], "MetricsSettings": ["metrics"], "TlsSettings": ["tls"]}


def receivers(owner):
    """Names a value of the struct is known by where its members are read."""
    return GROUPS.get(owner, [owner.removesuffix("Settings").lower()])


def is_used(setting, files):
    """Whether some file reads the member: through a name the struct is known by, or in a file that names the struct."""
    for text in files:
        if setting.member not in text:
            continue
        for found in re.finditer(r"(\w+?)_?(?:\(\))?(?:\.|->)" + setting.member + r"\b(?!\()", text):
            if found[1] in receivers(setting.owner) or re.search(r"\b" + setting.owner + r"\b", text):
                return True
    return False


def code_that_reads(root):
    """Sources outside config/ and tests, without comments."""
    out = []
    for path in sorted((pathlib.Path(root) / "core").rglob("*")):
        if path.suffix not in (".cc", ".h") or path.parent.name == "config" or path.name.endswith("_test.cc") or path.name.startswith("test_"):
            continue
        out.append(re.sub(r"//[^\n]*", "", path.read_text(errors="replace")))
    return out
