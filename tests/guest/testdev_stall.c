// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stalled transactions: each of them must have one answer, and in time.
 *
 * usage: testdev_stall [options of kselftest_harness.h] OBSERVER FUNCTION
 *
 * The observer is bound to no driver. The function can stall.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <linux/bits.h>
#include <linux/pci_regs.h>

#include "smtd.h"

#include "../kselftest_harness.h"

#define IOVA		0x40000000ULL
#define PAGES		16
/* What the SMMU of the model has */
#define STAGS		256
#define TIMEOUT_S	120

/* An unpatched kernel restores PASID control after ATS: another test's business. */
#define BUT_PASID_CONTROL	BIT(SMTD_V_PASID_ATS)

static const char *observer_bdf, *dev_bdf;

FIXTURE(stalls) {
	struct smtd *observer, *dev;
	struct iommu *iommu;
	struct smtd_faults faults;
	struct iommu_hwpt_pgfault fault;
	void *mem;
};

/* One write has stalled, user space has read the fault and not answered yet. */
FIXTURE_SETUP(stalls)
{
	int hwpt;

	self->iommu = iommu_init(MODE_IOMMUFD);
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_open(dev_bdf, self->iommu);
	ASSERT_TRUE(smtd_read(self->dev, SMTD_CAPS) & SMTD_CAPS_STALL);
	self->mem = smtd_alloc(PAGES);
	self->faults = smtd_faults_alloc(self->iommu);
	hwpt = smtd_hwpt_alloc(self->dev, self->iommu->ioas_id, 0, self->faults.id);
	ASSERT_GT(hwpt, 0);
	ASSERT_EQ(smtd_attach(self->dev, hwpt), 0);

	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	ASSERT_TRUE(smtd_fault_read(&self->faults, &self->fault));
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), 1);
}

FIXTURE_TEARDOWN(stalls)
{
	if (self->dev) {
		smtd_print(self->dev, dev_bdf);
		smtd_close(self->dev);
	}
	if (self->faults.fd >= 0)
		smtd_faults_close(&self->faults);
	smtd_close(self->observer);
	iommu_cleanup(self->iommu);
}

/*
 * The transaction was issued before the reset. Nobody expects it after it: the
 * memory that it was meant for may have another use. A kernel that fences a
 * stalling function terminates what is stalled, so that nothing is left that the
 * late answer could bring to life.
 */
TEST_F_TIMEOUT(stalls, of_the_time_before_a_reset_do_not_complete_after_it, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	int ret;

	ASSERT_EQ(smtd_reset(dev), 0);
	printf("# after the reset %u transactions are stalled\n",
	       smtd_read(dev, SMTD_STALLED));

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, SMTD_PAGE);
	ret = smtd_fault_respond(&self->faults, self->fault.cookie, true);
	printf("# the answer is taken: %d\n", ret);
	EXPECT_TRUE(smtd_dma_settled(dev));

	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
	EXPECT_EQ(smtd_word(self->mem, 0), 0);
}

/*
 * The handler answers inside the reset, and after it when the same STAG is another
 * transaction's: the answer is for neither. A RESUME of a STAG that is free is a
 * violation by itself.
 */
