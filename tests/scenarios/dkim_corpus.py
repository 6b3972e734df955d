#!/usr/bin/env python3
# DKIM: the native engine, the engine on libopendkim and python3-dkim sign thousands of made-up messages, and each verifies what the others
# signed, whole and changed. They must agree, but for faults of libopendkim and python3-dkim that are named here.
import base64
import collections
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import time

from lib_base import BUILD, Skip, run_tests, work_dir

ORACLE = os.path.join(BUILD, "tests/tools/dkim_oracle")
PYTHON_ORACLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib_dkim_oracle.py")
MESSAGES = int(os.environ.get("VEREDUS_DKIM_MESSAGES", "4000"))
CHANGES = 3  # of each message
SEED = int(os.environ.get("VEREDUS_DKIM_SEED", "6376"))
SIGNERS = ("native", "opendkim", "python")
NOW = int(time.time())
NAMES = ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version", "Reply-To", "List-Id"]


class Oracle:
    """A process that signs and verifies."""

    def __init__(self, engine):
        self.engine = engine
        words = ["/usr/bin/python3", PYTHON_ORACLE] if engine == "python" else [ORACLE]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        greeting = self.process.stdout.readline()
        if not greeting or engine not in json.loads(greeting):
            self.close()
            raise Skip(f"there is no engine {engine} here" + (" (package python3-dkim)" if engine == "python" else ""))

    def ask(self, do, message, **request):
        line = json.dumps({"do": do, "engine": self.engine, "message": base64.b64encode(message).decode(), "time": NOW, **request})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the oracle {self.engine} ended over {message!r}"
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Keys:
    """One RSA and one ed25519 key in files, and their records. RSA of 1024 bits, for the sake of python3-dkim, which is slow."""

    def __init__(self):
        self.dir = work_dir()
        self.files, self.records = {}, {}
        for kind, options in (("rsa", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), ("ed25519", ["-algorithm", "ED25519"])):
            path = os.path.join(self.dir, kind)
            subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, capture_output=True)
            if kind == "rsa":  # PKCS #1, the form that all three read
                subprocess.run(["openssl", "rsa", "-traditional", "-in", path, "-out", path], check=True, capture_output=True)
            public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
            self.files[kind] = path
            self.records[f"{kind}._domainkey.a.test"] = f"v=DKIM1; k={kind}; p=" + base64.b64encode(public if kind == "rsa" else public[-32:]).decode()

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


# Messages

WORDS = ["hello", "a", "Grüße", "x" * 90, "tab\tin", "two  blanks", "semi;colon", "=?utf-8?q?caf=C3=A9?=", "\u65e5\u672c", "1", "<b@b.test>", "\"q\"", "."]


def words(rng, most=6):
    return rng.choice([" ", "  ", "\t", " "]).join(rng.choice(WORDS) for _ in range(rng.randint(0, most)))


def value(rng):
    text = rng.choice([" ", "", "  ", "\t", " "]) + words(rng)
    for _ in range(rng.choice([0, 0, 1, 3])):
        text += "\r\n" + rng.choice([" ", "\t", "   ", " \t "]) + (words(rng, 3) or "x")
    return text + rng.choice(["", "", " ", "\t "])


def header(rng):
    fields = [("From", " " + rng.choice(["Joe <joe@a.test>", "joe@a.test", "=?utf-8?q?J=C3=B6?=\r\n <joe@a.test>", "  joe@a.test  "]))]
    for name in rng.sample(["To", "Cc", "Subject", "Date", "Message-ID", "Content-Type", "MIME-Version", "Reply-To", "List-Id", "X-Other", "Received"], rng.randint(0, 9)):
        fields.append((rng.choice([name, name.upper(), name.lower()]), value(rng)))
    if rng.random() < 0.2:
        fields.append((fields[-1][0], value(rng)))  # twice
    rng.shuffle(fields)
    return fields


def body(rng):
    kind = rng.randint(0, 9)
    if kind == 0:
        return ""
    if kind == 1:
        return "\r\n" * rng.randint(1, 4)
    lines = [rng.choice(["", " ", "\t", words(rng), words(rng) + " ", " " + words(rng), ".", "..", "x" * rng.randint(0, 2000), "  a   b\t\tc  "]) for _ in range(rng.randint(1, 12))]
    return "\r\n".join(lines) + rng.choice(["\r\n", "\r\n", "\r\n", "\r\n\r\n\r\n", " \r\n \r\n", ""])


