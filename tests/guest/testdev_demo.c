// SPDX-License-Identifier: GPL-2.0-only
/*
 * Show on a time scale what becomes of a function whose ATC stops answering, and of
 * the page that was unmapped meanwhile: until the function works again.
 *
 * usage: testdev_demo FUNCTION
 *
 * The function writes to a page through its ATC and stops answering invalidations;
 * the SMMU is told so after a while. The page is unmapped, and the kernel is free to
 * give it to somebody else when the call has returned. Some time later the function
 * answers again, and is reset as an operator would do it, who was told or was not.
 * Then it is given another page.
 *
 * Output, one event a line, as reset_timeline.c:
 *
 *   EV <ns> <event> [<key>=<value>]...
 *
 * <ns> is CLOCK_MONOTONIC in nanoseconds, taken at the event. "writes" counts
 * those to the page since the program began, as its memory shows them,
 * "freed_writes" those after it was freed that the oracle saw, and "refused" the
 * accesses that the IOMMU did not let through.
 *
 *   begin         bdf= interval_us=      what the device is, and how often it writes
 *   state         now= reason=           what iommu_recovery/ says; again whenever it is
 *                                        seen to have changed. Both "?": no such files
 *   dma-running   writes=                through the ATC
 *   silent        writes= us=            invalidations are not answered from here on, and
 *                                        fail after us
 *   unmap-call    writes=                before the ioctl
 *   unmap-return  err= us= writes=       it returned; 0 or an errno; took us
 *   page-freed    writes=                it is marked as freed
 *   sample        writes= freed_writes= refused=
 *                                        after that
 *   uevent        now= reason=           the last one about the recovery state, when user
 *                                        space has it
 *   answered      writes=                invalidations are answered from here on
 *   reset-call    freed_writes= refused= before VFIO_DEVICE_RESET
 *   reset-return  err= us=               it returned; 0 or an errno; took us
 *   dma-again     writes=                to another page, mapped after that; as many as
 *                                        asked for, or less when nothing more came
 *   end           freed_writes= refused=
 *
 * Exit status: 0 if the experiment could be made, whatever it showed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "smtd.h"

#define IOVA		0x40000000ULL
#define OTHER_IOVA	(IOVA + SMTD_PAGE)
#define INTERVAL_US	1000
#define GIVE_UP_US	100000
#define SAMPLE_US	2000
#define WRITES		20
#define TEXT		72

/* What the operator takes to react, and how long recovery is watched */
#define SAMPLES_SILENT	60
#define SAMPLES_ANSWERS	20
#define SAMPLES_AFTER	20

static struct smtd *dev;
static void *pages;

/* The function stores a number that it increments with each write. */
static unsigned int writes(void)
{
	return smtd_word(pages, 0);
}

static unsigned int freed_writes(void)
{
	return smtd_violation(dev, SMTD_V_ATS_MARKED) + smtd_violation(dev, SMTD_V_DMA_MARKED);
}

/* Once ATS is off, it asks without a translation of its own. */
static unsigned int refused(void)
{
	return smtd_stat(dev, SMTD_S_FORBIDDEN) + smtd_stat(dev, SMTD_S_FAULT);
}

/* Such a text is "STATE REASON", or "?". */
static void event_if_new(const char *name, char known[TEXT], const char *text)
{
	char state[32], reason[32] = "?";
	int words;

	if (!strcmp(known, text))
		return;
	snprintf_assert(known, TEXT, "%s", text);
	words = sscanf(text, "%31s %31s", state, reason);
	VFIO_ASSERT_GE(words, 1);
	event(name, "now=%s reason=%s", state, reason);
}

/* What an operator can see */
static void look(void)
{
	static char state[TEXT], uevent[TEXT] = "none";

	event_if_new("state", state, smtd_recovery(dev->bdf));
	event_if_new("uevent", uevent, smtd_last_uevent(dev->bdf));
}

static void watch(unsigned int samples)
{
	while (samples--) {
		event("sample", "writes=%u freed_writes=%u refused=%u", writes(), freed_writes(),
		      refused());
		look();
		usleep(SAMPLE_US);
	}
}

static void start(u64 iova)
{
	smtd_map(dev->iommu, dev->iommu->ioas_id, pages + (iova - IOVA), iova, SMTD_PAGE);
	smtd_dma_start(dev, .iova = iova, .ats = true, .period_us = INTERVAL_US);
}

static void unmap_page(void)
{
	u64 called, returned;
	int ret;

	event("unmap-call", "writes=%u", writes());
	called = smtd_now_us();
	ret = smtd_unmap(dev->iommu, dev->iommu->ioas_id, IOVA, SMTD_PAGE);
	returned = smtd_now_us();
	event("unmap-return", "err=%d us=%llu writes=%u", -ret,
	      (unsigned long long)(returned - called), writes());
	smtd_mark_freed(dev, IOVA, 0);
	event("page-freed", "writes=%u", writes());
}

static void reset_function(void)
{
	u64 called, returned;
	int ret;

	event("reset-call", "freed_writes=%u refused=%u", freed_writes(), refused());
	called = smtd_now_us();
	ret = smtd_reset(dev);
	returned = smtd_now_us();
	event("reset-return", "err=%d us=%llu", -ret, (unsigned long long)(returned - called));
	look();
}

static void use_again(void)
{
	u32 hits = smtd_stat(dev, SMTD_S_ATC_HIT);

	smtd_enable(dev);
	start(OTHER_IOVA);
	smtd_wait_stat(dev, SMTD_S_ATC_HIT, hits + WRITES);
	event("dma-again", "writes=%u", smtd_stat(dev, SMTD_S_ATC_HIT) - hits);
}

int main(int argc, char *argv[])
{
	const char *bdf = vfio_selftests_get_bdf(&argc, argv);
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);

	setvbuf(stdout, NULL, _IOLBF, 0);
	pages = smtd_alloc(2);
	dev = smtd_open(bdf, iommu);
	VFIO_ASSERT_EQ(smtd_attach(dev, iommu->ioas_id), 0);
	event("begin", "bdf=%s interval_us=%u", bdf, INTERVAL_US);
	look();

	start(IOVA);
	VFIO_ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, WRITES), "No DMA\n");
	event("dma-running", "writes=%u", writes());
	smtd_inv_error(dev, GIVE_UP_US, 0);
	event("silent", "writes=%u us=%u", writes(), GIVE_UP_US);
	unmap_page();
	watch(SAMPLES_SILENT);
	smtd_inv_answer(dev);
	event("answered", "writes=%u", writes());
	watch(SAMPLES_ANSWERS);

	reset_function();
	use_again();
	watch(SAMPLES_AFTER);
	smtd_dma_stop(dev);
	event("end", "freed_writes=%u refused=%u", freed_writes(), refused());

	smtd_close(dev);
	iommu_cleanup(iommu);
	return 0;
}
