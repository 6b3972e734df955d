# Signs and verifies with python3-dkim, many messages a process: the twin of tests/tools/dkim-oracle, with the same lines of JSON. Run by the
# system's Python, which has the package; scenarios start it as a program and do not import it.
import base64
import json
import sys
import warnings


def private_key(request):
    with open(request["key"], "rb") as file:
        pem = file.read()
    if "ed25519" not in request["algorithm"]:
        return pem
    der = base64.b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-")))
    return base64.b64encode(der[-32:])


def sign(dkim, request):
    message = base64.b64decode(request["message"])
    canonical = (request["header_form"].encode(), request["body_form"].encode())
    signer = dkim.DKIM(message, signature_algorithm=request["algorithm"].encode())
    names = [name.lower().encode() for name in request["names"]]
    field = signer.sign(request["selector"].encode(), request["domain"].encode(), private_key(request), canonicalize=canonical, include_headers=names)
    return {"field": base64.b64encode(field).decode()}


def verify(dkim, request):
    records = {name + ".": text.encode() for name, text in request["records"].items()}
    message = base64.b64decode(request["message"])
    out = {"results": [], "reasons": []}
    try:
        count = len([name for name, _ in dkim.rfc822_parse(message)[0] if name.lower() == b"dkim-signature"])
    except Exception as error:
        return {"results": [], "reasons": [], "unreadable": str(error)}
    for index in range(count):
        try:
            good = dkim.DKIM(message, minkey=1024).verify(index, dnsfunc=lambda name, timeout=5: records.get(name.decode() if isinstance(name, bytes) else name))
            out["results"].append("pass" if good else "fail")
            out["reasons"].append("")
        except Exception as error:
            out["results"].append("error")
            out["reasons"].append(f"{type(error).__name__}: {error}")
    return out


def main():
    warnings.simplefilter("ignore")
    import dkim

    print(json.dumps(["python"]), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = sign(dkim, request) if request["do"] == "sign" else verify(dkim, request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
