"""Lints of settings: documented = implemented = default. check() needs no build; built.py compares the generated manual by manual()."""
import re

from declared import code_that_reads, declared_settings, is_used

# Read by the rules across settings in core/config/checks.cc only, as they should be.
RULES_ONLY = {"allow_open_relay"}
GROUP_KEYS = ("queue", "outbound", "limits", "spool_options", "metrics", "tls")
SAMPLE_KEY = re.compile(r"^\s*(?:#\s*)?(?:- )?\{? ?([a-z_0-9]+):(?:\s|$)")


def words_of(settings):
    """Every key that may stand in a fragment."""
    words = {"core", "plugin", "instance", "isolation", "on_fault", "timeout"}
    for setting in settings:
        words.update(part.removesuffix("[]") for part in setting.name.split(".") if part != "NAME")
    return words


def unused(tree, settings, problems):
    files = code_that_reads(tree.root)
    for setting in settings:
        used = is_used(setting, files)
        if not used and not setting.planned and setting.name not in RULES_ONLY:
            problems.append(f"{setting.place}: setting '{setting.name}' has no effect: nothing reads {setting.owner}::{setting.member}")
        if used and setting.planned and setting.owner != "CertificateSettings":
            problems.append(f"{setting.place}: setting '{setting.name}' is marked as planned but is read")


def samples(tree, settings, problems):
    """Keys in samples exist; what a commented-out group shows is the default."""
    words = words_of(settings)
    defaults = {setting.name: setting.default for setting in settings}
    for name in tree.files("conf.d/*.yaml"):
        group = ""
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = SAMPLE_KEY.match(line)
            if not found:
                continue
            if found[1] not in words:
                problems.append(f"{name}:{number}: there is no setting '{found[1]}'")
            value = line.split(":", 1)[1].strip()
            if not value:
                group = found[1]
            wanted = defaults.get(f"{group}.{found[1]}") if group in GROUP_KEYS else None
            if value and wanted is not None and value != wanted:
                problems.append(f"{name}:{number}: shows {group}.{found[1]}: {value}, but the default is {wanted}")


def texts(tree, settings, problems):
    """Dotted names in texts are settings or log events; keys in YAML examples exist."""
    events = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', "".join(tree.text(n) for n in tree.files("core/log/events.def"))))
    known = {setting.name for setting in settings} | events
    areas = sorted(set(GROUP_KEYS) | {event.split(".")[0] for event in events})
    name_like = re.compile(r"(?<![/\w.-])((?:" + "|".join(areas) + r")\.[a-z_]+)\b(?![./(])")
    words = words_of(settings)
    for name in tree.files("README.md", "CONTRIBUTING.md", "man/*.[1-8]", "man/*.in"):
        text = tree.text(name).replace("\\-", "-")
        for number, line in enumerate(text.splitlines(), 1):
            for part in re.findall(r"`([^`]*)`", line) if name.endswith(".md") else [line]:
                for dotted in name_like.findall(part):
                    if dotted not in known and dotted.rsplit(".")[1] not in ("h", "cc", "py", "def", "yaml", "socket", "service"):
                        problems.append(f"{name}:{number}: there is no setting or event '{dotted}'")
        for example in re.finditer(r"^core:\n(?:[ ]+.*\n)+", text, re.M):
            first = text[:example.start()].count("\n") + 1
            for offset, line in enumerate(example[0].splitlines()):
                found = SAMPLE_KEY.match(line)
                if found and found[1] not in words:
                    problems.append(f"{name}:{first + offset}: there is no setting '{found[1]}'")


def check(tree):
    problems = []
    settings = declared_settings(tree.root)
    for one in (unused, samples, texts):
        one(tree, settings, problems)
    return problems


def manual(settings, page, problems):
    """Each declared setting stands in the manual, with its default."""
    page = page.replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'")
    entries = {part.split("\n", 1)[0]: part for part in page.split(".TP\n.B ")[1:]}
    for setting in settings:
        entry = entries.get(setting.name)
        if entry is None:
            problems.append(f"veredus.conf.5: setting '{setting.name}' is missing")
            continue
        wanted = f"Default: \\fB{setting.default}\\fR." if setting.default else f"Default: {setting.derived}." if setting.derived else "Must be given."
        if wanted not in entry:
            problems.append(f"veredus.conf.5: setting '{setting.name}' does not say: {wanted}")
