/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Register map of the smmu-testdev PCIe function.
 *
 * One file for the QEMU model, the kernel module and user space, so it holds
 * nothing but #defines. All registers are 32 bits wide, little endian, in
 * BAR 0 (4 KiB), and are accessed as aligned 32-bit words. "RO" registers
 * ignore writes; unlisted offsets read as zero.
 *
 * Registers come in three groups: those of this function, those of the SMMU
 * behind which the function sits (one set for all functions of that SMMU), and
 * the oracle (one set for the whole machine). The second and third group can
 * therefore be used through any function, in particular through a healthy one
 * while the device under test is dead.
 */
#ifndef SMMU_TESTDEV_REGS_H
#define SMMU_TESTDEV_REGS_H

#define SMTD_BAR_SIZE		0x1000

/*
 * PCI identity. With stall=on the function uses an identity that Linux marks
 * "dma-can-stall" by a quirk; the same quirk sets pasid_no_tlp.
 */
#define SMTD_STALL_VENDOR	0x19e5
#define SMTD_STALL_DEVICE	0xa250
#define SMTD_STALL_REVISION	0x21
/* Otherwise: QEMU's vendor ID and an unassigned device ID. */
#define SMTD_VENDOR		0x1b36
#define SMTD_DEVICE		0x11f0
#define SMTD_REVISION		0x01
/*
 * With alias=on: an identity to which Linux gives a second requester ID,
 * function 1 of the same slot, by a quirk (quirk_dma_func1_alias).
 */
#define SMTD_ALIAS_VENDOR	0x1b4b
#define SMTD_ALIAS_DEVICE	0x9128
/*
 * Device ID of a virtual function; with stall=on of the physical one it is
 * SMTD_STALL_VF_DEVICE, which the stall quirk lists as well.
 */
#define SMTD_VF_DEVICE		0x11f1
#define SMTD_STALL_VF_DEVICE	0xa251

/* Extended capabilities of configuration space */
#define SMTD_CFG_PCIE		0x80	/* PCI Express capability */
#define SMTD_CFG_ATS		0x100	/* ATS capability */
#define SMTD_CFG_PASID		0x120	/* PASID capability, if pasid-width > 0 */
#define SMTD_CFG_AER		0x140	/* Advanced Error Reporting capability */
#define SMTD_CFG_SRIOV		0x1a0	/* SR-IOV capability, if vfs > 0 */

/* ------------------------------------------------------------------ */
/* This function: identity                                              */

/* RO: SMTD_MAGIC. All ones: not ready after a reset, or vanished. */
#define SMTD_ID			0x000
#define SMTD_MAGIC		0x534d5444

/* RO: version of this map; changes when an existing meaning changes */
#define SMTD_VERSION		0x004
#define SMTD_VERSION_CUR	1

/* RO: what the function and its SMMU were given on the command line */
#define SMTD_CAPS		0x008
#define  SMTD_CAPS_STALL	0x00000001	/* SMMU models stalls */
#define  SMTD_CAPS_PASID	0x00000002	/* function has PASID, SMMU substreams */
#define  SMTD_CAPS_ATS		0x00000004	/* SMMU models ATS */
#define  SMTD_CAPS_MSI_SYNC	0x00000008	/* SMMU completes CMD_SYNC by MSI */
#define  SMTD_CAPS_ALIAS	0x00000010	/* function has two requester IDs */
#define  SMTD_CAPS_VF		0x00000020	/* a virtual function */
#define  SMTD_CAPS_ARCH_EVTQ	0x00000040	/* event queue as the architecture has it */

/* RO: StreamID of the function */
#define SMTD_SID		0x00c

/* ------------------------------------------------------------------ */
/* This function: DMA engine                                            */
/*
 * A burst is COUNT transactions of eight bytes, the i-th at IOVA + i * STRIDE.
 * A write stores an increasing sequence number, so that "is the page still
 * written" is a comparison of two reads. One slot per transaction: a
 * transaction still stalled is not issued again by a repeated burst.
 */
#define SMTD_IOVA_LO		0x010
#define SMTD_IOVA_HI		0x014
#define SMTD_STRIDE		0x018
#define SMTD_COUNT		0x01c	/* 1..SMTD_SLOTS, larger values are cut */
#define  SMTD_SLOTS		256

/* PASID of the transactions; without VALID they carry none */
#define SMTD_PASID		0x020
#define  SMTD_PASID_VALID	0x80000000
#define  SMTD_PASID_MASK	0x000fffff

