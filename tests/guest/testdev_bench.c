// SPDX-License-Identifier: GPL-2.0-only
/*
 * What attaching costs, in instructions.
 *
 * usage: testdev_bench [options of kselftest_harness.h] FUNCTION MEMBER
 *
 * Both are bound to vfio-pci. FUNCTION has PASIDs and a group of its own, MEMBER is
 * one of three functions in a group. The machine runs on counted time: an instruction
 * takes NS_PER_INSN, and nothing else takes any. Every figure is the least of several
 * batches, since the timer interrupt runs in some of them.
 *
 * Prints lines "# BENCH <name> <instructions>".
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "smtd.h"

#include "../kselftest_harness.h"

/* -icount shift=1 */
#define NS_PER_INSN	2
#define BATCHES		12
#define ROUNDS		16
#define PASID		5

static const char *function_bdf, *member_bdf;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The time of @_what, without that of what is between it, for one of the figures */
struct figure {
	const char *name;
	u64 batch, least;
};

#define FIGURE(_f, _what) ({						\
	u64 __begin = now_ns();						\
	int __ret = (_what);						\
									\
	(_f)->batch += now_ns() - __begin;				\
	__ret;								\
})

static void figure_end_batch(struct figure *f)
{
	if (!f->least || f->batch < f->least)
		f->least = f->batch;
	f->batch = 0;
}

static void figure_print(struct figure *f)
{
	printf("# BENCH %s %.1f\n", f->name,
	       (double)f->least / NS_PER_INSN / ROUNDS);
}

FIXTURE(bench) {
	struct iommu *iommu;
	struct smtd *dev;
	u32 pt[2];
};

FIXTURE_VARIANT(bench) {
	const char *what;
	const char **bdf;
};

FIXTURE_VARIANT_ADD(bench, alone) {
	.what = "",
	.bdf = &function_bdf,
};

FIXTURE_VARIANT_ADD(bench, of_three) {
	.what = "-of-three",
	.bdf = &member_bdf,
};

FIXTURE_SETUP(bench)
{
	self->iommu = iommu_init(MODE_IOMMUFD);
	self->dev = smtd_open(*variant->bdf, self->iommu);
	for (int i = 0; i < 2; i++) {
		int pt = smtd_hwpt_alloc(self->dev, smtd_ioas_alloc(self->iommu),
					 SMTD_HWPT_PASID, 0);

		ASSERT_GT(pt, 0);
		self->pt[i] = pt;
	}
}

FIXTURE_TEARDOWN(bench)
{
	smtd_close(self->dev);
	iommu_cleanup(self->iommu);
}

TEST_F(bench, rid)
{
	char names[3][64];
	struct figure attach = { .name = names[0] };
	struct figure replace = { .name = names[1] };
	struct figure detach = { .name = names[2] };

	snprintf(names[0], sizeof(names[0]), "attach%s", variant->what);
	snprintf(names[1], sizeof(names[1]), "replace%s", variant->what);
	snprintf(names[2], sizeof(names[2]), "detach%s", variant->what);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < ROUNDS; i++) {
			ASSERT_EQ(FIGURE(&attach, smtd_attach(self->dev, self->pt[0])), 0);
			ASSERT_EQ(FIGURE(&replace, smtd_attach(self->dev, self->pt[1])), 0);
			ASSERT_EQ(FIGURE(&detach, smtd_detach(self->dev)), 0);
		}
		figure_end_batch(&attach);
		figure_end_batch(&replace);
		figure_end_batch(&detach);
	}
	figure_print(&attach);
	figure_print(&replace);
	figure_print(&detach);
}

TEST_F(bench, pasid)
{
	struct figure attach = { .name = "attach-pasid" };
	struct figure replace = { .name = "replace-pasid" };
	struct figure detach = { .name = "detach-pasid" };

	/* Functions of a group without ACS get no PASIDs. */
	if (variant->bdf == &member_bdf)
		SKIP(return, "no PASIDs");

	ASSERT_EQ(smtd_attach(self->dev, self->pt[0]), 0);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < ROUNDS; i++) {
			ASSERT_EQ(FIGURE(&attach, smtd_attach_pasid(self->dev, PASID,
								    self->pt[0])), 0);
			ASSERT_EQ(FIGURE(&replace, smtd_attach_pasid(self->dev, PASID,
								     self->pt[1])), 0);
			ASSERT_EQ(FIGURE(&detach, smtd_detach_pasid(self->dev, PASID)), 0);
		}
		figure_end_batch(&attach);
		figure_end_batch(&replace);
		figure_end_batch(&detach);
	}
	figure_print(&attach);
	figure_print(&replace);
	figure_print(&detach);
	ASSERT_EQ(smtd_detach(self->dev), 0);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 2);

	function_bdf = bdfs[0];
	member_bdf = bdfs[1];
	return test_harness_run(argc, argv);
}