def joined(fields, text):
    return ("".join(f"{name}:{content}\r\n" for name, content in fields) + "\r\n" + text).encode()


# Changes to a signed message, as relays, mailing lists and forgers make them.

def split(message):
    head, _, text = message.partition(b"\r\n\r\n")
    return head + b"\r\n", text


def put(head, text):
    return head + b"\r\n" + text


def blanks_in_body(rng, message):
    head, text = split(message)
    return put(head, re.sub(rb"[ \t]+", lambda _: rng.choice([b" ", b"  ", b"\t"]), text))


def blanks_at_line_ends(rng, message):
    head, text = split(message)
    return put(head, text.replace(b"\r\n", b" \r\n"))


def lines_at_the_end(rng, message):
    return message + rng.choice([b"\r\n", b"\r\n\r\n\r\n", b" \r\n", b"\t\r\n\r\n"])


def ends_without_lines(rng, message):
    head, text = split(message)
    return put(head, text.rstrip(b"\r\n") + rng.choice([b"", b"\r\n"]))


def octet_of_body(rng, message):
    head, text = split(message)
    places = [i for i, c in enumerate(text) if c not in b"\r\n \t"]
    if not places:
        return put(head, text + b"more\r\n")
    at = rng.choice(places)
    return put(head, text[:at] + (b"y" if text[at:at + 1] != b"y" else b"z") + text[at + 1:])


def footer(rng, message):
    return message + b"-- \r\nlist footer\r\n"


def fields_of(head):
    return re.split(rb"(?<=\r\n)(?![ \t])", head)[:-1] if head.endswith(b"\r\n") else re.split(rb"(?<=\r\n)(?![ \t])", head)


def unsigned_places(fields):
    return [i for i, field in enumerate(fields) if not field.lower().startswith(b"dkim-signature:")]


def change_field(rng, message, change):
    head, text = split(message)
    fields = [f for f in fields_of(head) if f]
    place = rng.choice(unsigned_places(fields))
    fields[place:place + 1] = change(fields[place])
    return put(b"".join(fields), text)


def field_removed(rng, message):
    return change_field(rng, message, lambda field: [field] if field.lower().startswith(b"from") else [])


def field_twice(rng, message):
    return change_field(rng, message, lambda field: [field, field])


def field_cased(rng, message):
    return change_field(rng, message, lambda field: [field.split(b":", 1)[0].swapcase() + b":" + field.split(b":", 1)[1]])


def field_folded(rng, message):
    return change_field(rng, message, lambda field: [re.sub(rb"(?<=\S) (?=\S)", b"\r\n\t", field)])


def field_unfolded(rng, message):
    return change_field(rng, message, lambda field: [re.sub(rb"\r\n[ \t]+", b" ", field)])


def field_more(rng, message):
    return change_field(rng, message, lambda field: [field[:-2] + b" more\r\n"])


def fields_moved(rng, message):
    head, text = split(message)
    fields = [f for f in fields_of(head) if f]
    rng.shuffle(fields)
    return put(b"".join(fields), text)


def subject_on_top(rng, message):
    return b"Subject: other\r\n" + message


def from_below(rng, message):
    head, text = split(message)
    return put(head + b"From: other@b.test\r\n", text)


def trace_on_top(rng, message):
    return b"Received: from x by y;\r\n\tdate\r\nAuthentication-Results: y; dkim=pass\r\n" + message


def in_signature(rng, message, pattern, by):
    head, text = split(message)
    fields = [f for f in fields_of(head) if f]
    for i, field in enumerate(fields):
        if field.lower().startswith(b"dkim-signature:"):
            fields[i] = re.sub(pattern, by, field, count=1)
            break
    return put(b"".join(fields), text)


def signature_octet(rng, message):
    return in_signature(rng, message, rb"([;\s]b=\s*.{4})(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"))


def signature_folded(rng, message):
    return in_signature(rng, message, rb"([;\s]b=\s*.{7})", rb"\1\r\n\t ")


def signature_spaced(rng, message):
    return in_signature(rng, message, rb";\s*d=", b";  d = ")