/* Microseconds from one burst to the next with CTRL.LOOP; 0 counts as 1 */
#define SMTD_PERIOD_US		0x024

/*
 * Writing starts (RUN) or stops the engine; RUN clears itself at the end of a
 * burst without LOOP. IOVA, COUNT and so on are sampled at each burst.
 */
#define SMTD_CTRL		0x028
#define  SMTD_CTRL_RUN		0x00000001
#define  SMTD_CTRL_READ		0x00000002	/* read instead of write */
#define  SMTD_CTRL_ATS		0x00000004	/* use the ATC (only while ATS.E) */
#define  SMTD_CTRL_LOOP		0x00000008	/* repeat every PERIOD_US */
#define  SMTD_CTRL_IRQ		0x00000010	/* MSI at the end of each burst */

/* RO: transactions without an end: stalled, or waiting to be retried */
#define SMTD_PENDING		0x02c
/* RO: those of them that are stalled in the SMMU */
#define SMTD_STALLED		0x030
/* RO: result of the last read transaction */
#define SMTD_DATA_LO		0x034
#define SMTD_DATA_HI		0x038

/*
 * The requester ID that new transactions carry, with or without the ATC: 0 the
 * function's own, 1 the second one (alias=on; refused without)
 */
#define SMTD_REQUESTER		0x03c

/* ------------------------------------------------------------------ */
/* This function: address translation cache                             */

/* How an ATS Invalidate Request is answered */
#define SMTD_INV_MODE		0x040
/* drops the entries and answers at once */
#define  SMTD_INV_PROMPT	0
/* drops the entries and answers INV_DELAY_US later */
#define  SMTD_INV_DELAYED	1
/* neither: the CMD_SYNC behind it waits until INV_RELEASE */
#define  SMTD_INV_NEVER		2
/*
 * never answers, and the root complex gives up after INV_DELAY_US: the CMD_SYNC
 * fails with CERROR_ATC_INV, and again INV_REPEAT times when it is retried
 */
#define  SMTD_INV_ERROR		3
/* Unsupported Request: complete for the SMMU, nothing was invalidated */
#define  SMTD_INV_UR		4
/*
 * as ERROR, but INV_LATE_US after the error the entries are dropped and the
 * answer is sent, which nobody waits for any more
 */
#define  SMTD_INV_ERROR_LATE	5

#define SMTD_INV_DELAY_US	0x044	/* reset value 100000 */
#define SMTD_INV_REPEAT		0x048
#define SMTD_INV_LATE_US	0x04c

/* WO: ends every request of this function that is still open */
#define SMTD_INV_RELEASE	0x050
#define  SMTD_INV_RELEASE_ANSWER 1	/* entries are dropped, answered */
#define  SMTD_INV_RELEASE_UR	2	/* Unsupported Request */
#define  SMTD_INV_RELEASE_ERROR	3	/* the root complex gives up now */

/* RO: requests without an answer */
#define SMTD_INV_PENDING	0x054
/* RO: valid entries of the ATC. Writing drops them all. */
#define SMTD_ATC_ENTRIES	0x058

/* ------------------------------------------------------------------ */
/* This function: resets and disappearing                               */

/* What a reset (FLR, or one of the bus above) leaves behind */
#define SMTD_FLR_FLAGS		0x060
/* the engine goes on, whatever Bus Master Enable and ATS.E say */
#define  SMTD_FLR_KEEP_DMA	0x00000001
/* the ATC keeps its entries, also when ATS.E is cleared */
#define  SMTD_FLR_KEEP_ATC	0x00000002
/*
 * stalled transactions end with no access to memory when they are resumed;
 * without this flag they are in the SMMU's hands and complete
 */
#define  SMTD_FLR_DROP_STALLED	0x00000004

/*
 * Milliseconds after a reset during which the function is inside its reset:
 * configuration and BAR reads give all ones, writes are ignored. NEVER: for
 * ever. Writing it while inside a reset starts the time anew.
 */
#define SMTD_FLR_READY_MS	0x064
#define  SMTD_FLR_READY_NEVER	0xffffffff

/* INV_MODE that holds inside a reset (SMTD_INV_ERROR after machine start) */
#define SMTD_FLR_INV_MODE	0x068

/* 1: the function has vanished: reads give all ones, no DMA. 0: it is back. */
#define SMTD_VANISH		0x06c

/* 1: Device Status reports transactions pending */
#define SMTD_TRPND		0x070

/* RO: 1 inside a reset */
#define SMTD_IN_RESET		0x074

