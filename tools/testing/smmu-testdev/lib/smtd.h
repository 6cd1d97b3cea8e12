/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space library of the smmu-testdev PCIe function (see ../regs.h).
 *
 * It stands on libvfio of the kernel's own selftests and adds what that lacks:
 * the function's registers, PASIDs, fault queues and hardware page tables of
 * iommufd, and the ways to reset, kill and remove a function.
 *
 * Rules that hold for all of it:
 *  - what prepares an experiment ends the program when it fails (VFIO_ASSERT),
 *    what is the experiment returns 0 or -errno;
 *  - waiting is for a condition, with SMTD_DEADLINE_MS at most; the waiting
 *    functions return whether it came true;
 *  - registers may be used by several threads at once.
 */
#ifndef SMMU_TESTDEV_LIB_SMTD_H
#define SMMU_TESTDEV_LIB_SMTD_H

#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/types.h>

#include <libvfio.h>

#include "../regs.h"

#define SMTD_DEADLINE_MS	10000

#define SMTD_PAGE		4096ULL

/* Opcodes of the command queue for breakpoints (Arm IHI 0070, section 4.1.1) */
#define SMTD_OP_CFGI_STE	0x03
#define SMTD_OP_CFGI_CD		0x05
#define SMTD_OP_ATC_INV		0x40
#define SMTD_OP_RESUME		0x44
#define SMTD_OP_STALL_TERM	0x45
#define SMTD_OP_SYNC		0x46

/* Nothing is there: a write does nothing but show in QEMU's log (smmutd_reg) */
#define SMTD_LOG_MARK		0x1f8

/*
 * One function. @vfio is NULL for one that was opened by smtd_watch(). With an
 * @observer the registers are reached through that function's peer window.
 */
struct smtd {
	const char *bdf;
	struct iommu *iommu;
	struct vfio_pci_device *vfio;
	u32 devid;
	u32 sid;
	void *bar;
	struct smtd *observer;
	u32 peer_sid;
	pthread_mutex_t lock;	/* the peer window and peer_sid */
};

/*
 * Bind the function, which has vfio-pci for its driver, to @iommu (MODE_IOMMUFD).
 * It is a bus master, attached to nothing, well-behaved, and its statistics, the
 * marks and the violations are zero.
 */
struct smtd *smtd_open(const char *bdf, struct iommu *iommu);

/* Registers only, by sysfs, whatever driver has the function. */
struct smtd *smtd_watch(const char *bdf);

/* The same, through @observer, with nothing left of what was done to it before */
struct smtd *smtd_watch_anew(const char *bdf, struct smtd *observer);

/* The addresses of @want functions at the end of the command line, or the program ends. */
char **smtd_functions(int *argc, char *argv[], int want);

/* Be a bus master again, after a reset that has cost the function its configuration. */
void smtd_enable(struct smtd *d);

/* Unbinds and frees what smtd_open() or smtd_watch() returned. */
void smtd_close(struct smtd *d);

/*
 * Use @d's registers through @observer from here on: also while @d is inside a
 * reset or has vanished. NULL: directly again.
 */
void smtd_observe(struct smtd *d, struct smtd *observer);

/* Whether QEMU still has a function with that StreamID */
bool smtd_is_plugged(struct smtd *observer, u32 sid);

/* Set every knob to its harmless value, release what is held, stop DMA. */
void smtd_behave(struct smtd *d);

u32 smtd_read(struct smtd *d, u32 reg);
void smtd_write(struct smtd *d, u32 reg, u32 value);

/* Put a mark into QEMU's log, where a host check finds it. */
void smtd_log_mark(struct smtd *d, u32 nr);

/* ---- time and conditions ---- */

u64 smtd_now_us(void);

/* Whether the expression came true in time. It is evaluated again and again. */
#define smtd_until(_cond) ({						\
	u64 __end = smtd_now_us() + SMTD_DEADLINE_MS * 1000ULL;	\
	bool __true, __late;						\
									\
	/* After the deadline it is looked at once more. */		\
	for (;;) {							\
		__late = smtd_now_us() >= __end;			\
		__true = (_cond);					\
		if (__true || __late)					\
			break;						\
		usleep(200);						\
	}								\
	__true;								\
})

bool smtd_wait_reg(struct smtd *d, u32 reg, u32 value);
bool smtd_wait_stat(struct smtd *d, unsigned int stat, u32 at_least);

