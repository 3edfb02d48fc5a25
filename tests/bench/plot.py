# SPDX-License-Identifier: BSD-3-Clause
"""Every picture of docs/bench: panels beside each other, a series a colour, as lines or as bars, over named places."""
import math
from xml.sax.saxutils import escape

COLOURS = ("#0b7285", "#c2410c", "#7a6ff0", "#2f9e44", "#9aa5b1", "#b7791f", "#d6336c", "#364fc7", "#82c91e", "#495057")
WIDTH, HEIGHT, LEFT, TOP, GAP = 420, 300, 60, 70, 60


def ticks(low, high, log):
    """What the lines across say."""
    if log:
        return [10.0 ** n for n in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    step = 10 ** math.floor(math.log10(high))
    step = next(step / part for part in (1, 2, 5, 10) if high / step * part >= 4)
    return [n * step for n in range(int(high / step + 1e-9) + 1)]


def text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(str(words))}</text>'


def draw(title, note, places, panels, bars=False, log=False):
    """places: what stands below; panels: {name: {series: [a value or None for each place]}}. The picture as SVG."""
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    values = [v for series in panels.values() for row in series.values() for v in row if v is not None and v > 0]
    low, high = (min(values) * 0.8, max(values) * 1.2) if log else (0, max(values) * 1.1)

    def y(value):
        part = math.log(max(value, low) / low) / math.log(high / low) if log else value / high
        return TOP + HEIGHT - part * HEIGHT

    bottom, columns = TOP + HEIGHT, max(1, (len(panels) * (WIDTH + GAP)) // 200)
    longest = max(len(str(place)) for place in places) * 7
    turned = longest > WIDTH / len(places)  # what stands below would overlap
    legend = bottom + 40 + (longest // 2 if turned else 0)
    full = legend + 10 + 18 * -(-len(names) // columns)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + len(panels) * (WIDTH + GAP)} {full}" '
           'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
           text(LEFT, 24, title, ' font-size="16"'), text(LEFT, 42, note, ' fill="#555"')]
    middle, end = ' text-anchor="middle"', ' text-anchor="end"'
    for p, (panel, series) in enumerate(panels.items()):
        x0, step = LEFT + p * (WIDTH + GAP), WIDTH / len(places)
        out.append(text(x0 + WIDTH / 2, TOP - 8, panel, middle))
        for tick in ticks(low, high, log):
            out.append(f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>')
            out.append(text(x0 - 6, y(tick) + 4, f"{tick:g}", end))
        for k, place in enumerate(places):
            x = x0 + (k + .5) * step
            out.append(text(x, bottom + 16, place, f'{end} transform="rotate(-30 {x:.1f} {bottom + 16})"' if turned else middle))
        for name, row in series.items():
            n = names.index(name)
            colour, bar = COLOURS[n % len(COLOURS)], step / (len(names) + 1)
            seen = [(k, v) for k, v in enumerate(row) if v is not None]
            if bars:
                for k, v in seen:
                    x = x0 + k * step + (n + .5) * bar
                    out.append(f'<rect x="{x:.1f}" y="{y(v):.1f}" width="{bar * .9:.1f}" height="{bottom - y(v):.1f}" fill="{colour}"/>')
                    out.append(text(x + bar * .45, y(v) - 3, f"{v:.0f}" if v >= 100 else f"{v:.3g}", middle + ' font-size="8"'))
                continue
            points = [(x0 + (k + .5) * step, y(v)) for k, v in seen]
            out.append(f'<polyline points="{" ".join(f"{x:.1f},{h:.1f}" for x, h in points)}" fill="none" stroke="{colour}" '
                       'stroke-width="2"/>')
            out += [f'<circle cx="{x:.1f}" cy="{h:.1f}" r="3" fill="{colour}"/>' for x, h in points]
    for n, name in enumerate(names):
        x, height = LEFT + n % columns * 200, legend + 18 * (n // columns)
        out.append(f'<rect x="{x}" y="{height}" width="12" height="12" fill="{COLOURS[n % len(COLOURS)]}"/>')
        out.append(text(x + 18, height + 11, name))
    return "\n".join([*out, "</svg>\n"])