def signature_without(rng, message):
    tag = rng.choice([b"v", b"a", b"d", b"s", b"h", b"bh", b"c"])
    return in_signature(rng, message, rb"(?<=[;:\s])" + tag + rb"=[^;]*;\s*", b"")


def signature_other(rng, message):
    pattern, by = rng.choice([(rb"v=1", b"v=2"), (rb"d=a\.test", b"d=b.test"), (rb"d=a\.test", b"d=sub.a.test"), (rb"a=\w+-sha256", b"a=rsa-sha1"), (rb"a=rsa", b"a=ed25519"), (rb"c=\w+", b"c=simple"),
                              (rb"c=\w+", b"c=other"), (rb"c=(\w+)/\w+", rb"c=\1"), (rb"(?<=[;\s])s=", b"s=x"), (rb"(?<=[;\s])h=", b"h=Subject:"), (rb"d=a\.test;", b"d=a.test; x=1;"), (rb"d=a\.test;", b"d=a.test; q=dns/txt; zz=1;"),
                              (rb"d=a\.test;", b"d=a.test; l=1;"), (rb"d=a\.test;", b"d=a.test; i=joe@b.test;"), (rb"d=a\.test;", b"d=a.test; i=@sub.a.test;"), (rb"d=a\.test;", b"d=a.test; d=a.test;"), (rb"d=a\.test;", b"d=a.test;; "),
                              (rb"bh=.", b"bh=%"), (rb"(?<=[;\s])t=\d+", b"t=x")])
    return in_signature(rng, message, pattern, by)


MUTATORS = [blanks_in_body, blanks_at_line_ends, lines_at_the_end, ends_without_lines, octet_of_body, footer, field_removed, field_twice, field_cased, field_folded, field_unfolded, field_more,
            fields_moved, subject_on_top, from_below, trace_on_top, signature_octet, signature_folded, signature_spaced, signature_without, signature_other]

# Faults of others: (who errs, name, does the case have it). A difference that one of these explains is counted under its name.
FAULTS = []


def fault(who):
    def add(function):
        FAULTS.append((who, function.__name__, function))
        return function
    return add


class Case:
    def __init__(self, signer, kind, forms, change, message):
        self.signer, self.kind, self.forms, self.change, self.message = signer, kind, forms, change, message


def relaxed_body(case):
    return re.search(rb"[;\s]c=\s*\w+/relaxed", case.message) is not None


@fault("opendkim")
def does_not_read_a_message_whose_from_has_no_address(case):
    return any(b"@" not in field for field in fields_of(split(case.message)[0]) if field[:5].lower() == b"from:")


@fault("python")
def keeps_blanks_of_a_last_line_without_a_line_end(case):
    return relaxed_body(case) and case.message.endswith((b" ", b"\t"))


def explanations(case, who):
    return [name for of, name, has in FAULTS if of == who and has(case)]


def judge(counts, differences, case, answers, expected_pass):
    native = answers["native"]["results"]
    for who in ("opendkim", "python"):
        theirs = answers[who]["results"]
        same = [r == "pass" for r in theirs] == [r == "pass" for r in native]
        if same:
            continue
        why = explanations(case, who)
        if why:
            counts[f"{who}: {why[0]}"] += 1
        else:
            differences.append((case.signer, case.kind, case.forms, case.change, who, native, answers["native"]["reasons"], theirs, answers[who].get("reasons"), case.message))
    # python3-dkim covers one of several fields From, and its fault with blanks is in its signatures too.
    doubtful = case.signer == "python" and (len(re.findall(rb"^from:", split(case.message)[0], re.I | re.M)) > 1 or explanations(case, "python"))
    if expected_pass and native != ["pass"] and not doubtful:
        differences.append((case.signer, case.kind, case.forms, "unchanged", "native", native, answers["native"]["reasons"], None, None, case.message))


