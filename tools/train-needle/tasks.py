"""What the needle model learns: finding numbers by name, following variables, counting words. A sample is words and which of them are answers."""
import math
import random

from words import IDLE, NUMBERS


def idle(draw, count):
    words = []
    while len(words) < count:
        words += draw.choices(IDLE, k=draw.randint(5, 11)) + ["."]
    return words[:count]


def scattered(draw, chunks, count):
    """The chunks in their order at random places of idle words; `count` words in all where the chunks leave room."""
    room = max(0, count - sum(map(len, chunks)))
    text, out, done = idle(draw, room), [], 0
    for place, chunk in zip(sorted(draw.randint(0, room) for _ in chunks), chunks):
        out += text[done:place] + chunk
        done = place
    return out + text[done:]


def interleaved(draw, streams):
    """One list from several, each kept in its order."""
    order = [i for i, stream in enumerate(streams) for _ in stream]
    draw.shuffle(order)
    ahead = [iter(stream) for stream in streams]
    return [next(ahead[i]) for i in order]


def key_question(name):
    return f"question : key {name}".split()


def variable_question(name):
    return f"question : VAR {name}".split()


def keys(draw, own):
    numbers = draw.choices(NUMBERS, k=len(own))
    streams = [[["key", name, number, "."]] for name, number in zip(own, numbers)]
    return streams, [(key_question(name), [number, "."]) for name, number in zip(own, numbers)]


def chain(draw, own):
    """The first variable has a number, and each of the others has the one before it. An answer follows the chain to the number."""
    number = draw.choice(NUMBERS)
    stream = [["VAR", own[0], number, "."]] + [["VAR", later, earlier, "."] for earlier, later in zip(own, own[1:])]
    return stream, [(variable_question(name), [*reversed(own[:i]), number, "."]) for i, name in enumerate(own)]


def niah(draw, names, count):
    streams, asked = keys(draw, draw.sample(names, draw.randint(1, 4)))
    return scattered(draw, interleaved(draw, streams), count), asked


def multikey(draw, names, count):
    streams, asked = keys(draw, draw.sample(names, max(2, min(len(names), count // 4))))
    draw.shuffle(asked)
    return scattered(draw, interleaved(draw, streams), count), asked[:16]


def trace(draw, names, count):
    chains, hops = draw.randint(1, 3), draw.randint(1, 2)
    pool = draw.sample(names, chains * (hops + 1))
    parts = [chain(draw, pool[i * (hops + 1):(i + 1) * (hops + 1)]) for i in range(chains)]
    return scattered(draw, interleaved(draw, [stream for stream, _ in parts]), count), [asked[-1] for _, asked in parts]


def common(draw, names, count):
    """Three words come often, each 1.6 times as often as the next, and many seldom."""
    pool = draw.sample(names, 3 + max(6, min(len(names) - 3, count // 6)))
    often, seldom = pool[:3], pool[3:]
    share = draw.uniform(.35, .6) * count
    weights = [1.6 ** -i for i in range(3)]
    words = []
    for i, name in enumerate(often):
        words += [name] * max(5 - i, round(share * weights[i] / sum(weights)))
    words += draw.choices(seldom, k=max(0, count - len(words)))
    draw.shuffle(words)
    return words, [("question : most common words are".split(), [*often, "."])]


def frequent(draw, names, count):
    """The most frequent of words whose numbers fall with a power of their rank."""
    while True:
        pool = draw.sample(names, draw.randint(6, 30))
        power = draw.uniform(1.3, 2.2)
        words = draw.choices(pool, [(i + 1) ** -power for i in range(len(pool))], k=count)
        times = sorted((words.count(name) for name in pool), reverse=True)
        if times[0] >= 1.25 * times[1]:
            best = max(pool, key=words.count)
            return words, [("question : most frequent words are".split(), [best, "."])]


def recall(draw, names, count):
    """Keys and chains in any number, and questions about most of them: many answers to learn from in one text."""
    statements = max(1, int(math.exp(draw.uniform(0, math.log(max(2, count / 6))))))
    pool = draw.sample(names, min(len(names), statements))
    streams, asked = [], []
    chained = draw.choice([0, .5, 1])
    while pool:
        if draw.random() < chained:
            own = pool[:draw.randint(1, 3)]
            stream, questions = chain(draw, own)
            streams.append(stream)
        else:
            own = pool[:1]
            one, questions = keys(draw, own)
            streams += one
        asked += questions
        pool = pool[len(own):]
    draw.shuffle(asked)
    asked = asked[:max(1, count // 10)]
    return scattered(draw, interleaved(draw, streams), count - 6 * len(asked)), asked


def counting(draw, names, count):
    """Words of either kind of counting, and several times in between, the question which of those so far come most often."""
    asked = draw.choice([common, frequent])
    words, out, times = asked(draw, names, count)[0], [], {}
    places = set(draw.sample(range(min(20, count), count), min(5, max(1, count - 20))))
    for place, word in enumerate(words):
        out.append(word)
        times[word] = times.get(word, 0) + 1
        best = sorted(times, key=times.get, reverse=True)[:4] if place in places else []
        if len(best) == 4 and all(times[more] >= 1.2 * times[less] for more, less in zip(best, best[1:])):
            answer = best[:3] if asked is common or draw.random() < .5 else best[:1]
            question = f"question : most {'common' if len(answer) == 3 else 'frequent'} words are".split()
            said = [question[-1], *answer]
            out += question[:-1] + list(zip(said, [*answer, "."])) + ["."]
            for name in answer:
                times[name] += 1
    return out, []


def repeat(draw, names, count):
    """Random words, and the same again: what teaches a network soonest to look for what followed the last time."""
    words = [draw.choice(names if draw.random() < .7 else NUMBERS) for _ in range(max(2, count // 2))]
    return words, [([words[0]], words[1:])]


TASKS = dict(niah=niah, multikey=multikey, trace=trace, common=common, frequent=frequent)


def sample(draw, tokenizer, count, task):
    """Token ids, and for each what is to follow: the answers, an end behind the last of them, and questions within the text, which are words
    with what follows; None elsewhere."""
    context, asked = task(draw, tokenizer.names, count)
    words, told = [], [None]
    for word in context:
        word, hint = word if isinstance(word, tuple) else (word, None)
        words.append(word)
        told.append(hint)
    for question, answer in asked:
        words += question + answer
        told += [None] * (len(question) - 1) + answer + [None]
    follows = [word and tokenizer.ids[word] for word in told]
    if asked:
        follows[-1] = tokenizer.end
    return [tokenizer.begin, *tokenizer.encode(words)], follows


def positions(draw, length, limit):
    """Positions with a few gaps, so that the model sees distances that its training texts do not have (PoSE, Zhu et al. 2023)."""
    gaps = [draw.randint(0, draw.randint(0, limit - length)) for _ in range(draw.randint(1, max(1, min(6, length // 64))))]
    gaps.sort()
    places = sorted(draw.randint(1, length - 1) for _ in gaps)
    out, shift, done = [], 0, 0
    for place, gap in zip(places, gaps):
        out += range(done + shift, place + shift)
        done, shift = place, gap
    return out + list(range(done + shift, length + shift))