TEST_F_TIMEOUT(stalls, of_the_time_before_a_reset_are_not_answered_after_it, TIMEOUT_S)
{
	u32 old = self->fault.grpid, cookie = 0, n;
	struct smtd *dev = self->dev;
	struct smtd_window window;
	bool again = false;
	int i, inside;

	smtd_observe(dev, self->observer);
	for (inside = 1; inside >= 0; inside--) {
		ASSERT_TRUE(smtd_window_begin(&window, dev, 0));
		if (inside) {
			printf("# answered inside the reset: %d\n",
			       smtd_fault_respond(&self->faults, self->fault.cookie, true));
			EXPECT_EQ(smtd_stat(dev, SMTD_S_RETRY), 0);
		}
		ASSERT_EQ(smtd_window_end(&window), 0);
		ASSERT_EQ(smtd_read(dev, SMTD_STALLED), 0) {
			TH_LOG("a stall of before the reset is outstanding after it");
		}
		EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
		if (!inside)
			break;
		/* One more, whose answer is late */
		smtd_stat_clear(dev);
		ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA), 0);
		ASSERT_TRUE(smtd_fault_read(&self->faults, &self->fault));
		old = self->fault.grpid;
	}

	/* STAGs are handed out in turn. All are used once, but for one that is outstanding. */
	for (n = 0; !again && n < 2 * STAGS; n += PAGES) {
		ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = PAGES), 0);
		for (i = 0; i < PAGES; i++) {
			struct iommu_hwpt_pgfault fault;

			ASSERT_TRUE(smtd_fault_read(&self->faults, &fault));
			if (fault.grpid == old) {
				again = true;
				cookie = fault.cookie;
				continue;
			}
			EXPECT_EQ(smtd_fault_respond(&self->faults, fault.cookie, false), 0);
		}
	}
	ASSERT_TRUE(again);
	ASSERT_TRUE(smtd_until(smtd_read(dev, SMTD_PENDING) == 1));

	smtd_map(self->iommu, self->iommu->ioas_id, self->mem, IOVA, PAGES * SMTD_PAGE);
	smtd_stat_clear(dev);
	printf("# the late answer is taken: %d\n",
	       smtd_fault_respond(&self->faults, self->fault.cookie, true));
	/* A command that is in the queue is carried out at once. */
	EXPECT_EQ(smtd_read(dev, SMTD_STALLED), 1) {
		TH_LOG("the answer to a stall before the reset has ended one after it");
	}
	EXPECT_EQ(smtd_stat(dev, SMTD_S_RETRY), 0);
	EXPECT_EQ(smtd_fault_respond(&self->faults, cookie, true), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_EQ(smtd_stat(dev, SMTD_S_OK), 1);
	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

static int close_device(void *arg)
{
	smtd_close(arg);
	return 0;
}

/*
 * Closing the file resets the function. Its stall has no handler any more from
 * then on, so it must have its answer before that: not one moment inside the
 * reset with a transaction that waits.
 */
TEST_F_TIMEOUT(stalls, are_answered_before_the_reset_of_a_close, TIMEOUT_S)
{
	struct smtd *watch = smtd_watch(dev_bdf);
	struct smtd_call close;
	u32 stalled;

	smtd_observe(watch, self->observer);
	smtd_flr(watch, 0, 1000);
	smtd_call_start(&close, close_device, self->dev);
	self->dev = NULL;
	ASSERT_TRUE(smtd_until(smtd_read(watch, SMTD_IN_RESET)));
	stalled = smtd_read(watch, SMTD_STALLED);
	ASSERT_EQ(smtd_read(watch, SMTD_IN_RESET), 1);
	smtd_call_join(&close);

	printf("# inside the reset of the close %u transactions were stalled, after it %u\n",
	       stalled, smtd_read(watch, SMTD_STALLED));
	EXPECT_EQ(stalled, 0);
	EXPECT_EQ(smtd_read(watch, SMTD_STALLED), 0);
	smtd_flr(watch, 0, 0);
	smtd_check_stalls(watch);
	EXPECT_EQ(smtd_violations_but(watch, BUT_PASID_CONTROL), 0);
	smtd_print(watch, dev_bdf);
	smtd_close(watch);
}

/* Long enough for the kernel to put faults into the queue of user space */
#define QUEUED_US	50000
#define UNANSWERED	8

/* Besides the one that was read, others are in the queue of user space. */
static void leave_more_unread(struct __test_metadata *_metadata, FIXTURE_DATA(stalls) * self)
{
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = UNANSWERED), 0);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), UNANSWERED);
	ASSERT_TRUE(smtd_until(smtd_fault_is_there(&self->faults)));
	usleep(QUEUED_US);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), UNANSWERED);
}

