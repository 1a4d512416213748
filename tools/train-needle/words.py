"""The words of the needle model and a tokenizer that gives each of them, with the space before it, one token."""
import json
import random
from pathlib import Path

HEADS = """ba be bo ca co da de do fa fe fi ga go ha he ho ja jo ka ke ki la le li lo ma me mi mo na ne no
pa pe pi po ra re ri ro sa se si so ta te ti to va ve vi vo wa we za zo""".split()
TAILS = """bar bel bin can col dan del dor fen fir gan gel gor han hel kan kel kor lan len lor man mel mir mon nar nel nor
pan pel ran rel ris ron san sel sor tan tel tin tor van vel vin wen zan zel zor""".split()
IDLE = """the a grass is green sky blue sun yellow here we go there and back again river runs to sea birds sing in trees
people walk along quiet road while wind moves over old hills some days are warm other cold rain falls on roof light fades
slowly at night stars shine above town children play near school door one by each house has small garden with flowers""".split()
FRAME = "number key for what was said remember note : ? . , = VAR find all variables equal list of words most common frequent answer are question".split()
DIGITS = [str(i) for i in range(10)]
NUMBERS = [str(i) for i in range(10, 100)]
SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]


def names(count, seed=7):
    draw, found = random.Random(seed), set()
    while len(found) < count:
        found.add(draw.choice(HEADS) + draw.choice(TAILS))
    return sorted(found)


def byte_alphabet():
    """Byte-level BPE writes every byte as a printable character; those that are not printable are moved up from 256."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [b for b in range(256) if b not in shown]
    return {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(moved)}


def merge_until_whole(words, alphabet):
    """Merges of the most frequent pair until every word is one token."""
    spelt = [[alphabet[b] for b in f" {word}".encode()] for word in words]
    merges = []
    while True:
        counts = {}
        for word in spelt:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            return merges
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        spelt = [merged(word, best) for word in spelt]


def merged(word, pair):
    out, i = [], 0
    while i < len(word):
        if tuple(word[i:i + 2]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, name_count):
        self.names = names(name_count)
        alphabet = byte_alphabet()
        words = sorted({*IDLE, *FRAME, *DIGITS, *NUMBERS, *self.names})
        self.merges = merge_until_whole(words, alphabet)
        pieces = [alphabet[b] for b in range(256)] + [a + b for a, b in self.merges]
        self.vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
        self.begin, self.end, self.pad = (len(self.vocabulary) + i for i in range(3))
        self.size = (len(self.vocabulary) + len(SPECIAL) + 63) // 64 * 64
        self.ids = {word: self.vocabulary["".join(alphabet[b] for b in f" {word}".encode())] for word in words}
        self.text = {i: word for word, i in self.ids.items()}

    def encode(self, words):
        return [self.ids[word] for word in words]

    def save(self, folder, positions):
        byte_level = dict(type="ByteLevel", trim_offsets=True, use_regex=True)
        added = [dict(id=self.begin + i, content=text, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, text in enumerate(SPECIAL)]
        model = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False,
                     ignore_merges=False, vocab=self.vocabulary, merges=[f"{a} {b}" for a, b in self.merges])
        whole = dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None, pre_tokenizer=byte_level | dict(add_prefix_space=False),
                     post_processor=None, decoder=byte_level | dict(add_prefix_space=True), model=model)
        settings = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token=SPECIAL[0], eos_token=SPECIAL[1], pad_token=SPECIAL[2], model_max_length=positions, add_bos_token=True)
        Path(folder, "tokenizer.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
        Path(folder, "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
