/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOMMU that is not there, for the KUnit tests of the recovery of devices.
 *
 * Its "hardware" is one pointer for each RID and each PASID: the domain that it is
 * really on. With every call the driver checks what the core tells it against
 * that, and fails the test when they differ:
 *
 * - the old domain is the one that the hardware is on;
 * - iommu_driver_get_domain_for_dev() tells where the RID is;
 * - a PASID that is on nothing is not detached;
 * - a domain that the hardware is on is not freed;
 * - where the table of PASIDs goes with the RID's domain, PASIDs are touched only
 *   while the RID is on one, and it leaves that one after them;
 * - nothing is asked for a device that has been released, which was on the release
 *   domain before, if there is one;
 * - a gate is opened only if it was shut for certain.
 *
 * fake_exit() detaches and removes whatever is left, and checks that no device,
 * group or domain has survived.
 *
 * Attaching anything but a static domain, and making one, takes an allocation
 * that can be made to fail, see fake_fail_nth().
 */
#ifndef __IOMMU_RECOVERY_FAKE_H
#define __IOMMU_RECOVERY_FAKE_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/notifier.h>

#include "iommu-recovery.h"

#define FAKE_PASID_BITS		3
#define FAKE_NR_PASIDS		BIT(FAKE_PASID_BITS)
#define FAKE_NR_GROUPS		3

enum fake_release {
	FAKE_RELEASE_NONE,
	FAKE_RELEASE_BLOCKED,
	FAKE_RELEASE_IDENTITY,
};

/**
 * struct fake_variant - what a driver can do
 * @name: for the log
 * @blocked: it has a static blocking domain; otherwise an empty paging domain blocks,
 *	and there are no PASIDs
 * @pasids: its devices have PASIDs
 * @release: its release domain
 * @deferred: the first attach is deferred
 * @gate: it has fence_dev() and unfence_dev()
 * @pasid_table: its table of PASIDs goes with the RID's domain, and replacing
 *	anything by an SVA domain is refused, as by AMD's driver
 * @test_dev: its domains say in advance what can be attached
 */
struct fake_variant {
	const char *name;
	bool blocked;
	bool pasids;
	enum fake_release release;
	bool deferred;
	bool gate;
	bool pasid_table;
	bool test_dev;
};

extern const struct fake_variant fake_all_variants[6];
extern const struct fake_variant fake_pasid_variants[2];
extern const struct fake_variant fake_gate_variants[3];
extern const struct fake_variant fake_test_dev_variants[4];

/* Why a gate is shut: a parameter of tests, for fake_enter_window() */
struct fake_window {
	const char *name;
	enum iommu_recovery_state state;
};

extern const struct fake_window fake_windows[3];

/* The ones for tests that say nothing about the driver: they can do all */
#define FAKE_FULL	(&fake_all_variants[0])
#define FAKE_GATED	(&fake_gate_variants[0])

enum fake_gate {
	FAKE_GATE_OPEN,
	FAKE_GATE_UNSURE,
	FAKE_GATE_SHUT,
};

struct fake_domain {
	struct iommu_domain domain;
	struct fake_iommu *fake;
	struct list_head entry;
	unsigned int group;
	atomic_t users;
	/* Allocated by a test, and not by the core as an empty one that blocks */
	bool of_test;
};