/*
 * WO: sends an error message (PCIe 6.2.3), if its reporting is enabled in
 * Device Control; with one in AER's status. Behind a root port only.
 */
#define SMTD_AER		0x078
#define  SMTD_AER_COR		1	/* correctable: Bad TLP */
#define  SMTD_AER_NONFATAL	2	/* uncorrectable: Completion Timeout */
#define  SMTD_AER_FATAL		3	/* uncorrectable: Data Link Protocol */

/* RO: StreamID of the second requester ID; all ones without one */
#define SMTD_ALIAS_SID		0x07c

/* ------------------------------------------------------------------ */
/* The SMMU: command queue                                              */
/*
 * A breakpoint stops consumption before the command is carried out: CONS
 * stays on it. There are SMTD_HOLDS of them; HOLD_SEL selects the one that
 * OP, SID, SKIP, US and CTL speak of.
 */
#define SMTD_HOLD_SEL		0x080
#define  SMTD_HOLDS		4

/* Opcode, and which commands match. CMD_SYNC has no StreamID: use ANY_SID. */
#define SMTD_HOLD_OP		0x084
#define  SMTD_HOLD_OPCODE	0x000000ff
#define  SMTD_HOLD_ANY_SID	0x80000000
#define SMTD_HOLD_SID		0x088
/* Matching commands to let pass first */
#define SMTD_HOLD_SKIP		0x08c
/* Microseconds after which the queue is released by itself; 0: never */
#define SMTD_HOLD_US		0x090

#define SMTD_HOLD_CTL		0x094
#define  SMTD_HOLD_ARM		1	/* stop once; disarmed by the stop */
#define  SMTD_HOLD_ARM_EACH	2	/* stop every time */
#define  SMTD_HOLD_DISARM	3	/* does not release a held queue */
#define  SMTD_HOLD_RELEASE	4	/* carry out the held command, go on */

/* RO: held or not, the breakpoint and the command's opcode */
#define SMTD_HOLD_STAT		0x098
#define  SMTD_HOLD_STAT_HELD	0x80000000
#define  SMTD_HOLD_STAT_SLOT(v)	(((v) >> 8) & 0xff)
#define  SMTD_HOLD_STAT_OP(v)	((v) & 0xff)
/* RO: StreamID field of the held command */
#define SMTD_HOLD_STAT_SID	0x09c

/*
 * WO: the SMMU forgets what it has cached of this function's configuration, as
 * it may at any time: the next access shows what is in memory
 */
#define SMTD_CFG_FORGET		0x1f0

/* Microseconds from the consumption of a CMD_SYNC to its MSI write */
#define SMTD_SYNC_MSI_US	0x0a0

/* ------------------------------------------------------------------ */
/* The SMMU: event queue, stalls, counters                              */

/*
 * The next n event records find an external abort (EVENTQ_ABT_ERR, the
 * record is lost); reads what is left of n. Needs CAPS_ARCH_EVTQ.
 */
#define SMTD_EVT_ABORT		0x0a4

/* RO: stalled transactions of all streams */
#define SMTD_SMMU_STALLS	0x0a8
/* RO: those of them that have no event record yet (queue not writable) */
#define SMTD_SMMU_UNREPORTED	0x0ac

/* RO counters since machine start; they wrap */
#define SMTD_SMMU_CERROR	0x0b0	/* CERROR_ATC_INV raised */
#define SMTD_SMMU_OVERFLOW	0x0b4	/* event queue overflows */
#define SMTD_SMMU_EVT_LOST	0x0b8	/* records discarded, for any reason */
#define SMTD_SMMU_INV_SENT	0x0bc	/* ATS Invalidate Requests sent */
#define SMTD_SMMU_CMDS		0x1f4	/* commands that reached the head of the queue */

/* ------------------------------------------------------------------ */
/* The oracle                                                           */
/*
 * A test marks a page freed after the unmap (or detach) has returned. From
 * then on an access to it that reaches memory is a violation. A page is named
 * by its physical address (for every function) or by the address that this
 * function uses for it (with MARK_PASID as SMTD_PASID). A mark by IOVA speaks of
 * the old page only: unmark it before the IOVA is mapped again.
 */
