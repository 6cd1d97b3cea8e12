#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scenario: 51
# level: kunit
# what: The KUnit suites of the kernel give the same results with and without the series.
# images: fast
# beside: nothing in it depends on time
# base: same
# kunit: *
# Those of the series that take long have tests of their own.
# cmdline: kunit.filter=module!=iommu_recovery_kunit,module!=iommu_recovery_fsm_test,module!=arm_smmu_v3_wait_test,module!=arm_smmu_v3_gate_test,module!=arm_smmu_v3_attach_test
# timeout: 240

exit 0