static void all_have_an_end(struct __test_metadata *_metadata, struct smtd *dev, const char *how)
{
	u32 open = smtd_read(dev, SMTD_STALLED);

	printf("# of %u stalls that nobody answers %u are open after a %s\n", UNANSWERED, open,
	       how);
	EXPECT_EQ(open, 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

TEST_F_TIMEOUT(stalls, that_nobody_answers_end_with_the_detach, TIMEOUT_S)
{
	leave_more_unread(_metadata, self);
	ASSERT_EQ(smtd_detach(self->dev), 0);
	all_have_an_end(_metadata, self->dev, "detach");
	EXPECT_EQ(smtd_stat(self->dev, SMTD_S_OK), 0);
	/* An answer that comes too late is for nobody. */
	printf("# the late answer is taken: %d\n",
	       smtd_fault_respond(&self->faults, self->fault.cookie, true));
	EXPECT_EQ(smtd_violations_but(self->dev, BUT_PASID_CONTROL), 0);
}

TEST_F_TIMEOUT(stalls, that_nobody_answers_end_with_a_replace_by_a_domain_without_faults, TIMEOUT_S)
{
	u32 ioas = smtd_ioas_alloc(self->iommu);
	int next = smtd_hwpt_alloc(self->dev, ioas, 0, 0);

	ASSERT_GT(next, 0);
	smtd_map(self->iommu, ioas, self->mem, IOVA, PAGES * SMTD_PAGE);
	leave_more_unread(_metadata, self);
	ASSERT_EQ(smtd_attach(self->dev, next), 0);
	all_have_an_end(_metadata, self->dev, "replace");
	/* The next domain works. */
	EXPECT_EQ(smtd_dma_run(self->dev, .iova = IOVA, .count = PAGES), PAGES);
}

TEST_F_TIMEOUT(stalls, that_nobody_can_answer_end_with_the_detach, TIMEOUT_S)
{
	leave_more_unread(_metadata, self);
	smtd_faults_close(&self->faults);
	self->faults.fd = -1;
	printf("# of %u stalls %u are open when their queue is closed\n", UNANSWERED,
	       smtd_read(self->dev, SMTD_STALLED));
	ASSERT_EQ(smtd_detach(self->dev), 0);
	all_have_an_end(_metadata, self->dev, "detach without a queue");
}

FIXTURE(killed) {
	struct smtd *observer, *dev;
};

FIXTURE_SETUP(killed)
{
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(dev_bdf);
	smtd_observe(self->dev, self->observer);
}

FIXTURE_TEARDOWN(killed)
{
	smtd_print(self->dev, dev_bdf);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

/* Attached, with faults in a queue that it does not read */
static void have_faults_and_wait(int ready)
{
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);
	struct smtd *dev = smtd_open(dev_bdf, iommu);
	struct smtd_faults faults = smtd_faults_alloc(iommu);
	int hwpt = smtd_hwpt_alloc(dev, iommu->ioas_id, 0, faults.id);

	VFIO_ASSERT_GT(hwpt, 0);
	VFIO_ASSERT_EQ(smtd_attach(dev, hwpt), 0);
	VFIO_ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = UNANSWERED), 0);
	VFIO_ASSERT_TRUE(smtd_until(smtd_fault_is_there(&faults)));
	usleep(QUEUED_US);
	VFIO_ASSERT_EQ(write(ready, "", 1), 1);
	for (;;)
		pause();
}

/* All that it had is closed when it can be waited for, in whatever order. */
TEST_F_TIMEOUT(killed, leaves_no_stall_without_an_answer, TIMEOUT_S)
{
	int ready[2];
	pid_t pid;
	char c;

	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		have_faults_and_wait(ready[1]);
	}
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	ASSERT_EQ(smtd_read(self->dev, SMTD_STALLED), UNANSWERED);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	all_have_an_end(_metadata, self->dev, "kill");
}

FIXTURE(replaced_domain) {
	struct smtd *dev;
	struct iommu *iommu;
	struct smtd_faults old, new;
	u32 old_ioas, new_ioas;
	int old_hwpt, new_hwpt;
	void *mem;
};