#define SMTD_MARK_LO		0x0c0
#define SMTD_MARK_HI		0x0c4
#define SMTD_MARK_PASID		0x0c8
#define SMTD_MARK_CTL		0x0cc
#define  SMTD_MARK_IOVA		1
#define  SMTD_UNMARK_IOVA	2
#define  SMTD_MARK_PA		3
#define  SMTD_UNMARK_PA		4
#define  SMTD_UNMARK_ALL	5
/* RO: marks in force. A mark that finds no room does not count up. */
#define SMTD_MARKS		0x0d0
#define  SMTD_MARKS_MAX		256

#define SMTD_ORACLE_CTL		0x0d4
#define  SMTD_ORACLE_CLEAR	1	/* all violation counters to zero */
#define  SMTD_ORACLE_CHECK	2	/* each stall open now is a violation */

/* RO: sum of the violation counters */
#define SMTD_VIOL_TOTAL		0x0d8

/* RO: violations by kind */
#define SMTD_VIOL(n)		(0x0e0 + 4 * (n))
/* a Translated access reached a marked page */
#define  SMTD_V_ATS_MARKED	0
/* an Untranslated access reached a marked page */
#define  SMTD_V_DMA_MARKED	1
/* CMD_RESUME of a STAG that is not outstanding on that stream */
#define  SMTD_V_RESUME_UNKNOWN	2
/* a stall without an end (ORACLE_CHECK, or its function was unplugged) */
#define  SMTD_V_STALL_OPEN	3
/* an ATS Invalidate Request reached a function inside its reset */
#define  SMTD_V_INV_IN_RESET	4
/* PASID control written while ATS.E = 1 */
#define  SMTD_V_PASID_ATS	5
/* a transaction stalled before a reset reached memory after it */
#define  SMTD_V_STALL_FLR	6
/* CMD_STALL_TERM while the stream's (cached) STE does not abort */
#define  SMTD_V_TERM_LIVE	7
#define  SMTD_V_KINDS		8

/* ------------------------------------------------------------------ */
/* This function: statistics, RO                                        */
#define SMTD_STAT(n)		(0x140 + 4 * (n))
#define  SMTD_S_OK		0	/* transactions that reached memory */
#define  SMTD_S_FAULT		1	/* untranslated ones that were aborted */
#define  SMTD_S_STALL		2	/* stalls begun */
#define  SMTD_S_RETRY		3	/* stalls ended by a retry */
#define  SMTD_S_ABORT		4	/* stalls ended by termination */
#define  SMTD_S_ATC_HIT		5
#define  SMTD_S_ATC_FILL	6	/* translation requests granted */
#define  SMTD_S_ATS_NONE	7	/* ... answered with no permission */
#define  SMTD_S_ATS_UR		8	/* ... with Unsupported Request */
#define  SMTD_S_ATS_CA		9	/* ... with Completer Abort */
#define  SMTD_S_FORBIDDEN	10	/* translated accesses the SMMU refused */
#define  SMTD_S_INV_RX		11	/* invalidate requests received */
#define  SMTD_S_INV_DONE	12	/* ... answered */
#define  SMTD_S_RESET		13	/* resets of any kind */
#define  SMTD_S_BUSY		14	/* transactions held back, no free STAG */
/*
 * inside a reset: transactions that reached memory (counted in OK as well), so
 * that a test sees whether a function with FLR_KEEP_DMA was fenced
 */
#define  SMTD_S_RESET_OK	15
/* ... and those that were refused, in whatever way */
#define  SMTD_S_RESET_FAULT	16
/* stopped at a port above, whose Bus Master Enable is clear; retries excepted */
#define  SMTD_S_PORT		17
#define  SMTD_S_COUNT		18
/* WO: sets the statistics to zero */
#define SMTD_STAT_CLEAR		0x1fc

/* ------------------------------------------------------------------ */
/* Another function's registers                                         */

/* StreamID of a peer behind the same or another SMMU */
#define SMTD_PEER_SID		0x200
/* RO: 1 if there is one */
#define SMTD_PEER_PRESENT	0x204
/*
 * Hot-plug: ADD does what device_add would do with the property "plug", REMOVE
 * what device_del would do (the guest is asked). Reads as DONE or FAILED after;
 * REMOVE is done when the guest has been asked.
 */
#define SMTD_PLUG		0x208
#define  SMTD_PLUG_ADD		1
#define  SMTD_PLUG_REMOVE	2
#define  SMTD_PLUG_DONE		3
#define  SMTD_PLUG_FAILED	4
/*
 * Window onto the peer's registers 0x000..0x1fc, also while it is inside a
 * reset or has vanished (the window does not show all ones then)
 */
#define SMTD_PEER(reg)		(0x400 + (reg))

#endif
