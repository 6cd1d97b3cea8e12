// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event records that nobody has read when their domain is left: the stalls that
 * they speak of have an end before the detach, or the replace, returns.
 *
 * usage: testdev_drain [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver. The function can stall, and is bound to
 * vfio-pci, for the fixture "released" to smmu_testdev; each case of that uses up
 * its function. The thread that reads the event queue is kept from running, on
 * CPU 1; where the SMMU has no interrupt there is none.
 */
#include <errno.h>
#include <stdlib.h>

#include <linux/bits.h>
#include <linux/pci_regs.h>

#include "module.h"
#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define NOWHERE		0x80000000ULL
#define PAGES		16
#define STALLS		8
#define PASID		1
#define TIMEOUT_S	120

/* What the SMMU of the model has */
#define STAGS		256

/* Once for each record that is taken from the event queue */
#define HANDLED		"arm_smmu_handle_event: ("

/* An unpatched kernel restores PASID control after ATS: another test's business. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static const char *observer_bdf, *dev_bdf;

enum leave { DETACH, DETACH_PASID, REPLACE };

static const char * const leave_name[] = {
	[DETACH] = "detach",
	[DETACH_PASID] = "detach of a PASID",
	[REPLACE] = "replace",
};

FIXTURE(unread) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	struct smtd_faults faults;
	struct smtd_hog hog;
	int threads;
	enum leave leave;
	int hwpt, next;		/* page tables, the next one without faults */
	void *mem;
};

/* A bus master whose writes all fault, for it has no driver that has mapped anything */
static void use_without_driver(struct smtd *d, const char *bdf)
{
	u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	smtd_config_write(bdf, PCI_COMMAND, &command, sizeof(command));
	smtd_behave(d);
	smtd_stat_clear(d);
}

/*
 * From here on the event queue is not read. A fault that is handled as usual comes
 * first: all before it have been, and the thread has moved.
 */
static void stop_reading(struct __test_metadata *_metadata, FIXTURE_DATA(unread) * self)
{
	struct iommu_hwpt_pgfault fault;

	if (!self->threads)
		return;
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	ASSERT_TRUE(smtd_fault_read(&self->faults, &fault));
	ASSERT_EQ(smtd_fault_respond(&self->faults, fault.cookie, false), 0);
	ASSERT_TRUE(smtd_dma_settled(self->dev));
	smtd_stat_clear(self->dev);
	smtd_hog_start(&self->hog, 1);
}

FIXTURE_SETUP(unread)
{
	u32 next, flags = 0;

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(observer_bdf);
	use_without_driver(self->observer, observer_bdf);
	self->dev = smtd_open(dev_bdf, self->iommu);
	ASSERT_TRUE(smtd_read(self->dev, SMTD_CAPS) & SMTD_CAPS_STALL);
	if (smtd_read(self->dev, SMTD_CAPS) & SMTD_CAPS_PASID)
		flags = SMTD_HWPT_PASID;
	self->mem = smtd_alloc(PAGES);
	self->faults = smtd_faults_alloc(self->iommu);
	self->hwpt = smtd_hwpt_alloc(self->dev, self->iommu->ioas_id, flags, self->faults.id);
	ASSERT_GT(self->hwpt, 0);
	next = smtd_ioas_alloc(self->iommu);
	self->next = smtd_hwpt_alloc(self->dev, next, flags, 0);
	ASSERT_GT(self->next, 0);
	smtd_map(self->iommu, next, self->mem, IOVA, PAGES * SMTD_PAGE);
	ASSERT_EQ(smtd_attach(self->dev, self->hwpt), 0);

	self->threads = smtd_move_irqs(SMTD_SMMU_IRQS, 1, 1);
	printf("# %d interrupt threads of the SMMU\n", self->threads);
	ASSERT_TRUE(smtd_pin(0));
	stop_reading(_metadata, self);
}

