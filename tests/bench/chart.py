"""Line charts on two logarithmic axes as SVG, drawn by hand so that nothing is needed but Python. Readable in light
and in dark: the colours follow the reader's scheme."""
from math import log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 56
WIDE = [1, 10]  # microseconds: at least so far, or a small difference would look like a large one
STYLE = """
  svg { --ground: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; --a: #0757ba; --b: #b34700; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --grid: #2a3139; --a: #6cb6ff; --b: #f0883e; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .soft { fill: var(--soft); } .title { font-size: 15px; font-weight: 600; } .end { text-anchor: end; }
  .middle { text-anchor: middle; } .ground { fill: var(--ground); } .grid { stroke: var(--grid); }
  .line { fill: none; stroke-width: 2.5; } .a { stroke: var(--a); } .b { stroke: var(--b); stroke-dasharray: 7 4; }
  circle.dot { stroke-width: 2; stroke-dasharray: none; fill: var(--ground); } .name-a { fill: var(--a); } .name-b { fill: var(--b); }
"""


class Axis:
    def __init__(self, values, begin, end):
        self.low, self.high = log10(min(values)), log10(max(values))
        pad = max(0.08 * (self.high - self.low), 0.06)
        self.low, self.high = self.low - pad, self.high + pad
        self.begin, self.end = begin, end

    def at(self, value):
        return self.begin + (log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def steps(self):
        """1, 2, 5, 10, …, as far as the axis goes."""
        return [m * 10 ** e for e in range(-3, 8) for m in (1, 2, 5) if self.low <= log10(m * 10 ** e) <= self.high]


def label(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def line(points, x, y, kind, name, above):
    path = " ".join(f"{x.at(px):.1f},{y.at(py):.1f}" for px, py in points)
    dots = "".join(f'<circle class="dot {kind}" cx="{x.at(px):.1f}" cy="{y.at(py):.1f}" r="4"><title>{label(px)}: '
                   f'{py:.2f} µs</title></circle>' for px, py in points)
    px, py = points[-1]
    return (f'<polyline class="line {kind}" points="{path}"/>{dots}'
            f'<text class="end name-{kind}" x="{x.at(px):.1f}" y="{y.at(py) + (-12 if above else 22):.1f}">'
            f'{escape(name)}</text>')


def draw(title, subtitle, x_name, ours, theirs):
    """Both are lists of (x, microseconds)."""
    x = Axis([p[0] for p in ours + theirs], LEFT, WIDTH - RIGHT)
    y = Axis([p[1] for p in ours + theirs] + WIDE, HEIGHT - BOTTOM, TOP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
           f'aria-label="{escape(title)}">', f"<style>{STYLE}</style>",
           f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
           f'<text class="title" x="{LEFT - 44}" y="24">{escape(title)}</text>',
           f'<text class="soft" x="{LEFT - 44}" y="43">{escape(subtitle)}</text>']
    for step in y.steps():
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(step):.1f}" y2="{y.at(step):.1f}"/>'
                   f'<text class="soft end" x="{LEFT - 8}" y="{y.at(step) + 4:.1f}">{label(step)}</text>')
    for step in sorted({p[0] for p in ours}):
        out.append(f'<line class="grid" x1="{x.at(step):.1f}" x2="{x.at(step):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
                   f'<text class="soft middle" x="{x.at(step):.1f}" y="{HEIGHT - BOTTOM + 20}">{label(step)}</text>')
    out.append(f'<text class="soft middle" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}">{escape(x_name)}</text>')
    above = theirs[-1][1] >= ours[-1][1]
    out += [line(theirs, x, y, "b", "one send(2) per frame", above), line(ours, x, y, "a", "d-back", not above),
            "</svg>"]
    return "\n".join(out) + "\n"
