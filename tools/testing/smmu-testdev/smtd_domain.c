// SPDX-License-Identifier: GPL-2.0
/*
 * The smmu-testdev module: domains and attachments.
 */
#include <linux/iommufd.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "smtd.h"

#define SMTD_DOMAIN_IDS		XA_LIMIT(1, 0xffff)

/* Ids; atts and orphan of domains */
static DEFINE_MUTEX(smtd_domain_lock);
static DEFINE_XARRAY_ALLOC1(smtd_domains);

/**
 * struct smtd_map - a range of a domain with memory behind it
 * @iova: first address
 * @bytes: its size
 * @prot: IOMMU_READ, IOMMU_WRITE
 * @mem: the memory
 */
struct smtd_map {
	unsigned long iova;
	size_t bytes;
	int prot;
	struct smtd_mem *mem;
};

/* ---- domains ---- */

void smtd_domain_put(struct smtd_domain *d)
{
	if (!refcount_dec_and_test(&d->ref))
		return;
	mtree_destroy(&d->maps);
	kfree(d);
}

/* The domain with that id, with a reference, or NULL */
struct smtd_domain *smtd_domain_get(u32 id)
{
	struct smtd_domain *d;

	mutex_lock(&smtd_domain_lock);
	d = xa_load(&smtd_domains, id);
	if (d)
		refcount_inc(&d->ref);
	mutex_unlock(&smtd_domain_lock);
	return d;
}

/* Returns what iommu_unmap() took */
static u64 smtd_map_free(struct smtd_domain *d, struct smtd_map *map)
{
	u64 ns = ktime_get_ns();

	lockdep_assert_held(&d->lock);
	iommu_unmap(d->domain, map->iova, map->bytes);
	ns = ktime_get_ns() - ns;
	mtree_erase(&d->maps, map->iova);
	smtd_mem_free(map->mem);
	kfree(map);
	return ns;
}

/*
 * Frees the core's domain. The id is gone and nothing is attached, so that the
 * core guarantees that no handler runs. One that runs all the same finds domain
 * NULL, and is let go afterwards: its next step shows what the core did.
 */
static void smtd_domain_destroy(struct smtd_domain *d)
{
	struct smtd_map *map;
	unsigned long iova = 0;

	mutex_lock(&d->lock);
	mt_for_each(&d->maps, map, iova, ULONG_MAX)
		smtd_map_free(d, map);
	iommu_domain_free(d->domain);
	d->domain = NULL;
	mutex_unlock(&d->lock);
	smtd_fault_let_all_go(d);
	smtd_domain_put(d);
}

static struct smtd_domain *smtd_domain_new(struct smtd_dev *td, u32 flags)
{
	struct iommu_domain *domain;
	struct smtd_domain *d;
	u32 hwpt_flags = 0;

	if (flags & SMTD_DOMAIN_PASID)
		hwpt_flags |= IOMMU_HWPT_ALLOC_PASID;
	if (flags & SMTD_DOMAIN_PARENT)
		hwpt_flags |= IOMMU_HWPT_ALLOC_NEST_PARENT;
	d = kzalloc_obj(*d, GFP_KERNEL_ACCOUNT);
	if (!d)
		return ERR_PTR(-ENOMEM);
	domain = iommu_paging_domain_alloc_flags(&td->pdev->dev, hwpt_flags);
	if (IS_ERR(domain)) {
		kfree(d);
		return ERR_CAST(domain);
	}
	/* This is all that makes a domain take faults */
	if (flags & SMTD_DOMAIN_FAULT)
		domain->iopf_handler = smtd_iopf_handler;
	refcount_set(&d->ref, 1);
	mutex_init(&d->lock);
	mt_init(&d->maps);
	d->domain = domain;
	d->flags = flags;
	d->owner = td;
	d->mode = SMTD_FAULT_INVALID;
	return d;
}

long smtd_ioctl_domain_alloc(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_domain_alloc arg;
	struct smtd_domain *d;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~(SMTD_DOMAIN_FAULT | SMTD_DOMAIN_PASID |
			  SMTD_DOMAIN_PARENT))
		return -EINVAL;
	d = smtd_domain_new(td, arg.flags);
	if (IS_ERR(d))
		return PTR_ERR(d);
	/* Reserved only: nobody finds the domain before the id is delivered */
	ret = xa_alloc(&smtd_domains, &d->id, NULL, SMTD_DOMAIN_IDS,
		       GFP_KERNEL);
	if (ret) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto err_domain;
	}
	arg.id = d->id;
	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		ret = -EFAULT;
		goto err_id;
	}
	mutex_lock(&smtd_domain_lock);
	ret = xa_err(xa_store(&smtd_domains, d->id, d, GFP_KERNEL));
	mutex_unlock(&smtd_domain_lock);
	if (ret)
		goto err_id;
	return 0;

