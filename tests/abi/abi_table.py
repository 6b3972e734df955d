"""The ABI as rows of text, made from the headers by the compiler: every public struct with its fields, every constant, function type and
attribute. Nothing is listed by hand: what a header declares is a row."""
import json
import pathlib
import re
import subprocess
import tempfile

CLANG = "clang-16"
ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "sdk/include"
MACRO = re.compile(r"^#define (VRD_[A-Z0-9_]+) (.+)$", re.M)
# What the preprocessor needs, not what crosses.
NO_CONSTANTS = {"VRD_BEGIN", "VRD_END", "VRD_EXPORT"}


def clang(include, *arguments, source):
    done = subprocess.run([CLANG, "-std=c11", f"-I{include}", *arguments], input=source, text=True, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"tests/abi: the headers do not compile:\n{done.stderr[:2000]}")
    return done.stdout


def headers(include):
    return sorted((pathlib.Path(include) / "veredus").glob("*.h"))


def includes(include):
    return "".join(f"#include <veredus/{path.name}>\n" for path in headers(include))


def nodes(include, text):
    """Declarations of our own headers at top level, each once: the tree of the compiler names a file only where it changes."""
    tree = json.loads(clang(include, "-x", "c", "-", "-fsyntax-only", "-Xclang", "-ast-dump=json", source=text))
    file = ""
    for node in tree["inner"]:
        for place in (node.get("loc", {}), node.get("loc", {}).get("expansionLoc", {})):
            file = place.get("file", file)
        if "/veredus/" in file:
            yield node


def frozen_structs(include):
    """Names of the structs whose comment says so; a struct that does not begin with its size cannot grow either."""
    found = set()
    for path in headers(include):
        for comment, name in re.findall(r"/\*\*((?:(?!\*/).)*)\*/\s*typedef struct (\w+) \{", path.read_text(), re.S):
            if "Frozen" in comment:
                found.add(name)
    return found


class Abi:
    def __init__(self, include=INCLUDE):
        self.include = include
        self.structs, self.types, self.enumerators = {}, {}, []
        text = includes(include)
        for node in nodes(include, text):
            self.take(node)
        macros = MACRO.findall(clang(include, "-x", "c", "-", "-E", "-dM", source=text))
        self.macros = sorted((name, value) for name, value in macros if name not in NO_CONSTANTS)

    def take(self, node):
        kind, name = node["kind"], node.get("name", "")
        if kind == "RecordDecl" and node.get("completeDefinition"):
            fields = [(field["name"], field["type"]["qualType"]) for field in node.get("inner", []) if field["kind"] == "FieldDecl"]
            self.structs[name] = fields
        elif kind == "TypedefDecl" and not node["type"]["qualType"].startswith("struct "):
            self.types[name] = node["type"]["qualType"]
        elif kind == "FunctionDecl":
            self.types[name] = node["type"]["qualType"]
        elif kind == "EnumDecl":
            self.enumerators += [one["name"] for one in node["inner"] if one["kind"] == "EnumConstantDecl"]

    def program(self):
        """C source that prints sizes, offsets and values."""
        out = [includes(self.include), "#include <stdio.h>\n",
               'static void text(const char *n, const char *v) { printf("constant %s \\"%s\\"\\n", n, v); }\n',
               'static void number(const char *n, long long v) { printf("constant %s %lld\\n", n, v); }\n',
               '#define ATTR(id, nr, name, kind, stage, per, doc) printf("attribute %s %d %u %u %d\\n", name, nr, VRD_##kind, VRD_STAGE_##stage, per);\n',
               "int main(void) {\n"]
        for name, fields in self.structs.items():
            out.append(f'  printf("struct {name} %zu\\n", sizeof(struct {name}));\n')
            for field, kind in fields:
                where = f"offsetof(struct {name}, {field}), sizeof(((struct {name} *)0)->{field})"
                out.append(f'  printf("field {name}.{field} %zu %zu {kind}\\n", {where});\n')
        for name, value in self.macros + [(name, "") for name in self.enumerators]:
            out.append(f'  text("{name}", {name});\n' if value.startswith('"') else f'  number("{name}", (long long)({name}));\n')
        out.append("  VRD_ATTRS(ATTR)\n  return 0;\n}\n")
        return "".join(out)

    def rows(self):
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/show"
            clang(self.include, "-x", "c", "-", "-o", program, source=self.program())
            shown = subprocess.run([program], text=True, capture_output=True, check=True).stdout.splitlines()
        frozen = frozen_structs(self.include)
        out = []
        for row in shown:
            name = row.split()[1]
            if row.startswith("struct ") and (name in frozen or self.structs[name][0] != ("size", "uint32_t")):
                row += " frozen"
            out.append(row)
        return out + [f"type {name} {kind}" for name, kind in self.types.items()]


def split(row):
    """(key, rest) of a row: what is named, and what is said of it."""
    kind, name, rest = (row + "  ").split(" ", 2)
    return f"{kind} {name}", rest.strip()
