# SPDX-License-Identifier: GPL-2.0
from kit.cli import main

main()
