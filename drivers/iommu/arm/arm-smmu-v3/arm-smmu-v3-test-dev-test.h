/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests of test_dev() and the device that they are done with have in
 * common.
 */
#ifndef _ARM_SMMU_V3_TEST_DEV_TEST_H
#define _ARM_SMMU_V3_TEST_DEV_TEST_H

#include <kunit/test.h>
#include <linux/pci.h>

#include "../../iommufd/iommufd_private.h"
#include "arm-smmu-v3.h"

enum td_type {
	TD_IDENTITY,
	TD_BLOCKED,
	TD_S1,
	TD_S2,			/* and a parent for nesting */
	TD_VSTE_ABORT,
	TD_VSTE_BYPASS,
	TD_VSTE_S1,
	TD_SVA,
	TD_NR_TYPES,
};

/* Domains of a type can have each of these, or not */
#define TD_HANDLER	BIT(0)	/* of faults */
#define TD_COHERENT	BIT(1)	/* enforces cache coherency */
#define TD_OTHER	BIT(2)	/* of another SMMU */
#define TD_GONE		BIT(3)	/* the vDEVICE, or the process of SVA */
#define TD_NO_SVA	BIT(4)	/* the SMMU does not support it */
#define TD_NR_FLAGS	5

/* And devices each of these */
#define TD_CAN_STALL	BIT(0)
#define TD_TWO_STREAMS	BIT(1)
#define TD_IOPF_QUEUE	BIT(2)
#define TD_CANWBS	BIT(3)
#define TD_ATS		BIT(4)
#define TD_PASID	BIT(5)	/* TD_OLD_PASID is attached */
#define TD_SHUT		BIT(6)	/* the gate is */
#define TD_NR_PROPS	7

#define TD_OLD_PASID	1
#define TD_NEW_PASID	2
#define TD_PASID_BITS	2

#define TD_MAX_SEEN	96
#define TD_MAX_BYTES	SZ_32K
#define TD_MAX_FAILS	20

/* When memory must be what it was */
#define TD_ASKED	BIT(0)	/* after test_dev() */
#define TD_REFUSED	BIT(1)	/* after an attach that was refused */
#define TD_BACK		BIT(2)	/* after one that was taken back */

struct td_seen {
	const char *name;
	void *ptr;
	size_t size, pos;
	unsigned int when;
};

/* One domain of each type that is not static */
struct td_set {
	struct arm_smmu_domain *s1, *s2, *sva;
	struct arm_smmu_nested_domain nested;
	struct arm_vsmmu vsmmu;
	struct iommufd_vdevice vdevs[2];
	struct mm_struct *mm;
	struct iommu_attach_handle handle;
};

struct td_ctx {
	struct kunit *test;
	struct iommu_ops ops;
	struct notifier_block nb;
	bool registered;
	struct device *dev;
	struct iommu_group *group;
	struct iommufd_device idevs[2];
	struct pci_dev *pdev;
	struct pci_bus *bus;
	u16 ats_ctrl;

	struct arm_smmu_device smmu, other;
	struct arm_smmu_master master;
	struct arm_smmu_stream streams[2];
	struct arm_smmu_ste table[4];
	u32 regs[4];	/* PROD and CONS of the command and of the event queue */
	struct iopf_queue *iopf;

	struct td_set has, tried;
	struct iommu_domain *on_pasid;

	/* What is being tried */
	enum td_type rid, type;
	unsigned int props, flags, withdraw;
	ioasid_t pasid;
	int answer;

	struct td_seen seen[TD_MAX_SEEN];
	unsigned int num_seen;
	size_t num_bytes;
	u8 *bytes;
	unsigned int fails;
	unsigned long states, asked, attached, refused, withdrawn;
	bool returned[6];
};

static inline bool td_is_nested(enum td_type type)
{
	return type >= TD_VSTE_ABORT && type <= TD_VSTE_S1;
}

static inline bool td_has_type(enum td_type type)
{
	return !td_is_nested(type) || IS_ENABLED(CONFIG_ARM_SMMU_V3_IOMMUFD);
}

int td_suite_init(struct kunit_suite *suite);
void td_suite_exit(struct kunit_suite *suite);
int td_init(struct kunit *test);
void td_exit(struct kunit *test);

/* Copies all memory; what has changed since then has a name */
void td_see_all(struct td_ctx *ctx);
const char *td_changed(struct td_ctx *ctx, unsigned int when);

struct iommu_domain *td_domain(struct td_ctx *ctx, struct td_set *set,
			       enum td_type type);
/* Makes the domain of that type one with these flags */
struct iommu_domain *td_make(struct td_ctx *ctx, struct td_set *set,
			     enum td_type type, unsigned int flags);

/* Into the state of @rid and @props, if there is such a one, and back */
bool td_enter(struct td_ctx *ctx);
void td_leave(struct td_ctx *ctx);
void td_free_cds(struct td_ctx *ctx);

#endif
