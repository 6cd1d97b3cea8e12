// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU that is not there. See iommu-recovery-fake.h.
 */
#include <kunit/static_stub.h>
#include <linux/kobject.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "iommu-priv.h"
#include "iommu-recovery-fake.h"

const struct fake_variant fake_all_variants[6] = {
	{
		.name = "blocked domain, PASIDs, release domain",
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
	}, {
		.name = "blocked domain, PASIDs",
		.blocked = true,
		.pasids = true,
	}, {
		.name = "blocked domain, PASIDs of the RID's domain",
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
		.pasid_table = true,
	}, {
		.name = "blocked domain",
		.blocked = true,
	}, {
		.name = "only paging domains, release domain",
		.release = FAKE_RELEASE_IDENTITY,
	}, {
		.name = "only paging domains",
	},
};

const struct fake_variant fake_pasid_variants[2] = {
	{
		.name = "release domain",
		.blocked = true,
		.pasids = true,
		.release = FAKE_RELEASE_BLOCKED,
	}, {
		.name = "no release domain",
		.blocked = true,
		.pasids = true,
	},
};

static struct fake_dev *to_fake_dev(struct device *dev)
{
	return container_of(dev, struct fake_dev, dev);
}

static struct fake_domain *to_fake_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

/* Enough to see what is wrong, and not thousands of them when threads race */
void fake_violation(struct fake_iommu *fake, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (atomic_inc_return(&fake->violations) > 5)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	KUNIT_FAIL(fake->test, "%pV", &vaf);
	va_end(args);
}

/* The bus */

static int fake_bus_uevent(const struct device *dev,
			   struct kobj_uevent_env *env)
{
	struct fake_iommu *fake = to_fake_dev((struct device *)dev)->fake;
	static const char state[] = "IOMMU_RECOVERY_STATE=";
	static const char reason[] = "IOMMU_RECOVERY_REASON=";

	for (int i = 0; i < env->envp_idx; i++) {
		const char *var = env->envp[i];

		if (!strncmp(var, reason, strlen(reason))) {
			scoped_guard(spinlock, &fake->lock)
				strscpy(fake->told_reason, var + strlen(reason));
		}
		if (strncmp(var, state, strlen(state)))
			continue;
		var += strlen(state);
		if (!strcmp(var, "active"))
			atomic_inc(&fake->told_active);
		else if (!strcmp(var, "quarantined"))
			atomic_inc(&fake->told_quarantined);
		else
			fake_violation(fake, "uevent tells of state %s", var);
	}
	return 0;
}

static const struct bus_type fake_bus = {
	.name = "iommu_recovery_fake",
	.uevent = fake_bus_uevent,
};

/* No IOMMU is registered here until fake_probe_unprobed() */
static const struct bus_type fake_late_bus = {
	.name = "iommu_recovery_fake_late",
	.uevent = fake_bus_uevent,
};

int fake_suite_init(struct kunit_suite *suite)
{
	int ret;

	ret = bus_register(&fake_bus);
	if (ret)
		return ret;
	ret = bus_register(&fake_late_bus);
	if (ret)
		bus_unregister(&fake_bus);
	return ret;
}

void fake_suite_exit(struct kunit_suite *suite)
{
	bus_unregister(&fake_late_bus);
	bus_unregister(&fake_bus);
}

/* The driver */

/* One allocation; tests with threads do not let any fail */
static int fake_alloc(struct fake_iommu *fake)
{
	if (!READ_ONCE(fake->fail_nth) || --fake->fail_nth)
		return 0;
	fake->failed = true;
	return -ENOMEM;
}

void fake_fail_nth(struct fake_iommu *fake, unsigned int nth)
{
	fake->fail_nth = nth;
	fake->failed = false;
}

static void fake_move(struct iommu_domain **where, struct iommu_domain *domain)
{
	if (domain)
		atomic_inc(&to_fake_domain(domain)->users);
	if (*where)
		atomic_dec(&to_fake_domain(*where)->users);
	WRITE_ONCE(*where, domain);
}

static bool fake_is_static(struct iommu_domain *domain)
{
	return !domain->ops->free;
}

static void fake_note_attach(struct fake_dev *fdev)
{
	fdev->attached_at = atomic_inc_return(&fdev->fake->clock);
}

