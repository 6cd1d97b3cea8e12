/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of smmu-testdev-check share: the function under test, bound
 * to vfio-pci and driven through iommufd, and TAP.
 */
#ifndef SMMU_TESTDEV_CHECK_H
#define SMMU_TESTDEV_CHECK_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include "regs.h"

#define IOVA	0x40000000ull
#define PAGE	4096ull
#define BUF	(64 * PAGE)

extern const char *bdf;
extern int iommufd, dev;
extern volatile uint32_t *bar;
extern volatile uint32_t *obs;		/* BAR 0 of the observer, or NULL */
extern uint64_t cfg_off;		/* of configuration space, in @dev */
extern uint8_t *buf;			/* BUF bytes of memory */
extern int tests, failures;

struct smtd_case {
	const char *name;
	void (*run)(uint32_t io);	/* @io: a new, empty address space */
	uint32_t caps;			/* needed, as in SMTD_CAPS */
	unsigned int flags;
};

/* the unpatched kernel's FLR writes PASID control with ATS on */
#define CASE_PASID_ATS	1
/* needs a second function, through which the first is watched */
#define CASE_OBSERVER	2
/* for another device: no registers, no oracle */
#define CASE_OTHER	4

extern const struct smtd_case benign_cases[], knob_cases[], bad_cases[],
			      edu_cases[];

double now(void);
uint32_t rd(uint32_t reg);
void wr(uint32_t reg, uint32_t val);
uint32_t stats(int n);
uint32_t viol(int n);
/* A register of the function under test, through the observer */
uint32_t peer(uint32_t reg);
void peer_wr(uint32_t reg, uint32_t val);
void die(const char *what);
void check(bool ok, const char *what);
/* A diagnostic line with every statistic that is not zero */
void figures(const char *what);
/* Waits until the register has the value: conditions, never times */
bool wait_reg(uint32_t reg, uint32_t want, double seconds);
bool wait_stat(int n, uint32_t at_least, double seconds);
void write_file(const char *path, const char *text);
void open_device(void);
/* The observer is bound to no driver: its BAR is reached through sysfs */
void open_observer(void);
void close_device(void);
void bus_master(void);
bool ats_enabled(void);
uint32_t ioas(void);
void map(uint32_t id, void *va, uint64_t iova, size_t len);
int unmap(uint32_t id, uint64_t iova, size_t len);
uint32_t hwpt(uint32_t pt, uint32_t flags, uint32_t fault);
int fault_queue(uint32_t *id);
int attach(uint32_t pt, uint32_t pasid);
int detach(uint32_t pasid);
int one_fault(uint32_t io, struct iommu_hwpt_pgfault *pf);
void answer_fault(int fd, const struct iommu_hwpt_pgfault *pf);
void start(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl,
	    uint32_t period_us);
/* One burst, to its end */
void burst(uint64_t iova, uint32_t count, uint32_t pasid, uint32_t ctrl);
void stop(void);
uint64_t word(unsigned int page);
void mark(uint32_t ctl, uint64_t iova, uint32_t pasid);

#endif
