# SPDX-License-Identifier: GPL-2.0
"""Tests of the kit: python3 -m unittest discover -v -s tests/kit -t . (PYTHONPATH=scripts)."""
