# SPDX-License-Identifier: GPL-2.0
"""Pictures: well-formed, inside their frame, and nothing on top of something else."""
import unittest
import xml.etree.ElementTree as ET
from itertools import combinations

from kit import picture
from kit.picture import SVG, Bar, Lane, Mark, label_rows, text_width

NASTY = "<b> & \"5\" > 'x' \u00b5s"


def lanes(*times, end=1000):
    return [Lane(f"lane {NASTY}", [("track", [Bar(0, end / 2, "#00ff00", NASTY), Bar(end / 2, end, "#ff0000", "b")])],
                 [Mark(at, f"mark number {n}") for n, at in enumerate(times)])]


def numbers(element, *names):
    return [float(element.get(name, 0)) for name in names]


class Labels(unittest.TestCase):
    def check(self, labels):
        rows = label_rows(labels)
        for i, j in combinations(range(len(labels)), 2):
            reach = labels[i][0] + labels[i][1]
            if labels[j][0] <= reach:
                self.assertGreater(rows[i], rows[j], (labels, rows))
        return rows

    def test_labels_that_are_apart_share_a_row(self):
        self.assertEqual(self.check([(0, 50), (60, 50), (120, 50)]), [0, 0, 0])

    def test_whoever_is_further_left_stands_higher(self):
        self.assertEqual(self.check([(0, 50), (10, 50), (20, 50)]), [2, 1, 0])
        self.assertEqual(self.check([(10, 50), (10, 50)]), [1, 0])

    def test_many_labels(self):
        for step in range(1, 40):
            self.check(sorted((i * step % 397, 40 + i % 5 * 30) for i in range(25)))

    def test_none(self):
        self.assertEqual(label_rows([]), [])


class Scales(unittest.TestCase):
    def test_ticks_are_round_and_apart(self):
        for per_unit in (0.001, 0.03, 0.63, 1, 7, 250):
            scale = picture.Scale(0, per_unit, 100)
            ticks = scale.ticks(1000 / per_unit)
            self.assertGreater(len(ticks), 3)
            self.assertGreaterEqual(scale(ticks[1]) - scale(ticks[0]), 80 - 1e-6)
            self.assertIn(f"{ticks[1]:e}"[0], "125")
            self.assertLessEqual(ticks[-1], 1000 / per_unit * (1 + 1e-6))

    def test_the_end_is_a_tick_if_it_is_round(self):
        self.assertEqual(picture.Scale(0, 1, 0).ticks(300, apart=100), [0, 100, 200, 300])


class Timelines(unittest.TestCase):
    def drawn(self, *times, end=1000):
        text = picture.timeline(f"title {NASTY}", f"desc {NASTY}", lanes(*times, end=end),
                                [("#00ff00", f"legend {NASTY}")] * 9)
        return text, ET.fromstring(text)

    def test_texts_are_escaped_and_come_back(self):
        text, root = self.drawn(1, 2)
        self.assertNotIn("<b>", text)
        texts = [e.text for e in root.iter(f"{SVG}text")]
        for wanted in (f"title {NASTY}", f"lane {NASTY}", NASTY, f"legend {NASTY}", "mark number 1", "track"):
            self.assertIn(wanted, texts)
        self.assertEqual(root.find(f"{SVG}title").text, f"title {NASTY}")
        self.assertEqual(root.find(f"{SVG}desc").text, f"desc {NASTY}")

    def test_a_reader_of_the_page_finds_title_and_description(self):
        _, root = self.drawn(1)
        named = {e.get("id") for e in root if e.tag in (f"{SVG}title", f"{SVG}desc")}
        self.assertEqual(set(root.get("aria-labelledby").split()), named)

    def test_nothing_is_outside(self):
        for times, end in (((0, 1, 2, 3, 500, 999, 1000), 1000), ((0.001,), 0.002), ((5e6, 9e6), 9e6), ((), 10)):
            _, root = self.drawn(*times, end=end)
            left, top, width, height = (float(v) for v in root.get("viewBox").split())
            self.assertEqual((left, top), (0, 0))
            for element in root.iter():
                x, y, x2, y2 = numbers(element, "x", "y", "x2", "y2")
                x1, y1, wide, high = numbers(element, "x1", "y1", "width", "height")
                if element.tag == f"{SVG}text":
                    wide = text_width(element.text, float(element.get("font-size")))
                    wide = 0 if element.get("text-anchor") == "middle" else wide
                self.assertGreaterEqual(min(x, y, x1, y1, x2, y2, wide, high), 0)
                self.assertLessEqual(max(x + wide, x1, x2), width, ET.tostring(element))
                self.assertLessEqual(max(y + high, y1, y2), height, ET.tostring(element))

    def test_labels_and_lines_do_not_cover_labels(self):
        _, root = self.drawn(0, 1, 2, 3, 40, 500, 900, 990, 991, 1000)
        boxes = []
        for element in root.iter(f"{SVG}text"):
            if element.text.startswith("mark"):
                x, y = numbers(element, "x", "y")
                boxes.append((x, y - picture.SIZE, x + text_width(element.text), y))
        self.assertEqual(len(boxes), 10)
        for a, b in combinations(boxes, 2):
            self.assertFalse(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3], (a, b))
        lines = [numbers(e, "x1", "y1", "y2") for e in root.findall(f"{SVG}line") if e.get("x1") == e.get("x2")]
        self.assertEqual(len(lines), 10)
        for x, begin, end in lines:
            for box in boxes:
                self.assertFalse(box[0] < x < box[2] and begin < box[3] and box[1] < end, (x, box))

    def test_a_bar_says_under_the_pointer_what_has_no_room_in_it(self):
        bars = [Bar(0, 1000, "#00ff00", "long"), Bar(500, 500, "#ff0000", "an instant")]
        root = ET.fromstring(picture.timeline("t", "d", [Lane("lane", [("track", bars)])], []))
        self.assertNotIn("an instant", [e.text for e in root.iter(f"{SVG}text")])
        self.assertIn("long", [e.text for e in root.iter(f"{SVG}text")])
        shown = {e.find(f"{SVG}title").text: e for e in root.iter(f"{SVG}rect") if e.find(f"{SVG}title") is not None}
        self.assertEqual(set(shown), {"long", "an instant"})
        self.assertGreaterEqual(float(shown["an instant"].get("width")), 2)
