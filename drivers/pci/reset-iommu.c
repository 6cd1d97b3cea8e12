// SPDX-License-Identifier: GPL-2.0
/*
 * Fence what is reset along with something else: the VFs of a PF, and the devices
 * that error recovery resets.
 *
 * VFs. A reset of a PF is one of its VFs too, and takes VF Enable away.  They stay
 * locked from before until after it, which keeps them from being removed, bound or
 * reset meanwhile, as the devices of a bus are.  The lock of the PF is taken first.
 * A bus has no lock of its own for that; it does for VFs that are on it.
 *
 * Error recovery.  Who resets a function or a bus by itself holds the locks of all devices from
 * before until after it.  Error recovery cannot: in between it calls drivers, and
 * devices may be removed meanwhile.  So the devices are collected first, with a
 * reference to each: pci_bus_sem must not be held while the IOMMU is talked to.
 * device_lock() is taken for each step, and under it a device that is being removed
 * is left alone, for its removal releases it from the IOMMU as what it is.
 */
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "pci.h"

/* Is this one of the VFs that a reset of @pf has to fence? */
static bool pci_reset_vf_is_ours(struct pci_dev *vf, struct pci_dev *pf,
				 enum pci_reset_scope scope)
{
	if (!vf->is_virtfn || pci_physfn(vf) != pf)
		return false;

	/* Those that are reached, and locked, as devices of their own */
	switch (scope) {
	case PCI_RESET_OF_SLOT:
		return vf->bus != pf->bus || vf->slot != pf->slot;
	case PCI_RESET_OF_BUS:
		return vf->bus != pf->bus;
	default:
		return true;
	}
}

/**
 * pci_reset_fence_vfs - fence and lock the VFs of a function that is going to be reset
 * @pf: the function; nothing happens unless it is a PF with VFs enabled
 * @scope: how it is going to be reset
 *
 * VFs are not quiesced: their drivers are not asked.
 *
 * Context: may sleep; the caller holds the lock of @pf until
 * pci_reset_unfence_vfs() has returned.
 * Return: 0, or an error of pci_dev_reset_iommu_prepare(); or -EAGAIN if a VF is
 * locked by somebody else and @scope does not say to wait.  After an error nothing
 * has changed.
 */
int pci_reset_fence_vfs(struct pci_dev *pf, enum pci_reset_scope scope)
{
	struct pci_dev *vf = NULL;
	int ret = 0;

	device_lock_assert(&pf->dev);
	if (!pci_num_vf(pf))
		return 0;

	for_each_pci_dev(vf) {
		if (!pci_reset_vf_is_ours(vf, pf, scope))
			continue;
		if (scope == PCI_RESET_OF_FUNCTION) {
			device_lock(&vf->dev);
		} else if (!device_trylock(&vf->dev)) {
			ret = -EAGAIN;
			break;
		}
		if (pci_dev_is_removed(vf)) {
			device_unlock(&vf->dev);
			continue;
		}
		ret = pci_dev_reset_iommu_prepare(vf);
		if (ret) {
			pci_err(vf, "failed to stop IOMMU for a reset of the PF: %d\n",
				ret);
			device_unlock(&vf->dev);
			break;
		}
		set_bit(PCI_DEV_RESET_WITH_PF, &vf->priv_flags);
	}
	if (!ret)
		return 0;

	pci_dev_put(vf);
	pci_reset_unfence_vfs(pf, IOMMU_RESET_NOT_DONE);
	return ret;
}

/**
 * pci_reset_unfence_vfs - unfence and unlock VFs after pci_reset_fence_vfs()
 * @pf: the function that was reset; VF Enable has been restored
 * @result: how that ended
 *
 * Those that were locked are all there still.  Others, which have come since, are
 * left alone.
 *
 * Context: as pci_reset_fence_vfs().
 */
void pci_reset_unfence_vfs(struct pci_dev *pf, enum iommu_reset_result result)
{
	struct pci_dev *vf = NULL;

	device_lock_assert(&pf->dev);
	if (!pf->is_physfn)
		return;

	for_each_pci_dev(vf) {
		if (!vf->is_virtfn || pci_physfn(vf) != pf ||
		    !test_and_clear_bit(PCI_DEV_RESET_WITH_PF, &vf->priv_flags))
			continue;
		pci_dev_reset_iommu_done(vf, pci_dev_reset_result(vf, result));
		device_unlock(&vf->dev);
	}
}

struct pci_reset_collection {
	struct list_head *devs;
	bool with_pf;
};

/*
 * Whatever it takes: a port may have reset the devices already, and then it is too
 * late to refuse.
 */