/**
 * struct fake_dev - a device
 * @dev: the device
 * @fake: its IOMMU
 * @entry: in &fake_iommu.devices
 * @group: number of its group
 * @alias: devices of a group with the same one share a requester ID; 0: with none
 * @rid: what the RID is on; NULL: untouched since the probe
 * @pasid: what each PASID is on; NULL: nothing, all is blocked
 * @rid_calls: number of successful and failed attaches of the RID
 * @pasid_calls: the same for all PASIDs
 * @bad: attaching this domain to the RID fails
 * @bad_pasid: attaching anything but the blocking domain to this PASID fails
 * @bad_error: what that fails with; 0: -EINVAL
 * @bad_blocking: attaching a blocking domain to the RID fails
 * @refuse: what test_dev answers whatever it is asked; 0: the truth
 * @lies: or it answers 0 whatever it is asked
 * @tested: number of calls of test_dev
 * @direct: firmware wants a 1:1 mapping for it
 * @attached_at: &fake_iommu.clock of the last successful attach of RID or PASID
 * @released: the driver has let it go
 * @on_attach: called in each attach of the RID, with group->mutex held
 * @on_pasid: the same for PASIDs, whatever is attached to them
 * @gate: whether what it sends gets as far as its RID and PASIDs
 * @gate_stuck: all calls of its gate fail with -ETIMEDOUT
 * @fence_calls: number of successful and failed calls of fence_dev()
 * @unfence_calls: the same for unfence_dev()
 * @fenced_at: &fake_iommu.clock of the first fence_dev()
 * @unfenced_at: the same of the last unfence_dev()
 * @on_fence: called in each fence_dev(), with group->mutex held
 * @on_unfence: the same for unfence_dev()
 */
struct fake_dev {
	struct device dev;
	struct fake_iommu *fake;
	struct list_head entry;
	unsigned int group;
	unsigned int alias;

	struct iommu_domain *rid;
	struct iommu_domain *pasid[FAKE_NR_PASIDS];

	unsigned int rid_calls;
	unsigned int pasid_calls;
	struct iommu_domain *bad;
	ioasid_t bad_pasid;
	int bad_error;
	bool bad_blocking;
	int refuse;
	bool lies;
	unsigned int tested;
	bool direct;
	unsigned int attached_at;
	bool released;
	void (*on_attach)(struct fake_dev *fdev);
	void (*on_pasid)(struct fake_dev *fdev);

	enum fake_gate gate;
	bool gate_stuck;
	unsigned int fence_calls;
	unsigned int unfence_calls;
	unsigned int fenced_at;
	unsigned int unfenced_at;
	void (*on_fence)(struct fake_dev *fdev);
	void (*on_unfence)(struct fake_dev *fdev);
};

struct fake_group {
	struct fake_iommu *fake;
	struct iommu_group *group;
	/* What the tests have attached, for fake_exit() */
	struct iommu_domain *pasid[FAKE_NR_PASIDS];
};

/**
 * struct fake_iommu - an IOMMU, its driver, and what a test has made with them
 * @test: the test that it is for
 * @variant: what it can do
 * @ops: its operations
 * @iommu: it, for the core
 * @nb: for iommu_device_register_bus()
 * @late: what fake_probe_unprobed() has registered
 * @late_nb: the same
 * @paging_ops: of domains that can be freed
 * @static_ops: of static domains
 * @blocked: static
 * @release: static
 * @lock: protects @devices, @domains and @told_reason
 * @devices: all that were added and not removed
 * @domains: all that were allocated and not freed
 * @groups: the same as the devices' numbers
 * @nr_devices: number of devices that are not freed
 * @nr_groups: number of groups that are not freed
 * @violations: of what is said above
 * @told_active: number of uevents that told so
 * @told_quarantined: the same
 * @told_reason: the reason in the last one
 * @lone: a domain for the RID that does not go with PASIDs
 * @refuse: what test_dev of all devices answers; 0: what each of them says
 * @intended: what iommu_dev_intended_domain() has said in the last test_dev
 * @actual: what iommu_driver_get_domain_for_dev() has said there
 * @fail_nth: 0, or the n-th allocation fails
 * @failed: and has failed
 * @streams: what devices share is an ID in their fwspec, see fake_use_streams()
 * @gate_skips: calls of gates before the first that fails, see fake_fail_gate()
 * @gate_fails: and how many fail then
 * @clock: counts the successful attaches and the releases of devices, and the
 *	calls of their gates
 * @released_at: @clock of the last release
 * @on_probe: called when a device is probed
 * @on_release: called when a device is released, with group->mutex held
 * @on_group: called when it gets its group
 * @priv: of the test
 */