/* A call that blocks, in a thread of its own. */
struct smtd_call {
	int (*fn)(void *arg);
	void *arg;
	int ret;
	bool done;
	pid_t tid;
	u64 begin_us, end_us;
	pthread_t thread;
};

void smtd_call_start(struct smtd_call *call, int (*fn)(void *arg), void *arg);
bool smtd_call_done(struct smtd_call *call);
bool smtd_call_sleeps(struct smtd_call *call);	/* in the kernel, uninterruptibly */
int smtd_call_join(struct smtd_call *call);	/* returns what fn() returned */

/* Bind the calling thread to a CPU; false if there is no such CPU. */
bool smtd_pin(unsigned int cpu);

/* SCHED_FIFO with that priority, for a thread or (0) the caller */
bool smtd_set_priority(pid_t pid, int priority);

/*
 * Move interrupts whose handler threads have such a name (a glob, without the
 * "irq/N-"), and with them their threads, to that CPU and SCHED_FIFO priority. A
 * thread follows when it runs the next time. Returns how many there were.
 */
int smtd_move_irqs(const char *name, unsigned int cpu, int priority);

/*
 * A thread with a priority above that of interrupt threads, which leaves that CPU to
 * nobody until it is stopped. With smtd_move_irqs() it keeps the SMMU's event queue
 * from being read.
 */
struct smtd_hog {
	pthread_t thread;
	unsigned int cpu;
	bool runs, stop;
};

#define SMTD_SMMU_IRQS	"arm-smmu*"

void smtd_hog_start(struct smtd_hog *hog, unsigned int cpu);
void smtd_hog_stop(struct smtd_hog *hog);	/* which may have stopped already */

/* Where the text first stands in the kernel's trace (testlib.sh starts it); -1: nowhere */
long smtd_trace_find(const char *text);

/* How often it stands there for a time, that of smtd_now_us(), between two others */
u32 smtd_trace_count(const char *text, u64 from_us, u64 to_us);

/* ---- processes ---- */

/* One that has the shared pages of ours, and dies with the calling thread or when it is killed */
pid_t smtd_worker_start(void);
void smtd_worker_kill(pid_t pid);

/* A number from the environment, which for init is the kernel's command line */
unsigned int smtd_number(const char *name, unsigned int otherwise);

/* ---- DMA ---- */

struct smtd_dma {
	u64 iova;
	u32 count;		/* 0 counts as 1 */
	u32 stride;		/* 0: a page */
	u32 pasid;		/* 0: none */
	bool read;
	bool ats;		/* through the ATC */
	bool loop;
	u32 period_us;		/* 0: 100 */
};

/*
 * One burst, named arguments: smtd_dma_run(d, .iova = x, .count = 4). Returns how
 * many of its transactions have reached memory by then; a stalled one has not,
 * and may do so later.
 */
#define smtd_dma_run(_d, ...)						\
	__smtd_dma_run((_d), &(struct smtd_dma){ __VA_ARGS__ })
u32 __smtd_dma_run(struct smtd *d, const struct smtd_dma *dma);

/* DMA without an end */
#define smtd_dma_start(_d, ...)						\
	__smtd_dma_start((_d), &(struct smtd_dma){ .loop = true, __VA_ARGS__ })
void __smtd_dma_start(struct smtd *d, const struct smtd_dma *dma);
void smtd_dma_stop(struct smtd *d);

/*
 * The bursts to come of DMA without an end go elsewhere. Unlike a new start, this
 * does not end DMA that has survived a reset (SMTD_FLR_KEEP_DMA).
 */
void smtd_dma_aim(struct smtd *d, u64 iova, u32 pasid);

/* Every transaction has an end: none stalled, none to be retried. */
bool smtd_dma_settled(struct smtd *d);

/*
 * Wait until the function has tried @n transactions more, whatever came of them.
 * False if it does not try any more.
 */
bool smtd_wait_tries(struct smtd *d, u32 n);

/* What the last read transaction returned */
u64 smtd_dma_data(struct smtd *d);

/* Memory for DMA, zeroed and present. */
void *smtd_alloc(unsigned int pages);

/* The first eight bytes of a page, which a write transaction sets. */
u64 smtd_word(void *mem, unsigned int page);

/* ---- statistics and the oracle ---- */

u32 smtd_stat(struct smtd *d, unsigned int stat);
void smtd_stat_clear(struct smtd *d);

/* One diagnostic line with each statistic and violation that is not zero. */
void smtd_print(struct smtd *d, const char *what);

/*
 * From here on a translated or untranslated access of @d to the page at @iova
 * is a violation. To be called when the unmap (or detach) has returned.
 */