FIXTURE_TEARDOWN(unread)
{
	smtd_hog_stop(&self->hog);
	smtd_behave(self->observer);
	smtd_print(self->dev, dev_bdf);
	smtd_close(self->dev);
	smtd_faults_close(&self->faults);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

static int leave_it(void *arg)
{
	FIXTURE_DATA(unread) * self = arg;

	VFIO_ASSERT_TRUE(smtd_pin(0));
	switch (self->leave) {
	case DETACH:
		return smtd_detach(self->dev);
	case DETACH_PASID:
		return smtd_detach_pasid(self->dev, PASID);
	case REPLACE:
		return smtd_attach(self->dev, self->next);
	}
	return -EINVAL;
}

/*
 * What is stalled now has an end when the domain is left, whoever reads the event
 * queue, and what is read of it later is not given to the old domain's handler.
 */
static void leave_unread(struct __test_metadata *_metadata, FIXTURE_DATA(unread) * self,
			 enum leave leave, struct smtd_call *call)
{
	u32 stalled = smtd_read(self->dev, SMTD_STALLED), open;

	self->leave = leave;
	smtd_call_start(call, leave_it, self);
	ASSERT_TRUE(smtd_until(smtd_call_done(call))) {
		TH_LOG("a %s has not returned after %u ms", leave_name[leave], SMTD_DEADLINE_MS);
	}
	open = smtd_read(self->dev, SMTD_STALLED);
	ASSERT_EQ(smtd_call_join(call), 0);
	printf("# of %u stalls %u are open when a %s has returned after %lu us\n", stalled, open,
	       leave_name[leave], call->end_us - call->begin_us);
	EXPECT_EQ(open, 0);
}

/* Whatever the thread still finds, and the oracle saw */
static void is_clean(struct __test_metadata *_metadata, FIXTURE_DATA(unread) * self)
{
	smtd_hog_stop(&self->hog);
	EXPECT_TRUE(smtd_dma_settled(self->dev));
	EXPECT_FALSE(smtd_fault_is_there(&self->faults));
	smtd_check_stalls(self->dev);
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
}

TEST_F_TIMEOUT(unread, stalls_end_with_the_detach, TIMEOUT_S)
{
	struct smtd_call call;

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS), 0);
	leave_unread(_metadata, self, DETACH, &call);
	EXPECT_EQ(smtd_stat(self->dev, SMTD_S_OK), 0);
	is_clean(_metadata, self);
}

TEST_F_TIMEOUT(unread, stalls_end_with_the_replace, TIMEOUT_S)
{
	struct smtd_call call;

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS), 0);
	leave_unread(_metadata, self, REPLACE, &call);
	is_clean(_metadata, self);
	/* The next domain works. */
	smtd_stat_clear(self->dev);
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS), STALLS);
}

/* The stalls of another PASID stay what they are: its domain is not left. */
TEST_F_TIMEOUT(unread, stalls_end_with_the_detach_of_their_pasid, TIMEOUT_S)
{
	struct iommu_hwpt_pgfault fault;
	struct smtd *dev = self->dev;
	struct smtd_call call;
	int i;

	ASSERT_EQ(smtd_attach_pasid(dev, PASID, self->hwpt), 0);
	ASSERT_EQ(smtd_attach_pasid(dev, PASID + 1, self->hwpt), 0);
	ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = STALLS, .pasid = PASID), 0);
	ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = STALLS + 2, .pasid = PASID + 1), 0);
	ASSERT_EQ(smtd_read(dev, SMTD_STALLED), STALLS + 2);
	self->leave = DETACH_PASID;
	smtd_call_start(&call, leave_it, self);
	ASSERT_TRUE(smtd_until(smtd_call_done(&call)));
	i = smtd_read(dev, SMTD_STALLED);
	ASSERT_EQ(smtd_call_join(&call), 0);
	printf("# of %d stalls %d are open when a detach of a PASID has returned\n", STALLS,
	       i - 2);
	EXPECT_EQ(i, 2);

	smtd_hog_stop(&self->hog);
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(smtd_fault_read(&self->faults, &fault));
		EXPECT_EQ(fault.pasid, PASID + 1);
		EXPECT_EQ(smtd_fault_respond(&self->faults, fault.cookie, false), 0);
	}
	EXPECT_EQ(smtd_detach_pasid(dev, PASID + 1), 0);
	is_clean(_metadata, self);
}

/*
 * More stalls than the event queue has room for: the records of some are written
 * when that of others has been read. And then one of those that an overflow has lost.
 */
TEST_F_TIMEOUT(unread, stalls_without_a_record_end_with_the_detach, TIMEOUT_S)
{
	struct smtd_call call;

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = 40), 0);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), 40);
	ASSERT_GT(smtd_read(self->dev, SMTD_SMMU_UNREPORTED), 0);
	smtd_dma_run(self->observer, .iova = NOWHERE, .count = 40);
	ASSERT_GT(smtd_read(self->dev, SMTD_SMMU_OVERFLOW), 0);
	leave_unread(_metadata, self, DETACH, &call);
	is_clean(_metadata, self);
}

