"""The curve of decode speed against context, as an SVG without scripts, fonts or backgrounds: legible on white and on black."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 58, 56
KNEE = 2048                     # the axis is linear below and logarithmic above, so that depth 0 has a place
GREY, GRID = "#7a7f87", "#7a7f8744"
COLOURS = ["#2f81f7", "#e0701a", "#2da44e", "#bf5af2", "#c9a400"]
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def svg(title, subtitle, lines):
    """lines: {engine: [(depth, tokens a second)]}, the first one drawn on top and with its values."""
    points = [p for line in lines.values() for p in line]
    deepest = max(max(depth for depth, _ in points), KNEE)
    low, high = limits([rate for _, rate in points])
    x = lambda depth: LEFT + (WIDTH - LEFT - RIGHT) * math.log2(1 + depth / KNEE) / math.log2(1 + deepest / KNEE)
    y = lambda rate: TOP + (HEIGHT - TOP - BOTTOM) * (math.log(high) - math.log(rate)) / (math.log(high) - math.log(low))
    out = ["<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' width='%d' height='%d' role='img' %s font-size='13'>" % (WIDTH, HEIGHT, WIDTH, HEIGHT, FONT),
           "<title>%s</title>" % escape(title), text(LEFT, 22, title, size=16, weight=600), text(LEFT, 42, subtitle, size=12)]
    for rate in rate_ticks(low, high):
        out += [path([(LEFT, y(rate)), (WIDTH - RIGHT, y(rate))], GRID, 1), text(LEFT - 8, y(rate) + 4, "%g" % rate, "end")]
    for depth in depth_ticks({depth for depth, _ in points}, x):
        out += [path([(x(depth), TOP), (x(depth), HEIGHT - BOTTOM)], GRID, 1), text(x(depth), HEIGHT - BOTTOM + 18, short(depth), "middle")]
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "tokens of context (logarithmic above 2k)", "middle"))
    out.append("<g transform='rotate(-90 18 %g)'>%s</g>" % ((TOP + HEIGHT - BOTTOM) / 2, text(18, (TOP + HEIGHT - BOTTOM) / 2, "decode, tokens per second (logarithmic)", "middle")))
    colour = dict(zip(lines, COLOURS))
    for name in reversed(list(lines)):
        spots = [(x(depth), y(rate)) for depth, rate in lines[name]]
        first = name == next(iter(lines))
        out.append(path(spots, colour[name], 3 if first else 2))
        out += ["<circle cx='%.1f' cy='%.1f' r='%g' fill='%s'/>" % (*spot, 4.5 if first else 3.5, colour[name]) for spot in spots]
        if first:
            out += [text(spot[0], spot[1] - 10, "%.3g" % rate, "middle", 12, 600, colour[name]) for spot, (_, rate) in zip(spots, lines[name])]
    out += names({name: (x(line[-1][0]), y(line[-1][1])) for name, line in lines.items()}, colour)
    return "\n".join(out + ["</svg>", ""])


def names(ends, colour):
    """The engines' names at the right edge, level with the ends of their lines as far as they do not touch."""
    out, above = [], -math.inf
    for name, (_, at) in sorted(ends.items(), key=lambda item: item[1][1]):
        above = max(at + 4, above + 18)
        out.append(text(WIDTH - RIGHT + 12, above, name, "start", 13, 600, colour[name]))
    return out


def text(x, y, words, anchor="start", size=13, weight=400, fill=GREY):
    return "<text x='%.1f' y='%.1f' text-anchor='%s' font-size='%d' font-weight='%d' fill='%s'>%s</text>" % (x, y, anchor, size, weight, fill, escape(words))


def path(spots, colour, width):
    return "<path d='M%s' fill='none' stroke='%s' stroke-width='%g' stroke-linejoin='round'/>" % (
        "L".join("%.1f %.1f" % spot for spot in spots), colour, width)


def rate_ticks(low, high):
    return [t for t in (m * 10.0 ** e for e in range(-3, 6) for m in (1, 2, 5)) if low * 0.999 <= t <= high * 1.001]


def limits(rates):
    """The nearest ticks around the rates, so that the axis begins and ends on a line."""
    ticks = [m * 10.0 ** e for e in range(-3, 6) for m in (1, 2, 5)]
    low, high = max(t for t in ticks if t <= min(rates)), min(t for t in ticks if t >= max(rates) * 1.08)
    return low, high


def depth_ticks(depths, x):
    """The measured depths, less those whose labels would touch."""
    chosen = []
    for depth in sorted(depths, reverse=True):
        if not chosen or x(chosen[-1]) - x(depth) > 34: chosen.append(depth)
    return chosen


def short(depth):
    return "%dk" % (depth // 1024) if depth and depth % 1024 == 0 else str(depth)
