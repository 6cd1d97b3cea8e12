# SPDX-License-Identifier: GPL-2.0
"""Where things are. IR_BUILD moves everything generated elsewhere."""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IR_BUILD") or ROOT / "build").resolve()
CACHE = BUILD / "cache"
LOGS = BUILD / "logs"
RUNS = BUILD / "runs"
OUT = BUILD / "out"
STORE = BUILD / "git"
SYSROOT = BUILD / "sysroot"
IMAGES = BUILD / "images"
BASES = ROOT / "bases"
PATCHES = ROOT / "patches"
CONFIGS = ROOT / "configs"
VM_TESTS = ROOT / "tests" / "vm"
TESTDEV = ROOT / "tools" / "testing" / "smmu-testdev"

ARCH = "arm64"
CROSS = "aarch64-linux-gnu-"

# New kernel files live at the path that they have in a kernel tree, below these.
OVERLAY_TOPS = ("drivers", "include", "Documentation", "tools")
