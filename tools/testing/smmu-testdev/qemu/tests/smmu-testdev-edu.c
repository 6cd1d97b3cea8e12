// SPDX-License-Identifier: GPL-2.0
/*
 * smmu-testdev-check: DMA by QEMU's "edu", for compare-stock.sh. Its transfers
 * are timed by the virtual clock alone, so that a run can be repeated to the
 * byte; the back ends of virtio-rng and nvme answer in the host's time.
 */
#include "smmu-testdev-check.h"

#define EDU_SRC		0x80
#define EDU_DST		0x88
#define EDU_COUNT	0x90
#define EDU_CMD		0x98
#define EDU_RUN		1
#define EDU_TO_RAM	2
#define EDU_BUF		0x40000

static bool transfer(uint64_t iova, bool to_ram)
{
	wr(EDU_SRC, to_ram ? EDU_BUF : iova);
	wr(EDU_DST, to_ram ? iova : EDU_BUF);
	wr(EDU_COUNT, 64);
	wr(EDU_CMD, EDU_RUN | (to_ram ? EDU_TO_RAM : 0));
	for (int i = 0; i < 1000 && rd(EDU_CMD) & EDU_RUN; i++)
		usleep(1000);
	return !(rd(EDU_CMD) & EDU_RUN);
}

static void case_edu(uint32_t io)
{
	const uint64_t iova = 0x100000;		/* edu has 28 address bits */
	uint32_t h;

	map(io, buf, iova, PAGE);
	map(io, buf + PAGE, iova + PAGE, PAGE);
	h = hwpt(io, 0, 0);
	check(!attach(h, 0), "attach");
	bus_master();
	for (int i = 0; i < 64; i++)
		buf[i] = i + 1;
	check(transfer(iova, false), "from memory");
	check(transfer(iova + PAGE, true) && !memcmp(buf, buf + PAGE, 64),
	      "and back to another page");
	check(!unmap(io, iova + PAGE, PAGE), "unmap");
	memset(buf + PAGE, 0, PAGE);
	check(transfer(iova + PAGE, true) && !word(1),
	      "what is unmapped is not reached");
	check(!detach(0) && !attach(h, 0), "detach, attach");
	check(transfer(iova, true), "DMA works");
}

const struct smtd_case edu_cases[] = {
	{ "edu", case_edu, 0, CASE_OTHER },
	{}
};
