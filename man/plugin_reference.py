"""Build tool: the reference part of veredus-plugin.7, from the comments of the plugin ABI's headers. One section a header: what it is, its
numbers, its structures, its functions with thread, lifetimes and errors."""
import pathlib
import re

# What is read first stands first; the other headers follow by name, services of plugins last.
FIRST = ["types.h", "plugin.h", "stage.h", "attr.h", "hook.h", "message.h", "edit.h", "conf.h"]
PART = re.compile(r"""
    /\*\*(?P<head>(?:(?!\*/).)*)\*/\n(?=\#define\ VRD_(?!EXPORT)\w+\ |\n)                                # a heading of numbers
  | \#define\ (?P<constant>VRD_\w+)\ (?P<value>\S.*?)\s*(?:/\*\*<(?P<about>(?:(?!\*/).)*)\*/)?$
  | (?:/\*\*(?P<struct_doc>(?:(?!\*/).)*)\*/\n)?(?:typedef\ )?struct\ (?P<struct>\w+)\ \{\n(?P<body>.*?)\n\}
  | typedef\ struct\ \w+\ (?P<opaque>\w+);\s*/\*\*<(?P<opaque_doc>(?:(?!\*/).)*)\*/
  | /\*\*(?P<type_doc>(?:(?!\*/).)*)\*/\n(?P<type>(?:typedef|VRD_EXPORT)\ [^;{]*);
  """, re.S | re.M | re.X)
MEMBER = re.compile(r"""
    /\*\*(?P<doc>(?:(?!\*/).)*)\*/\s*(?P<function>[\w ]+[\w*\ ]\(\*(?P<name>\w+)\)\([^;]*\));
  | ^\s*(?P<field>[\w *\[\]]+);\s*/\*\*<(?P<about>(?:(?!\*/).)*)\*/
  """, re.S | re.M | re.X)
ATTRIBUTE = re.compile(r'^  X\((\w+), (\d+), "([^"]+)", (\w+), (\w+), (\d), "((?:[^"\\]|\\.)*)"\)', re.M)


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text


def plain(comment):
    """A comment's words without its stars, tags apart."""
    return " ".join(re.sub(r"^\s*\* ?", "", line).strip() for line in (comment or "").splitlines()).strip()


def sentences(comment):
    """Roff lines of a comment: text, then its tags as one line each."""
    words, *tags = re.split(r"\s*@(?=thread|since|lifetime|errors)", plain(comment))
    out = [roff(words)] if words else []
    known = dict(tag.split(" ", 1) if " " in tag else (tag, "") for tag in tags)
    first = [f"thread: {known['thread'].strip()}"] if "thread" in known else []
    first += [f"since {known['since'].strip()}"] if "since" in known else []
    if first:
        out += [".br", roff("; ".join(first))]
    for tag in ("lifetime", "errors"):
        if known.get(tag):
            out += [".br", "\\fI" + tag + "\\fR: " + roff(known[tag].strip())]
    return out


def entry(term, text):
    return [".TP", ".B " + roff(re.sub(r"\s+", " ", term))] + text


def members(body):
    out = []
    for found in MEMBER.finditer(body):
        if found["field"]:
            out += entry(found["field"], [roff(plain(found["about"]))])
        else:
            out += entry(found["function"] + ";", sentences(found["doc"]))
    return out


def attributes(text):
    out = [".SS Attributes"]
    for name, number, word, kind, stage, each, doc in ATTRIBUTE.findall(text):
        per = "; one a recipient" if each == "1" else ""
        out += [".TP", f".B {roff(word)}", roff(f"VRD_ATTR_{name} ({number}), {kind.lower()}, from {stage.lower()} on{per}: {doc}")]
    return out


def parts(text):
    out, single = [], None
    for found in PART.finditer(text):
        if found["head"]:
            out += [".PP", roff(plain(found["head"]))]
        elif found["constant"] and (found["about"] or single):
            about = found["about"] or single
            if single:
                del out[-2:]
            out += entry(f"{found['constant']} = {number(found['value'])}", [roff(plain(about))])
        elif found["struct"]:
            out += [".PP", f".B struct {found['struct']}", ".br"] + sentences(found["struct_doc"]) + members(found["body"])
        elif found["opaque"]:
            out += entry(found["opaque"], [roff(plain(found["opaque_doc"]))])
        elif found["type"]:
            out += entry(found["type"] + ";", sentences(found["type_doc"]))
        # A heading whose number has no comment of its own is that number's comment.
        following = text[found.end():found.end() + 200]
        single = found["head"] if re.match(r"#define VRD_\w+ [^/\n]*\n", following) else None
    return out


def number(value):
    return re.sub(r"\(\(vrd_status\)(-?\d+)\)", r"\1", value).removesuffix("u")


def header(path):
    text = path.read_text()
    first = re.match(r"/\*(.*?)\*/", text, re.S)[1]
    words = "\n".join(re.sub(r"^ \*", "", line) for line in first.splitlines())
    paragraphs = [roff(" ".join(part.split())) for part in re.split(r"\n\s*\n|\n(?=  - )", words)]
    rest = text[text.index("*/") + 2:]
    out = [f".SS veredus/{path.name}", "\n.PP\n".join(paragraphs)]
    return out + (attributes(text) if path.name == "attr.h" else parts(rest))


def reference(folder):
    paths = {path.name: path for path in pathlib.Path(folder).glob("*.h") if path.name != "veredus.h"}
    services = sorted(name for name in paths if name.startswith("svc_"))
    order = FIRST + sorted(set(paths) - set(FIRST) - set(services)) + services
    return "\n".join(line for name in order for line in header(paths[name]))


def sources(folder):
    """What the page is made from: the headers and this file."""
    return [str(path) for path in pathlib.Path(folder).glob("*.h")] + [__file__]
