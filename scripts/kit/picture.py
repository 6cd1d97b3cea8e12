# SPDX-License-Identifier: GPL-2.0
"""Pictures as SVG: a drawing, a scale with its ticks, labels that do not overlap, and a timeline made of them."""
import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

SIZE = 12            # of letters, in pixels
ADVANCE = 0.62       # of a letter, as part of its size: a bit more than common sans-serif fonts have on average
SVG = "{http://www.w3.org/2000/svg}"      # before the names of elements, for who reads one
INK, PALE = "#222222", "#dddddd"


def text_width(text, size=SIZE):
    """About: whoever looks at the picture has fonts of their own."""
    return len(text) * size * ADVANCE


class Drawing:
    """Elements of an SVG file, on white."""

    def __init__(self, title, desc):
        self.root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img",
                                       "aria-labelledby": "title desc", "font-family": "sans-serif"})
        ET.SubElement(self.root, "title", {"id": "title"}).text = title
        ET.SubElement(self.root, "desc", {"id": "desc"}).text = desc
        self.paper = self.add("rect", x=0, y=0, fill="#ffffff")

    def add(self, tag, text=None, **attributes):
        """An element; what SVG spells with a hyphen has an underscore here."""
        element = ET.SubElement(self.root, tag, {k.replace("_", "-"): f"{v:.1f}" if isinstance(v, float) else str(v)
                                                 for k, v in attributes.items()})
        element.text = text
        return element

    def text(self, x, y, text, **attributes):
        return self.add("text", text, x=x, y=y, **{"font_size": SIZE, "fill": INK, **attributes})

    def line(self, x1, y1, x2, y2, **attributes):
        return self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": INK, **attributes})

    def rect(self, x, y, width, height, hint=None, **attributes):
        """@hint is what a browser shows under the pointer."""
        element = self.add("rect", x=x, y=y, width=width, height=height, **attributes)
        if hint:
            ET.SubElement(element, "title").text = hint
        return element

    def svg(self, width, height):
        for element in (self.root, self.paper):
            element.set("width", f"{width:.0f}")
            element.set("height", f"{height:.0f}")
        self.root.set("viewBox", f"0 0 {width:.0f} {height:.0f}")
        ET.indent(self.root, " ")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self.root, encoding="unicode") + "\n"


@dataclass
class Scale:
    """Values from @begin on, @per_unit pixels for each, the first at @at."""

    begin: float
    per_unit: float
    at: float

    def __call__(self, value):
        return self.at + (value - self.begin) * self.per_unit

    def ticks(self, end, apart=80):
        """Round values up to @end, @apart pixels from each other or a bit more."""
        rough = apart / self.per_unit
        power = 10 ** math.floor(math.log10(rough))
        step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
        count = math.floor((end - self.begin) / step + 1e-9)
        return [self.begin + n * step for n in range(count + 1)]


def label_rows(labels):
    """For each (x, width), sorted by x: a row, 0 the lowest, such that no label covers another, or its line down.

    A label begins at its line and goes to the right. Whoever stands higher has a line through the rows below, and
    those further to the right begin behind it.
    """
    rows = [0] * len(labels)
    for i in reversed(range(len(labels))):
        x, width = labels[i]
        under = [rows[j] for j in range(i + 1, len(labels)) if labels[j][0] <= x + width]
        rows[i] = max(under) + 1 if under else 0
    return rows


@dataclass
class Bar:
    begin: float
    end: float
    fill: str
    text: str            # inside if there is room, and under the pointer


@dataclass
class Mark:
    at: float
    text: str


@dataclass
class Lane:
    title: str
    tracks: list                                 # [(name, [Bar])], from the top
    marks: list = field(default_factory=list)    # in their order


WIDTH, LEFT, EDGE, GAP = 1200, 110, 12, 5
ROW, TRACK, BETWEEN = 17, 22, 5
TITLE = 16                                       # size of its letters