static bool fake_uses_pasids(struct fake_dev *fdev)
{
	for (int i = 0; i < FAKE_NR_PASIDS; i++)
		if (fdev->pasid[i])
			return true;
	return false;
}

/* With the RID's domain goes the table that the PASIDs are in */
static bool fake_loses_pasids(struct fake_dev *fdev, struct iommu_domain *domain)
{
	return fdev->fake->variant->pasid_table && fake_is_blocking(domain) &&
	       fake_uses_pasids(fdev);
}

static int fake_attach_dev(struct iommu_domain *domain, struct device *dev,
			   struct iommu_domain *old)
{
	struct fake_dev *fdev = to_fake_dev(dev);
	struct fake_iommu *fake = fdev->fake;
	int ret;

	iommu_group_mutex_assert(dev);
	fdev->rid_calls++;
	if (fdev->on_attach)
		fdev->on_attach(fdev);

	if (fdev->released)
		fake_violation(fake, "%s: attach after release", dev_name(dev));
	if (old != fdev->rid)
		fake_violation(fake, "%s: RID is on %p, the core says %p",
			       dev_name(dev), fdev->rid, old);
	if (fake_loses_pasids(fdev, domain))
		fake_violation(fake, "%s: RID is blocked before its PASIDs",
			       dev_name(dev));

	ret = fake_refuses_rid(fdev, domain, fake_uses_pasids(fdev));
	if (ret)
		return ret;
	if (!fake_is_static(domain) && fake_alloc(fake))
		return -ENOMEM;
	fake_move(&fdev->rid, domain);
	fake_note_attach(fdev);
	return 0;
}

static int fake_set_dev_pasid(struct iommu_domain *domain, struct device *dev,
			      ioasid_t pasid, struct iommu_domain *old)
{
	struct fake_dev *fdev = to_fake_dev(dev);
	struct fake_iommu *fake = fdev->fake;
	struct iommu_domain *blocked = &fake->blocked.domain;
	int ret;

	iommu_group_mutex_assert(dev);
	fdev->pasid_calls++;
	if (fdev->on_pasid)
		fdev->on_pasid(fdev);
	if (pasid == IOMMU_NO_PASID || pasid >= dev->iommu->max_pasids) {
		fake_violation(fake, "%s: there is no PASID %u", dev_name(dev),
			       pasid);
		return -EINVAL;
	}

	if (fdev->released)
		fake_violation(fake, "%s: PASID %u after release", dev_name(dev),
			       pasid);
	if (iommu_driver_get_domain_for_dev(dev) != fdev->rid)
		fake_violation(fake, "%s: RID is not where the core says, PASID %u",
			       dev_name(dev), pasid);
	if ((old == blocked ? NULL : old) != fdev->pasid[pasid])
		fake_violation(fake, "%s: PASID %u is not where the core says",
			       dev_name(dev), pasid);
	if (domain == blocked && !fdev->pasid[pasid])
		fake_violation(fake, "%s: PASID %u is blocked already",
			       dev_name(dev), pasid);
	if (fake->variant->pasid_table &&
	    (!fdev->rid || fake_is_blocking(fdev->rid)))
		fake_violation(fake, "%s: PASID %u, and there is no table of them",
			       dev_name(dev), pasid);

	if (domain == blocked) {
		fake_move(&fdev->pasid[pasid], NULL);
		return 0;
	}
	ret = fake_refuses_pasid(fdev, domain, pasid, fdev->rid, old);
	if (ret)
		return ret;
	if (fake_alloc(fake))
		return -ENOMEM;
	fake_move(&fdev->pasid[pasid], domain);
	fake_note_attach(fdev);
	return 0;
}

static void fake_domain_free(struct iommu_domain *domain)
{
	struct fake_domain *fdomain = to_fake_domain(domain);
	struct fake_iommu *fake = fdomain->fake;

	if (atomic_read(&fdomain->users))
		fake_violation(fake, "a domain is freed that %d RIDs and PASIDs are on",
			       atomic_read(&fdomain->users));
	scoped_guard(spinlock, &fake->lock)
		list_del(&fdomain->entry);
	kfree(fdomain);
}

static struct iommu_domain *fake_domain_alloc(struct device *dev)
{
	struct fake_dev *fdev = to_fake_dev(dev);
	struct fake_iommu *fake = fdev->fake;
	struct fake_domain *fdomain;

