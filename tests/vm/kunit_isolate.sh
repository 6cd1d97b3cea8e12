#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 30
# level: kunit
# what: A port stops the one function below it, whatever else is done to the port, until that is fenced or gone.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# base: none
# kunit: pci_isolate
# bites-with: port-opens-at-removal
# bites-how: not ok \d iso_outlasts_a_removal
# timeout: 90

exit 0
