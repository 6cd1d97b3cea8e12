// SPDX-License-Identifier: GPL-2.0-only
/*
 * Show on a time scale that a page is written after it was unmapped.
 *
 * usage: testdev_demo FUNCTION
 *
 * The function writes to a page through its ATC and stops answering invalidations;
 * the SMMU is told so after a while. The page is unmapped, and the kernel is free to
 * give it to somebody else when the call has returned.
 *
 * Output, one event a line, as reset_timeline.c:
 *
 *   EV <ns> <event> [<key>=<value>]...
 *
 * <ns> is CLOCK_MONOTONIC in nanoseconds, taken at the event. "writes" counts
 * those to the page since the program began, as its memory shows them.
 *
 *   begin         bdf= interval_us=      what the device is, and how often it writes
 *   dma-running   writes=                through the ATC
 *   silent        writes= us=            invalidations are not answered from here on, and
 *                                        fail after us
 *   unmap-call    writes=                before the ioctl
 *   unmap-return  err= us= writes=       it returned; 0 or an errno; took us
 *   page-freed    writes=                it is marked as freed
 *   sample        writes= freed_writes=  after that; freed_writes are those to the
 *                                        freed page that the oracle saw
 *   answered      writes=                the open request is answered at last
 *   dma-stopped   writes=
 *   end           freed_writes= refused= the verdict; refused counts translated
 *                                        accesses that the IOMMU did not let through
 *
 * Exit status: 0 if the experiment could be made, whatever it showed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtd.h"

#define IOVA		0x40000000ULL
#define INTERVAL_US	1000
#define GIVE_UP_US	100000
#define SAMPLES		40
#define SAMPLE_US	2000

static void event(const char *name, const char *fmt, ...)
{
	u64 ns = smtd_now_us() * 1000;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("EV %llu %s %s\n", (unsigned long long)ns, name, text);
}

/* The function stores a number that it increments with each write. */
static unsigned int writes(void *page)
{
	return smtd_word(page, 0);
}

static void sample(struct smtd *dev, void *page)
{
	event("sample", "writes=%u freed_writes=%u", writes(page),
	      smtd_violation(dev, SMTD_V_ATS_MARKED));
	usleep(SAMPLE_US);
}

int main(int argc, char *argv[])
{
	const char *bdf = vfio_selftests_get_bdf(&argc, argv);
	struct iommu *iommu = iommu_init(MODE_IOMMUFD);
	void *page = smtd_alloc(1);
	u64 called, returned;
	struct smtd *dev;
	int i, ret;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = smtd_open(bdf, iommu);
	smtd_map(iommu, iommu->ioas_id, page, IOVA, SMTD_PAGE);
	VFIO_ASSERT_EQ(smtd_attach(dev, iommu->ioas_id), 0);
	event("begin", "bdf=%s interval_us=%u", bdf, INTERVAL_US);

	smtd_dma_start(dev, .iova = IOVA, .ats = true, .period_us = INTERVAL_US);
	VFIO_ASSERT_TRUE(smtd_wait_stat(dev, SMTD_S_ATC_HIT, 20), "No DMA\n");
	event("dma-running", "writes=%u", writes(page));

	smtd_inv_error(dev, GIVE_UP_US, 0);
	event("silent", "writes=%u us=%u", writes(page), GIVE_UP_US);

	event("unmap-call", "writes=%u", writes(page));
	called = smtd_now_us();
	ret = smtd_unmap(iommu, iommu->ioas_id, IOVA, SMTD_PAGE);
	returned = smtd_now_us();
	event("unmap-return", "err=%d us=%llu writes=%u", -ret,
	      (unsigned long long)(returned - called), writes(page));
	smtd_mark_freed(dev, IOVA, 0);
	event("page-freed", "writes=%u", writes(page));

	for (i = 0; i < SAMPLES; i++)
		sample(dev, page);
	smtd_inv_answer(dev);
	event("answered", "writes=%u", writes(page));
	for (i = 0; i < SAMPLES / 4; i++)
		sample(dev, page);
	smtd_dma_stop(dev);
	event("dma-stopped", "writes=%u", writes(page));
	event("end", "freed_writes=%u refused=%u", smtd_violation(dev, SMTD_V_ATS_MARKED),
	      smtd_stat(dev, SMTD_S_FORBIDDEN));

	smtd_close(dev);
	iommu_cleanup(iommu);
	return 0;
}