def timeline(title, desc, lanes, legend, unit="ms"):
    """The lanes under each other over one axis, which begins at 0; @legend is [(fill, meaning)]."""
    draw = Drawing(title, desc)
    end = max(bar.end for lane in lanes for _, bars in lane.tracks for bar in bars)
    # As wide as the labels of the last marks leave room for.
    scale = Scale(0, min([(WIDTH - EDGE - LEFT) / end]
                         + [(WIDTH - EDGE - LEFT - GAP - text_width(mark.text)) / mark.at
                            for lane in lanes for mark in lane.marks if mark.at > 0]), LEFT)
    draw.text(EDGE, 26, title, font_size=TITLE, font_weight="bold")
    grid = draw.add("g", stroke=PALE)
    y = 44
    for lane in lanes:
        y = draw_lane(draw, lane, scale, y)
    for value in scale.ticks(end):
        x = scale(value)
        ET.SubElement(grid, "line", {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": "38", "y2": f"{y:.1f}"})
        draw.text(x, y + 15, f"{value:g}", text_anchor="middle")
    draw.line(LEFT, y, scale(end), y)
    draw.text(EDGE, y + 15, f"time in {unit}")
    y += 30
    x = LEFT
    for fill, meaning in legend:
        if x + 20 + text_width(meaning) > WIDTH - EDGE:
            x, y = LEFT, y + ROW
        draw.rect(x, y, 14, 12, fill=fill)
        draw.text(x + 20, y + 11, meaning)
        x += 20 + text_width(meaning) + 16
    return draw.svg(WIDTH, y + 24)


def draw_lane(draw, lane, scale, y):
    """Draws from @y on, and returns where it ends."""
    y += 20
    draw.text(EDGE, y, lane.title, font_weight="bold", font_size=SIZE + 1)
    rows = label_rows([(scale(mark.at), GAP + text_width(mark.text)) for mark in lane.marks])
    top = y + 8 + ROW * (max(rows, default=-1) + 1)
    bottom = top + len(lane.tracks) * (TRACK + BETWEEN)
    for mark, row in zip(lane.marks, rows):
        x, base = scale(mark.at), top - ROW * row - 5
        draw.line(x, base - SIZE + 2, x, bottom)
        draw.text(x + GAP, base, mark.text)
    # Over the lines, which would go through what is written on bars.
    for number, (name, bars) in enumerate(lane.tracks):
        draw_track(draw, name, bars, scale, top + BETWEEN + number * (TRACK + BETWEEN))
    return bottom + 14


def draw_track(draw, name, bars, scale, y):
    draw.text(EDGE, y + TRACK - 7, name)
    for bar in bars:
        width = max(scale(bar.end) - scale(bar.begin), 2.0)
        draw.rect(scale(bar.begin), y, width, TRACK, bar.text, fill=bar.fill)
        if text_width(bar.text) + 2 * GAP <= width:
            draw.text(scale(bar.begin) + GAP, y + TRACK - 7, bar.text)


LABEL, BAR = 330, 11     # room for the labels of bars, and their height


def bars(title, desc, panels, fills):
    """Panels of horizontal bars under each other, each with a scale of its own from 0; @fills is {series: fill}.

    A panel is {"title", "unit", "rows": {label: {series: value}}}.
    """
    draw = Drawing(title, desc)
    draw.text(EDGE, 26, title, font_size=TITLE, font_weight="bold")
    x = EDGE
    for name, fill in fills.items():
        draw.rect(x, 38, 14, 12, fill=fill)
        draw.text(x + 20, 49, name)
        x += 20 + text_width(name) + 16
    y = 76
    for panel in panels:
        draw.text(EDGE, y, f"{panel['title']} ({panel['unit']})", font_weight="bold", font_size=SIZE + 1)
        most = max((value for row in panel["rows"].values() for value in row.values()), default=0)
        scale = Scale(0, (WIDTH - EDGE - LABEL - text_width("0" * 9)) / (most or 1), LABEL)
        y += 8
        for label, row in panel["rows"].items():
            draw.text(LABEL - GAP, y + BAR * len(row) / 2 + 4, label, text_anchor="end")
            for name, value in row.items():
                end = max(scale(value), LABEL + 1.0)
                draw.rect(LABEL, y, end - LABEL, BAR, f"{label}, {name}: {value}", fill=fills[name])
                draw.text(end + GAP, y + BAR - 1, f"{value}", font_size=BAR)
                y += BAR
            y += BETWEEN
        y += 24
    return draw.svg(WIDTH, y)
