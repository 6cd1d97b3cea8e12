#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 20 25
# level: stock
# what: iommufd attaches nothing that the mock driver refuses in advance, and what is attached inside of a reset is carried out by it.
# images: fast
# images-all: debug
# beside: nothing in it depends on time
# base: none
# programs: iommufd
# timeout: 120
# memory: 2048

echo 64 > /proc/sys/vm/nr_hugepages
echo "# run: iommufd"
exec iommufd -f iommufd_test_dev