struct fake_iommu {
	struct kunit *test;
	const struct fake_variant *variant;
	struct iommu_ops ops;
	struct iommu_device iommu;
	struct notifier_block nb;
	struct iommu_device *late;
	struct notifier_block *late_nb;
	struct iommu_domain_ops paging_ops;
	struct iommu_domain_ops static_ops;
	struct fake_domain blocked;
	struct fake_domain release;

	spinlock_t lock; /* see above */
	struct list_head devices;
	struct list_head domains;
	struct fake_group groups[FAKE_NR_GROUPS];
	atomic_t nr_devices;
	atomic_t nr_groups;
	atomic_t violations;

	atomic_t told_active;
	atomic_t told_quarantined;
	char told_reason[32];

	struct iommu_domain *lone;
	int refuse;
	struct iommu_domain *intended;
	struct iommu_domain *actual;

	int fail_nth;
	bool failed;
	bool streams;
	unsigned int gate_skips;
	unsigned int gate_fails;
	atomic_t clock;
	unsigned int released_at;
	void (*on_probe)(struct fake_dev *fdev);
	void (*on_release)(struct fake_dev *fdev);
	void (*on_group)(struct fake_dev *fdev);
	void *priv;
};

/**
 * struct fake_busy - a device with domains on the RID and on PASIDs 1, 3 and 5, if it has any
 * @fdev: the device
 * @rid: where the RID has to be, unless it is docked
 * @pasid: the same for PASIDs
 * @nr_pasids: how many of them
 */
struct fake_busy {
	struct fake_dev *fdev;
	struct iommu_domain *rid;
	struct iommu_domain *pasid[FAKE_NR_PASIDS];
	unsigned int nr_pasids;
};

int fake_suite_init(struct kunit_suite *suite);
void fake_suite_exit(struct kunit_suite *suite);
void fake_exit(struct kunit *test);

struct fake_iommu *fake_create(struct kunit *test,
			       const struct fake_variant *variant);
struct fake_dev *fake_dev_add_alias(struct fake_iommu *fake, unsigned int group,
				    unsigned int alias);
struct fake_dev *fake_dev_add_unprobed(struct fake_iommu *fake,
				       unsigned int group);
struct fake_dev *fake_dev_add_late(struct fake_iommu *fake, unsigned int group,
				   unsigned int alias);
void fake_probe_unprobed(struct fake_iommu *fake);
void fake_dev_remove(struct fake_dev *fdev);
bool fake_same_rid(struct device *a, struct device *b);
void fake_use_streams(struct fake_iommu *fake);

struct iommu_domain *fake_domain_try_new(struct fake_dev *fdev);
struct iommu_domain *fake_domain_new(struct fake_dev *fdev);
struct iommu_domain *fake_domain_new_sva(struct fake_dev *fdev,
					 struct mm_struct *mm);
int fake_domain_users(struct iommu_domain *domain);
bool fake_is_blocking(struct iommu_domain *domain);
void fake_fail_nth(struct fake_iommu *fake, unsigned int nth);
void fake_fail_gate(struct fake_iommu *fake, unsigned int nth,
		    unsigned int count);
__printf(2, 3) void fake_violation(struct fake_iommu *fake, const char *fmt, ...);
int fake_fence_dev(struct device *dev);
int fake_unfence_dev(struct device *dev);
int fake_refuses_rid(struct fake_dev *fdev, struct iommu_domain *domain,
		     bool has_pasids);
int fake_refuses_pasid(struct fake_dev *fdev, struct iommu_domain *domain,
		       ioasid_t pasid, struct iommu_domain *rid,
		       struct iommu_domain *old);
int fake_test_dev(struct iommu_domain *domain, struct device *dev,
		  ioasid_t pasid, struct iommu_domain *old);
void fake_report(struct fake_dev *fdev);
struct fake_iommu *fake_create_gate(struct kunit *test,
				    const struct fake_variant *variant);
