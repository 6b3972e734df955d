#!/usr/bin/env python3
"""Build tool: Rust declarations of the plugin ABI, from the table that the ABI gate keeps. `bindings.py sdk/abi/table.txt OUT.rs`. Numbers
are u32, except statuses, which are i32; ids are NUL-ended byte strings."""
import re
import sys

NUMBERS = {"uint8_t": "u8", "int32_t": "i32", "uint32_t": "u32", "int64_t": "i64", "uint64_t": "u64", "size_t": "usize", "char": "c_char", "void": "c_void"}
KEYWORDS = {"type", "move", "ref", "match", "where", "use", "in", "fn", "mod"}
HEAD = """// Generated from sdk/abi/table.txt: the plugin ABI of Veredus.
use std::os::raw::{c_char, c_void};
"""


def rust(declared):
    """The Rust type of a declared C type, as the compiler prints it."""
    function = re.fullmatch(r"(.+?) ?\(\*\)\((.*)\)", declared)
    if function:
        arguments = ", ".join(rust(one) for one in function[2].split(", ") if one != "void")
        result = "" if function[1] == "void" else " -> " + rust(function[1])
        return f'Option<unsafe extern "C" fn({arguments}){result}>'
    array = re.fullmatch(r"(\w+)\[(\d+)\]", declared)
    if array:
        return f"[{rust(array[1])}; {array[2]}]"
    base, *stars = re.split(r"\s*\*\s*", declared)
    constant, name = base.startswith("const "), base.replace("const ", "").strip()
    out = NUMBERS.get(name, name)
    for star in stars:
        out = ("*const " if constant else "*mut ") + out
        constant = "const" in star
    return out


def main():
    structs, types, constants, used = {}, {}, [], set()
    for row in open(sys.argv[1]).read().splitlines():
        kind, name, rest = row.split(" ", 2)
        if kind == "struct":
            structs[name] = []
        elif kind == "field":
            owner, field = name.split(".")
            structs[owner].append((field + "_" * (field in KEYWORDS), rust(rest.split(" ", 2)[2])))
        elif kind == "type" and name.startswith("vrd_"):
            types[name] = rust(rest)
        elif kind == "constant" and rest.startswith('"'):
            constants.append(f"pub const {name}: &[u8] = b\"{rest[1:-1]}\\0\";")
        elif kind == "constant":
            constants.append(f"pub const {name}: {'i32' if name == 'VRD_OK' or name.startswith('VRD_E_') else 'u32'} = {rest};")
    for kind in list(types.values()) + [kind for fields in structs.values() for _, kind in fields]:
        used |= set(re.findall(r"\bvrd_\w+", kind))
    with open(sys.argv[2], "w") as out:
        out.write(HEAD)
        for name in sorted(used - set(structs) - set(types)):
            out.write(f"#[repr(C)]\npub struct {name} {{\n    opaque: [u8; 0],\n}}\n")
        for name, fields in structs.items():
            out.write(f"#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {name} {{\n" + "".join(f"    pub {field}: {kind},\n" for field, kind in fields) + "}\n")
        out.write("".join(f"pub type {name} = {kind};\n" for name, kind in types.items()))
        out.write("\n".join(constants) + "\n")


main()
