// SPDX-License-Identifier: GPL-2.0
/*
 * Stop what comes from a function at the port above it.
 *
 * A port with Bus Master Enable clear forwards no memory request upstream, whatever
 * address type it has, and so neither what a function translates by itself nor its
 * interrupts; completions and messages pass (PCIe Base 7.5.1.1.3). That needs no help of
 * the function and none of the IOMMU, so it is what is left for a function that has to be
 * stopped while neither of them answers.
 *
 * It stops everything below the port. So it is done only where that is the one function
 * alone, which is known by a count that is kept for each bus: the lists of devices are
 * protected by a lock that sleeps.
 */
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/spinlock.h>

#include "pci.h"

/*
 * Protects nr_below of every bus, and of ports dma_isolated and isolated_master. Raw, for
 * it is taken in atomic context on PREEMPT_RT too; nothing but pci_lock, and what a host
 * controller takes for an access, is taken inside of it.
 */
static DEFINE_RAW_SPINLOCK(pci_isolate_lock);

/* Clear Bus Master Enable, and keep what it is to be later. False: it cannot be cleared */
static bool pci_port_stop(struct pci_dev *port)
{
	u16 cmd;

	lockdep_assert_held(&pci_isolate_lock);

	pci_read_config_word(port, PCI_COMMAND, &cmd);
	if (PCI_POSSIBLE_ERROR(cmd))
		return false;
	if (cmd & PCI_COMMAND_MASTER) {
		port->isolated_master = true;
		pci_write_config_word(port, PCI_COMMAND,
				      cmd & ~PCI_COMMAND_MASTER);
	}

	/*
	 * What a switch has forwarded before comes before the answer to this, for a
	 * completion does not pass posted requests (PCIe Base 2.4.1).
	 */
	pci_read_config_word(port, PCI_COMMAND, &cmd);
	return !PCI_POSSIBLE_ERROR(cmd) && !(cmd & PCI_COMMAND_MASTER);
}

static void pci_port_let_go(struct pci_dev *port)
{
	u16 cmd;

	lockdep_assert_held(&pci_isolate_lock);

	port->dma_isolated = false;
	if (!port->isolated_master)
		return;
	port->isolated_master = false;
	pci_read_config_word(port, PCI_COMMAND, &cmd);
	if (!PCI_POSSIBLE_ERROR(cmd))
		pci_write_config_word(port, PCI_COMMAND,
				      cmd | PCI_COMMAND_MASTER);
}

/**
 * pci_isolate_again - Bus Master Enable of a port may have been written
 * @dev: any device; nothing happens unless it is a port that is isolated
 */
void pci_isolate_again(struct pci_dev *dev)
{
	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (!dev->dma_isolated)
		return;
	dev->isolated_master = dev->is_busmaster;
	pci_port_stop(dev);
}

/**
 * pci_isolate_saved - what is saved of a port is what it is without isolation
 * @dev: any device whose configuration space was saved
 */
void pci_isolate_saved(struct pci_dev *dev)
{
	/* It may be let go before it is restored, or was just let go */
	if (pcie_downstream_port(dev) && dev->is_busmaster)
		dev->saved_config_space[PCI_COMMAND / 4] |= PCI_COMMAND_MASTER;
}

/**
 * pci_isolate_device_added - a device is on its bus, and was not enabled yet
 * @dev: the device
 */
void pci_isolate_device_added(struct pci_dev *dev)
{
	struct pci_bus *bus;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	for (bus = dev->bus; bus; bus = bus->parent) {
		struct pci_dev *port = bus->self;

		/* Who was stopped there was removed since */
		if (!bus->nr_below++ && port && port->dma_isolated)
			pci_port_let_go(port);
	}
}

/**
 * pci_isolate_device_removed - a device is not on its bus any more
 * @dev: the device
 */
void pci_isolate_device_removed(struct pci_dev *dev)
{
	struct pci_bus *bus;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	for (bus = dev->bus; bus; bus = bus->parent)
		bus->nr_below--;
}

/**
 * pci_isolate_dma - stop the DMA of a function at the port above it
 * @pdev: the function
 *
 * After success no memory request that @pdev sends from now on is forwarded by the root
 * port or switch port above it, until pci_unisolate_dma(). They are answered with
 * Unsupported Request, which may be reported as errors of the port.
 *
 * A function that is removed while it is isolated remains so, until another one appears
 * at the port.
 *
 * Context: any but NMI. @pdev is not removed meanwhile.
 * Return: true: nothing of it passes; false: there is no such port, it is not to be
 * reached, or there is something else below it, and nothing has changed.
 */
bool pci_isolate_dma(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	if (!port || !pcie_downstream_port(port) || pdev->bus != port->subordinate)
		return false;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (port->subordinate->nr_below != 1)
		return false;

	port->dma_isolated = pci_port_stop(port);
	if (!port->dma_isolated)
		pci_port_let_go(port);
	return port->dma_isolated;
}
EXPORT_SYMBOL_GPL(pci_isolate_dma);

/**
 * pci_unisolate_dma - let the DMA of a function pass the port above it again
 * @pdev: a function for which pci_isolate_dma() has succeeded
 *
 * Context: as pci_isolate_dma().
 */
void pci_unisolate_dma(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	if (!port)
		return;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (port->dma_isolated)
		pci_port_let_go(port);
}
EXPORT_SYMBOL_GPL(pci_unisolate_dma);