void smtd_mark_freed(struct smtd *d, u64 iova, u32 pasid);
void smtd_unmark_all(struct smtd *d);

u32 smtd_violation(struct smtd *d, unsigned int kind);

/*
 * All violations of the machine, but those whose bits (1 << kind) are in @but.
 * Each kind that occurred is printed by its name.
 */
u32 smtd_violations_but(struct smtd *d, u32 but);
#define smtd_violations(_d)	smtd_violations_but((_d), 0)

/* Zero the violations. Stalls that are open count as violations if asked. */
void smtd_violations_clear(struct smtd *d);
void smtd_check_stalls(struct smtd *d);

/* ---- misbehaviour ---- */

void smtd_inv_mode(struct smtd *d, u32 mode);

/* CERROR_ATC_INV at the CMD_SYNC after @delay_us, and again @repeat times */
void smtd_inv_error(struct smtd *d, u32 delay_us, u32 repeat);

/* Give every request that is open an answer, and answer at once from here on. */
void smtd_inv_answer(struct smtd *d);

/* What a reset leaves behind, and when the function is ready after it */
void smtd_flr(struct smtd *d, u32 flags, u32 ready_ms);

/*
 * Stop the command queue before the next command with this opcode (of that
 * StreamID, or of any: SMTD_ANY). The breakpoint is number @nr.
 */
#define SMTD_ANY		0xffffffff
void smtd_hold(struct smtd *d, u32 nr, u32 opcode, u32 sid);
/* The same, after @skip such commands; the queue goes on by itself after @us (0: never). */
void smtd_hold_later(struct smtd *d, u32 nr, u32 opcode, u32 sid, u32 skip, u32 us);
bool smtd_is_held(struct smtd *d, u32 nr);
bool smtd_wait_held(struct smtd *d, u32 nr);
/* A breakpoint that has not been reached is not to be any more. */
void smtd_unhold(struct smtd *d, u32 nr);
void smtd_release(struct smtd *d);

/* ---- iommufd ---- */

/* Flags of smtd_hwpt_alloc() */
#define SMTD_HWPT_PASID		IOMMU_HWPT_ALLOC_PASID

u32 smtd_ioas_alloc(struct iommu *iommu);
void smtd_map(struct iommu *iommu, u32 ioas, void *vaddr, u64 iova, u64 size);
int smtd_unmap(struct iommu *iommu, u32 ioas, u64 iova, u64 size);
int smtd_destroy(struct iommu *iommu, u32 id);

/* A hardware page table; @fault is a fault queue's id, or 0. -errno or id. */
int smtd_hwpt_alloc(struct smtd *d, u32 ioas, u32 flags, u32 fault);

/*
 * What a hypervisor makes of a guest's SMMU, over a parent (IOMMU_HWPT_ALLOC_NEST_PARENT),
 * which needs the property fwb=on: the vIOMMU, this function in it, and a nested page
 * table by the guest's stream table entry. -errno or id.
 */
int smtd_viommu_alloc(struct smtd *d, u32 parent);
int smtd_vdevice_alloc(struct smtd *d, u32 viommu, u64 vsid);

struct smtd_vste {
	u64 word[2];
};

int smtd_nested_alloc(struct smtd *d, u32 viommu, struct smtd_vste vste, u32 fault);

/* Guest's entries: abort, bypass, and stage 1 with a context descriptor at @ipa */
struct smtd_vste smtd_vste_abort(void);
struct smtd_vste smtd_vste_bypass(void);
struct smtd_vste smtd_vste_translate(u64 ipa);
/* One of them, and the guest has switched ATS on. Where stage 1 translates it has to. */
struct smtd_vste smtd_vste_ats(struct smtd_vste vste);

/*
 * Make a context descriptor and its page tables, that map the page at @iova to the
 * guest's @to, of SMTD_GUEST_PAGES pages of zeroed memory that the parent has at @ipa.
 */
#define SMTD_GUEST_PAGES	4
void smtd_guest_table(void *mem, u64 ipa, u64 iova, u64 to);
/* In these page tables, a page of the same 2 MiB is the guest's @to, or (0) nothing. */
void smtd_guest_page(void *mem, u64 iova, u64 to);

/*
 * Commands as a guest writes them to its queue, for the page at @iova, and what a
 * hypervisor does with them. @n: how many, and then how many the kernel is done with.
 */
struct smtd_vcmd {
	u64 word[2];
};

