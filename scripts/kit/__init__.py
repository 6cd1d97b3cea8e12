# SPDX-License-Identifier: GPL-2.0
"""The kit of iommu-recovery: run as `python3 -m kit COMMAND`, driven by the Makefile."""
