"""Bar charts as SVG, with nothing but text: they show on a page of Markdown, in light and in dark."""

from xml.sax.saxutils import escape

COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377"]  # Paul Tol's bright scheme
NAMES_WIDTH, PLOT_WIDTH, VALUES_WIDTH = 230, 460, 70
BAR, GAP, TOP = 15, 5, 46


def _frame(title, height, body):
    width = NAMES_WIDTH + PLOT_WIDTH + VALUES_WIDTH
    style = ("text{font:12px sans-serif;fill:#222}.t{font-weight:bold;font-size:14px}.e{text-anchor:end}"
             ".r{stroke:#888;stroke-dasharray:4 3}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
            f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>'
            f'<text class="t" x="8" y="20">{escape(title)}</text>{body}</svg>\n')


def _bar(y, name, value, greatest, colour):
    text = f'<text class="e" x="{NAMES_WIDTH - 6}" y="{y + 12}">{escape(name)}</text>'
    if value is None:
        return text + f'<text x="{NAMES_WIDTH + 4}" y="{y + 12}">–</text>'
    length = PLOT_WIDTH * value / greatest
    return text + (f'<rect x="{NAMES_WIDTH}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
                   f'<text x="{NAMES_WIDTH + length + 4:.1f}" y="{y + 12}">{value:.2f}</text>')


def _reference(value, greatest, bottom):
    x = NAMES_WIDTH + PLOT_WIDTH * value / greatest
    return f'<line class="r" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>'


def bar_chart(title, bars, reference=None):
    """bars: (name, value or None). None when no value is known."""
    known = [value for _, value in bars if value is not None]
    if not known:
        return None
    greatest = max(known + ([reference] if reference else []))
    y, body = TOP, ""
    for name, value in bars:
        body += _bar(y, name, value, greatest, COLOURS[0])
        y += BAR + GAP
    if reference:
        body += _reference(reference, greatest, y)
    return _frame(title, y + 8, body)


def grouped_chart(title, groups, reference=None):
    """groups: (name, [(name, value or None)]). None when no value is known."""
    known = [value for _, bars in groups for _, value in bars if value is not None]
    if not known:
        return None
    greatest = max(known + ([reference] if reference else []))
    y, body = TOP, ""
    for group, bars in groups:
        body += f'<text x="8" y="{y + 12}">{escape(group)}</text>'
        y += BAR + GAP
        for at, (name, value) in enumerate(bars):
            body += _bar(y, name, value, greatest, COLOURS[at % len(COLOURS)])
            y += BAR + GAP
        y += GAP
    if reference:
        body += _reference(reference, greatest, y)
    return _frame(title, y + 8, body)
