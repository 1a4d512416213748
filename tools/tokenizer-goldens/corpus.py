#!/usr/bin/env python3
"""Print the tokenizer corpus: one JSON string per line, from a seed, no text from elsewhere.

  corpus.py > corpus.jsonl

Only characters of Unicode 14 and older appear, so that references with tables of
different age agree on what a letter is; unassigned, private and non-characters do too.
"""
import json, random, unicodedata as u

LINES = 10240
R = random.Random(20240229)
SYLLABLES = "ka lo mi ter an the ing est qu or sta re un der vel ex com pro tion al en is ous ly gra pho ni sh th ea ck zy".split()
COMMON = "the of and a to in is it you that he was for on are with as I his they be at one have this from or had by".split()
SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<tool_call>", "</tool_call>",
            "<strip>", "<bare>", "<0x41>", "[INST]", "[/INST]", "\u212Bngstrom"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'LL", "'lL", "'D", "\u2019s", "\u2019re", "\u2019LL", "'x", "'r", "'l", "''s", "'"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\u00A0", "\u3000", "\u2003", "\u2028", "\u200B", "\u0085", "\u000B", "\u000C", "\u1680", "\u202F", "\uFEFF", "\r"]
ODD = ["\u00AA", "\u01C5", "\u02B0", "\u2160", "\u00BD", "\u0E33", "\u200D", "\u00AD", "\u2581", "\u24D0", "\u1F88", "\u0345", "\uFFFD", "\uFFFF", "\U0001D7D8", "\U0001D49C", "\U00010400", "\U0001F1E9"]


def pick(options): return options[R.randrange(len(options))]
def between(a, b): return R.randrange(a, b + 1)
def joined(n, f): return "".join(f() for _ in range(n))


def word():
    if R.random() < 0.4:
        w = pick(COMMON)
    else:
        w = joined(between(1, 3), lambda: pick(SYLLABLES))
    case = R.random()
    return w.capitalize() if case < 0.15 else w.upper() if case < 0.2 else w


def prose():
    out = []
    for _ in range(between(2, 9)):
        w = word()
        if R.random() < 0.08: w += pick(CONTRACTIONS)
        if R.random() < 0.15: w += pick([",", ".", ";", ":", "!", "?", "...", " -", "\u2014", ")"])
        out.append(w)
    return pick(["", "", " ", "  "]) + " ".join(out) + pick(["", "", ".", ". ", "\n", "!  ", " \n\n"])


def camel(): return word() + joined(between(0, 2), lambda: word().capitalize())


def code():
    v, w, n = camel(), camel(), str(between(0, 10 ** between(1, 6)))
    return pick([
        lambda: "for (int %s = 0; %s < %s; %s++) {\n    %s[%s] += 0x%X;\n}" % (v, v, n, v, w, v, between(0, 65535)),
        lambda: "def %s(self, %s=None):\n\treturn [x for x in %s if x != '%s']" % (v, w, w, n),
        lambda: "SELECT %s, COUNT(*) FROM %s WHERE id >= %s;" % (v, w, n),
        lambda: "<div class=\"%s\" id='%s'>%s</div>" % (v, w, n),
        lambda: "fn %s<'a>(&'a self) -> Result<%s, ()> { Ok(%s) }" % (v, w, n),
        lambda: "{\"%s\": [%s, -1.5e-10, null], \"%s\": {}}" % (v, n, w),
        lambda: "public static async Task<%s> %s() => await %s.Run(() => %s);\r\n" % (v, w, v, n),
        lambda: "#include <%s.h>  // %s_%s\n#define %s (1<<%s)" % (v.lower(), v, w, w.upper(), n),
        lambda: "$ git log --%s | grep -E '^%s[0-9]+$' && echo \"$?\"" % (v, w),
        lambda: "https://%s.example/%s?%s=%s&x#/%s//" % (v, w, v, n, w),
        lambda: "if %s == %s:\n        pass\n    else:\n\n        %s()" % (v, n, w),
    ])()


def han(): return pick([chr(between(0x4E00, 0x4E80)), chr(between(0x4E00, 0x9FFF)), chr(between(0x20000, 0x2A6DF)), chr(between(0x3400, 0x4DBF))])
def kana(): return chr(pick([between(0x3041, 0x3096), between(0x30A1, 0x30FA), 0x30FC, 0x3099]))
def hangul(): return pick([chr(between(0xAC00, 0xD7A3)), chr(between(0x1100, 0x1112)) + chr(between(0x1161, 0x1175)) + pick(["", chr(between(0x11A8, 0x11C2))])])
def cjk(): return joined(between(1, 10), lambda: pick([han, han, kana, hangul, lambda: pick("\u3002\u3001\uFF01\u300C\u300D 1\uFF12a")])())


