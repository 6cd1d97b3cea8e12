// SPDX-License-Identifier: GPL-2.0
/*
 * The smmu-testdev module: memory that user space can see, the DMA API, SVA.
 */
#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "smtd.h"

/* mmap() finds memory by its id, at this distance from one to the next */
#define SMTD_MEM_SHIFT	28
#define SMTD_MEM_IDS	XA_LIMIT(1, 0xffff)

/* All memory of the module together */
#define SMTD_MAX_PAGES	(SZ_1G / PAGE_SIZE)

static DEFINE_XARRAY_ALLOC1(smtd_mems);
static atomic_long_t smtd_pages;

/**
 * struct smtd_buf - a buffer of the DMA API
 * @node: in smtd_dev::bufs
 * @mem: its memory; its id is the handle
 * @bytes: size as it was mapped
 * @addr: address for the device
 * @dir: direction
 */
struct smtd_buf {
	struct list_head node;
	struct smtd_mem *mem;
	size_t bytes;
	dma_addr_t addr;
	enum dma_data_direction dir;
};

/**
 * struct smtd_bind - one bind of a process
 * @node: in smtd_dev::binds
 * @sva: of iommu_sva_bind_device()
 * @pasid: its PASID
 */
struct smtd_bind {
	struct list_head node;
	struct iommu_sva *sva;
	u32 pasid;
};

/* ---- memory ---- */

static void smtd_mem_put(struct smtd_mem *mem)
{
	unsigned int i;

	if (!refcount_dec_and_test(&mem->ref))
		return;
	for (i = 0; i < mem->count; i++)
		__free_page(mem->pages[i]);
	atomic_long_sub(mem->count, &smtd_pages);
	kvfree(mem);
}

/* One allocation, whose pages are then freed one by one */
static int smtd_mem_fill_contiguous(struct smtd_mem *mem)
{
	unsigned int order = get_order((u64)mem->count << PAGE_SHIFT);
	struct page *page;
	unsigned int i;

	if (order > MAX_PAGE_ORDER)
		return -ENOMEM;
	page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN,
			   order);
	if (!page)
		return -ENOMEM;
	split_page(page, order);
	for (i = 0; i < mem->count; i++)
		mem->pages[i] = page + i;
	for (; i < 1u << order; i++)
		__free_page(page + i);
	return 0;
}

static int smtd_mem_fill(struct smtd_mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->count; i++) {
		mem->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
					   __GFP_NOWARN);
		if (!mem->pages[i])
			goto err;
	}
	return 0;
err:
	while (i--)
		__free_page(mem->pages[i]);
	return -ENOMEM;
}

/*
 * Zeroed memory of whole pages, for the caller to free; the caller limits bytes
 */
struct smtd_mem *smtd_mem_alloc(u64 bytes, bool contiguous)
{
	unsigned int count = DIV_ROUND_UP_ULL(bytes, PAGE_SIZE);
	struct smtd_mem *mem;
	int ret = -ENOMEM;

	if (atomic_long_add_return(count, &smtd_pages) > SMTD_MAX_PAGES)
		goto err_count;
	mem = kvzalloc_flex(*mem, pages, count, GFP_KERNEL_ACCOUNT);
	if (!mem)
		goto err_count;
	mem->count = count;
	refcount_set(&mem->ref, 1);
	ret = contiguous ? smtd_mem_fill_contiguous(mem) : smtd_mem_fill(mem);
	if (ret)
		goto err_mem;
	/* From here on mmap() finds it */
	ret = xa_alloc(&smtd_mems, &mem->id, mem, SMTD_MEM_IDS, GFP_KERNEL);
	if (ret) {
		smtd_mem_put(mem);
		return ERR_PTR(ret == -EBUSY ? -ENOMEM : ret);
	}
	return mem;

err_mem:
	kvfree(mem);
err_count:
	atomic_long_sub(count, &smtd_pages);
	return ERR_PTR(ret);
}

/* The pages stay as long as there are views of them */
void smtd_mem_free(struct smtd_mem *mem)
{
	xa_erase(&smtd_mems, mem->id);
	smtd_mem_put(mem);
}

u64 smtd_mem_offset(const struct smtd_mem *mem)
{
	return (u64)mem->id << SMTD_MEM_SHIFT;
}

