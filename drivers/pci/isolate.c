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
 *
 * It stops the interrupts of the port as well, which are memory writes of its own, and an
 * event that comes meanwhile raises none later. Those of AER, PME and DPC are made up for
 * by enabling them again. Those of a slot for hot-plug cannot be, for each write to the
 * register that enables them is a command to the slot: such a port is not used.
 */
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/spinlock.h>

#include "pci.h"

/*
 * Protects nr_below of every bus, and of ports what is said of their isolation, and
 * changes of their command register. Raw, for it is taken in atomic context on PREEMPT_RT
 * too; nothing but pci_lock, and what a host controller takes for an access, is taken
 * inside of it.
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

/* An event that is pending raises an interrupt when that is enabled */
static void pci_port_raise_again(struct pci_dev *port, int cap, int reg, u16 enable)
{
	u16 val;

	if (!cap)
		return;
	pci_read_config_word(port, cap + reg, &val);
	if (PCI_POSSIBLE_ERROR(val) || !(val & enable))
		return;
	pci_write_config_word(port, cap + reg, val & ~enable);
	pci_write_config_word(port, cap + reg, val);
}

static void pci_port_let_go(struct pci_dev *port)
{
	u16 cmd;

	lockdep_assert_held(&pci_isolate_lock);

	port->dma_isolated = false;
	port->isolated_gone = false;
	if (!port->isolated_master)
		return;
	port->isolated_master = false;
	pci_read_config_word(port, PCI_COMMAND, &cmd);
	/* It has lost it, and gets it back with its saved state */
	if (PCI_POSSIBLE_ERROR(cmd))
		return;
	pci_write_config_word(port, PCI_COMMAND, cmd | PCI_COMMAND_MASTER);

	if (pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT) {
#ifdef CONFIG_PCIEAER
		pci_port_raise_again(port, port->aer_cap, PCI_ERR_ROOT_COMMAND,
				     PCI_ERR_ROOT_CMD_COR_EN |
				     PCI_ERR_ROOT_CMD_NONFATAL_EN |
				     PCI_ERR_ROOT_CMD_FATAL_EN);
#endif
		pci_port_raise_again(port, pci_pcie_cap(port), PCI_EXP_RTCTL,
				     PCI_EXP_RTCTL_PMEIE);
	}
#ifdef CONFIG_PCIE_DPC
	pci_port_raise_again(port, port->dpc_cap, PCI_EXP_DPC_CTL,
			     PCI_EXP_DPC_CTL_INT_EN);
#endif
}

/**
 * pci_update_command - change bits of the command register
 * @dev: the device. Bus Master Enable of a port that is isolated stays clear, and becomes
 *	what this says later
 * @clear: the bits to be cleared
 * @set: the bits to be set
 *
 * Return: true if it was written.
 */
bool pci_update_command(struct pci_dev *dev, u16 clear, u16 set)
{
	u16 old, cmd;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (dev->dma_isolated && (clear | set) & PCI_COMMAND_MASTER) {
		dev->isolated_master = set & PCI_COMMAND_MASTER;
		clear |= PCI_COMMAND_MASTER;
		set &= ~PCI_COMMAND_MASTER;
	}
	pci_read_config_word(dev, PCI_COMMAND, &old);
	cmd = (old & ~clear) | set;
	if (cmd != old)
		pci_write_config_word(dev, PCI_COMMAND, cmd);
	return cmd != old;
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
 * pci_isolate_restored - the command register of a port was restored as a whole
 * @dev: any device; nothing happens unless it is a port that is isolated
 */
void pci_isolate_restored(struct pci_dev *dev)
{
	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (dev->dma_isolated)
		pci_port_stop(dev);
}

/**
 * pci_isolate_bridge_enabled - a function below a port is enabled
 * @port: the port. Who was stopped there may be gone
 */
void pci_isolate_bridge_enabled(struct pci_dev *port)
{
	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (port->dma_isolated && port->isolated_gone)
		pci_port_let_go(port);
}

/**
 * pci_isolate_device_added - a device is on its bus
 * @dev: the device
 */
void pci_isolate_device_added(struct pci_dev *dev)
{
	struct pci_bus *bus;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	for (bus = dev->bus; bus; bus = bus->parent)
		bus->nr_below++;
}

/**
 * pci_isolate_device_removed - a device is not on its bus any more
 * @dev: the device
 */
void pci_isolate_device_removed(struct pci_dev *dev)
{
	struct pci_dev *port = dev->bus->self;
	struct pci_bus *bus;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	for (bus = dev->bus; bus; bus = bus->parent)
		bus->nr_below--;

	if (!port || !port->dma_isolated || port->isolated_devfn != dev->devfn)
		return;
	port->isolated_gone = true;
	/* Others have appeared beside it since, and are enabled already */
	if (dev->bus->nr_below)
		pci_port_let_go(port);
}

/**
 * pci_isolate_dma - stop the DMA of a function at the port above it
 * @pdev: the function
 *
 * After success the root port or switch port above @pdev forwards no memory request that
 * it sends from now on, until pci_unisolate_dma(). The port takes each of them for an
 * Unsupported Request, and may report that as an error of its own. A function that
 * appears beside @pdev meanwhile is stopped as well.
 *
 * Whoever writes the command register of the port other than by pci_update_command() ends
 * it: user space does. When the state of the port is restored, as after it was powered
 * off, it lets through until that is done.
 *
 * If @pdev is removed before, the port stays as it is until another function below it is
 * enabled, which comes after the IOMMU has seen it; or, if there is one already, lets
 * that one through.
 *
 * Context: any but NMI. @pdev is not removed meanwhile.
 * Return: true: nothing of it passes; false, and nothing has changed: there is no such
 * port or it is not to be reached; it has a slot for hot-plug; there is something else
 * below it; or @pdev also has CXL, whose requests are none of PCIe.
 */
bool pci_isolate_dma(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	if (!port || pdev->bus != port->subordinate || port->is_hotplug_bridge ||
	    pcie_is_cxl(pdev))
		return false;
	if (pci_pcie_type(port) != PCI_EXP_TYPE_ROOT_PORT &&
	    pci_pcie_type(port) != PCI_EXP_TYPE_DOWNSTREAM)
		return false;

	guard(raw_spinlock_irqsave)(&pci_isolate_lock);

	if (port->dma_isolated || port->subordinate->nr_below != 1)
		return false;

	port->isolated_devfn = pdev->devfn;
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

	if (port->dma_isolated && port->isolated_devfn == pdev->devfn)
		pci_port_let_go(port);
}
EXPORT_SYMBOL_GPL(pci_unisolate_dma);
