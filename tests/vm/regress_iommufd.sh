#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 51
# level: stock
# what: The iommufd selftests of the kernel give the same results with and without the series.
# images: fast
# beside: nothing in it depends on time
# base: same
# programs-from: base
# programs: iommufd
# timeout: 400
# memory: 2048
#
# The dma-buf cases fail on both: the mock driver of 7.3 returns 0 where the
# program expects the descriptor of its dma-buf (iommufd_test_dmabuf_get()).

echo 64 > /proc/sys/vm/nr_hugepages
echo "# run: iommufd"
iommufd
exit 0
