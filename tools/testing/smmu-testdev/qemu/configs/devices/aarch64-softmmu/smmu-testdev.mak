# SPDX-License-Identifier: GPL-2.0
# The machine that the tests boot and the devices that they name: a fifth of
# the time that a whole QEMU takes to build is spent on other boards.
CONFIG_ARM_VIRT=y

CONFIG_EDU=y
CONFIG_PCIE_PCI_BRIDGE=y
CONFIG_PCIE_PORT=y
CONFIG_PCI_BRIDGE=y
CONFIG_SERIAL_PCI=y
CONFIG_SMMU_TESTDEV=y
CONFIG_VIRTIO_IOMMU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_RNG=y
CONFIG_XIO3130=y
