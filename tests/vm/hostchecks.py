# SPDX-License-Identifier: GPL-2.0-only
"""Checks that the host makes on QEMU's own trace of a run.

A guest cannot see what its SMMU does; QEMU can write it to a file. A guest script
asks for a check with "host-check: NAME" in its metadata, and the runner calls
check_NAME() here with the lines of that file, if the guest part ended at all.

A line is "<event> <text of the event>", optionally behind a prefix such as
"12345@1700000000.123456:" (process and time). Events have the machine's order.

The guest marks places by reading configuration space where a function has
nothing, at 0xff0 + N for mark N (mark() in tests/guest/reset_timeline.c).

A check returns None if all is well, else one sentence that says what is not.
"""

import re

_MARK = re.compile(r"\bpci_cfg_read .*@0xff([0-9a-f]) ")
_COMMAND = re.compile(r"\bsmmuv3_cmdq_opcode <--- SMMU_CMD_(\w+)")

# Each makes the SMMU read stream table entries anew, and a driver that changes one
# must send one of them. CFGI_ALL is the range form over everything.
_STE_COMMANDS = {"CFGI_STE", "CFGI_STE_RANGE", "CFGI_ALL"}


def ste_commands(trace_lines, marked=_MARK, issued=_COMMAND):
    """(marks in their order, {command: count} between mark 1 and mark 2, count elsewhere)."""
    marks = []
    inside = {}
    outside = 0

    for line in trace_lines:
        mark = marked.search(line)
        if mark:
            marks.append(int(mark.group(1), 16))
            continue
        command = issued.search(line)
        if not command or command.group(1) not in _STE_COMMANDS:
            continue
        if marks == [1]:
            inside[command.group(1)] = inside.get(command.group(1), 0) + 1
        else:
            outside += 1
    return marks, inside, outside


def check_no_ste_write(trace_lines):
    """Between mark 1 and mark 2 the SMMU gets no command for a stream table entry.

    A change of an STE takes effect with CFGI_STE (or its range and "all" forms),
    so none of these commands means that none was changed. Needs the trace events
    smmuv3_cmdq_opcode and pci_cfg_read. Both marks must be there, in that order
    and once each, and the SMMU must have had such a command at some time outside
    them: otherwise the trace is not what it should be, and proves nothing.
    """
    return _judge_ste_commands(*ste_commands(trace_lines))


def _judge_ste_commands(marks, inside, outside):
    if marks != [1, 2]:
        return "the trace has the marks %s instead of 1, 2" % (marks or "none")
    if not outside:
        return "the trace shows no CFGI_STE at all: were the events recorded?"
    if inside:
        return "stream table entries were changed between the marks: " + ", ".join(
            "%d %s" % (count, name) for name, count in sorted(inside.items()))
    return None


_WRITE = re.compile(r"\bpci_cfg_write virtio-rng-pci \S+ @0x([0-9a-f]+) <- 0x([0-9a-f]+)")
_COMMAND_REGISTER = 0x4
_BUS_MASTER = 0x4
# Initiate Function Level Reset (PCIe Base 7.5.3.4), which Linux sets with a 16-bit write of Device Control.
_INITIATE_FLR = 0x8000


def check_flr_is_fenced(trace_lines):
    """Each FLR of the entropy device that could do DMA lies between two changes of its stream table entry.

    The first comes after Bus Master Enable was taken away for the reset, the second
    before the next FLR. A function that was no bus master since its last reset is
    not judged: it may be on the blocking domain already, and nothing has to change.
    Needs the trace events smmuv3_cmdq_opcode and pci_cfg_write.
    """
    resets = []           # for each FLR that is judged: [changes before it, changes after it]
    judged = False        # the function was a bus master since its last reset
    before = 0            # changes since it lost that

    for line in trace_lines:
        command = _COMMAND.search(line)
        if command and command.group(1) in _STE_COMMANDS:
            before += 1
            if resets:
                resets[-1][1] += 1
            continue
        write = _WRITE.search(line)
        if not write:
            continue
        offset, value = (int(v, 16) for v in write.groups())
        if offset == _COMMAND_REGISTER:
            judged = judged or bool(value & _BUS_MASTER)
            before = 0
        elif 0x40 <= offset < 0x100 and _INITIATE_FLR <= value <= 0xffff:
            if judged:
                resets.append([before, 0])
            judged = False

    if not resets:
        return "the trace shows no FLR of a bus master: were the events recorded?"
    bad = [n for n, changes in enumerate(resets, 1) if not all(changes)]
    if bad:
        return "%d of %d FLRs were not fenced (the first one: number %d)" % (len(bad), len(resets), bad[0])
    return None


# The test device's log: marks are writes to a register that does nothing (smtd_log_mark() of its library).
_LOG_MARK = re.compile(r"\bsmmutd_reg sid=\S+ reg=0x1f8 val=0x([0-9a-f]+)")
_LOG_COMMAND = re.compile(r"\bsmmutd_cmd SMMU_CMD_(\w+)")


def check_testdev_no_ste_write(trace_lines):
    """As check_no_ste_write(), on the log of the test device."""
    return _judge_ste_commands(*ste_commands(trace_lines, _LOG_MARK, _LOG_COMMAND))


