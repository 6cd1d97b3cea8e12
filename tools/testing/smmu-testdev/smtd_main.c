// SPDX-License-Identifier: GPL-2.0
/*
 * The smmu-testdev module: PCI driver, character device, BAR 0.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "smtd.h"

/* Views of memory begin behind the largest BAR that can be mapped */
#define SMTD_BAR_MAX	SZ_256M

static void smtd_dev_free(struct kref *ref)
{
	kfree(container_of(ref, struct smtd_dev, ref));
}

/*
 * Undoes whatever was made through the function's files. Called with life held
 * for writing while pdev is still valid: nobody adds to the lists.
 */
static void smtd_teardown(struct smtd_dev *td, bool unbind)
{
	lockdep_assert_held_write(&td->life);
	smtd_fault_teardown(td);
	smtd_reset_teardown(td, unbind);
	smtd_mem_teardown(td);
	smtd_domain_teardown(td);
}

/* ---- ioctls ---- */

static long smtd_ioctl_info(struct smtd_dev *td, void __user *uarg)
{
	struct device *dev = &td->pdev->dev;
	struct smtd_info info = {
		.version = SMTD_UAPI_VERSION,
		.dma_domain = td->dma_domain,
		.max_pasids = td->group ? dev->iommu->max_pasids : 0,
		.group = td->group ? iommu_group_id(td->group) : -1,
		.bar_bytes = td->bar_bytes,
		.page_bytes = PAGE_SIZE,
	};

	return copy_to_user(uarg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long smtd_ioctl_counts(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_counts counts;

	spin_lock(&td->count_lock);
	counts = td->counts;
	spin_unlock(&td->count_lock);
	return copy_to_user(uarg, &counts, sizeof(counts)) ? -EFAULT : 0;
}

static long smtd_ioctl_alive(struct smtd_dev *td, unsigned int cmd,
			     void __user *uarg)
{
	switch (cmd) {
	case SMTD_IOC_INFO:
		return smtd_ioctl_info(td, uarg);
	case SMTD_IOC_COUNTS:
		return smtd_ioctl_counts(td, uarg);
	case SMTD_IOC_SVA_BIND:
		return smtd_ioctl_sva_bind(td, uarg);
	case SMTD_IOC_SVA_UNBIND:
		return smtd_ioctl_sva_unbind(td, uarg);
	case SMTD_IOC_DMA_MAP:
		return smtd_ioctl_dma_map(td, uarg);
	case SMTD_IOC_DMA_UNMAP:
		return smtd_ioctl_dma_unmap(td, uarg);
	case SMTD_IOC_TRAFFIC:
		return smtd_ioctl_traffic(td, uarg);
	case SMTD_IOC_DOMAIN_ALLOC:
		return smtd_ioctl_domain_alloc(td, uarg);
	case SMTD_IOC_DOMAIN_FREE:
		return smtd_ioctl_domain_free(uarg);
	case SMTD_IOC_DOMAIN_ATTACH:
		return smtd_ioctl_domain_attach(td, uarg, false);
	case SMTD_IOC_DOMAIN_REPLACE:
		return smtd_ioctl_domain_attach(td, uarg, true);
	case SMTD_IOC_DOMAIN_DETACH:
		return smtd_ioctl_domain_detach(td, uarg);
	case SMTD_IOC_DOMAIN_MAP:
		return smtd_ioctl_domain_map(uarg);
	case SMTD_IOC_DOMAIN_UNMAP:
		return smtd_ioctl_domain_unmap(uarg);
	case SMTD_IOC_FAULT_MODE:
		return smtd_ioctl_fault_mode(uarg);
	case SMTD_IOC_FAULT_RELEASE:
		return smtd_ioctl_fault_release(uarg);
	case SMTD_IOC_FAULT_STAT:
		return smtd_ioctl_fault_stat(uarg);
	case SMTD_IOC_RESET_PREPARE:
		return smtd_ioctl_reset_prepare(td, uarg);
	case SMTD_IOC_RESET_DONE:
		return smtd_ioctl_reset_done(td, uarg);
	}
	return -ENOTTY;
}

static long smtd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct smtd_dev *td = file->private_data;
	long ret;

	if (down_read_killable(&td->life))
		return -EINTR;
	if (td->dead)
		ret = -ENODEV;
	else
		ret = smtd_ioctl_alive(td, cmd, (void __user *)arg);
	up_read(&td->life);
	return ret;
}

/* ---- BAR 0 ---- */

/*
 * Pages come one by one, so that removal can take them away: what is touched
 * afterwards comes here again and finds unmapped set.
 */
static vm_fault_t smtd_bar_fault(struct vm_fault *vmf)
{
	struct smtd_dev *td = vmf->vma->vm_file->private_data;
	u64 offset = (u64)vmf->pgoff << PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&td->map_lock);
	if (!td->unmapped && offset < td->bar_bytes)
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     (td->bar_start + offset) >> PAGE_SHIFT);
	up_read(&td->map_lock);
	return ret;
}