int smtd_mem_mmap(struct vm_area_struct *vma)
{
	const unsigned int shift = SMTD_MEM_SHIFT - PAGE_SHIFT;
	unsigned long first = vma->vm_pgoff & ((1ul << shift) - 1);
	unsigned long i, count = vma_pages(vma);
	struct smtd_mem *mem;
	int ret = 0;

	xa_lock(&smtd_mems);
	mem = xa_load(&smtd_mems, vma->vm_pgoff >> shift);
	if (mem)
		refcount_inc(&mem->ref);
	xa_unlock(&smtd_mems);
	if (!mem)
		return -ENXIO;
	if (first >= mem->count || count > mem->count - first)
		ret = -EINVAL;
	for (i = 0; i < count && !ret; i++)
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     mem->pages[first + i]);
	smtd_mem_put(mem);
	return ret;
}

/* ---- the DMA API ---- */

static bool smtd_direction_ok(u32 direction)
{
	BUILD_BUG_ON(SMTD_BIDIRECTIONAL != DMA_BIDIRECTIONAL);
	BUILD_BUG_ON(SMTD_TO_DEVICE != DMA_TO_DEVICE);
	BUILD_BUG_ON(SMTD_FROM_DEVICE != DMA_FROM_DEVICE);
	return direction <= SMTD_FROM_DEVICE;
}

static int smtd_buf_map(struct smtd_dev *td, struct smtd_buf *buf)
{
	struct device *dev = &td->pdev->dev;

	buf->addr = dma_map_page(dev, buf->mem->pages[0], 0, buf->bytes,
				 buf->dir);
	return dma_mapping_error(dev, buf->addr) ? -EIO : 0;
}

/* Returns what the unmap took */
static u64 smtd_buf_unmap(struct smtd_dev *td, struct smtd_buf *buf)
{
	u64 begin = ktime_get_ns();

	dma_unmap_page(&td->pdev->dev, buf->addr, buf->bytes, buf->dir);
	return ktime_get_ns() - begin;
}

/* The buffer with that handle, taken from the list, or NULL */
static struct smtd_buf *smtd_buf_take(struct smtd_dev *td, u32 handle)
{
	struct smtd_buf *buf;

	mutex_lock(&td->lock);
	list_for_each_entry(buf, &td->bufs, node) {
		if (buf->mem->id != handle)
			continue;
		list_del(&buf->node);
		mutex_unlock(&td->lock);
		return buf;
	}
	mutex_unlock(&td->lock);
	return NULL;
}

static void smtd_buf_free(struct smtd_buf *buf)
{
	smtd_mem_free(buf->mem);
	kfree(buf);
}

long smtd_ioctl_dma_map(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_dma_map arg;
	struct smtd_buf *buf;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (!arg.bytes || arg.bytes > SMTD_MAX_DMA_BYTES ||
	    !smtd_direction_ok(arg.direction))
		return -EINVAL;
	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	buf->bytes = arg.bytes;
	buf->dir = arg.direction;
	buf->mem = smtd_mem_alloc(arg.bytes, true);
	if (IS_ERR(buf->mem)) {
		ret = PTR_ERR(buf->mem);
		goto err_buf;
	}
	ret = smtd_buf_map(td, buf);
	if (ret)
		goto err_mem;
	arg.handle = buf->mem->id;
	arg.iova = buf->addr;
	arg.mmap_offset = smtd_mem_offset(buf->mem);
	arg.phys = page_to_phys(buf->mem->pages[0]);
	/* Before it is in the list: until then nobody else can undo it */
	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		ret = -EFAULT;
		goto err_map;
	}
	mutex_lock(&td->lock);
	list_add(&buf->node, &td->bufs);
	mutex_unlock(&td->lock);
	return 0;

err_map:
	smtd_buf_unmap(td, buf);
err_mem:
	smtd_mem_free(buf->mem);
err_buf:
	kfree(buf);
	return ret;
}

