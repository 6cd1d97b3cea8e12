// SPDX-License-Identifier: GPL-2.0-only
/*
 * What attaching and mapping cost, in instructions.
 *
 * usage: testdev_bench [options of kselftest_harness.h] FUNCTION MEMBER PLAIN
 *
 * All are bound to vfio-pci. FUNCTION has PASIDs and a group of its own, MEMBER is
 * one of three functions in a group, PLAIN is a function without ATS. The machine
 * runs on counted time: an instruction takes NS_PER_INSN, and nothing else takes any.
 * Every figure is the least of several batches, since the timer interrupt runs in
 * some of them.
 *
 * Prints lines "# BENCH <name> <instructions>".
 */
#include <errno.h>
#include <stdlib.h>

#include "events.h"
#include "smtd.h"

#include "../kselftest_harness.h"

/* -icount shift=1 */
#define NS_PER_INSN	2
#define BATCHES		12
#define ROUNDS		16
#define PASID		5

#define PASIDS		16
#define IOVA		0x40000000ULL

static const char *function_bdf, *member_bdf, *plain_bdf;

struct figure {
	char name[64];
	u64 batch, least;
};

/* The figures of a variant: a name with what is special about it. */
static struct figure figure(const char *name, const char *what)
{
	struct figure f = {};

	snprintf(f.name, sizeof(f.name), "%s%s", name, what);
	return f;
}

/* The time of @_what, without that of what is between it, for one of the figures */
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

static void leave(struct smtd *dev, struct vfio_pci_device *plain, struct iommu *iommu)
{
	if (plain)
		vfio_pci_device_cleanup(plain);
	else
		smtd_close(dev);
	iommu_cleanup(iommu);
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
	leave(self->dev, NULL, self->iommu);
}

TEST_F(bench, rid)
{
	struct figure attach = figure("attach", variant->what);
	struct figure replace = figure("replace", variant->what);
	struct figure detach = figure("detach", variant->what);

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

FIXTURE(maps) {
	struct iommu *iommu;
	struct vfio_pci_device *plain;
	struct smtd *dev;
};

/* What is attached to the domain of the address space */
FIXTURE_VARIANT(maps) {
	const char *what;
	bool ats;
	int pasids;
};

FIXTURE_VARIANT_ADD(maps, plain) {
	.what = "",
};

FIXTURE_VARIANT_ADD(maps, ats) {
	.what = "-ats",
	.ats = true,
};

FIXTURE_VARIANT_ADD(maps, ats_pasids) {
	.what = "-ats-pasids",
	.ats = true,
	.pasids = PASIDS,
};

FIXTURE_SETUP(maps)
{
	int pt;

	self->iommu = iommu_init(MODE_IOMMUFD);
	if (!variant->ats) {
		self->plain = vfio_pci_device_init(plain_bdf, self->iommu);
		return;
	}
	self->dev = smtd_open(function_bdf, self->iommu);
	pt = smtd_hwpt_alloc(self->dev, self->iommu->ioas_id, SMTD_HWPT_PASID, 0);
	ASSERT_GT(pt, 0);
	ASSERT_EQ(smtd_attach(self->dev, pt), 0);
	ASSERT_TRUE(smtd_ats_enabled(function_bdf));
	for (int pasid = 1; pasid <= variant->pasids; pasid++)
		ASSERT_EQ(smtd_attach_pasid(self->dev, pasid, pt), 0);
}

FIXTURE_TEARDOWN(maps)
{
	leave(self->dev, self->plain, self->iommu);
}

TEST_F(maps, page)
{
	struct figure map = figure("map", variant->what);
	struct figure unmap = figure("unmap", variant->what);
	u32 ioas = self->iommu->ioas_id;
	void *mem = smtd_alloc(1);

	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < ROUNDS; i++) {
			FIGURE(&map, (smtd_map(self->iommu, ioas, mem, IOVA, SMTD_PAGE), 0));
			ASSERT_EQ(FIGURE(&unmap, smtd_unmap(self->iommu, ioas, IOVA,
							    SMTD_PAGE)), 0);
		}
		figure_end_batch(&map);
		figure_end_batch(&unmap);
	}
	figure_print(&map);
	figure_print(&unmap);
}

int main(int argc, char *argv[])
{
	char **bdfs = smtd_functions(&argc, argv, 3);

	function_bdf = bdfs[0];
	member_bdf = bdfs[1];
	plain_bdf = bdfs[2];
	return test_harness_run(argc, argv);
}
