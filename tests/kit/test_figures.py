# SPDX-License-Identifier: GPL-2.0
"""What tests have counted, as data, as a table and as a picture."""
import unittest
import xml.etree.ElementTree as ET
from types import SimpleNamespace

from kit import figures, vm
from kit.picture import SVG
from kit.ui import KitError

RESETS = """# PASIDs  domains  prepare   done  ATC_INV  prepare   done  ATC_INV
#      0        0       13     11        2
#    256      256     2066   1547      515
# 0000:00:04.0: ok=14 atc-fill=10
# PASIDs  domains  prepare   done  ATC_INV  prepare   done  ATC_INV
#      0        0        4      6        1        4      6        1
"""
UNMAPS = """# 0000:00:03.0: 2 errors, unmap took 42142 us
# 0000:00:04.0: 3 errors, unmap took 41690 us
# 0000:00:03.0: ok=2125 inv-rx=2 inv-done=1
# 16 PASIDs: 1 errors, unmap took 20858 us
# repeated: 8 errors
"""
DRAINS = """# COST events stalls   records commands       us  open
# COST   4096    256      4352      269   187902     0
"""


class Parsers(unittest.TestCase):
    def test_commands_of_each_function(self):
        self.assertEqual(figures.commands(RESETS), {"one StreamID, 0 PASIDs on 0 domains": 24,
                                                    "one StreamID, 256 PASIDs on 256 domains": 3613,
                                                    "two StreamIDs, 0 PASIDs on 0 domains": 10})

    def test_timeouts(self):
        self.assertEqual(figures.timeouts(UNMAPS), {"one of eight": (2, 42.1), "16 PASIDs": (1, 20.9)})

    def test_drains(self):
        self.assertEqual(figures.drains(DRAINS), {"4096 events of others, 256 own stalls": (4352, 269, 0)})

    def test_other_words_are_no_figures(self):
        for parse in (figures.commands, figures.timeouts, figures.drains):
            self.assertEqual(parse("ok 1 one\n# 1 2 3 4 5\n"), {})


class Measured(unittest.TestCase):
    def setUp(self):
        kept = vm.run
        self.addCleanup(setattr, vm, "run", kept)

    def runs(self, output, verdict=vm.PASS):
        vm.run = lambda test, image: SimpleNamespace(verdict=verdict, output=lambda: output, dir=figures.check.paths.ROOT,
                                                     reason=lambda: "because")

    def test_panels(self):
        self.runs(RESETS + UNMAPS + DRAINS)
        panels = figures.measured(SimpleNamespace(name="a"), SimpleNamespace(name="b"))
        self.assertEqual(len(panels), sum(len(shown) for _, _, shown in figures.KINDS))
        text = "\n".join(figures.lines(panels))
        self.assertRegex(text, r"256 PASIDs on 256 domains +3613 +3613\n")
        root = ET.fromstring(figures.plot("t", panels))
        bars = [hint.text for hint in root.iter(SVG + "title") if hint.text.endswith("3613")]
        self.assertEqual(len(bars), 2)

    def test_a_run_without_figures(self):
        self.runs("ok 1\n")
        with self.assertRaises(KitError) as caught:
            figures.measured(SimpleNamespace(name="a"), SimpleNamespace(name="b"))
        self.assertIn("constant_cost gave no figures", caught.exception.what)

    def test_only_the_base_may_fail(self):
        self.runs(RESETS, vm.FAIL)
        with self.assertRaises(KitError) as caught:
            figures.measured(SimpleNamespace(name="a"), SimpleNamespace(name="b"))
        self.assertIn("failed on b", caught.exception.what)


class Plot(unittest.TestCase):
    def test_bars_are_as_long_as_their_values(self):
        panels = [{"title": "one", "unit": "n", "rows": {"a": {"base": 10, "series": 5}, "b": {"base": 0, "series": 0}}},
                  {"title": "none", "unit": "n", "rows": {"c": {"base": 0, "series": 0}}}]
        root = ET.fromstring(figures.plot("t", panels))
        width = {hint.text: float(rect.get("width")) for rect in root.iter(SVG + "rect") for hint in rect}
        self.assertAlmostEqual(width["a, base: 10"], 2 * width["a, series: 5"], delta=0.2)
        self.assertEqual(width["b, base: 0"], 1)
        right = max(float(r.get("x")) + float(r.get("width")) for r in root.iter(SVG + "rect"))
        self.assertLessEqual(right, float(root.get("width")))