	if (fake_alloc(fake))
		return ERR_PTR(-ENOMEM);
	fdomain = kzalloc_obj(*fdomain);
	if (!fdomain)
		return ERR_PTR(-ENOMEM);
	fdomain->fake = fake;
	fdomain->group = fdev->group;
	fdomain->domain.ops = &fake->paging_ops;
	scoped_guard(spinlock, &fake->lock)
		list_add_tail(&fdomain->entry, &fake->domains);
	return &fdomain->domain;
}

bool fake_is_blocking(struct iommu_domain *domain)
{
	if (!domain)
		return false;
	return domain->type == IOMMU_DOMAIN_BLOCKED ||
	       (domain->type == IOMMU_DOMAIN_UNMANAGED &&
		!to_fake_domain(domain)->of_test);
}

int fake_domain_users(struct iommu_domain *domain)
{
	return atomic_read(&to_fake_domain(domain)->users);
}

/* The default domain is one that can be freed, too */
static int fake_def_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static bool fake_is_attach_deferred(struct device *dev)
{
	return to_fake_dev(dev)->fake->variant->deferred;
}

static struct iommu_device *fake_probe_device(struct device *dev)
{
	struct fake_dev *fdev = to_fake_dev(dev);

	if (fdev->fake->on_probe)
		fdev->fake->on_probe(fdev);
	if (fdev->fake->streams && fdev->alias &&
	    iommu_fwspec_add_ids(dev, &fdev->alias, 1))
		return ERR_PTR(-ENOMEM);
	return &fdev->fake->iommu;
}

