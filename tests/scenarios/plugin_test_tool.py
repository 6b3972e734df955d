#!/usr/bin/env python3
# Scenario: veredus-plugin-test finds every broken rule, survives every crash of a plugin, and lets a good plugin pass.
import os
import re
import subprocess
import tempfile

from lib_base import BUILD, ROOT, run_tests

TOOL = os.path.join(BUILD, "sdk/plugin-test/veredus-plugin-test")
PLUGINS = os.path.join(BUILD, "sdk/plugin-test/tests")
SCRIPTS = os.path.join(ROOT, "sdk/plugin-test/tests")
GOOD = os.path.join(PLUGINS, "ptest_good.so")
GOOD_SCRIPT = os.path.join(SCRIPTS, "good.test.yaml")
BAD_SCRIPT = os.path.join(SCRIPTS, "bad.test.yaml")

# What each plugin of bad.c must be told in strict mode.
STRICT = {
    "thread": "rule: thread: core.dns query on a thread of the plugin's own",
    "stage_ended": "rule: stage ended: core.hook number",
    "no_right": "rule: right: the hook at helo: an edit without the right: note",
    "not_at_stage": "rule: right: the hook at helo: an edit that stage helo does not allow: insert_header",
    "view_leak": "rule: view leaked",
    "view_stale": "rule: view: core.message attr of a view whose call has ended",
    "edits_leak": "rule: edits leaked",
    "unanswered": "rule: token: a token of the hook at helo was never answered",
    "create_only": "rule: create only: core.metric define",
    "destroyed": "rule: destroyed: core.log wants",
    "unknown_bits": "rule: unknown bits: core.kv run",
    "verdict": "rule: verdict: the hook at helo: a verdict whose reserved octets",
    "action": "rule: verdict: the hook at helo: action 5 (hold)",
    "description": "rule: description",
    "rearm": "stopped while it works: rule: asks for ever: the plugin asks again from a callback although its shard ends",
    "twice": "rule: token: a token of the hook at helo was completed twice",
    "global": "two instances in turn: expected verdict next, came reject",
    "crash": "SIGABRT at bad.test.yaml:7:7 helo",
}
# What only chaos finds.
CHAOS = {
    "crash_on_abort": "abort at deferral 1: SIGABRT",
    "late_use": "abort at deferral 1: SIGABRT",
    "crash_on_error": "every service answers timeout: ",
    "crash_on_null_iface": "no core.log/1: SIGABRT",
    "crash_on_no_memory": "no memory for lists of edits: SIGABRT",
}


def tool(*arguments, env=None):
    """Exit code, standard output, standard error."""
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def bad(name):
    return os.path.join(PLUGINS, f"ptest_bad_{name}.so")