void fake_enter_window(struct kunit *test, struct fake_dev *fdev);
void fake_leave_window(struct kunit *test, struct fake_dev *fdev);

int fake_attach(struct fake_dev *fdev, struct iommu_domain *domain);
int fake_replace(struct fake_dev *fdev, struct iommu_domain *domain);
void fake_detach(struct fake_dev *fdev);
int fake_attach_pasid(struct fake_dev *fdev, ioasid_t pasid,
		      struct iommu_domain *domain);
int fake_replace_pasid(struct fake_dev *fdev, ioasid_t pasid,
		       struct iommu_domain *domain);
void fake_detach_pasid(struct fake_dev *fdev, ioasid_t pasid);
void fake_detach_all(struct fake_dev *fdev);

struct fake_busy fake_busy(struct fake_dev *fdev);
void fake_expect_running(struct kunit *test, struct fake_busy *busy);
void fake_expect_docked(struct kunit *test, struct fake_busy *busy);
void fake_reset(struct kunit *test, struct fake_dev *fdev,
		enum iommu_reset_result result);
int fake_prepare_quietly(struct kunit *test, struct fake_dev *fdev);
void fake_done_quietly(struct kunit *test, struct fake_dev *fdev,
		       enum iommu_reset_result result);
void fake_flush_work(struct kunit *test, struct fake_dev *fdev);

ssize_t fake_read_file(struct fake_dev *fdev, const char *name, char *buf);
void fake_expect_file(struct kunit *test, struct fake_dev *fdev,
		      const char *name, const char *content);

static inline struct fake_dev *fake_dev_add(struct fake_iommu *fake,
					    unsigned int group)
{
	return fake_dev_add_alias(fake, group, 0);
}

static inline struct iommu_group *fake_group(struct fake_dev *fdev)
{
	return fdev->fake->groups[fdev->group].group;
}

static inline struct iommu_recovery *fake_recovery(struct fake_dev *fdev)
{
	return fdev->dev.iommu->recovery;
}

static inline enum iommu_recovery_state fake_state(struct fake_dev *fdev)
{
	return READ_ONCE(fake_recovery(fdev)->fsm.state);
}

static inline unsigned int fake_calls(struct fake_dev *fdev)
{
	return fdev->rid_calls + fdev->pasid_calls;
}

/* Neither the RID nor a PASID reaches memory */
static inline bool fake_is_docked(struct fake_dev *fdev)
{
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (fdev->pasid[i])
			return false;
	return fake_is_blocking(fdev->rid);
}

/* The same, or it does not get so far */
static inline bool fake_is_fenced(struct fake_dev *fdev)
{
	if (fdev->fake->variant->gate)
		return READ_ONCE(fdev->gate) == FAKE_GATE_SHUT;
	return fake_is_docked(fdev);
}

#define FAKE_EXPECT_STATE(test, fdev, wanted)				\
	KUNIT_EXPECT_EQ(test, (int)fake_state(fdev),			\
			(int)IOMMU_RECOVERY_##wanted)
#define FAKE_EXPECT_REASON(test, fdev, wanted)				\
	KUNIT_EXPECT_EQ(test, (int)fake_recovery(fdev)->reason,		\
			(int)IOMMU_BROKEN_##wanted)
#define FAKE_EXPECT_DOCKED(test, fdev)					\
	KUNIT_EXPECT_TRUE(test, fake_is_docked(fdev))
#define FAKE_EXPECT_ON(test, fdev, domain)				\
	KUNIT_EXPECT_PTR_EQ(test, (fdev)->rid, domain)
#define FAKE_EXPECT_PASID_ON(test, fdev, nr, domain)			\
	KUNIT_EXPECT_PTR_EQ(test, (fdev)->pasid[nr], domain)

#define FAKE_EXPECT_GATE(test, fdev, wanted)				\
	KUNIT_EXPECT_EQ(test, (int)(fdev)->gate, (int)FAKE_GATE_##wanted)

#endif /* __IOMMU_RECOVERY_FAKE_H */