static void fake_get_resv_regions(struct device *dev, struct list_head *head)
{
	struct iommu_resv_region *region;

	if (!to_fake_dev(dev)->direct)
		return;
	region = iommu_alloc_resv_region(0, PAGE_SIZE, IOMMU_READ | IOMMU_WRITE,
					 IOMMU_RESV_DIRECT, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}

static void fake_release_device(struct device *dev)
{
	struct fake_dev *fdev = to_fake_dev(dev);
	struct fake_iommu *fake = fdev->fake;

	if (fake->on_release)
		fake->on_release(fdev);
	if (fake->ops.release_domain && fdev->rid &&
	    fdev->rid != fake->ops.release_domain)
		fake_violation(fake, "%s: released without release domain",
			       dev_name(dev));
	fake_move(&fdev->rid, NULL);
	for (int i = 0; i < FAKE_NR_PASIDS; i++) {
		if (fdev->pasid[i])
			fake_violation(fake, "%s: released with PASID %d",
				       dev_name(dev), i);
		fake_move(&fdev->pasid[i], NULL);
	}
	fdev->released = true;
	fake->released_at = atomic_inc_return(&fake->clock);
}

static void fake_group_release(void *data)
{
	struct fake_group *fgroup = data;

	atomic_dec(&fgroup->fake->nr_groups);
	fgroup->group = NULL;
}

static struct iommu_group *fake_device_group(struct device *dev)
{
	struct fake_dev *fdev = to_fake_dev(dev);
	struct fake_group *fgroup = &fdev->fake->groups[fdev->group];
	struct iommu_group *group;

	if (fdev->fake->on_group)
		fdev->fake->on_group(fdev);
	if (fgroup->group)
		return iommu_group_ref_get(fgroup->group);

	group = iommu_group_alloc();
	if (IS_ERR(group))
		return group;
	fgroup->group = group;
	atomic_inc(&fdev->fake->nr_groups);
	iommu_group_set_iommudata(group, fgroup, fake_group_release);
	return group;
}

bool fake_same_rid(struct device *a, struct device *b)
{
	return a == b || (to_fake_dev(a)->alias &&
			  to_fake_dev(a)->alias == to_fake_dev(b)->alias);
}

/**
 * fake_use_streams() - let the core find out itself which devices share a requester ID
 * @fake: the IOMMU, without devices
 *
 * &fake_dev.alias is the only ID of the device's fwspec then; none if it is 0.
 */
void fake_use_streams(struct fake_iommu *fake)
{
	kunit_deactivate_static_stub(fake->test, iommu_recovery_same_rid);
	fake->streams = true;
}

/**
 * fake_create() - an IOMMU for a test
 * @test: the test, of a suite with fake_exit()
 * @variant: what its driver can do
 *
 * Return: the IOMMU, without devices; it lives until the end of the test.
 */
struct fake_iommu *fake_create(struct kunit *test,
			       const struct fake_variant *variant)
{
	struct fake_iommu *fake;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);

	fake->test = test;
	fake->variant = variant;
	spin_lock_init(&fake->lock);
	INIT_LIST_HEAD(&fake->devices);
	INIT_LIST_HEAD(&fake->domains);
	for (int i = 0; i < FAKE_NR_GROUPS; i++)
		fake->groups[i].fake = fake;

	fake->paging_ops = (struct iommu_domain_ops) {
		.attach_dev = fake_attach_dev,
		.set_dev_pasid = variant->pasids ? fake_set_dev_pasid : NULL,
		.test_dev = variant->test_dev ? fake_test_dev : NULL,
		.free = fake_domain_free,
	};
	fake->static_ops = fake->paging_ops;
	fake->static_ops.free = NULL;
	fake->blocked.domain.type = IOMMU_DOMAIN_BLOCKED;
	fake->blocked.domain.ops = &fake->static_ops;
	fake->release.domain.type = IOMMU_DOMAIN_IDENTITY;
	fake->release.domain.ops = &fake->static_ops;

	fake->ops = (struct iommu_ops) {
		.owner = THIS_MODULE,
		.default_domain_ops = &fake->paging_ops,
		.domain_alloc_identity = fake_domain_alloc,
		.domain_alloc_paging = fake_domain_alloc,
		.def_domain_type = fake_def_domain_type,
		.is_attach_deferred = fake_is_attach_deferred,
		.probe_device = fake_probe_device,
		.release_device = fake_release_device,
		.device_group = fake_device_group,
		.get_resv_regions = fake_get_resv_regions,
		.blocked_domain = variant->blocked ? &fake->blocked.domain : NULL,
	};
	if (variant->gate) {
		fake->ops.fence_dev = fake_fence_dev;
		fake->ops.unfence_dev = fake_unfence_dev;
	}
	if (variant->release == FAKE_RELEASE_BLOCKED)
		fake->ops.release_domain = &fake->blocked.domain;
	else if (variant->release == FAKE_RELEASE_IDENTITY)
		fake->ops.release_domain = &fake->release.domain;
	fake->iommu.max_pasids = variant->pasids ? FAKE_NR_PASIDS : 0;

	KUNIT_ASSERT_EQ(test, 0, iommu_device_sysfs_add(&fake->iommu, NULL, NULL,
							"iommu_recovery_fake"));
	if (iommu_device_register_bus(&fake->iommu, &fake->ops, &fake_bus,
				      &fake->nb)) {
		iommu_device_sysfs_remove(&fake->iommu);
		KUNIT_FAIL_AND_ABORT(test, "the IOMMU cannot be registered");
	}
	kunit_activate_static_stub(test, iommu_recovery_same_rid, fake_same_rid);
	test->priv = fake;
	return fake;
}

/* Devices */

static void fake_dev_release(struct device *dev)
{
	struct fake_dev *fdev = to_fake_dev(dev);

	atomic_dec(&fdev->fake->nr_devices);
	kfree(fdev);
}

static struct fake_dev *fake_dev_add_on(struct fake_iommu *fake,
					const struct bus_type *bus,
					struct iommu_device *iommu,
					unsigned int group, unsigned int alias)
{
	const struct property_entry props[] = {
		PROPERTY_ENTRY_U32("pasid-num-bits", FAKE_PASID_BITS),
		{}
	};
	static atomic_t nr;
	struct fake_dev *fdev;
	int ret;

	fdev = kzalloc_obj(*fdev);
	KUNIT_ASSERT_NOT_NULL(fake->test, fdev);
	fdev->fake = fake;
	fdev->group = group;
	fdev->alias = alias;
	atomic_inc(&fake->nr_devices);
	device_initialize(&fdev->dev);
	fdev->dev.bus = bus;
	fdev->dev.release = fake_dev_release;

	ret = dev_set_name(&fdev->dev, "fake%d", atomic_inc_return(&nr));
	if (!ret && fake->variant->pasids)
		ret = device_create_managed_software_node(&fdev->dev, props,
							  NULL);
	if (!ret)
		ret = iommu_mock_device_add(&fdev->dev, iommu);
	if (ret) {
		put_device(&fdev->dev);
		KUNIT_FAIL_AND_ABORT(fake->test, "cannot add a device: %d", ret);
	}
	scoped_guard(spinlock, &fake->lock)
		list_add_tail(&fdev->entry, &fake->devices);
	return fdev;
}

