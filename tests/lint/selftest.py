#!/usr/bin/env python3
"""Shows that the lints can fail: each broken sample must give its finding, and the good one none. Run by lint.py."""
import pathlib
import shutil
import sys
import tempfile

import built
import layout
import settings
import sources
from tree import Tree

TABLE = '''// Rows.
constexpr Setting kListener[] = {
    {.name = "role", .type = Type::choice, .member = at<&ListenerSettings::role>(), .fallback = "mx", .doc = "What for."},
};
constexpr Setting kRows[] = {
    {.name = "listeners", .shape = Shape::records, .member = at<&Settings::listeners>(), .fallback = "[]", .fields = kListener, .doc = "Where."},
    {.name = "queue.expire", .member = at<&Settings::queue, &QueueSettings::expire>(), .fallback = "5d", .doc = "When "
            "it ends."},
    {.name = "later", .member = at<&Settings::later>(), .fallback = "1", .planned = "tomorrow", .doc = "Not yet."},
};
'''
GOOD = {
    "core/config/table_a.cc": TABLE,
    "core/config/README.md": "# config\n",
    "core/queue/README.md": "# queue: see `veredus queue list`\n",
    "core/queue/queue.cc": "// Reads settings.\nvoid f() {\n  use(settings.queue.expire, settings.listeners, listener.role);\n}\n",
    "core/queue/queue_test.cc": "// Tests.\n",
    "core/queue/meson.build": "executable('t', 'queue_test.cc')\n",
    "core/control/command.cc": '// Commands.\nT t = {\n      {"queue list", "", "List."},\n      {"status", "", "Status."},\n};\n',
    "core/control/README.md": "# control\n",
    "core/log/events.def": '// Events.\nEVENT("queue.full")\n',
    "core/log/README.md": "# log\n",
    "conf.d/00-core.yaml": "core:\n  listeners:\n    - { role: mx }\n  # queue:\n  #   expire: 5d\n",
    "README.md": "See `queue.expire`, `queue.full`.\n\n```yaml\ncore:\n  queue:\n    expire: 1d\n```\n\n```sh\nveredus --conf conf.d status\n```\n",
    "man/x.1": ".B queue.expire\n.B veredus status\n",
    "tests/scenarios/a.py": 'if __name__ == "__main__":\n    pass\n',
}
# what is changed in the good tree, and a part of the finding it must give
BROKEN = [
    ("core/base/a.h", '// A.\n#include "queue/queue.h"\n', "base must not include queue/queue.h"),
    ("core/queue/big.cc", "// Big.\n" + "int a;\n" * 500, "501 lines; at most 500"),
    ("core/queue/big.h", "// Big.\n" + "int a;\n" * 300, "301 lines; at most 300"),
    ("core/queue/long.cc", "// Long.\nvoid f() {\n" + "  g();\n" * 80 + "}\n", "a function of 82 lines"),
    ("core/queue/fat.cc", "// Fat.\n" + ("void f() {\n" + "  g();\n" * 20 + "}\n") * 9, "the tree: median"),
    ("core/queue/bare.cc", "int a;\n", "the first comment must say"),
    ("core/queue/late.cc", "// TO" + "DO later.\n", "unfinished mark"),
    ("core/queue/await.cc", "// Awaits.\nint a = b ? co_await c : 0;\n", "co_await inside ?:"),
    ("core/queue/brace.cc", "// Awaits.\nPair a{co_await b, 1};\n", "co_await inside braces"),
    ("core/queue/lambda.cc", "// Lambda.\nauto f = [&](int a) -> Task<void> { co_return; };\n", "a capturing lambda as a coroutine"),
    ("core/queue/README.md", "line\n" * 31, "31 lines; at most 30"),
    ("core/spool/spool.h", "// Spool.\n", "core/spool/README.md: missing"),
    ("core/queue/lost_test.cc", "// Lost.\n", "in no meson.build"),
    ("tests/scenarios/b.py", "pass\n", "no __main__ guard"),
    ("core/queue/path.cc", '// Path.\nauto p = "/' + 'work/main/x";\n', "belongs to one machine"),
    ("tests/dev/get.sh", "curl https://" + "pypi.org/x\n", "belongs to one machine or registry"),
    ("man/y.8", ".B veredus explode\n", "no command 'veredus explode'"),
    ("core/queue/README.md", "`veredus queue lost`\n", "no command 'veredus queue lost'"),
    ("core/queue/queue.cc", "// Reads less.\nvoid f() {\n  use(settings.listeners, listener.role);\n}\n", "setting 'queue.expire' has no effect"),
    ("core/queue/queue.cc", "// Comments only: settings.queue.expire\nvoid f() {\n  use(settings.listeners, listener.role);\n}\n", "setting 'queue.expire' has no effect"),
    ("core/queue/more.cc", "// Reads more.\nint a = settings.later;\n", "marked as planned but is read"),
    ("conf.d/01-x.yaml", "core:\n  hostnam: x\n", "no setting 'hostnam'"),
    ("conf.d/01-x.yaml", "core:\n  # queue:\n  #   expire: 4d\n", "but the default is 5d"),
    ("README.md", "See `queue.expires`.\n", "no setting or event 'queue.expires'"),
    ("CONTRIBUTING.md", "```\ncore:\n  queue:\n    expiry: 1d\n```\n", "no setting 'expiry'"),
    ("man/x.7", "Then queue.empty is logged.\n", "no setting or event 'queue.empty'"),
    ("man/x.7", "See core/queue/gone.cc for more.\n", "no file core/queue/gone.cc"),
    ("man/y.1.in", ".EX\n    veredus explode\n.EE\n", "no command 'veredus explode'"),
]
ENTRY = ".TP\n.B {}\nText.\n.br\nType: x.\nDefault: \\fB{}\\fR.\n"