long smtd_ioctl_dma_unmap(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_dma_unmap arg;
	struct smtd_buf *buf;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	buf = smtd_buf_take(td, arg.handle);
	if (!buf)
		return -ENOENT;
	arg.ns = smtd_buf_unmap(td, buf);
	smtd_buf_free(buf);
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* One round: all buffers are mapped, then all are unmapped */
static int smtd_traffic_round(struct smtd_dev *td, struct smtd_buf *bufs,
			      struct smtd_traffic *t)
{
	unsigned int i, mapped;
	int ret = 0;

	for (mapped = 0; mapped < t->buffers && !ret; mapped++)
		ret = smtd_buf_map(td, &bufs[mapped]);
	if (ret)
		mapped--;
	for (i = 0; i < mapped; i++) {
		u64 ns = smtd_buf_unmap(td, &bufs[i]);

		t->unmap_ns += ns;
		t->max_unmap_ns = max(t->max_unmap_ns, ns);
	}
	return ret;
}

static int smtd_traffic_run(struct smtd_dev *td, struct smtd_buf *bufs,
			    struct smtd_traffic *t)
{
	u64 begin = ktime_get_ns();
	int ret = 0;

	while (t->done < t->rounds) {
		if (READ_ONCE(td->dying))
			return -ENODEV;
		if (signal_pending(current)) {
			ret = t->done ? 0 : -EINTR;
			break;
		}
		ret = smtd_traffic_round(td, bufs, t);
		if (ret)
			break;
		t->done++;
		cond_resched();
	}
	t->ns = ktime_get_ns() - begin;
	return ret;
}

long smtd_ioctl_traffic(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_traffic arg;
	struct smtd_buf *bufs;
	unsigned int i;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (!arg.rounds || !arg.buffers || arg.buffers > SMTD_MAX_BUFFERS ||
	    !arg.bytes || arg.bytes > SMTD_MAX_DMA_BYTES ||
	    arg.buffers * arg.bytes > SMTD_MAX_TRAFFIC_BYTES ||
	    !smtd_direction_ok(arg.direction))
		return -EINVAL;
	arg.done = 0;
	arg.ns = 0;
	arg.unmap_ns = 0;
	arg.max_unmap_ns = 0;
	bufs = kvzalloc_objs(*bufs, arg.buffers, GFP_KERNEL_ACCOUNT);
	if (!bufs)
		return -ENOMEM;
	for (i = 0; i < arg.buffers; i++) {
		bufs[i].bytes = arg.bytes;
		bufs[i].dir = arg.direction;
		bufs[i].mem = smtd_mem_alloc(arg.bytes, true);
		if (IS_ERR(bufs[i].mem)) {
			ret = PTR_ERR(bufs[i].mem);
			break;
		}
	}
	if (!ret)
		ret = smtd_traffic_run(td, bufs, &arg);
	while (i--)
		smtd_mem_free(bufs[i].mem);
	kvfree(bufs);
	if (!ret && copy_to_user(uarg, &arg, sizeof(arg)))
		ret = -EFAULT;
	return ret;
}

/* ---- SVA ---- */

/*
 * The memory of a process, with a reference to its users. A module can look up
 * a process by number only: the functions that take a pidfd are not exported.
 */
static struct mm_struct *smtd_mm_of(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr)
		return get_task_mm(current);
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	return mm;
}

long smtd_ioctl_sva_bind(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_sva_bind arg;
	struct smtd_bind *bind;
	struct mm_struct *mm;
	int ret = 0;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.pid < 0)
		return -EINVAL;
	bind = kzalloc_obj(*bind, GFP_KERNEL_ACCOUNT);
	if (!bind)
		return -ENOMEM;
	mm = smtd_mm_of(arg.pid);
	if (!mm) {
		ret = -ESRCH;
		goto err_free;
	}
	/* The bind keeps the mm_struct; the process may exit under it */
	bind->sva = iommu_sva_bind_device(&td->pdev->dev, mm);
	if (!IS_ERR(bind->sva))
		bind->pasid = iommu_sva_get_pasid(bind->sva);
	mmput(mm);
	if (IS_ERR(bind->sva)) {
		ret = PTR_ERR(bind->sva);
		goto err_free;
	}
	arg.pasid = bind->pasid;
	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		ret = -EFAULT;
		goto err_unbind;
	}
	mutex_lock(&td->lock);
	list_add(&bind->node, &td->binds);
	mutex_unlock(&td->lock);
	return 0;

err_unbind:
	iommu_sva_unbind_device(bind->sva);
err_free:
	kfree(bind);
	return ret;
}

long smtd_ioctl_sva_unbind(struct smtd_dev *td, void __user *uarg)
{
	struct smtd_bind *bind, *found = NULL;
	struct smtd_sva_unbind arg;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	mutex_lock(&td->lock);
	list_for_each_entry(bind, &td->binds, node) {
		if (bind->pasid != arg.pasid)
			continue;
		list_del(&bind->node);
		found = bind;
		break;
	}
	mutex_unlock(&td->lock);
	if (!found)
		return -ENOENT;
	iommu_sva_unbind_device(found->sva);
	kfree(found);
	return 0;
}

/* Called with life held for writing: the lists are ours */
void smtd_mem_teardown(struct smtd_dev *td)
{
	struct smtd_bind *bind, *next_bind;
	struct smtd_buf *buf, *next_buf;

	list_for_each_entry_safe(bind, next_bind, &td->binds, node) {
		iommu_sva_unbind_device(bind->sva);
		list_del(&bind->node);
		kfree(bind);
	}
	list_for_each_entry_safe(buf, next_buf, &td->bufs, node) {
		smtd_buf_unmap(td, buf);
		list_del(&buf->node);
		smtd_buf_free(buf);
	}
}