static const struct vm_operations_struct smtd_bar_ops = {
	.fault = smtd_bar_fault,
};

static int smtd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct smtd_dev *td = file->private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 bytes = vma->vm_end - vma->vm_start;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (offset >= SMTD_BAR_MAX)
		return smtd_mem_mmap(vma);
	if (!td->bar_bytes)
		return -ENXIO;
	if (offset >= td->bar_bytes || bytes > td->bar_bytes - offset)
		return -EINVAL;
	vm_flags_set(vma, VM_IO | VM_PFNMAP);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_ops = &smtd_bar_ops;
	return 0;
}

static void smtd_bar_unmap(struct smtd_dev *td)
{
	struct inode *inode;

	down_write(&td->map_lock);
	td->unmapped = true;
	up_write(&td->map_lock);

	spin_lock(&td->open_lock);
	inode = td->inode;
	if (inode)
		ihold(inode);
	spin_unlock(&td->open_lock);
	if (!inode)
		return;
	unmap_mapping_range(inode->i_mapping, 0, SMTD_BAR_MAX, 1);
	iput(inode);
}

/* ---- files ---- */

/* misc_mtx is held: the function cannot be unregistered meanwhile */
static int smtd_open(struct inode *inode, struct file *file)
{
	struct smtd_dev *td = container_of(file->private_data, struct smtd_dev,
					   misc);

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	spin_lock(&td->open_lock);
	if (!td->inode) {
		ihold(inode);
		td->inode = inode;
	}
	file->f_mapping = td->inode->i_mapping;
	td->opens++;
	spin_unlock(&td->open_lock);
	kref_get(&td->ref);
	file->private_data = td;
	return 0;
}

static bool smtd_is_open(struct smtd_dev *td)
{
	bool open;

	spin_lock(&td->open_lock);
	open = td->opens;
	spin_unlock(&td->open_lock);
	return open;
}

static int smtd_release(struct inode *unused, struct file *file)
{
	struct smtd_dev *td = file->private_data;
	struct inode *inode = NULL;
	bool last;

	spin_lock(&td->open_lock);
	last = !--td->opens;
	if (last)
		swap(inode, td->inode);
	spin_unlock(&td->open_lock);
	iput(inode);

	/*
	 * Whoever holds life either has a file open, whose close comes here
	 * later, or is the removal, which tears down itself.
	 */
	if (last && down_write_trylock(&td->life)) {
		if (!td->dead && !smtd_is_open(td))
			smtd_teardown(td, false);
		up_write(&td->life);
	}
	kref_put(&td->ref, smtd_dev_free);
	return 0;
}

static const struct file_operations smtd_fops = {
	.owner = THIS_MODULE,
	.open = smtd_open,
	.release = smtd_release,
	.unlocked_ioctl = smtd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = smtd_mmap,
};

/* ---- error handlers ---- */

static void smtd_count(struct pci_dev *pdev, unsigned int kind)
{
	struct smtd_dev *td = pci_get_drvdata(pdev);

	spin_lock(&td->count_lock);
	td->counts.count[kind]++;
	td->counts.last[td->counts.total++ % SMTD_CALLS_KEPT] = kind;
	spin_unlock(&td->count_lock);
}

