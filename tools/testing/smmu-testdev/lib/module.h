/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A function that is bound to the kernel module smmu_testdev: its character
 * device (../smmu_testdev_uapi.h). Registers come by smtd_watch().
 *
 * As in smtd.h: what prepares an experiment ends the program when it fails,
 * what is the experiment returns 0 or -errno.
 */
#ifndef SMMU_TESTDEV_LIB_MODULE_H
#define SMMU_TESTDEV_LIB_MODULE_H

#include <sys/types.h>

#include <linux/types.h>

#include "../smmu_testdev_uapi.h"

/* Open the function's character device; close() gives it back. */
int smtd_module_open(const char *bdf);

/* An ioctl of the module: 0 or -errno */
int smtd_module_call(int fd, unsigned long cmd, void *arg);

/* Bind the address space of a process (0: ours). Returns the PASID. */
u32 smtd_sva_bind(int fd, pid_t pid);
int smtd_sva_unbind(int fd, u32 pasid);

/* A domain of the module, attached to the function in place of that of the DMA API. */
u32 smtd_domain_alloc(int fd, u32 flags);
int smtd_domain_attach(int fd, u32 id);
int smtd_domain_replace(int fd, u32 id);
int smtd_domain_detach(int fd);
int smtd_domain_free(int fd, u32 id);

/* The same for a PASID; SMTD_NO_PASID is what the function sends without one. */
int smtd_pasid_attach(int fd, u32 id, u32 pasid);
int smtd_pasid_replace(int fd, u32 id, u32 pasid);
int smtd_pasid_detach(int fd, u32 pasid);

/* Fresh memory of the module at that address of a domain, of which a view is returned. */
void *smtd_domain_map(int fd, u32 id, u64 iova, u64 bytes);

/* What the handler of a domain does with faults from here on (SMTD_FAULT_*) */
void smtd_fault_mode(int fd, u32 id, u32 mode);
void smtd_fault_release(int fd, u32 id);
struct smtd_fault_stat smtd_fault_stat(int fd, u32 id);

/*
 * Begin and end what surrounds a reset, without resetting the function;
 * -EOPNOTSUPP where the kernel has no such calls. Unpaired: the bug of a caller
 * that has begun nothing. Left: not ended when the function is unbound.
 */
int smtd_reset_prepare(int fd);
int smtd_reset_prepare_left(int fd);
int smtd_reset_done(int fd, u32 result);
int smtd_reset_done_unpaired(int fd, u32 result);

/* A buffer of the DMA API */
struct smtd_dma_map smtd_dma_map(int fd, u64 bytes);
int smtd_dma_unmap(int fd, u32 handle);

#endif
