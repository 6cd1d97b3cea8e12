// SPDX-License-Identifier: GPL-2.0-only
/* Nested translation: what a guest and its hypervisor would do. */
#include <errno.h>
#include <stdint.h>

#include <sys/ioctl.h>

#include <linux/bits.h>

#include "smtd.h"

/* Stream table entry (Arm IHI 0070, section 5.2) */
#define STE_V			BIT_ULL(0)
#define STE_CFG_BYPASS		(4ULL << 1)
#define STE_CFG_STAGE_1		(5ULL << 1)
#define STE_EATS_TRANS		BIT_ULL(28)	/* of the second word */

/* There is one address space. */
#define GUEST_ASID		1ULL

/* Context descriptor (section 5.4): 39 bits of input address, pages of 4 KiB, TTB0 only */
#define CD_T0SZ			25ULL
#define CD_IRGN0_WB		BIT_ULL(8)
#define CD_ORGN0_WB		BIT_ULL(10)
#define CD_SH0_INNER		(3ULL << 12)
#define CD_EPD1			BIT_ULL(30)
#define CD_V			BIT_ULL(31)
#define CD_IPS_44		(4ULL << 32)
#define CD_AA64			BIT_ULL(41)
#define CD_R			BIT_ULL(45)
#define CD_A			BIT_ULL(46)
#define CD_ASID			(GUEST_ASID << 48)

/* Descriptors of a page table: accessible without privilege, for reads and writes */
#define PT_TABLE		3ULL
#define PT_PAGE			(3ULL | BIT_ULL(6) | 3ULL << 8 | BIT_ULL(10) | BIT_ULL(11))

#define PT_BITS			9

/* Commands (sections 4.4.1 and 4.5.1). The guest's VMID is the host's concern. */
#define CMD_TLBI_NH_VA		0x12ULL
#define CMD_TLBI_ASID(asid)	((asid) << 48)
#define CMD_ATC_INV		0x40ULL
#define CMD_SID(sid)		((sid) << 32)

int smtd_viommu_alloc(struct smtd *d, u32 parent)
{
	struct iommu_viommu_alloc args = {
		.size = sizeof(args),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = d->devid,
		.hwpt_id = parent,
	};

	if (ioctl(d->iommu->iommufd, IOMMU_VIOMMU_ALLOC, &args))
		return -errno;
	return args.out_viommu_id;
}

int smtd_vdevice_alloc(struct smtd *d, u32 viommu, u64 vsid)
{
	struct iommu_vdevice_alloc args = {
		.size = sizeof(args),
		.viommu_id = viommu,
		.dev_id = d->devid,
		.virt_id = vsid,
	};

	if (ioctl(d->iommu->iommufd, IOMMU_VDEVICE_ALLOC, &args))
		return -errno;
	return args.out_vdevice_id;
}

int smtd_nested_alloc(struct smtd *d, u32 viommu, struct smtd_vste vste, u32 fault)
{
	struct iommu_hwpt_arm_smmuv3 data = { .ste = { vste.word[0], vste.word[1] } };
	struct iommu_hwpt_alloc args = {
		.size = sizeof(args),
		.flags = fault ? IOMMU_HWPT_FAULT_ID_VALID : 0,
		.dev_id = d->devid,
		.pt_id = viommu,
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
		.fault_id = fault,
	};

	if (ioctl(d->iommu->iommufd, IOMMU_HWPT_ALLOC, &args))
		return -errno;
	return args.out_hwpt_id;
}

struct smtd_vste smtd_vste_abort(void)
{
	return (struct smtd_vste){ { STE_V } };
}

struct smtd_vste smtd_vste_bypass(void)
{
	return (struct smtd_vste){ { STE_V | STE_CFG_BYPASS } };
}

struct smtd_vste smtd_vste_translate(u64 ipa)
{
	return (struct smtd_vste){ { STE_V | STE_CFG_STAGE_1 | ipa } };
}

struct smtd_vste smtd_vste_ats(struct smtd_vste vste)
{
	vste.word[1] |= STE_EATS_TRANS;
	return vste;
}

static unsigned int pt_index(u64 iova, unsigned int level)
{
	return iova >> (12 + (3 - level) * PT_BITS) & (BIT_ULL(PT_BITS) - 1);
}

void smtd_guest_page(void *mem, u64 iova, u64 to)
{
	u64 *table = mem + 3 * SMTD_PAGE;

	table[pt_index(iova, 3)] = to ? to | PT_PAGE : 0;
}

void smtd_guest_table(void *mem, u64 ipa, u64 iova, u64 to)
{
	u64 *cd = mem, *table;
	unsigned int level;

	cd[0] = CD_T0SZ | CD_IRGN0_WB | CD_ORGN0_WB | CD_SH0_INNER | CD_EPD1 | CD_V |
		CD_IPS_44 | CD_AA64 | CD_R | CD_A | CD_ASID;
	cd[1] = ipa + SMTD_PAGE;

	for (level = 1; level < 3; level++) {
		table = mem + level * SMTD_PAGE;
		table[pt_index(iova, level)] = (ipa + (level + 1) * SMTD_PAGE) | PT_TABLE;
	}
	smtd_guest_page(mem, iova, to);
}

struct smtd_vcmd smtd_vcmd_tlbi(u64 iova)
{
	return (struct smtd_vcmd){ { CMD_TLBI_NH_VA | CMD_TLBI_ASID(GUEST_ASID), iova } };
}

struct smtd_vcmd smtd_vcmd_atc_inv(u64 vsid, u64 iova)
{
	return (struct smtd_vcmd){ { CMD_ATC_INV | CMD_SID(vsid), iova } };
}

int smtd_guest_invalidate(struct iommu *iommu, u32 viommu, const struct smtd_vcmd *cmds, u32 *n)
{
	struct iommu_hwpt_invalidate args = {
		.size = sizeof(args),
		.hwpt_id = viommu,
		.data_uptr = (uintptr_t)cmds,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(*cmds),
		.entry_num = *n,
	};
	int ret = ioctl(iommu->iommufd, IOMMU_HWPT_INVALIDATE, &args) ? -errno : 0;

	*n = args.entry_num;
	return ret;
}