err_id:
	xa_release(&smtd_domains, d->id);
err_domain:
	smtd_domain_destroy(d);
	return ret;
}

long smtd_ioctl_domain_free(void __user *uarg)
{
	struct smtd_domain_id arg;
	struct smtd_domain *d;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	mutex_lock(&smtd_domain_lock);
	d = xa_load(&smtd_domains, arg.id);
	if (!d)
		ret = -ENOENT;
	else if (d->atts)
		ret = -EBUSY;
	else
		xa_erase(&smtd_domains, arg.id);
	mutex_unlock(&smtd_domain_lock);
	if (!ret)
		smtd_domain_destroy(d);
	return ret;
}

/* ---- mappings ---- */

static int smtd_map_pages(struct smtd_domain *d, struct smtd_map *map, int prot)
{
	size_t done;
	int ret;

	for (done = 0; done < map->bytes; done += PAGE_SIZE) {
		struct page *page = map->mem->pages[done >> PAGE_SHIFT];

		ret = iommu_map(d->domain, map->iova + done, page_to_phys(page),
				PAGE_SIZE, prot | IOMMU_CACHE,
				GFP_KERNEL_ACCOUNT);
		if (ret)
			goto err;
	}
	return 0;
err:
	if (done)
		iommu_unmap(d->domain, map->iova, done);
	return ret;
}

static int smtd_domain_insert(struct smtd_domain *d, struct smtd_map *map,
			      int prot)
{
	struct iommu_domain_geometry *geometry;
	unsigned long last = map->iova + map->bytes - 1;
	int ret;

	lockdep_assert_held(&d->lock);
	if (!d->domain)
		return -ENOENT;
	geometry = &d->domain->geometry;
	if (last < map->iova || map->iova < geometry->aperture_start ||
	    last > geometry->aperture_end)
		return -EINVAL;
	/* Page table code warns about overlaps: they must not get that far */
	ret = mtree_insert_range(&d->maps, map->iova, last, map, GFP_KERNEL);
	if (ret)
		return ret;
	ret = smtd_map_pages(d, map, prot);
	if (ret)
		mtree_erase(&d->maps, map->iova);
	return ret;
}

/*
 * Maps fresh memory. iova and bytes are whole pages, bytes is limited by the
 * caller. Also called by handlers, for domains that may have been freed.
 */
