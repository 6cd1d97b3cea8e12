# SPDX-License-Identifier: GPL-2.0
"""What a run wrote down with the time at which it happened: lines of its programs, and the kernel's trace."""
import re
from collections import namedtuple

from .ui import KitError, relative

Event = namedtuple("Event", "ns name values")


def values_of(text):
    return dict(part.split("=", 1) for part in text.split() if "=" in part)


def user(text):
    """The lines 'EV <ns> <event> key=value ...' of tests/guest/reset_timeline.c and testdev_demo.c."""
    found = re.findall(r"^EV (\d+) (\S+) ?(.*)$", text, re.M)
    return sorted((Event(int(ns), name, values_of(rest)) for ns, name, rest in found), key=lambda e: e.ns)


def kernel(text):
    """The lines 'TR <task> ... <seconds>: <function>[_ret]: ...' of testlib.sh."""
    found = re.findall(r"^TR \S+ +\[\d+\] +\S+ +(\d+)\.(\d{6}): (\w+):(.*)$", text, re.M)
    return [Event(int(s) * 10**9 + int(us) * 1000, name, values_of(rest)) for s, us, name, rest in found]


def first(events, name, after=0):
    return next((e for e in events if e.name == name and e.ns >= after), None)


def last(events, name):
    return first(reversed(events), name)


def need(events, name, where):
    event = first(events, name)
    if not event:
        raise KitError(f"the run shows no '{name}'", f"see {relative(where)}")
    return event
