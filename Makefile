# SPDX-License-Identifier: GPL-2.0
# The user's interface. "make help" lists it; the work is done by scripts/kit.

# Variables that a user may set, handed to the kit as they are.
export BASE KERNEL IMAGE ON TEST SUITE MACHINE MODE RUNS WRITE LONG PLANT JOBS QEMU QEMU_TESTDEV IR_BUILD

KIT = PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts python3 -m kit

.PHONY: help demo check check-all tree save series apply build vm kunit bites model bench coverage lint drivers bisect clean python
.DEFAULT_GOAL := help

help:
	@echo 'Two commands for a first look (both install and download what they need):'
	@echo '  make demo       boot QEMU with an SMMUv3, reset a passed-through device in flight,'
	@echo '                  let one stop answering; timelines and a picture, unpatched and patched'
	@echo '  make check      every test of the default set; last line: N passed, N failed, N skipped'
	@echo
	@echo 'Using the series:'
	@echo '  make apply KERNEL=DIR      put the series on your own kernel tree (7.3 or 7.2)'
	@echo '  make series [BASE=7.3]     mailbox files for git am, in build/out/'
	@echo
	@echo 'Changing the series:'
	@echo '  make tree [BASE=7.3]       the series as commits in build/tree/, to edit'
	@echo '  make save [BASE=7.3]       those commits back into patches/ and overlay files'
	@echo '  make build [IMAGE=fast|debug|kcsan] [MACHINE=testdev]   kernel images, unpatched and patched; QEMU with the test device'
	@echo '  make vm TEST=NAME [ON=base|patched]     boot and run one test of tests/vm/'
	@echo '  make vm TEST=NAME RUNS=N MODE=deterministic|race   the same N times; deterministic runs must be alike'
	@echo '  make kunit SUITE=GLOB                   boot and run KUnit suites'
	@echo '  make model                 verify the SPIN models of the protocol (LONG=1: the long searches too)'
	@echo '  make bites [TEST="NAME ..."]            the table of defects that the unpatched kernel shows'
	@echo '  make bench [BASE=7.3]      what it costs, unpatched and with the series: instructions, commands, timeouts; table, JSON, SVG'
	@echo '  make coverage [TEST="NAME ..."]         lines of the series that the tests run, and those that they do not'
	@echo '  make lint                  checkpatch, W=1, sparse, kernel-doc, coccinelle, compile matrix, drivers'
	@echo '  make drivers [BASE=7.3]    every IOMMU driver and the PCI core with W=1 on six architectures'
	@echo '  make bisect                every commit builds, and boots where it brings tests'
	@echo '  make check-all             every test on both bases with every image'
	@echo '  make clean                 remove build/'
	@echo
	@echo 'Variables: BASE=7.3|7.2, KERNEL=DIR (a tree of your own as base), JOBS=N,'
	@echo '  QEMU=PROGRAM, QEMU_TESTDEV=PROGRAM (instead of building it), IR_BUILD=DIR (instead of build/),'
	@echo '  PLANT=warn|kasan|kcsan|hang (check must fail)'

# The one thing that the kit cannot install for itself.
python:
	@command -v python3 >/dev/null || { [ "$$(id -u)" = 0 ] && { apt-get install -y python3 || { apt-get update && apt-get install -y python3; }; }; } || \
		{ echo 'iommu-recovery: missing: python3'; echo '  cure: as root: apt-get install python3'; exit 1; }

demo check check-all tree save series apply build vm kunit bites model bench coverage lint drivers bisect: python
	@$(KIT) $@

clean:
	@rm -rf "$${IR_BUILD:-build}"