static int pci_reset_collect_dev(struct pci_dev *dev, void *data)
{
	struct pci_reset_collection *collection = data;
	struct pci_reset_dev *rdev;

	rdev = kzalloc_obj(*rdev, GFP_KERNEL | __GFP_NOFAIL);
	rdev->dev = pci_dev_get(dev);
	rdev->with_pf = collection->with_pf;
	list_add_tail(&rdev->node, collection->devs);
	return 0;
}

static bool pci_reset_is_collected(struct pci_dev *dev, struct list_head *devs)
{
	struct pci_reset_dev *rdev;

	list_for_each_entry(rdev, devs, node)
		if (rdev->dev == dev)
			return true;
	return false;
}

/* VFs may be on buses of their own, which belong to no bridge. */
static void pci_reset_collect_vfs(struct pci_reset_collection *collection)
{
	struct pci_dev *vf = NULL;

	collection->with_pf = true;
	for_each_pci_dev(vf)
		if (vf->is_virtfn &&
		    pci_reset_is_collected(pci_physfn(vf), collection->devs) &&
		    !pci_reset_is_collected(vf, collection->devs))
			pci_reset_collect_dev(vf, collection);
}

/**
 * pci_reset_collect - collect the devices that a reset of a link affects
 * @bridge: port whose link is going to be reset; or an RCEC or RCiEP, which is
 *	reset itself
 * @devs: an empty list; pci_reset_forget() is for it in any case
 *
 * The list has the order in which devices come back: a bridge is before what is
 * below it, and a PF before its VFs.
 *
 * Context: may sleep, also for want of memory.
 */
void pci_reset_collect(struct pci_dev *bridge, struct list_head *devs)
{
	struct pci_reset_collection collection = { .devs = devs };

	if (bridge->subordinate)
		pci_walk_bus(bridge->subordinate, pci_reset_collect_dev,
			     &collection);
	else
		pci_reset_collect_dev(bridge, &collection);
	pci_reset_collect_vfs(&collection);
}

/**
 * pci_reset_forget - give up what pci_reset_collect() has collected
 * @devs: the list, which is empty then
 *
 * Context: may sleep; none of the devices is locked.
 */
void pci_reset_forget(struct list_head *devs)
{
	struct pci_reset_dev *rdev, *tmp;

	list_for_each_entry_safe(rdev, tmp, devs, node) {
		list_del(&rdev->node);
		pci_dev_put(rdev->dev);
		kfree(rdev);
	}
}

/**
 * pci_reset_fence - fence devices for a reset that cannot be refused
 * @devs: from pci_reset_collect()
 *
 * A device that cannot be fenced is left to the IOMMU core, which tries again, and
 * keeps it fenced then, whatever this reset does to it.
 *
 * Context: may sleep; takes the lock of each device, one after the other.
 */
void pci_reset_fence(struct list_head *devs)
{
	struct pci_reset_dev *rdev;
	int ret;

	list_for_each_entry(rdev, devs, node) {
		struct pci_dev *dev = rdev->dev;

		device_lock(&dev->dev);
		if (!pci_dev_is_removed(dev)) {
			ret = pci_dev_reset_iommu_prepare(dev);
			rdev->fenced = !ret;
			if (ret) {
				pci_err(dev, "failed to stop IOMMU for error recovery: %d\n",
					ret);
				iommu_dev_reset_unfenced(&dev->dev);
			}
		}
		device_unlock(&dev->dev);
	}
}

/**
 * pci_reset_unfence_locked - unfence a device after pci_reset_fence()
 * @rdev: element of the list; nothing happens the second time
 * @result: how the reset of the link ended.  After %IOMMU_RESET_OK the device has
 *	succeeded only if it answers, and is given a second for that
 *
 * Context: may sleep; the caller holds the device lock.
 */
void pci_reset_unfence_locked(struct pci_reset_dev *rdev,
			      enum iommu_reset_result result)
{
	struct pci_dev *dev = rdev->dev;

	device_lock_assert(&dev->dev);
	if (!rdev->fenced)
		return;
	rdev->fenced = false;
	if (pci_dev_is_removed(dev))
		return;
	pci_dev_reset_iommu_done(dev, pci_dev_reset_result(dev, result));
}

/**
 * pci_reset_unfence - unfence devices after pci_reset_fence()
 * @devs: from pci_reset_collect()
 * @result: as for pci_reset_unfence_locked()
 *
 * Context: may sleep; takes the lock of each device, one after the other.
 */
void pci_reset_unfence(struct list_head *devs, enum iommu_reset_result result)
{
	struct pci_reset_dev *rdev;

	list_for_each_entry(rdev, devs, node) {
		device_lock(&rdev->dev->dev);
		pci_reset_unfence_locked(rdev, result);
		device_unlock(&rdev->dev->dev);
	}
}