int smtd_domain_add(struct smtd_domain *d, unsigned long iova, size_t bytes,
		    int prot, u64 *offset, u64 *phys)
{
	struct smtd_map *map;
	int ret;

	map = kzalloc_obj(*map, GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;
	map->iova = iova;
	map->bytes = bytes;
	map->prot = prot;
	map->mem = smtd_mem_alloc(bytes, false);
	if (IS_ERR(map->mem)) {
		ret = PTR_ERR(map->mem);
		goto err_map;
	}
	*offset = smtd_mem_offset(map->mem);
	*phys = page_to_phys(map->mem->pages[0]);
	mutex_lock(&d->lock);
	ret = smtd_domain_insert(d, map, prot);
	mutex_unlock(&d->lock);
	if (ret)
		goto err_mem;
	return 0;

err_mem:
	smtd_mem_free(map->mem);
err_map:
	kfree(map);
	return ret;
}

/* Whether what is mapped allows an access; IOMMU_FAULT_PERM_* in the low bits */
bool smtd_domain_allows(struct smtd_domain *d, u64 fault)
{
	struct smtd_map *map;
	bool allows;

	mutex_lock(&d->lock);
	map = mtree_load(&d->maps, fault & PAGE_MASK);
	allows = map &&
		 (!(fault & IOMMU_FAULT_PERM_READ) || map->prot & IOMMU_READ) &&
		 (!(fault & IOMMU_FAULT_PERM_WRITE) || map->prot & IOMMU_WRITE);
	mutex_unlock(&d->lock);
	return allows;
}

/* Undoes a mapping; if offset is not 0, only that whose memory is there */
static int smtd_domain_del(struct smtd_domain *d, u64 iova, u64 bytes,
			   u64 offset, u64 *ns)
{
	struct smtd_map *map = NULL;
	int ret = -ENOENT;

	mutex_lock(&d->lock);
	if (iova <= ULONG_MAX)
		map = mtree_load(&d->maps, iova);
	if (d->domain && map && map->iova == iova && map->bytes == bytes &&
	    (!offset || offset == smtd_mem_offset(map->mem))) {
		*ns = smtd_map_free(d, map);
		ret = 0;
	}
	mutex_unlock(&d->lock);
	return ret;
}

long smtd_ioctl_domain_map(void __user *uarg)
{
	struct smtd_domain_map arg;
	struct smtd_domain *d;
	int prot = 0;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (!arg.flags || arg.flags & ~(SMTD_MAP_READ | SMTD_MAP_WRITE) ||
	    !arg.bytes || arg.bytes > SMTD_MAX_MAP_BYTES ||
	    !PAGE_ALIGNED(arg.bytes) || !PAGE_ALIGNED(arg.iova) ||
	    arg.iova > ULONG_MAX)
		return -EINVAL;
	if (arg.flags & SMTD_MAP_READ)
		prot |= IOMMU_READ;
	if (arg.flags & SMTD_MAP_WRITE)
		prot |= IOMMU_WRITE;
	d = smtd_domain_get(arg.id);
	if (!d)
		return -ENOENT;
	ret = smtd_domain_add(d, arg.iova, arg.bytes, prot, &arg.mmap_offset,
			      &arg.phys);
	if (!ret && copy_to_user(uarg, &arg, sizeof(arg))) {
		u64 ns;

		smtd_domain_del(d, arg.iova, arg.bytes, arg.mmap_offset, &ns);
		ret = -EFAULT;
	}
	smtd_domain_put(d);
	return ret;
}

long smtd_ioctl_domain_unmap(void __user *uarg)
{
	struct smtd_domain_unmap arg;
	struct smtd_domain *d;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	d = smtd_domain_get(arg.id);
	if (!d)
		return -ENOENT;
	ret = smtd_domain_del(d, arg.iova, arg.bytes, 0, &arg.ns);
	smtd_domain_put(d);
	if (ret)
		return ret;
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* ---- attachments ---- */

/* For an attachment: the domain with that id, which cannot be freed then */
static struct smtd_domain *smtd_domain_hold(u32 id)
{
	struct smtd_domain *d;

	mutex_lock(&smtd_domain_lock);
	d = xa_load(&smtd_domains, id);
	if (d) {
		refcount_inc(&d->ref);
		d->atts++;
	}
	mutex_unlock(&smtd_domain_lock);
	return d;
}

/* The reference stays */
static void smtd_domain_unhold(struct smtd_domain *d)
{
	bool last;

	mutex_lock(&smtd_domain_lock);
	last = !--d->atts && d->orphan;
	mutex_unlock(&smtd_domain_lock);
	if (last)
		smtd_domain_destroy(d);
}

static struct smtd_att *smtd_att_find(struct smtd_dev *td, ioasid_t pasid)
{
	struct smtd_att *att;

	lockdep_assert_held(&td->attach_lock);
	list_for_each_entry(att, &td->atts, node)
		if (att->pasid == pasid)
			return att;
	return NULL;
}

/* The core has returned from the detach, or has refused the attach */
static void smtd_att_end(struct smtd_att *att)
{
	struct smtd_domain *d = att->domain;

	smtd_fault_retire(att);
	/* The reference in att keeps d over this */
	smtd_domain_unhold(d);
	smtd_att_put(att);
}

static struct smtd_att *smtd_att_new(struct smtd_dev *td, u32 id,
				     ioasid_t pasid, bool replace)
{
	struct smtd_domain *d;
	struct smtd_att *att;

	att = kzalloc_obj(*att, GFP_KERNEL_ACCOUNT);
	if (!att)
		return ERR_PTR(-ENOMEM);
	d = smtd_domain_hold(id);
	if (!d) {
		kfree(att);
		return ERR_PTR(-ENOENT);
	}
	refcount_set(&att->ref, 1);
	att->td = td;
	att->pasid = pasid;
	att->domain = d;
	/* The core's replace functions insist on a handle */
	if (d->flags & SMTD_DOMAIN_FAULT || replace) {
		att->handle = kzalloc_obj(*att->handle, GFP_KERNEL_ACCOUNT);
		if (!att->handle) {
			smtd_domain_unhold(d);
			smtd_att_put(att);
			return ERR_PTR(-ENOMEM);
		}
	}
	smtd_fault_publish(att);
	return att;
}

static int smtd_core_attach(struct smtd_att *att, bool replace)
{
	struct iommu_domain *domain = att->domain->domain;
	struct device *dev = &att->td->pdev->dev;
	struct iommu_group *group = att->td->group;

	if (att->pasid != IOMMU_NO_PASID) {
		if (replace)
			return iommu_replace_device_pasid(domain, dev,
							  att->pasid,
							  att->handle);
		return iommu_attach_device_pasid(domain, dev, att->pasid,
						 att->handle);
	}
	if (replace)
		return iommu_replace_group_handle(group, domain, att->handle);
	if (att->handle)
		return iommu_attach_group_handle(domain, group, att->handle);
	return iommu_attach_group(domain, group);
}

static void smtd_core_detach(struct smtd_att *att)
{
	struct iommu_domain *domain = att->domain->domain;
	struct iommu_group *group = att->td->group;

	if (att->pasid != IOMMU_NO_PASID)
		iommu_detach_device_pasid(domain, &att->td->pdev->dev,
					  att->pasid);
	else if (att->handle)
		iommu_detach_group_handle(domain, group);
	else
		iommu_detach_group(domain, group);
}

/* SMTD_NO_PASID of user space to IOMMU_NO_PASID, which is PASID 0 */
static int smtd_pasid(struct smtd_dev *td, u32 user, ioasid_t *pasid)
{
	if (!td->group)
		return -EOPNOTSUPP;
	if (user == SMTD_NO_PASID) {
		*pasid = IOMMU_NO_PASID;
		return 0;
	}
	/* The core skips devices without PASIDs, and would attach nothing */
	if (!td->pdev->dev.iommu->max_pasids)
		return -EOPNOTSUPP;
	if (user == IOMMU_NO_PASID || user >= td->pdev->dev.iommu->max_pasids)
		return -EINVAL;
	*pasid = user;
	return 0;
}

long smtd_ioctl_domain_attach(struct smtd_dev *td, void __user *uarg,
			      bool replace)
{
	struct smtd_domain_attach arg;
	struct smtd_att *old, *att;
	ioasid_t pasid;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	ret = smtd_pasid(td, arg.pasid, &pasid);
	if (ret)
		return ret;
	if (mutex_lock_killable(&td->attach_lock))
		return -EINTR;
	old = smtd_att_find(td, pasid);
	if (!!old != replace) {
		ret = replace ? -ENOENT : -EBUSY;
		goto unlock;
	}
	att = smtd_att_new(td, arg.id, pasid, replace);
	if (IS_ERR(att)) {
		ret = PTR_ERR(att);
		goto unlock;
	}
	ret = smtd_core_attach(att, replace);
	if (ret) {
		smtd_att_end(att);
		goto unlock;
	}
	list_add(&att->node, &td->atts);
	if (old) {
		list_del(&old->node);
		smtd_att_end(old);
	}
unlock:
	mutex_unlock(&td->attach_lock);
	return ret;
}

long smtd_ioctl_domain_detach(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_domain_detach arg;
	struct smtd_att *att;
	ioasid_t pasid;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	ret = smtd_pasid(td, arg.pasid, &pasid);
	if (ret)
		return ret;
	if (mutex_lock_killable(&td->attach_lock))
		return -EINTR;
	att = smtd_att_find(td, pasid);
	if (att) {
		smtd_core_detach(att);
		list_del(&att->node);
		smtd_att_end(att);
	} else {
		ret = -ENOENT;
	}
	mutex_unlock(&td->attach_lock);
	return ret;
}

/* A domain of that function, whose id is gone and which is the caller's to free */
static struct smtd_domain *smtd_domain_take(struct smtd_dev *td)
{
	struct smtd_domain *d, *found = NULL;
	unsigned long id;

	mutex_lock(&smtd_domain_lock);
	xa_for_each(&smtd_domains, id, d) {
		if (d->owner != td)
			continue;
		xa_erase(&smtd_domains, id);
		if (!d->atts) {
			found = d;
			break;
		}
		/* Attached to another function, whose detach frees it */
		d->orphan = true;
	}
	mutex_unlock(&smtd_domain_lock);
	return found;
}

/* Called with life held for writing */
void smtd_domain_teardown(struct smtd_dev *td)
{
	struct smtd_att *att, *next;
	struct smtd_domain *d;

	mutex_lock(&td->attach_lock);
	list_for_each_entry_safe(att, next, &td->atts, node) {
		smtd_fault_let_go(att);
		smtd_core_detach(att);
		list_del(&att->node);
		smtd_att_end(att);
	}
	mutex_unlock(&td->attach_lock);

	while ((d = smtd_domain_take(td)))
		smtd_domain_destroy(d);
}