def emoji():
    skin = lambda: pick(["", chr(between(0x1F3FB, 0x1F3FF))])
    person = lambda: pick(["\U0001F468", "\U0001F469", "\U0001F9D1"]) + skin()
    return pick([
        lambda: chr(between(0x1F600, 0x1F64F)),
        lambda: person() + "\u200D" + pick(["\U0001F4BB", "\U0001F680", "\u2695\uFE0F", "\u2764\uFE0F\u200D" + person()]),
        lambda: chr(0x1F1E6 + between(0, 25)) + chr(0x1F1E6 + between(0, 25)),
        lambda: pick("123#*") + "\uFE0F\u20E3",
        lambda: "\U0001F44B" + skin(),
        lambda: "\U0001F3F4" + joined(3, lambda: chr(between(0xE0061, 0xE007A))) + "\U000E007F",
    ])()


def marks(): return joined(between(1, 6), lambda: pick("aeounAEOzkq\u0915\u0E01\u05D0") + joined(between(0, 3), lambda: chr(pick([between(0x300, 0x36F), between(0x591, 0x5BD), 0x94D, 0xE31, 0x323, 0x301]))))
def composed(): return joined(between(1, 6), lambda: pick(["\u00E9", "\u1E69", "\u212B", "\u0958", "\u1EAD", "e\u0301", "s\u0323\u0307", "\u01D5", "\uF900", "\U0002F800", "\u0344", "\U0001D15E"]))
def right_to_left(): return joined(between(2, 8), lambda: chr(pick([between(0x5D0, 0x5EA), between(0x627, 0x64A), between(0x660, 0x669), 0x20, 0x64B, 0x200F])))
def scripts(): return joined(between(2, 8), lambda: chr(pick([between(0x410, 0x44F), between(0x391, 0x3A1), between(0x3B1, 0x3C9), between(0x905, 0x939), between(0xE01, 0xE30), between(0x10D0, 0x10F0), between(0xC0, 0x17F), between(0x13A0, 0x13F5), 0x20])))
def controls(): return joined(between(1, 8), lambda: chr(pick([between(0, 31), 127, between(128, 159), 0x20, 0x41])))
def digits(): return pick(["", " ", "x"]) + joined(between(1, 14), lambda: pick(["0", "1", "7", "9", "", pick([",", ".", " ", "\u0663", "\uFF15", "\u00B2", "\u2167", "\U0001D7D9"]) if R.random() < 0.3 else "5"]))
def spaces(): return joined(between(1, 6), lambda: pick(SPACES) * pick([1, 1, 1, 2, 5])) + pick(["", word(), "1", "!", "\n"])
def contractions(): return joined(between(1, 4), lambda: pick([word, lambda: "I", lambda: " ", lambda: "1", lambda: ""])() + pick(CONTRACTIONS))
def specials(): return joined(between(1, 5), lambda: pick([lambda: pick(SPECIALS), lambda: pick(SPECIALS), lambda: pick(SPECIALS)[:between(1, 9)], word, lambda: pick(SPACES)])())
def cases(): return joined(between(2, 6), lambda: pick(["ABc", "aB", "XMLHttp", "\u00C9cole", "\u01C5", "\u02B0", "\u00DF", "\u0410\u0431", "\u4E2D", "e\u0301E\u0301", "/", "//\n", "iPhone", "X\u0301", "_", "9"]))
def punctuation(): return joined(between(1, 8), lambda: pick(list("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\u00A7\u20AC\u00D7\u2200\u2026") + [" ", "\n", "a"]))
def odd(): return joined(between(1, 6), lambda: pick(ODD + ["a", " ", "1"]))
def latin_bytes(): return bytes(R.randrange(256) for _ in range(between(1, 12))).decode("latin-1")
def broken_bytes(): return bytes(R.randrange(256) for _ in range(between(1, 10))).decode("utf-8", "replace")


def scalar():
    while True:
        cp = R.randrange(pick([0x800, 0x10000, 0x30000, 0x110000]))
        if not 0xD800 <= cp < 0xE000 and stable(cp):
            return chr(cp)


# Unassigned here but assigned in a newer Unicode: references would disagree. What stays unassigned for good is kept.
def stable(cp): return u.category(chr(cp)) != "Cn" or cp & 0xFFFE == 0xFFFE or 0xFDD0 <= cp <= 0xFDEF or cp >= 0xF0000


def scalars(): return joined(between(1, 6), scalar)
def mixture(): return joined(between(2, 4), lambda: pick(ALL[:-1])())


ALL = [prose, prose, prose, prose, prose, code, code, cjk, emoji, marks, composed, right_to_left, scripts, controls, digits, spaces, spaces, contractions, specials, specials,
       cases, punctuation, odd, latin_bytes, broken_bytes, scalars, mixture]


def main():
    fixed = ["", " ", "\n", "  ", "a", "\u2581", " \u2581 a", "'", "'s", "<s>", "Hello world", "\U00020000", "   x", "x   ", "\u0301", "1234567890123"]
    for line in fixed:
        print(json.dumps(line))
    for i in range(len(fixed), LINES):
        print(json.dumps(ALL[i % len(ALL)]()))


main()
