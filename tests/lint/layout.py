"""Lints of the tree: READMEs of folders, tests that no build lists, scenarios that cannot be run, paths of one machine, commands in texts."""
import re

MAX_README = 30
# Directories that exist on one machine only, and hosts of package registries.
FOREIGN = re.compile(r"(?<![\w.$}/])/(?:work|home|root|farm|Users)/\w|\b(?:pypi\.org|crates\.io|npmjs\.(?:com|org)|rubygems\.org|proxy\.golang\.org|deb\.debian\.org)\b")
COMMAND_ROW = re.compile(r'^\s*\{"([a-z]+(?: [a-z]+)*)",|\bvrd::command<[^>]*>\(\s*"([a-z-]+(?: [a-z-]+)*)"', re.M)
COMMAND_TABLES = ("core/control/command*.cc", "core/main/*.cc", "plugins/*.cc")
TEXTS = ("README.md", "CONTRIBUTING.md", "conf.d/*.yaml", "man/*.[1-8]", "man/*.in", "core/*/README.md", "plugins/*/README.md")
NAMED_FILE = re.compile(r"(?<![\w./])((?:core|tests|man|conf\.d|plugins|sdk)/[\w./-]*\w\.(?:cc|h|def|py|sh|yaml|md|txt))\b")
CALL = re.compile(r"\bveredus ((?:--conf [\w./$]+ |--json )*)([a-z]+(?:-[a-z]+)*(?: [a-z]+(?:-[a-z]+)*)?)")


def readmes(tree, problems):
    for place in [f"core/{folder}" for folder in tree.folders("core")] + [f"plugins/{folder}" for folder in tree.folders("plugins")]:
        name = f"{place}/README.md"
        if not tree.files(name):
            problems.append(f"{name}: missing; it says purpose, main types, what the folder may depend on, the story of one call")
        elif len(tree.text(name).splitlines()) > MAX_README:
            problems.append(f"{name}: {len(tree.text(name).splitlines())} lines; at most {MAX_README}")


def unlisted_tests(tree, problems):
    built = "\n".join(tree.text(name) for name in tree.files("*meson.build"))
    for name in tree.files("core/*_test.cc", "tests/*_test.cc", "plugins/*_test.cc"):
        if f"'{name.rsplit('/', 1)[1]}'" not in built and f"/{name.rsplit('/', 1)[1]}'" not in built:
            problems.append(f"{name}: in no meson.build, so it is never run")


def scenarios(tree, problems):
    for name in tree.files("tests/scenarios/*.py"):
        base = name.rsplit("/", 1)[1]
        runs = re.search(r'^(?:if __name__ == ["\']__main__["\']:|run_tests\()', tree.text(name), re.M)
        if name.count("/") == 2 and not base.startswith("lib_") and not runs:
            problems.append(f"{name}: cannot be run as a program (no __main__ guard, no run_tests)")


def foreign_names(tree, problems):
    for name in tree.files("*"):
        if name.startswith("tests/lint/") or name == "LICENSE" or name.endswith((".bin", ".png", ".eml", ".log")) or "/seeds/" in name:
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = FOREIGN.search(line)
            if found:
                problems.append(f"{name}:{number}: '{found[0]}' belongs to one machine or registry")


def known_commands(tree):
    return {core or plugin for name in tree.files(*COMMAND_TABLES) for core, plugin in COMMAND_ROW.findall(tree.text(name))}


def quoted(name, text):
    """The parts of a text that show commands: code in Markdown and comments, bold lines and examples in manual pages."""
    lines = text.splitlines()
    if not re.search(r"\.[1-8](\.in)?$", name):
        fenced = re.sub(r"^```.*?^```", lambda m: "\n".join("`" + l + "`" if l else "" for l in m[0].splitlines()), text, flags=re.S | re.M)
        for number, line in enumerate(fenced.splitlines(), 1):
            yield from ((number, part) for part in re.findall(r"`([^`]+)`", line))
        return
    example = False
    for number, line in enumerate(lines, 1):
        example = (example or line == ".EX") and line != ".EE"
        if example or line.startswith((".B veredus ", '.BR "veredus ', '.BI "veredus ')):
            yield number, line.replace("\\-", "-")


def commands(tree, problems):
    known = known_commands(tree)
    if not known:
        return
    for name in tree.files(*TEXTS):
        for number, part in quoted(name, tree.text(name)):
            for _, words in CALL.findall(part):
                if words not in known and words.split()[0] not in known and words.split()[0] not in {k.split()[0] for k in known if words == k.split()[0]}:
                    problems.append(f"{name}:{number}: there is no command 'veredus {words}'")


def named_files(tree, problems):
    for name in tree.files("README.md", "CONTRIBUTING.md", "man/*.[1-8]", "man/*.in"):
        for number, line in enumerate(tree.text(name).replace("\\-", "-").splitlines(), 1):
            for file in NAMED_FILE.findall(line):
                if "NN" not in file and not (tree.root / file).exists() and not tree.files(f"plugins/*/{file}"):
                    problems.append(f"{name}:{number}: there is no file {file}")


def check(tree):
    problems = []
    for one in (readmes, unlisted_tests, scenarios, foreign_names, commands, named_files):
        one(tree, problems)
    return problems