FIXTURE_SETUP(replaced_domain)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->dev = smtd_open(dev_bdf, self->iommu);
	self->mem = smtd_alloc(PAGES);
	self->old_ioas = self->iommu->ioas_id;
	self->new_ioas = smtd_ioas_alloc(self->iommu);
	self->old = smtd_faults_alloc(self->iommu);
	self->new = smtd_faults_alloc(self->iommu);
	self->old_hwpt = smtd_hwpt_alloc(self->dev, self->old_ioas, 0, self->old.id);
	self->new_hwpt = smtd_hwpt_alloc(self->dev, self->new_ioas, 0, self->new.id);
	ASSERT_GT(self->old_hwpt, 0);
	ASSERT_GT(self->new_hwpt, 0);
	ASSERT_EQ(smtd_attach(self->dev, self->old_hwpt), 0);
	ASSERT_TRUE(smtd_ats_enabled(dev_bdf));
}

FIXTURE_TEARDOWN(replaced_domain)
{
	smtd_behave(self->dev);
	smtd_print(self->dev, dev_bdf);
	smtd_close(self->dev);
	smtd_faults_close(&self->old);
	smtd_faults_close(&self->new);
	iommu_cleanup(self->iommu);
}

static int attach_new(void *arg)
{
	FIXTURE_DATA(replaced_domain) * self = arg;

	VFIO_ASSERT_TRUE(smtd_pin(1));
	return smtd_attach(self->dev, self->new_hwpt);
}

/*
 * A replace is held when the driver has switched: the next command that it sends
 * is the ATC invalidation after the new context descriptor was made known. A
 * transaction that stalls there is the new domain's. If it is given to the
 * handler of the old one, that handler answers for an address space that is not
 * its own, and whoever takes over never hears of it. A kernel whose old handle
 * is dying by then has it retried, and the new queue gets it.
 *
 * The queue goes on by itself in time for the kernel not to give up waiting.
 */
TEST_F_TIMEOUT(replaced_domain, gets_no_fault_of_its_successor, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct iommu_hwpt_pgfault fault;
	struct smtd_call replace;
	bool in_old, held;

	ASSERT_TRUE(smtd_pin(0));
	smtd_hold(dev, 0, SMTD_OP_ATC_INV, dev->sid);
	smtd_write(dev, SMTD_HOLD_US, 500000);
	smtd_write(dev, SMTD_HOLD_CTL, SMTD_HOLD_ARM);
	smtd_call_start(&replace, attach_new, self);
	ASSERT_TRUE(smtd_wait_held(dev, 0));

	EXPECT_EQ(smtd_dma_run(dev, .iova = IOVA), 0);
	ASSERT_EQ(smtd_stat(dev, SMTD_S_STALL), 1);
	/* The driver has handed it over, to whomever, while the replace is held. */
	ASSERT_TRUE(smtd_until(smtd_trace_find("iommu_report_device_fault_ret") >= 0 ||
			       smtd_call_done(&replace)));
	held = !smtd_call_done(&replace);
	ASSERT_TRUE(held);
	in_old = smtd_fault_is_there(&self->old);
	smtd_release(dev);
	ASSERT_EQ(smtd_call_join(&replace), 0);

	printf("# a stall of the new domain went to the %s domain's queue %s the replace\n",
	       in_old ? "old" : "new", held ? "inside" : "after");
	ASSERT_TRUE(smtd_until(smtd_fault_is_there(&self->new) ||
			       !smtd_read(dev, SMTD_PENDING)));
	printf("# aborted: %u\n", smtd_stat(dev, SMTD_S_ABORT));
	EXPECT_FALSE(in_old);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ABORT), 0);

	/* What the new handler decides holds. */
	ASSERT_TRUE(smtd_fault_is_there(&self->new));
	ASSERT_TRUE(smtd_fault_read(&self->new, &fault));
	smtd_map(self->iommu, self->new_ioas, self->mem, IOVA, SMTD_PAGE);
	EXPECT_EQ(smtd_fault_respond(&self->new, fault.cookie, true), 0);
	EXPECT_TRUE(smtd_dma_settled(dev));
	EXPECT_NE(smtd_word(self->mem, 0), 0);
	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