def script(text):
    path = os.path.join(tempfile.mkdtemp(prefix="veredus-plugin-test-"), "x.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def assert_passes(*arguments):
    code, out, err = tool(*arguments)
    assert code == 0 and re.search(r"^\d+ passed, 0 failed$", out, re.M), f"exit {code}\n{out}{err}"
    return out


def test_good_plugin_passes_in_every_mode():
    for mode in ("plain", "strict"):
        assert_passes(GOOD, GOOD_SCRIPT, "--mode", mode)
    assert_passes(GOOD, GOOD_SCRIPT, "--mode", "chaos", "--runs", "2")
    assert_passes(GOOD, GOOD_SCRIPT, "--mode", "fuzz", "--runs", "20", "--seed", "7")


def test_every_strict_rule_is_found():
    for name, told in STRICT.items():
        code, out, err = tool(bad(name), BAD_SCRIPT, "--mode", "strict")
        assert code == 1 and told in out, f"{name}: exit {code}, wanted {told}\n{out}{err}"


def test_plain_mode_judges_expectations_only():
    for name in ("view_leak", "edits_leak", "description", "global"):
        assert_passes(bad(name), BAD_SCRIPT)


def test_what_only_chaos_finds():
    for name, told in CHAOS.items():
        assert_passes(bad(name), BAD_SCRIPT, "--mode", "strict")
        code, out, err = tool(bad(name), BAD_SCRIPT, "--mode", "chaos", "--runs", "3")
        assert code == 1 and re.search(told, out), f"{name}: exit {code}, wanted {told}\n{out}{err}"


def test_blocking_and_streams_left_open_are_warnings():
    out = assert_passes(bad("blocks"), BAD_SCRIPT, "--mode", "strict")
    assert "warning: the hook at helo held the loop for more than 2 ms" in out, out
    out = assert_passes(bad("request_left"), BAD_SCRIPT, "--mode", "strict")  # the host ends what its shard leaves
    assert "warning: stream tcp://a.test:1 was still open when its shard ended" in out, out


def test_who_looks_at_the_status_before_asking_again_passes():
    good = os.path.join(PLUGINS, "ptest_rearm.so")
    for mode in ("strict", "chaos"):
        assert_passes(good, BAD_SCRIPT, "--mode", mode, "--runs", "2")


def test_a_plugin_that_does_not_end_is_stopped():
    code, out, _ = tool(bad("forever"), BAD_SCRIPT)
    assert code == 1 and "no end within 20 s at bad.test.yaml:7:7 helo" in out, out


def test_a_crash_spoils_no_other_case():
    path = script("- {name: calm, steps: [connect]}\n- {name: crashes, steps: [helo: a]}\n- {name: calm again, steps: [connect]}\n")
    code, out, _ = tool(bad("crash"), path)
    assert code == 1 and "ok calm\n" in out and "FAIL crashes" in out and "ok calm again\n" in out and "2 passed, 1 failed" in out, out


def test_what_was_expected_and_what_came():
    cases = {
        "expect: {verdict: reject}": "expected verdict reject, came next",
        "expect: {log: never}": 'expected event never, came nothing',
        "expect: {asked: [dns A other]}": "expected a request dns A other, came",
        "expect: {metric: {asked_total: 9}}": "expected metric asked_total 9, came 1",
        "expect: {pending: true}": "expected an answer that is still waited for, came one at once",
        "expect: {edits: [drop_recipient 0]}": 'expected edits ["drop_recipient 0"], came nothing',
        "expect: {headers: {Subject: other}}": "expected header Subject other, came",
    }
    for expect, told in cases.items():
        path = script("- name: one\n  message: 'Subject: x'\n  steps:\n    - connect: 192.0.2.1\n      " + expect + "\n")
        code, out, _ = tool(GOOD, path)
        assert code == 1 and told in out and "(x.yaml:4:7)" in out, f"{expect}: {out}"


def test_malformed_scripts_name_the_place():
    cases = {
        "- name: a\n  steps:\n    - helo: [\n": "x.yaml:",
        "name: a\n": "x.yaml:1:1: a script is a list of cases",
        "- name: a\n  stepz: []\n": "x.yaml:2:3: unknown key 'stepz' of a case",
        "- name: a\n  steps:\n    - hello: b\n": "x.yaml:3:7: unknown step 'hello'",
        "- name: a\n  steps:\n    - helo: b\n      expect: {verdikt: next}\n": "x.yaml:4:16: unknown key 'verdikt' of expect",
        "- name: a\n  steps:\n    - advance: 5\n": "x.yaml:3:16: advance is a duration",
        "- name: a\n  steps:\n    - connect: {client.color: red}\n": "x.yaml:3:17: unknown attribute 'client.color'",
        "- name: a\n": "x.yaml:1:3: a case needs steps",
    }
    for text, told in cases.items():
        code, out, err = tool(GOOD, script(text))
        assert code == 65 and told in err and not out, f"{text!r}: exit {code}: {err}"


def test_usage_and_missing_files():
    for arguments, wanted in (([], 64), ([GOOD], 64), ([GOOD, GOOD_SCRIPT, "--mode", "odd"], 64), ([GOOD, GOOD_SCRIPT, "--seed"], 64),
                              ([GOOD, GOOD_SCRIPT, "--case", "no such case"], 64), ([GOOD, "nowhere.yaml"], 66), (["nowhere.so", GOOD_SCRIPT], 66),
                              (["--lint", "nowhere.so"], 66), (["--version"], 0), (["--help"], 0)):
        code, _, err = tool(*arguments)
        assert code == wanted, f"{arguments}: exit {code}: {err}"


def test_one_case_by_name():
    out = assert_passes(GOOD, GOOD_SCRIPT, "--case", "the store counts")
    assert out.splitlines()[0] == "ok the store counts, and forgets" and out.splitlines()[-1] == "1 passed, 0 failed", out


def test_the_same_seed_finds_the_same():
    first, second = (tool(bad("crash_on_error"), BAD_SCRIPT, "--mode", "chaos", "--seed", "5")[1] for _ in range(2))
    assert first == second and "FAIL" in first, f"{first}\n{second}"


def test_lint():
    code, out, err = tool("--lint", GOOD)
    assert code == 0 and out == "ok\n", out + err
    code, out, err = tool("--lint", os.path.join(PLUGINS, "ptest_lint_bad.so"))
    for told in ("exports stray_symbol", "id is not", "license is missing", "setting many: its default is refused", "setting timeout: the name is reserved for the host",
                 "there is no record rules",
                 "needs has unknown bits", "may has a right that the stage does not allow", "hook at stage 777: no such stage"):
        assert told in out, f"{told}\n{out}"
    assert code == 1
    assert tool("--lint", GOOD_SCRIPT)[0] == 1


def test_the_example_of_the_manual_page():
    with open(os.path.join(ROOT, "man/veredus-plugin-test.1"), encoding="utf-8") as page:
        example = re.search(r"^\.SS Example\n\.EX\n(.*?)^\.EE", page.read(), re.S | re.M)[1]
    assert_passes(GOOD, script(example.replace("\\-", "-")), "--mode", "strict")


if __name__ == "__main__":
    run_tests(globals())