/* EVENTQ_ABT_ERR: their records never come. */
TEST_F_TIMEOUT(unread, stalls_whose_record_was_lost_end_with_the_detach, TIMEOUT_S)
{
	struct smtd_call call;

	smtd_write(self->dev, SMTD_EVT_ABORT, 1);
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), 1);
	ASSERT_EQ(smtd_read(self->dev, SMTD_EVT_ABORT), 0);
	/* Nobody knows its tag: a fence ends it, which a work item of the driver asks for. */
	(void)smtd_until(smtd_read(self->dev, SMTD_STALLED) == 0);
	leave_unread(_metadata, self, DETACH, &call);
	is_clean(_metadata, self);
}

/*
 * Another function fills the queue as fast as it is read. Needs a small queue, whose
 * size the test's machine gives (evtqs), and a trace of HANDLED.
 */
#define FLOODED_QUEUE	256

TEST_F_TIMEOUT(unread, stalls_in_a_flood_end_with_the_detach, TIMEOUT_S)
{
	struct smtd_call call;
	u32 records;

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS), 0);
	smtd_dma_start(self->observer, .iova = NOWHERE, .count = 64, .period_us = 200);
	ASSERT_TRUE(smtd_until(smtd_read(self->dev, SMTD_SMMU_OVERFLOW) > 0));
	leave_unread(_metadata, self, DETACH, &call);
	records = smtd_trace_count(HANDLED, call.begin_us, call.end_us);
	printf("# the detach has read %u records of a queue of %u that another function floods\n",
	       records, FLOODED_QUEUE);
	EXPECT_LE(records, 2 * FLOODED_QUEUE + STALLS);
	EXPECT_GT(smtd_stat(self->observer, SMTD_S_FAULT), FLOODED_QUEUE);
	smtd_dma_stop(self->observer);
	is_clean(_metadata, self);
}

/* The thread runs as well, and both are kept busy. */
TEST_F_TIMEOUT(unread, stalls_in_a_flood_that_is_read_end_with_the_replace, TIMEOUT_S)
{
	struct smtd_call call;

	smtd_dma_start(self->observer, .iova = NOWHERE, .count = 64, .period_us = 200);
	ASSERT_TRUE(smtd_until(smtd_read(self->dev, SMTD_SMMU_OVERFLOW) > 0));
	smtd_hog_stop(&self->hog);
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS), 0);
	leave_unread(_metadata, self, REPLACE, &call);
	smtd_dma_stop(self->observer);
	EXPECT_TRUE(smtd_dma_settled(self->dev));
	smtd_check_stalls(self->dev);
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
}

/*
 * What a detach costs, by what is outstanding: events of another function, and
 * stalls of its own. Needs a trace of HANDLED.
 */
static void cost(struct __test_metadata *_metadata, FIXTURE_DATA(unread) * self, u32 events,
		 u32 stalls)
{
	struct smtd *dev = self->dev;
	u32 commands, n, open;
	struct smtd_call call;

	for (n = 0; n < events; n += SMTD_SLOTS)
		smtd_dma_run(self->observer, .iova = NOWHERE, .count = SMTD_SLOTS);
	if (stalls)
		ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = stalls), 0);
	ASSERT_EQ(smtd_read(dev, SMTD_STALLED), stalls);
	ASSERT_EQ(smtd_stat(self->observer, SMTD_S_FAULT), events);
	commands = smtd_read(dev, SMTD_SMMU_CMDS);
	self->leave = DETACH;
	smtd_call_start(&call, leave_it, self);
	ASSERT_TRUE(smtd_until(smtd_call_done(&call)));
	commands = smtd_read(dev, SMTD_SMMU_CMDS) - commands;
	open = smtd_read(dev, SMTD_STALLED);
	ASSERT_EQ(smtd_call_join(&call), 0);
	printf("# COST %6u %6u   %7u %8u %8lu %5u\n", events, stalls,
	       smtd_trace_count(HANDLED, call.begin_us, call.end_us), commands,
	       call.end_us - call.begin_us, open);
	EXPECT_EQ(open, 0);

	smtd_hog_stop(&self->hog);
	EXPECT_TRUE(smtd_dma_settled(dev));
	smtd_stat_clear(self->observer);
	ASSERT_EQ(smtd_attach(dev, self->hwpt), 0);
	stop_reading(_metadata, self);
}