def part(seed, number):
    """One share of the corpus, with oracles of its own."""
    rng, keys = random.Random(seed), Keys()
    oracles = {name: Oracle(name) for name in SIGNERS}
    counts, differences = collections.Counter(), []
    try:
        for _ in range(number):
            signer, kind = rng.choice(SIGNERS), rng.choice(("rsa", "ed25519"))
            forms = (rng.choice(("relaxed", "simple")), rng.choice(("relaxed", "simple")))
            plain = joined(header(rng), body(rng))
            answer = oracles[signer].ask("sign", plain, header_form=forms[0], body_form=forms[1], names=NAMES, oversigned=["From", "Subject"], domain="a.test", selector=kind, key=keys.files[kind],
                                         algorithm=f"{kind}-sha256")
            if not answer.get("field"):
                differences.append((signer, kind, forms, "cannot sign", signer, answer, None, None, None, plain))
                continue
            counts[f"signed by {signer}"] += 1
            signed = base64.b64decode(answer["field"]) + plain
            for change in [None] + rng.sample(MUTATORS, CHANGES):
                message = change(rng, signed) if change else signed
                case = Case(signer, kind, forms, change.__name__ if change else None, message)
                answers = {name: oracle.ask("verify", message, records=keys.records) for name, oracle in oracles.items()}
                counts["verified"] += 1
                counts["passed" if answers["native"]["results"] == ["pass"] else "did not pass"] += 1
                judge(counts, differences, case, answers, change is None)
    finally:
        for oracle in oracles.values():
            oracle.close()
        keys.close()
    return counts, differences


def test_three_programs_agree():
    shares = max(2, os.cpu_count() or 2)
    with concurrent.futures.ThreadPoolExecutor(shares) as pool:
        parts = list(pool.map(lambda i: part(SEED + i, MESSAGES // shares), range(shares)))
    counts = sum((counts for counts, _ in parts), collections.Counter())
    differences = [one for _, found in parts for one in found]
    for name, number in sorted(counts.items()):
        print(f"  {name}: {number}")
    kinds = collections.Counter((one[0], one[1], one[3], one[4], str(one[5]), str(one[6]), str(one[8])) for one in differences)
    text = "\n".join(f"{number} x {kind}" for kind, number in kinds.most_common(40))
    assert not differences, f"{len(differences)} differences\n{text}\nfirst: {differences[0]}"
    assert counts["passed"] > MESSAGES and counts["did not pass"] > MESSAGES, counts


def test_records_of_keys():
    keys = Keys()
    oracles = {name: Oracle(name) for name in SIGNERS}
    try:
        plain = b"From: joe@a.test\r\nSubject: hi\r\n\r\ntext\r\n"
        for kind in ("rsa", "ed25519"):
            answer = oracles["native"].ask("sign", plain, header_form="relaxed", body_form="relaxed", names=NAMES, oversigned=[], domain="a.test", selector=kind, key=keys.files[kind])
            signed = base64.b64decode(answer["field"]) + plain
            name, good = f"{kind}._domainkey.a.test", keys.records[f"{kind}._domainkey.a.test"]
            p = good.split("p=")[1]
            for record, fits in ((good, True), (good + ";", True), (f"k={kind}; p={p}", True), (f"v=DKIM1;k={kind};p={p[:20]} {p[20:]}", True), (good + "; n=a note; x=y", True), (good + "; t=y", True),
                                 (good + "; t=s", True), (good + "; s=email", True), (good + "; s=*", True), (good + "; h=sha1:sha256", True),
                                 (good + "; h=sha1", False), (f"v=DKIM1; k={kind}; p=", False), (f"v=DKIM1; k={kind}", False), (f"v=DKIM2; k={kind}; p={p}", False), (f"v=DKIM1; k=dsa; p={p}", False),
                                 (f"v=DKIM1; k={kind}; p=%%%", False), (f"v=DKIM1; k={kind}; p={p[:20]}", False), ("", False), ("hello", False), (f"v=DKIM1; k={'rsa' if kind == 'ed25519' else 'ed25519'}; p={p}", False)):
                answers = {who: oracle.ask("verify", signed, records={name: record}) for who, oracle in oracles.items()}
                passed = {who: answer["results"] == ["pass"] for who, answer in answers.items()}
                assert passed["native"] == passed["opendkim"] == fits, (record, answers)
                # python3-dkim looks at neither s= nor at h= with care: only what it must see is compared.
                if "s=" not in record and "h=" not in record:
                    assert passed["python"] == fits, (record, answers)
    finally:
        for oracle in oracles.values():
            oracle.close()
        keys.close()


if __name__ == "__main__":
    run_tests(globals())
