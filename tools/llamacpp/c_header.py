"""Structures of the C API, read from the llama.h of a build: parameters change between versions and forks, their names hardly do."""
import ctypes as C
import re

KINDS = {"bool": C.c_bool, "int": C.c_int32, "int32_t": C.c_int32, "uint32_t": C.c_uint32, "float": C.c_float, "double": C.c_double,
         "size_t": C.c_size_t, "int8_t": C.c_int8, "uint8_t": C.c_uint8, "int64_t": C.c_int64, "uint64_t": C.c_uint64,
         "llama_token": C.c_int32, "llama_pos": C.c_int32, "llama_seq_id": C.c_int32}


def read(text, names):
    """ctypes structures of the given C structures, by name. An unknown type is an error, not a guess."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.S)
    return {name: type(name, (C.Structure,), {"_fields_": fields(text, name)}) for name in names}


def fields(text, name):
    found = re.search(r"\bstruct\s+%s\s*\{(.*?)\}" % name, text, re.S)
    if not found:
        raise SystemExit("The header has no struct %s." % name)
    result = []
    for declaration in filter(None, map(str.strip, found.group(1).split(";"))):
        kind, names = re.fullmatch(r"((?:const\s+)?(?:struct\s+|enum\s+)?\w+[\s*]*?(?:\*[\s*]*)?)\s*\b(\w+(?:\s*,\s*\w+)*)", declaration, re.S).groups()
        result += [(n.strip(), ctype(kind.strip())) for n in names.split(",")]
    return result


def ctype(kind):
    if "*" in kind or kind.endswith("_callback"): return C.c_void_p
    if kind.startswith("enum "): return C.c_int32
    if kind in KINDS: return KINDS[kind]
    raise SystemExit("The header has a parameter of the unknown type %s." % kind)