struct smtd_vcmd smtd_vcmd_tlbi(u64 iova);
struct smtd_vcmd smtd_vcmd_atc_inv(u64 vsid, u64 iova);
int smtd_guest_invalidate(struct iommu *iommu, u32 viommu, const struct smtd_vcmd *cmds, u32 *n);

/* @pt is an address space or a hardware page table. Attaching again replaces. */
int smtd_attach(struct smtd *d, u32 pt);
int smtd_detach(struct smtd *d);
int smtd_attach_pasid(struct smtd *d, u32 pasid, u32 pt);
int smtd_detach_pasid(struct smtd *d, u32 pasid);

struct smtd_faults {
	u32 id;
	int fd;
};

struct smtd_faults smtd_faults_alloc(struct iommu *iommu);
void smtd_faults_close(struct smtd_faults *faults);

/* Wait for a fault; false if none came. */
bool smtd_fault_read(struct smtd_faults *faults, struct iommu_hwpt_pgfault *fault);
bool smtd_fault_is_there(struct smtd_faults *faults);
int smtd_fault_respond(struct smtd_faults *faults, u32 cookie, bool success);

/* ---- recovery state (Documentation/ABI/testing/sysfs-devices-iommu_recovery) ---- */

/*
 * The files state and reason, as "quarantined reset-failed"; "?" where the kernel
 * has none. The text is good until the next call of this thread.
 */
const char *smtd_recovery(const char *bdf);
#define SMTD_ACTIVE		"active none"
#define SMTD_RESETTING		"resetting none"
#define SMTD_QUARANTINED	"quarantined reset-failed"

/* How often the function was quarantined; -1 where the kernel does not say */
int smtd_quarantines(const char *bdf);

/*
 * How many uevents of the function spoke of its recovery state since
 * record_uevents of testlib.sh, and what the last one said. They come after the
 * files have changed.
 */
unsigned int smtd_uevents(const char *bdf);
const char *smtd_last_uevent(const char *bdf);

/* ---- PCI ---- */

/* VFIO_DEVICE_RESET */
int smtd_reset(struct smtd *d);

/*
 * A reset of the function, by VFIO if it has it, else by sysfs, in a thread of its
 * own. It has come to where the function is inside it, and stays there until the
 * end is asked for; @flags are SMTD_FLR_*. The registers must be an observer's.
 */
struct smtd_window {
	struct smtd *d;
	struct smtd_call reset;
	u32 flags;
};

bool smtd_window_begin(struct smtd_window *w, struct smtd *d, u32 flags);

/* The two halves of it, for what is to happen while the reset is on its way */
void smtd_window_start(struct smtd_window *w, struct smtd *d, u32 flags);
bool smtd_window_wait(struct smtd_window *w);

int smtd_window_end(struct smtd_window *w);	/* returns what the reset did */

/* VFIO_DEVICE_PCI_HOT_RESET of the bus; its functions share @d's iommufd. */
int smtd_hot_reset(struct smtd *d);

/* Eventfd that VFIO signals for an error of the function */
int smtd_error_eventfd(struct smtd *d);
bool smtd_eventfd_signalled(int fd);

/* Configuration space as it is, by sysfs */
u32 smtd_config_read(const char *bdf, u32 offset, unsigned int size);
void smtd_config_write(const char *bdf, u32 offset, const void *data, unsigned int size);
bool smtd_ats_enabled(const char *bdf);
bool smtd_pasid_enabled(const char *bdf);

/* Errors of that severity ("correctable", "fatal") that Linux has counted */
u32 smtd_aer_count(const char *bdf, const char *severity);

bool smtd_exists(const char *bdf);

/* Find functions that were removed; they are new ones then. */
void smtd_rescan(void);

/* Give a function that has no driver to this one. */
int smtd_set_driver(const char *bdf, const char *driver);
int smtd_sysfs_write(const char *bdf, const char *file, const char *value);
int smtd_sysfs_reset(const char *bdf);

/* Take a function from its driver; 0 if it has none. */
int smtd_unbind(const char *bdf);

/*
 * Plug in what the property "plug" of @plugger says. It is refused while the last
 * one is still in the slot, which Linux is done with first.
 */
bool smtd_plug_in(struct smtd *plugger);

/* Wait for a function that was plugged in, and until it can be opened with vfio-pci. */
bool smtd_vfio_comes_up(const char *bdf);

/* Number of the hot-plug slot with the function, or -1, and its power */
int smtd_slot(const char *bdf);
int smtd_slot_power(int slot, bool on);

#endif