/**
 * fake_dev_add_alias() - add a device that may share a requester ID
 * @fake: its IOMMU
 * @group: number of its group
 * @alias: see &struct fake_dev
 *
 * Return: the device; whether the driver could attach it is for the caller to see.
 */
struct fake_dev *fake_dev_add_alias(struct fake_iommu *fake, unsigned int group,
				    unsigned int alias)
{
	return fake_dev_add_on(fake, &fake_bus, &fake->iommu, group, alias);
}

/**
 * fake_dev_add_unprobed() - add a device that the IOMMU driver does not see yet
 * @fake: its IOMMU
 * @group: number of its group
 *
 * Return: the device.
 */
struct fake_dev *fake_dev_add_unprobed(struct fake_iommu *fake,
				       unsigned int group)
{
	return fake_dev_add_on(fake, &fake_late_bus, &fake->iommu, group, 0);
}

/**
 * fake_dev_add_late() - add a device behind another IOMMU of the same driver
 * @fake: its IOMMU, after fake_probe_unprobed(), which has registered the other one
 * @group: number of its group
 * @alias: see &struct fake_dev
 *
 * Return: the device, as from fake_dev_add_alias().
 */
struct fake_dev *fake_dev_add_late(struct fake_iommu *fake, unsigned int group,
				   unsigned int alias)
{
	return fake_dev_add_on(fake, &fake_late_bus, fake->late, group, alias);
}

/**
 * fake_probe_unprobed() - have the driver probe the devices that it did not see yet
 * @fake: their IOMMU
 *
 * As when a driver is loaded: first all devices are probed, then the groups are
 * attached.
 */
void fake_probe_unprobed(struct fake_iommu *fake)
{
	struct iommu_device *late;
	struct notifier_block *nb;

	late = kunit_kzalloc(fake->test, sizeof(*late), GFP_KERNEL);
	nb = kunit_kzalloc(fake->test, sizeof(*nb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fake->test, late);
	KUNIT_ASSERT_NOT_NULL(fake->test, nb);

	/* Its only purpose: the core walks the bus. */
	KUNIT_ASSERT_EQ(fake->test, 0,
			iommu_device_register_bus(late, &fake->ops,
						  &fake_late_bus, nb));
	fake->late = late;
	fake->late_nb = nb;
}

/**
 * fake_dev_remove() - remove a device, as by hot-unplug
 * @fdev: the device, which is freed
 */
void fake_dev_remove(struct fake_dev *fdev)
{
	struct fake_iommu *fake = fdev->fake;

	scoped_guard(spinlock, &fake->lock)
		list_del(&fdev->entry);
	device_unregister(&fdev->dev);
}

/* The end */

/**
 * fake_exit() - the exit function of suites with a fake IOMMU
 * @test: a test that may have called fake_create()
 */
void fake_exit(struct kunit *test)
{
	struct fake_iommu *fake = test->priv;
	struct fake_domain *fdomain, *next_domain;
	struct fake_dev *fdev, *next_dev;

	if (!fake)
		return;

	fake_fail_nth(fake, 0);
	fake_fail_gate(fake, 1, 0);
	list_for_each_entry(fdev, &fake->devices, entry) {
		fdev->gate_stuck = false;
		fdev->bad = NULL;
		fdev->bad_blocking = false;
	}
	list_for_each_entry(fdev, &fake->devices, entry)
		fake_detach_all(fdev);
	list_for_each_entry_safe(fdev, next_dev, &fake->devices, entry)
		fake_dev_remove(fdev);

	list_for_each_entry_safe(fdomain, next_domain, &fake->domains, entry) {
		KUNIT_EXPECT_TRUE_MSG(test, fdomain->of_test,
				      "a domain of group %u has not been freed",
				      fdomain->group);
		iommu_domain_free(&fdomain->domain);
	}
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->blocked.users));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->release.users));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_devices));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->nr_groups));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fake->violations));

	if (fake->late)
		iommu_device_unregister_bus(fake->late, &fake_late_bus,
					    fake->late_nb);
	iommu_device_unregister_bus(&fake->iommu, &fake_bus, &fake->nb);
	iommu_device_sysfs_remove(&fake->iommu);
}
