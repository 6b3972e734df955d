#!/usr/bin/env python3
"""Build tool: fills the templates of manual pages. `commands VEREDUS TEMPLATE OUT` from the list that the command itself prints,
`events EVENTS.DEF TEMPLATE OUT` from the declared log events, `plugin FOLDER TEMPLATE OUT` from the headers of the plugin ABI. The list stands where the template says @LIST@."""
import re
import subprocess
import sys

import plugin_reference


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")
    return "\\&" + text if text.startswith(".") else text


def usage(text):
    """Arguments in italics, options in bold, brackets as they are. The options that select messages are one word: the template explains them."""
    text = re.sub(r"\[--sender A\].*\[--tenant T\]", "[FILTER ...]", text)
    out = []
    for word in re.findall(r"[\[\]|<]|\.\.\.|[^\s\[\]|<]+", text):
        style = "B" if re.match(r"--|[a-z]", word) else "I" if re.match(r"[A-Z]", word) else "R"
        out.append(word if style == "R" else f"\\f{style}{roff(word)}\\fR")
    return " ".join(out).replace("[ ", "[").replace(" ]", "]")


def commands(help_text):
    """Lines of two spaces are a command with its arguments, of six its sentence; others with a colon at the end are headings."""
    out, name = [], None
    for line in help_text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            out.append(".SS " + roff(line[0].upper() + line[1:-1]))
        elif line.startswith("      "):
            out.append(roff(line.strip()))
        elif line.startswith("  "):
            head = re.match(r"  ([a-z]+(?: [a-z]+)*)\s?(.*)", line)
            name, arguments = head[1], usage(head[2])
            out += [".TP", f"\\fB{name}\\fR" + (" " + arguments if arguments else "")]
    if name is None:
        sys.exit("generate.py: the command printed no list")
    return "\n".join(out)


def events(definitions):
    """Comments of the table are the headings; one entry an event."""
    out = []
    pattern = re.compile(r'^// (?P<title>[^\n]*)$|^VRD_EVENT\(\s*\w+,\s*"(?P<name>[^"]+)",\s*(?P<severity>\w+),\s*(?P<doc>(?:"(?:[^"\\]|\\.)*"\s*)+)\)', re.M)
    count = 0
    for found in pattern.finditer(definitions.split("\n\n", 1)[1]):
        if found["title"]:
            out.append(".SS " + roff(found["title"]))
            continue
        count += 1
        doc = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found["doc"])).replace('\\"', '"')
        out += [".TP", f".BR {roff(found['name'])} \" ({found['severity']})\"", roff(doc)]
    if count != definitions.count("VRD_EVENT(k"):
        sys.exit("generate.py: some rows of the table of events are not understood")
    return "\n".join(out)


def main():
    kind, source, template, target, *depfile = sys.argv[1:]
    if kind == "commands":
        made = commands(subprocess.run([source, "help"], text=True, capture_output=True, check=True).stdout)
    elif kind == "plugin":
        made = plugin_reference.reference(source)
        with open(depfile[0], "w") as out:
            out.write(f"{target}: {' '.join(plugin_reference.sources(source))}\n")
    else:
        made = events(open(source).read())
    page = open(template).read()
    if page.count("@LIST@\n") != 1:
        sys.exit(f"generate.py: {template} has no place for the list")
    with open(target, "w") as out:
        out.write(page.replace("@LIST@", made))


main()