def findings(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        tree = Tree(folder)
        return sources.check(tree)[0] + layout.check(tree) + settings.check(tree)


def manual_findings(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "core/config/table_a.cc")
        path.parent.mkdir(parents=True)
        path.write_text(TABLE)
        problems = []
        settings.manual(settings.declared_settings(folder), "".join(ENTRY.format(*row) for row in rows), problems)
        return problems


def page_failures():
    """man is there after `./dev build`; without it pages are not judged."""
    if not shutil.which("man"):
        return []
    with tempfile.TemporaryDirectory() as folder:
        good, bad = pathlib.Path(folder, "good.1"), pathlib.Path(folder, "bad.1")
        good.write_text('.TH X 1 "" "" ""\n.SH NAME\nx \\- y\n')
        bad.write_text('.TH X 1 "" "" ""\n.SH NAME\nx \\- y\n.NOSUCHMACRO z\n')
        out = [f"a good page has a warning: {line}" for line in built.page_warnings(good)]
        return out + ([] if built.page_warnings(bad) else ["a broken page has no warning"])


def main():
    failures = [f"the good tree has a finding: {one}" for one in findings(GOOD)]
    for name, text, wanted in BROKEN:
        if not any(wanted in one for one in findings(GOOD | {name: text})):
            failures.append(f"broken {name} is not found: {wanted}")
    rows = [("listeners", "[]"), ("listeners[].role", "mx"), ("queue.expire", "5d"), ("later", "1")]
    if manual_findings(rows):
        failures.append(f"a good manual has a finding: {manual_findings(rows)}")
    for broken, wanted in ((rows[:2] + rows[3:], "'queue.expire' is missing"), (rows[:2] + [("queue.expire", "4d")] + rows[3:], "'queue.expire' does not say")):
        if not any(wanted in one for one in manual_findings(broken)):
            failures.append(f"a broken manual is not found: {wanted}")
    failures += page_failures()
    for failure in failures:
        print(f"tests/lint/selftest.py: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