TEST_F_TIMEOUT(unread, records_and_commands_are_counted, TIMEOUT_S)
{
	printf("# COST events stalls   records commands       us  open\n");
	cost(_metadata, self, 0, 0);
	cost(_metadata, self, 256, 0);
	cost(_metadata, self, 4096, 0);
	cost(_metadata, self, 0, STAGS);
	cost(_metadata, self, 4096, STAGS);
	is_clean(_metadata, self);
}

/* ---- a function that goes away with its driver bound ---- */

FIXTURE(released) {
	struct smtd *observer, *dev;
	struct smtd_hog hog;
	int fd;
	u32 domain;
};

FIXTURE_SETUP(released)
{
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(dev_bdf);
	smtd_observe(self->dev, self->observer);
	smtd_behave(self->dev);
	smtd_stat_clear(self->dev);
	smtd_violations_clear(self->dev);
	self->fd = smtd_module_open(dev_bdf);
	self->domain = smtd_domain_alloc(self->fd, SMTD_DOMAIN_FAULT);
	ASSERT_EQ(smtd_domain_attach(self->fd, self->domain), 0);
	smtd_fault_mode(self->fd, self->domain, SMTD_FAULT_INVALID);

	ASSERT_GT(smtd_move_irqs(SMTD_SMMU_IRQS, 1, 1), 0);
	ASSERT_TRUE(smtd_pin(0));
	/* A fault that is handled as usual: the thread has moved then. */
	smtd_dma_run(self->dev, .iova = IOVA);
	ASSERT_TRUE(smtd_wait_stat(self->dev, SMTD_S_ABORT, 1));
}

FIXTURE_TEARDOWN(released)
{
	smtd_hog_stop(&self->hog);
	close(self->fd);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

static int remove_it(void *arg)
{
	return smtd_sysfs_write(dev_bdf, "remove", "1");
}

static int switch_off(void *arg)
{
	return smtd_slot_power(*(int *)arg, false);
}

/* A release may have to wait for the thread, which runs again in the end. */
static void release(struct __test_metadata *_metadata, FIXTURE_DATA(released) * self,
		    int (*how)(void *arg), void *arg)
{
	struct smtd_call call;
	u32 open;

	smtd_call_start(&call, how, arg);
	smtd_until(smtd_call_done(&call));
	open = smtd_read(self->observer, SMTD_SMMU_STALLS);
	printf("# of %u stalls %u are open when their function has been released\n", STALLS, open);
	EXPECT_TRUE(smtd_call_done(&call));
	EXPECT_EQ(open, 0);
	smtd_hog_stop(&self->hog);
	EXPECT_EQ(smtd_call_join(&call), 0);
	EXPECT_TRUE(smtd_until(!smtd_exists(dev_bdf)));
	EXPECT_TRUE(smtd_until(!smtd_read(self->observer, SMTD_SMMU_STALLS)));
	smtd_check_stalls(self->observer);
	EXPECT_EQ(smtd_violations_but(self->observer, BUT_PASID_CONTROL), 0);
}

TEST_F_TIMEOUT(released, stalls_in_the_hands_of_a_handler_end, TIMEOUT_S)
{
	smtd_fault_mode(self->fd, self->domain, SMTD_FAULT_HOLD);
	smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS);
	ASSERT_TRUE(smtd_until(smtd_fault_stat(self->fd, self->domain).held > 0));
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), STALLS);
	release(_metadata, self, remove_it, NULL);
}

TEST_F_TIMEOUT(released, stalls_that_nobody_has_read_end, TIMEOUT_S)
{
	smtd_hog_start(&self->hog, 1);
	smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), STALLS);
	release(_metadata, self, remove_it, NULL);
}

/* It does not answer any more when Linux hears of it, by the power of its slot. */
TEST_F_TIMEOUT(released, stalls_of_a_function_that_was_pulled_out_end, TIMEOUT_S)
{
	int slot = smtd_slot(dev_bdf);

	ASSERT_GE(slot, 0);
	smtd_hog_start(&self->hog, 1);
	smtd_dma_run(self->dev, .iova = IOVA, .count = STALLS);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), STALLS);
	smtd_write(self->dev, SMTD_VANISH, 1);
	release(_metadata, self, switch_off, &slot);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	observer_bdf = bdfs[0];
	dev_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
