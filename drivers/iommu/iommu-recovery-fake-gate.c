// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of the IOMMU that is not there. See iommu-recovery-fake.h.
 */
#include "iommu-recovery-fake.h"

const struct fake_variant fake_gate_variants[3] = {
	{
		.name = "gate, PASIDs, release domain",
		.gate = true,
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
	}, {
		.name = "gate, PASIDs",
		.gate = true,
		.blocked = true,
		.pasids = true,
	}, {
		.name = "gate, only paging domains, release domain",
		.gate = true,
		.release = FAKE_RELEASE_IDENTITY,
	},
};

/* Why a gate is shut */
const struct fake_window fake_windows[3] = {
	{ "inside of a reset", IOMMU_RECOVERY_RESETTING },
	{ "quarantined", IOMMU_RECOVERY_QUARANTINED },
	{ "broken", IOMMU_RECOVERY_BROKEN },
};

/**
 * fake_fail_gate() - let calls of the gates of all devices fail with -ETIMEDOUT
 * @fake: the IOMMU
 * @nth: the first of them, counted from 1
 * @count: how many; 0: no more from now on
 */
void fake_fail_gate(struct fake_iommu *fake, unsigned int nth,
		    unsigned int count)
{
	WRITE_ONCE(fake->gate_fails, 0);
	fake->gate_skips = nth - 1;
	WRITE_ONCE(fake->gate_fails, count);
}

static int fake_gate_call(struct fake_dev *fdev, const char *call,
			  void (*hook)(struct fake_dev *fdev))
{
	struct fake_iommu *fake = fdev->fake;
	struct device *dev = &fdev->dev;

	iommu_group_mutex_assert(dev);
	if (fdev->released)
		fake_violation(fake, "%s: %s after release", dev_name(dev), call);
	if (iommu_driver_get_domain_for_dev(dev) != fdev->rid)
		fake_violation(fake, "%s: RID is not where the core says, %s",
			       dev_name(dev), call);
	if (hook)
		hook(fdev);

	if (fdev->gate_stuck)
		return -ETIMEDOUT;
	if (!READ_ONCE(fake->gate_fails))
		return 0;
	if (fake->gate_skips) {
		fake->gate_skips--;
		return 0;
	}
	fake->gate_fails--;
	return -ETIMEDOUT;
}

int fake_fence_dev(struct device *dev)
{
	struct fake_dev *fdev = container_of(dev, struct fake_dev, dev);
	int ret;

	fdev->fence_calls++;
	ret = fake_gate_call(fdev, "fence", fdev->on_fence);
	WRITE_ONCE(fdev->gate, ret ? FAKE_GATE_UNSURE : FAKE_GATE_SHUT);
	if (!fdev->fenced_at)
		fdev->fenced_at = atomic_inc_return(&fdev->fake->clock);
	return ret;
}

int fake_unfence_dev(struct device *dev)
{
	struct fake_dev *fdev = container_of(dev, struct fake_dev, dev);
	int ret;

	fdev->unfence_calls++;
	if (fdev->gate != FAKE_GATE_SHUT)
		fake_violation(fdev->fake, "%s: unfence, but it is not fenced",
			       dev_name(dev));
	ret = fake_gate_call(fdev, "unfence", fdev->on_unfence);
	WRITE_ONCE(fdev->gate, ret ? FAKE_GATE_UNSURE : FAKE_GATE_OPEN);
	fdev->unfenced_at = atomic_inc_return(&fdev->fake->clock);
	return ret;
}

/**
 * fake_report() - tell the core that a device has ignored an invalidation
 * @fdev: the device
 *
 * What a driver will have a function for. Any context.
 */
void fake_report(struct fake_dev *fdev)
{
	struct iommu_recovery *recovery = fake_recovery(fdev);
	struct iommu_recovery_step step;

	scoped_guard(raw_spinlock_irqsave, &recovery->lock) {
		step = iommu_recovery_next(&recovery->fsm, IOMMU_RECOVERY_REPORT);
		recovery->fsm = step.fsm;
	}
	if (step.action == IOMMU_RECOVERY_ACT_QUEUE_WORK)
		queue_delayed_work(system_freezable_wq, &recovery->work, 0);
}

/* Its core knows who shares a requester ID in the work item, too. */
struct fake_iommu *fake_create_gate(struct kunit *test,
				    const struct fake_variant *variant)
{
	struct fake_iommu *fake = fake_create(test, variant);

	fake_use_streams(fake);
	return fake;
}

/*
 * Into the state of the test's parameter, one of fake_windows. A BROKEN device cannot be
 * fenced until fake_leave_window().
 */
void fake_enter_window(struct kunit *test, struct fake_dev *fdev)
{
	const struct fake_window *window = test->param_value;

	if (window->state == IOMMU_RECOVERY_BROKEN) {
		fdev->gate_stuck = true;
		KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
				fake_prepare_quietly(test, fdev));
	} else {
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	}
	if (window->state == IOMMU_RECOVERY_QUARANTINED)
		iommu_dev_reset_done(&fdev->dev, IOMMU_RESET_FAILED);
	KUNIT_EXPECT_EQ(test, (int)window->state, (int)fake_state(fdev));
}

void fake_leave_window(struct kunit *test, struct fake_dev *fdev)
{
	const struct fake_window *window = test->param_value;

	KUNIT_EXPECT_EQ(test, (int)window->state, (int)fake_state(fdev));
	if (window->state == IOMMU_RECOVERY_BROKEN) {
		fdev->gate_stuck = false;
		fake_flush_work(test, fdev);
	}
	if (window->state != IOMMU_RECOVERY_RESETTING)
		KUNIT_ASSERT_EQ(test, 0, iommu_dev_reset_prepare(&fdev->dev));
	fake_done_quietly(test, fdev, IOMMU_RESET_OK);
	FAKE_EXPECT_STATE(test, fdev, ACTIVE);
	FAKE_EXPECT_REASON(test, fdev, NONE);
	FAKE_EXPECT_GATE(test, fdev, OPEN);
}