static pci_ers_result_t smtd_error_detected(struct pci_dev *pdev,
					    pci_channel_state_t state)
{
	switch (state) {
	case pci_channel_io_normal:
		smtd_count(pdev, SMTD_CALL_DETECTED_NORMAL);
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		smtd_count(pdev, SMTD_CALL_DETECTED_FROZEN);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		smtd_count(pdev, SMTD_CALL_DETECTED_FAILURE);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t smtd_mmio_enabled(struct pci_dev *pdev)
{
	smtd_count(pdev, SMTD_CALL_MMIO_ENABLED);
	return PCI_ERS_RESULT_RECOVERED;
}

/* AER resets the link and leaves configuration space to the driver */
static pci_ers_result_t smtd_slot_reset(struct pci_dev *pdev)
{
	smtd_count(pdev, SMTD_CALL_SLOT_RESET);
	pci_restore_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static void smtd_resume(struct pci_dev *pdev)
{
	smtd_count(pdev, SMTD_CALL_RESUME);
}

/* Around a function's reset the PCI core saves and restores by itself */
static void smtd_reset_prepare(struct pci_dev *pdev)
{
	smtd_count(pdev, SMTD_CALL_RESET_PREPARE);
}

static void smtd_reset_done(struct pci_dev *pdev)
{
	smtd_count(pdev, SMTD_CALL_RESET_DONE);
}

static const struct pci_error_handlers smtd_error_handlers = {
	.error_detected = smtd_error_detected,
	.mmio_enabled = smtd_mmio_enabled,
	.slot_reset = smtd_slot_reset,
	.resume = smtd_resume,
	.reset_prepare = smtd_reset_prepare,
	.reset_done = smtd_reset_done,
};

/* ---- binding ---- */

static u32 smtd_dma_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (!domain)
		return SMTD_DMA_NONE;
	switch (domain->type) {
	case IOMMU_DOMAIN_IDENTITY:
		return SMTD_DMA_IDENTITY;
	case IOMMU_DOMAIN_DMA:
		return SMTD_DMA_STRICT;
	case IOMMU_DOMAIN_DMA_FQ:
		return SMTD_DMA_LAZY;
	}
	return SMTD_DMA_OTHER;
}

static struct smtd_dev *smtd_dev_alloc(struct pci_dev *pdev)
{
	struct smtd_dev *td = kzalloc_obj(*td);

	if (!td)
		return NULL;
	kref_init(&td->ref);
	td->pdev = pdev;
	init_rwsem(&td->life);
	init_rwsem(&td->map_lock);
	mutex_init(&td->lock);
	INIT_LIST_HEAD(&td->bufs);
	INIT_LIST_HEAD(&td->binds);
	mutex_init(&td->attach_lock);
	INIT_LIST_HEAD(&td->atts);
	mutex_init(&td->reset_lock);
	spin_lock_init(&td->open_lock);
	spin_lock_init(&td->count_lock);

	/* No request for the region: that would bar sysfs' resource0 where
	 * the kernel has IO_STRICT_DEVMEM.
	 */
	if (pci_resource_flags(pdev, 0) & IORESOURCE_MEM &&
	    pci_resource_len(pdev, 0) <= SMTD_BAR_MAX &&
	    PAGE_ALIGNED(pci_resource_start(pdev, 0)) &&
	    PAGE_ALIGNED(pci_resource_len(pdev, 0))) {
		td->bar_start = pci_resource_start(pdev, 0);
		td->bar_bytes = pci_resource_len(pdev, 0);
	}
	snprintf(td->name, sizeof(td->name), "smmu_testdev-%s", pci_name(pdev));
	td->misc.minor = MISC_DYNAMIC_MINOR;
	td->misc.name = td->name;
	td->misc.fops = &smtd_fops;
	td->misc.mode = 0600;
	td->misc.parent = &pdev->dev;
	return td;
}

static int smtd_probe(struct pci_dev *pdev, const struct pci_device_id *unused)
{
	struct smtd_dev *td;
	int ret;

	td = smtd_dev_alloc(pdev);
	if (!td)
		return -ENOMEM;
	ret = pci_enable_device_mem(pdev);
	if (ret)
		goto err_free;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		goto err_disable;
	pci_set_master(pdev);
	/* For smtd_slot_reset(): with memory and bus mastering enabled */
	ret = pci_save_state(pdev);
	if (ret)
		goto err_master;
	td->group = iommu_group_get(&pdev->dev);
	td->dma_domain = smtd_dma_domain(&pdev->dev);
	pci_set_drvdata(pdev, td);
	/* Open for everyone from here on, so it comes last */
	ret = misc_register(&td->misc);
	if (ret)
		goto err_group;
	return 0;

err_group:
	iommu_group_put(td->group);
err_master:
	pci_clear_master(pdev);
err_disable:
	pci_disable_device(pdev);
err_free:
	kref_put(&td->ref, smtd_dev_free);
	return ret;
}

static void smtd_remove(struct pci_dev *pdev)
{
	struct smtd_dev *td = pci_get_drvdata(pdev);

	misc_deregister(&td->misc);
	/* An ioctl may wait for a held handler, or be in a loop */
	smtd_fault_dying(td);
	smtd_bar_unmap(td);
	pci_clear_master(pdev);

	down_write(&td->life);
	smtd_teardown(td, true);
	td->dead = true;
	iommu_group_put(td->group);
	td->group = NULL;
	td->pdev = NULL;
	up_write(&td->life);

	pci_disable_device(pdev);
	kref_put(&td->ref, smtd_dev_free);
}

static const struct pci_device_id smtd_ids[] = {
	{ PCI_DEVICE(SMTD_VENDOR, SMTD_DEVICE) },
	{ PCI_DEVICE(SMTD_STALL_VENDOR, SMTD_STALL_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, smtd_ids);

static struct pci_driver smtd_driver = {
	.name = "smmu_testdev",
	.id_table = smtd_ids,
	.probe = smtd_probe,
	.remove = smtd_remove,
	.err_handler = &smtd_error_handlers,
};

static int __init smtd_init(void)
{
	return pci_register_driver(&smtd_driver);
}
module_init(smtd_init);

static void __exit smtd_exit(void)
{
	pci_unregister_driver(&smtd_driver);
	smtd_fault_exit();
}
module_exit(smtd_exit);

MODULE_DESCRIPTION("Driver of the smmu-testdev PCIe function");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