/* ---- a function without a driver, whose faults have no handler ---- */

static void use_without_driver(struct smtd *dev, struct smtd *observer)
{
	u16 command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	smtd_observe(dev, observer);
	smtd_behave(dev);
	smtd_stat_clear(dev);
	smtd_config_write(dev_bdf, PCI_COMMAND, &command, sizeof(command));
}

FIXTURE(unhandled) {
	struct smtd *observer, *dev;
	struct smtd_hog hog;
};

/*
 * The thread that reads the event queue does not get to run: it shares a CPU
 * with one of a higher priority.
 */
FIXTURE_SETUP(unhandled)
{
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(dev_bdf);
	use_without_driver(self->dev, self->observer);

	ASSERT_GT(smtd_move_irqs(SMTD_SMMU_IRQS, 1, 1), 0);
	ASSERT_TRUE(smtd_pin(0));
	/* A fault that is handled as usual: the thread has moved then. */
	ASSERT_EQ(smtd_dma_run(self->dev, .iova = IOVA), 0);
	ASSERT_EQ(smtd_stat(self->dev, SMTD_S_STALL), 1);
	ASSERT_TRUE(smtd_dma_settled(self->dev));
	smtd_hog_start(&self->hog, 1);
}

FIXTURE_TEARDOWN(unhandled)
{
	smtd_hog_stop(&self->hog);
	smtd_print(self->dev, dev_bdf);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

static int remove_it(void *arg)
{
	return smtd_sysfs_write(dev_bdf, "remove", "1");
}

/*
 * The function is removed when its faults are on their way to the driver, which
 * does not know it any more when it reads them. They stall in hardware for ever
 * unless somebody answers: when the function is released, or for a stream that
 * belongs to nobody.
 */
TEST_F_TIMEOUT(unhandled, stalls_end_when_their_function_is_removed, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	struct smtd_call removal;
	u32 before, after;

	ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 8), 0);
	before = smtd_read(dev, SMTD_STALLED);
	ASSERT_EQ(before, 8) {
		TH_LOG("The event queue was read, or the function cannot stall");
	}
	/* A removal may have to wait for the thread: it runs again in the end. */
	smtd_call_start(&removal, remove_it, NULL);
	smtd_until(smtd_call_done(&removal));
	smtd_hog_stop(&self->hog);
	ASSERT_EQ(smtd_call_join(&removal), 0);
	smtd_dma_settled(dev);
	after = smtd_read(dev, SMTD_STALLED);
	printf("# %u stalls, of which %u are still open after the removal of the function\n",
	       before, after);
	EXPECT_EQ(after, 0);
	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

FIXTURE(unknown) {
	struct smtd *observer, *dev;
};

FIXTURE_SETUP(unknown)
{
	self->observer = smtd_watch(observer_bdf);
	self->dev = smtd_watch(dev_bdf);
	use_without_driver(self->dev, self->observer);
}

FIXTURE_TEARDOWN(unknown)
{
	smtd_print(self->dev, dev_bdf);
	smtd_close(self->dev);
	smtd_close(self->observer);
}

/* Their records are of a kind that the driver does not know, but have a STAG. */
TEST_F_TIMEOUT(unknown, events_that_stall_are_answered, TIMEOUT_S)
{
	struct smtd *dev = self->dev;
	bool answered;

	ASSERT_EQ(smtd_dma_run(dev, .iova = IOVA, .count = 8), 0);
	ASSERT_EQ(smtd_stat(dev, SMTD_S_STALL), 8);
	answered = smtd_dma_settled(dev);
	printf("# 8 stalls with a record of an unknown kind, of which %u have no answer\n",
	       smtd_read(dev, SMTD_STALLED));
	EXPECT_TRUE(answered);
	EXPECT_EQ(smtd_stat(dev, SMTD_S_ABORT), 8);
	smtd_check_stalls(dev);
	EXPECT_EQ(smtd_violations_but(dev, BUT_PASID_CONTROL), 0);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	observer_bdf = bdfs[0];
	dev_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