_LOG_ATS = re.compile(r"\bsmmutd_config sid=\S+ addr=0x106 val=0x([0-9a-f]+)")
_ATS_ENABLE = 0x8000


def check_testdev_ats_stays_off(trace_lines):
    """Between log marks 1 and 2 a reset, and after it nobody enables ATS (PCIe Base 10.5.1.3).

    Nor does the SMMU record an event: it does for whatever it refuses, but for an
    access that the stream table entry aborts (Arm IHI 0070, 3.11).
    """
    marks, reset, enabled, events = [], False, 0, 0
    for line in trace_lines:
        mark = _LOG_MARK.search(line)
        if mark:
            marks.append(int(mark.group(1), 16))
        elif marks == [1] and "smmutd_reset " in line:
            reset = True
        elif marks == [1] and reset and (write := _LOG_ATS.search(line)):
            enabled += bool(int(write.group(1), 16) & _ATS_ENABLE)
        elif marks == [1] and reset:
            events += "smmutd_event " in line
    if marks != [1, 2] or not reset:
        return "the log has the marks %s instead of 1, 2 with a reset between them" % (marks or "none")
    if enabled:
        return "ATS was enabled %d times after the reset had begun" % enabled
    if events:
        return "%d accesses were not refused by the stream table entry" % events
    return None


_LOG_FUNCTION = re.compile(r"\bsid=0x([0-9a-f]+)")


def ste_changes(trace_lines):
    """[(mark, StreamID of its function, {StreamID: commands since the mark before})], in the log's order."""
    out, since = [], {}
    for line in trace_lines:
        mark, command = _LOG_MARK.search(line), _LOG_COMMAND.search(line)
        if not mark and not (command and command.group(1) in _STE_COMMANDS):
            continue
        sid = int(_LOG_FUNCTION.search(line).group(1), 16)
        if mark:
            out.append((int(mark.group(1), 16), sid, since))
            since = {}
        else:
            since[sid] = since.get(sid, 0) + 1
    return out


def check_testdev_one_fence(trace_lines):
    """Nested resets change a stream table entry as a single pair does.

    Log marks: 1, prepare, 2, done, 3 for the single pair; 4, the first prepare, 5,
    all that is inside, 6, the last done, 7 for the others.
    """
    found = ste_changes(trace_lines)
    if [mark for mark, _, _ in found] != list(range(1, 8)):
        return "the log has the marks %s instead of 1 to 7" % ([mark for mark, _, _ in found] or "none")
    count = [changes.get(sid, 0) for _, sid, changes in found]
    fence, unfence = count[1], count[2]
    if not fence or not unfence:
        return "a single pair changed the stream table entry %d and %d times: were the events recorded?" % (
            fence, unfence)
    if count[4:] != [fence, 0, unfence]:
        return "nested resets changed the stream table entry %d + %d + %d times, a single pair %d + 0 + %d" % (
            *count[4:], fence, unfence)
    return None


def check_testdev_others_untouched(trace_lines):
    """From the last mark 1 to the first mark 2, each of several functions, only the entries of others change."""
    found = ste_changes(trace_lines)
    marks = [mark for mark, _, _ in found]
    others = {sid for mark, sid, _ in found if mark == 1}
    if not others or marks != [1] * len(others) + [2] * len(others):
        return "the log has the marks %s instead of 1 and then 2 of each function" % (marks or "none")
    changes = found[len(others)][2]
    touched = sum(n for sid, n in changes.items() if sid in others)
    if touched:
        return "after resets of one function the stream table entries of others were changed: %d times" % touched
    if not changes:
        return "the log shows no change of any stream table entry: were the events recorded?"
    return None


def check_testdev_refusals_are_silent(trace_lines):
    """An attach that is refused neither changes a configuration nor has an ATC invalidated.

    Log marks: 1 before each attach, then 2 if it was refused and 3 if not. There must be both, and some that
    was not refused must have sent such a command: otherwise the log proves nothing.
    """
    before, commands, refused, spoke = 0, {}, 0, {2: 0, 3: 0}
    for line in trace_lines:
        mark, command = _LOG_MARK.search(line), _LOG_COMMAND.search(line)
        if mark:
            number = int(mark.group(1), 16)
            if number not in ((2, 3) if before == 1 else (1,)):
                return "the log has a mark %d after a mark %d" % (number, before)
            if number != 1:
                refused += number == 2
                spoke[number] += bool(commands)
                if number == 2 and commands and spoke[2] == 1:
                    first = ", ".join("%d %s" % (n, name) for name, n in sorted(commands.items()))
            before, commands = number, {}
        elif command and (command.group(1).startswith("CFGI_") or command.group(1) == "ATC_INV"):
            commands[command.group(1)] = commands.get(command.group(1), 0) + 1
    if not refused or not spoke[3] or before == 1:
        return "the log has %d refusals, and %d attaches that told the SMMU something: were the events recorded?" % (
            refused, spoke[3])
    if spoke[2]:
        return "%d of %d refusals told the SMMU something (the first one: %s)" % (spoke[2], refused, first)
    return None
