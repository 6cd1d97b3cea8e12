# SPDX-License-Identifier: GPL-2.0
"""make tree, make save, make series: what is saved is what was committed, and comes back unchanged."""
import shutil
import unittest

from tests.kit.lab import KERNEL, LabTest, commit, git, log, write

NEW = "drivers/iommu/new.c"
LINES = "".join(f"int new_{n};\n" for n in range(20))

# What make save does; and make tree in a fresh build directory, then make save.
SAVE = "from kit import bases, tree; tree.save(bases.get('7.3'))"
AGAIN = """
import shutil
from kit import bases, tree
base = bases.get("7.3")
shutil.rmtree(tree.worktree(base))
bases.git("update-ref", "-d", "refs/saved/7.3")
tree.make_tree(base)
tree.save(base)
"""


class TreeTest(LabTest):
    @classmethod
    def prepare(cls, lab):
        lab.ok("tree")

    def commit(self, subject, body="", files=None, **how):
        commit(self.lab.tree, subject, body, files, **how)

    def save(self):
        return self.lab.ok("save")

    def commits(self):
        return log(self.lab.tree, "base/7.3..HEAD")

    def round_trip(self):
        """Save, build the commits anew from what was saved, compare them, save again, compare that."""
        made = self.commits()
        self.assertTrue(made)
        self.lab.python(SAVE)
        first = self.lab.saved()
        out = self.lab.python(AGAIN)
        self.assertEqual(self.commits(), made, "the commits are not the ones that were saved")
        self.assertIn("nothing changed", out)
        self.assertEqual(self.lab.saved(), first, "saved again, it is another text")

    def refuse_save(self, *words):
        before = self.lab.saved()
        status, out = self.lab.run("save")
        line = self.refused(status, out, *words)
        self.assertEqual(self.lab.saved(), before, "a refused save has changed the repository")
        return line


class RoundTrip(TreeTest):
    def test_new_file(self):
        self.commit("iommu: Add new", "Why.", {NEW: LINES})
        self.round_trip()
        self.assertEqual((self.lab.root / NEW).read_text(), LINES)
        patch = (self.lab.root / "patches/iommu-Add-new.patch").read_text()
        self.assertIn(f"\n---\nOverlay: {NEW}\n", patch)
        self.assertNotIn("diff --git", patch)

    def test_new_file_changed_twice(self):
        self.commit("iommu: Add new", "", {NEW: LINES})
        second = LINES.replace("new_3;", "new_three;")
        self.commit("iommu: Change new", "", {NEW: second, "drivers/iommu/Makefile": "obj-y += iommu.o new.o\n"})
        third = second.replace("new_17;\n", "new_17;\nint more;\n").replace("new_three", "new_drei")
        self.commit("iommu: Change new again", "", {NEW: third})
        self.round_trip()
        self.assertEqual((self.lab.root / NEW).read_text(), third)

    def test_executable_new_file(self):
        self.commit("tools: Add a script", "", {"tools/testing/run.sh": "#!/bin/sh\n"},
                    executable=["tools/testing/run.sh"])
        self.commit("tools: Change the script", "", {"tools/testing/run.sh": "#!/bin/sh\nexit 1\n"})
        self.round_trip()
        self.assertEqual((self.lab.root / "tools/testing/run.sh").stat().st_mode & 0o777, 0o755)

    def test_new_file_made_executable_later(self):
        self.commit("tools: Add a script", "", {"tools/testing/run.sh": "#!/bin/sh\n"})
        self.commit("tools: Let it run", "", executable=["tools/testing/run.sh"])
        self.round_trip()

    def test_empty_new_file(self):
        self.commit("iommu: Add an empty file", "", {NEW: ""})
        self.round_trip()

    def test_empty_new_file_filled_later(self):
        self.commit("iommu: Add an empty file", "", {NEW: ""})
        self.commit("iommu: Fill it", "", {NEW: LINES})
        self.round_trip()

    def test_new_file_emptied_later(self):
        self.commit("iommu: Add a file", "", {NEW: LINES})
        self.commit("iommu: Empty it", "", {NEW: ""})
        self.round_trip()

    def test_no_newline_at_the_end(self):
        self.commit("iommu: Add a file", "", {NEW: "int a;\nint b;"})
        self.commit("iommu: Change it", "", {NEW: "int a;\nint b;\nint c;"})
        self.round_trip()

    def test_one_line_without_newline(self):
        self.commit("iommu: Add a file", "", {NEW: "x"})
        self.round_trip()

    def test_mode_change_of_an_existing_file(self):
        self.commit("iommu: Mode", "", executable=["drivers/iommu/iommu.c"])
        self.round_trip()

    def test_mode_change_with_content(self):
        self.commit("iommu: Mode", "", {"drivers/pci/pci.c": "int pci2;\n"}, executable=["drivers/pci/pci.c"])
        self.round_trip()

    def test_deletion_of_an_existing_file(self):
        self.commit("PCI: Remove obsolete", "", {"drivers/pci/obsolete.c": None})
        self.round_trip()

    def test_file_added_and_removed_within_the_series(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.commit("iommu: Remove", "", {NEW: None, "drivers/pci/pci.c": "int pci2;\n"})
        self.round_trip()
        self.assertFalse((self.lab.root / NEW).exists())

    def test_file_added_removed_and_added_again(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.commit("iommu: Remove", "", {NEW: None})
        self.commit("iommu: Add it again", "", {NEW: LINES + "int again;\n"})
        self.round_trip()

    def test_new_file_renamed_within_the_series(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.commit("iommu: Rename", "", {NEW: None, "drivers/iommu/newer.c": LINES})
        self.round_trip()
        self.assertFalse((self.lab.root / NEW).exists())

    def test_author_and_subject_that_are_not_ascii(self):
        self.commit("iommu: Füge eine Änderung hinzu – mit Strich", "Größe: 4 µs.\n\nFixes: 0123456789ab (\"x\")",
                    {NEW: "/* ä */\n"},
                    env={"GIT_AUTHOR_NAME": "Jürgen Größ", "GIT_AUTHOR_EMAIL": "j@example.org"})
        self.round_trip()

    def test_subject_without_a_letter_that_a_file_name_can_hold(self):
        self.commit("修正", "", {NEW: "int a;\n"})
        self.commit("追加", "", {"drivers/pci/pci.c": "int pci2;\n"})
        self.round_trip()

    def test_long_folded_subject(self):
        self.commit("iommu/arm-smmu-v3: " + "A subject that is much longer than a line of a mail may be " * 3 + "end",
                    "Why.", {NEW: LINES})
        self.round_trip()

    def test_two_commits_with_the_same_subject(self):
        self.commit("iommu: Same", "", {NEW: LINES})
        self.commit("iommu: Same", "other body", {"drivers/pci/pci.c": "int pci2;\n"})
        self.commit("iommu: Same 2", "", {"drivers/pci/pci.c": "int pci3;\n"})
        self.round_trip()

    def test_subjects_that_differ_behind_the_cut(self):
        long = "iommu: " + "word " * 14
        self.commit(long + "one", "", {NEW: LINES})
        self.commit(long + "two", "", {"drivers/pci/pci.c": "int pci2;\n"})
        self.round_trip()

    def test_message_with_indented_diff_lines(self):
        self.commit("iommu: Quote", "The defect:\n\n  diff --git a/x b/x\n  --- a/x\n  +++ b/x\n  @@ -1 +1 @@\n"
                    "  -old\n  +new\n\nOverlay: drivers/iommu/not-a-path\n@@ -1 +1 @@\n-old\n+new\n----\n-- x\n>From here",
                    {NEW: LINES, "drivers/pci/pci.c": "int pci2;\n"})
        self.round_trip()

    def test_content_that_looks_like_a_patch(self):
        self.commit("iommu: Odd lines", "", {NEW: "---\ndiff --git a/a b/a\nindex 01..02\n-- \nOverlay: x\n\n\n"})
        self.commit("iommu: More", "", {"drivers/pci/pci.c": "---\nindex 0123456..789abcd 100644\n"
                                                            "diff --git a/a b/a\n+++ b/y\n"})
        self.round_trip()

    def test_trailing_blanks_and_form_feeds(self):
        self.commit("iommu: Blanks", "", {NEW: "int a; \n\t \n\f\nint b;\v\n \n"})
        self.commit("iommu: More", "", {NEW: "int a; \n\t \n\f\nint c;\v\n \n"})
        self.round_trip()

    def test_bytes_that_are_not_utf8(self):
        self.commit("iommu: Latin", "", {NEW: b"/* \xe4\xf6 */\n"})
        self.commit("iommu: Latin in an old file", "", {"drivers/pci/pci.c": b"/* \xe4 */\n"})
        self.round_trip()

    def test_message_without_a_body(self):
        self.commit("iommu: No body", "", {NEW: LINES})
        self.round_trip()

    def test_saved_again_after_an_amend(self):
        self.commit("iommu: One", "", {NEW: LINES, "drivers/iommu/gone.c": "int x;\n"})
        self.commit("iommu: Two", "", {"drivers/pci/pci.c": "int pci2;\n"})
        self.save()
        git(self.lab.tree, "reset", "-q", "--hard", "HEAD~2")
        self.commit("iommu: Renamed", "", {NEW: LINES})
        out = self.save()
        self.assertIn("saved 1 patches", out)
        self.assertEqual(sorted(p.name for p in (self.lab.root / "patches").iterdir()),
                         ["iommu-Renamed.patch", "series"])
        self.assertFalse((self.lab.root / "drivers/iommu/gone.c").exists())
        self.assertTrue((self.lab.root / "patches/series").read_text().startswith("# order of the series\n"))
        self.round_trip()

    def test_empty_series(self):
        self.assertIn("nothing changed", self.save())
        self.assertIn("0 commits", self.lab.ok("tree"))


class SaveRefuses(TreeTest):
    def test_line_of_three_dashes_in_a_message(self):
        self.commit("iommu: Cut", "before\n---\nafter", {NEW: LINES})
        self.refuse_save("'---'")

    def test_message_that_git_am_takes_for_a_diff(self):
        for body in ("before\ndiff --git a/x b/x\nafter", "before\n--- a/x\nafter", "before\nIndex: x\nafter"):
            self.commit("iommu: Cut", body, {NEW: body})
            self.refuse_save("message")
            git(self.lab.tree, "reset", "-q", "--hard", "HEAD~1")

    def test_subject_that_git_am_shortens(self):
        self.commit("[media] iommu: Prefix", "", {NEW: LINES})
        self.refuse_save("subject")

    def test_body_that_begins_like_a_mail_header(self):
        self.commit("iommu: Header", "From: Someone Else <else@example.org>\n\nWhy.", {NEW: LINES})
        self.refuse_save("message")

    def test_commit_without_changes(self):
        self.commit("iommu: One", "", {NEW: LINES})
        self.commit("iommu: Nothing", "Nothing at all.")
        self.refuse_save("commit")

    def test_merge(self):
        git(self.lab.tree, "checkout", "-q", "-b", "side")
        self.commit("iommu: Side", "", {NEW: LINES})
        git(self.lab.tree, "checkout", "-q", "tree/7.3")
        self.commit("iommu: Main", "", {"drivers/pci/pci.c": "int pci2;\n"})
        git(self.lab.tree, "merge", "-q", "--no-ff", "-m", "merge", "side")
        self.refuse_save("is a merge", "rebase")

    def test_new_file_outside_the_overlay(self):
        self.commit("scripts: Add", "", {"scripts/new.sh": "#!/bin/sh\n"})
        self.refuse_save("adds scripts/new.sh", "drivers, include, Documentation, tools")

    def test_new_file_at_the_top(self):
        self.commit("kernel: Add", "", {"README.new": "x\n"})
        self.refuse_save("adds README.new")

    def test_new_binary_file(self):
        self.commit("iommu: Binary", "", {"drivers/pci/pci.c": b"\0\1\2\n" * 9})
        self.refuse_save("pci.c")

    def test_new_symbolic_link(self):
        (self.lab.tree / "drivers/iommu/link.c").symlink_to("iommu.c")
        self.commit("iommu: Link")
        self.refuse_save("link.c")

    def test_uncommitted_change(self):
        write(self.lab.tree / "drivers/pci/pci.c", "int changed;\n")
        self.refuse_save("not committed", "drivers/pci/pci.c")

    def test_untracked_file(self):
        write(self.lab.tree / NEW, "int changed;\n")
        self.refuse_save("not committed", NEW)

    def test_ignored_file(self):
        self.commit("iommu: Ignore", "", {"drivers/iommu/.gitignore": "*.inc.h\n"})
        write(self.lab.tree / "drivers/iommu/x.inc.h", "int ignored;\n")
        self.refuse_save(".gitignore hides", "drivers/iommu/x.inc.h")

    def test_rebase_in_progress(self):
        self.commit("iommu: One", "", {"drivers/pci/pci.c": "int one;\n"})
        self.commit("iommu: Two", "", {"drivers/pci/pci.c": "int two;\n"})
        git(self.lab.tree, "rebase", "--onto", "HEAD~2", "HEAD~1", check=False)
        git(self.lab.tree, "checkout", "-q", "-f", "HEAD", check=False)
        self.refuse_save("in the middle of a rebase")

    def test_branch_of_another_base(self):
        lone = git(self.lab.tree, "commit-tree", "HEAD^{tree}", "-m", "lone").strip()
        git(self.lab.tree, "reset", "-q", "--hard", lone)
        self.refuse_save("does not stand on base/7.3")

    def test_no_tree(self):
        shutil.rmtree(self.lab.tree)
        self.refuse_save("there is no", "make tree BASE=7.3")

    def test_repository_changed_since_make_tree(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.save()
        write(self.lab.root / NEW, LINES + "int by_hand;\n")
        self.commit("iommu: Other", "", {"drivers/pci/pci.c": "int pci2;\n"})
        self.refuse_save(NEW)


class TreeRefuses(TreeTest):
    def refuse_tree(self, *words):
        before = log(self.lab.tree, "HEAD")
        status, out = self.lab.run("tree")
        self.refused(status, out, *words)
        self.assertEqual(log(self.lab.tree, "HEAD"), before)

    def test_unsaved_commits(self):
        self.commit("iommu: Unsaved", "", {NEW: LINES})
        self.refuse_tree("commits that are not saved", "make save BASE=7.3")
        self.save()
        self.lab.ok("tree")
        self.assertTrue((self.lab.tree / NEW).exists())

    def test_uncommitted_change(self):
        write(self.lab.tree / "drivers/pci/pci.c", "int changed;\n")
        self.refuse_tree("not committed")
        self.assertEqual((self.lab.tree / "drivers/pci/pci.c").read_text(), "int changed;\n")

    def test_ignored_file(self):
        self.commit("iommu: Ignore", "", {"drivers/iommu/.gitignore": "*.inc.h\n"})
        self.save()
        write(self.lab.tree / "drivers/iommu/x.inc.h", "int ignored;\n")
        self.refuse_tree(".gitignore hides")

    def test_stale_lock(self):
        gitdir = git(self.lab.tree, "rev-parse", "--absolute-git-dir").strip()
        write(self.lab.where / "x", "")
        shutil.copy(str(self.lab.where / "x"), gitdir + "/index.lock")
        self.commits()
        status, out = self.lab.run("tree")
        if status:
            self.refused(status, out, "lock")

    def test_new_series_is_taken_over(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.save()
        before = self.lab.saved()
        write(self.lab.root / NEW, LINES + "int pulled;\n")
        self.lab.ok("tree")
        self.assertEqual((self.lab.tree / NEW).read_text(), LINES + "int pulled;\n")
        write(self.lab.root / NEW, LINES)
        self.lab.ok("tree")
        self.lab.ok("save")
        self.assertEqual(self.lab.saved(), before)


class LoadRefuses(TreeTest):
    def refuse(self, *words):
        before = self.lab.saved()
        for command in ("series", "tree"):
            status, out = self.lab.run(command)
            self.refused(status, out, *words)
        self.assertEqual(self.lab.saved(), before)

    def two(self):
        self.commit("iommu: Add", "", {NEW: LINES})
        self.commit("iommu: Change", "", {NEW: LINES.replace("new_9;", "new_neun;")})
        self.save()

    def test_overlay_edited_where_a_later_patch_changes_it(self):
        self.two()
        text = (self.lab.root / NEW).read_text()
        write(self.lab.root / NEW, text.replace("new_neun;", "new_nine;"))
        self.refuse("patches/iommu-Change.patch changes " + NEW, "not what it leads to")

    def test_overlay_edited_and_the_cure_works(self):
        self.two()
        text = (self.lab.root / NEW).read_text()
        write(self.lab.root / NEW, text.replace("new_neun;", "new_nine;"))
        self.commit("iommu: The cure", "", {NEW: text.replace("new_neun;", "new_nine;")})
        self.lab.ok("save")
        self.lab.ok("series")

    def test_overlay_edited_elsewhere_is_an_edit_of_its_introduction(self):
        self.two()
        text = (self.lab.root / NEW).read_text()
        write(self.lab.root / NEW, text.replace("new_0;", "new_null;"))
        self.lab.ok("tree")
        self.assertIn("new_null", git(self.lab.tree, "show", "HEAD~1:" + NEW))

    def test_overlay_file_missing(self):
        self.two()
        (self.lab.root / NEW).unlink()
        self.refuse("iommu-Add.patch introduces " + NEW, "not in the repository")

    def test_series_entry_without_a_file(self):
        write(self.lab.root / "patches/series", "# x\nmissing.patch\n")
        self.refuse("patches/series names missing.patch", "does not exist")

    def test_series_entry_that_is_no_patch(self):
        write(self.lab.root / "patches/series", "missing\n")
        self.refuse("'missing'", "not NAME.patch")

    def test_series_entry_twice(self):
        self.two()
        write(self.lab.root / "patches/series", "iommu-Add.patch\niommu-Change.patch\niommu-Add.patch\n")
        self.refuse("iommu-Add.patch")

    def test_patch_file_that_is_not_one_of_the_kit(self):
        self.two()
        write(self.lab.root / "patches/iommu-Add.patch", "diff --git a/x b/x\n")
        self.refuse("patches/iommu-Add.patch is not a patch of the kit")

    def test_patch_that_does_not_fit_the_base(self):
        self.two()
        patch = self.lab.root / "patches/iommu-Change.patch"
        write(patch, patch.read_text() + "diff --git a/drivers/pci/pci.c b/drivers/pci/pci.c\n"
              "--- a/drivers/pci/pci.c\n+++ b/drivers/pci/pci.c\n@@ -1 +1 @@\n-int usb;\n+int usb2;\n")
        self.refuse("patch iommu-Change does not apply", "drivers/pci/pci.c", "hunk 1 of 1")


class SecondBase(LabTest):
    versions = ("7.3", "7.2")

    @classmethod
    def prepare(cls, lab):
        lab.add_base("7.2", {"drivers/pci/pci.c": "int pci_of_7_2;\n"})
        lab.ok("tree")

    def setUp(self):
        super().setUp()
        self.commit = commit
        commit(self.lab.tree, "iommu: One", "", {NEW: LINES})
        commit(self.lab.tree, "PCI: Two", "", {"drivers/pci/pci.c": KERNEL["drivers/pci/pci.c"] + "int two;\n"})
        self.lab.ok("save")
        self.other = self.lab.build / "tree" / "7.2"

    def variant(self):
        """patches/7.2/PCI-Two.patch, as a developer makes it: by git, in a tree without that patch."""
        write(self.lab.root / "patches/series", "iommu-One.patch\n")
        self.lab.ok("tree", BASE="7.2")
        write(self.lab.root / "patches/series", "iommu-One.patch\nPCI-Two.patch\n")
        self.commit(self.other, "PCI: Two", "", {"drivers/pci/pci.c": "int pci_of_7_2;\nint two;\n"})
        self.lab.ok("save", BASE="7.2")

    def test_a_diff_of_its_own_where_it_differs_only(self):
        status, out = self.lab.run("tree", BASE="7.2")
        self.refused(status, out, "PCI-Two", "drivers/pci/pci.c", "hunk 1 of 1")
        first = self.lab.saved()
        self.variant()
        self.assertEqual([p.name for p in (self.lab.root / "patches/7.2").iterdir()], ["PCI-Two.patch"])
        saved = self.lab.saved()
        saved.pop("patches/7.2/PCI-Two.patch")
        first["patches/series"] = saved["patches/series"]
        self.assertEqual(saved, first)
        made = log(self.other, "base/7.2..HEAD")
        shutil.rmtree(self.other)
        self.lab.ok("tree", BASE="7.2")
        self.assertEqual(log(self.other, "base/7.2..HEAD"), made)
        self.lab.ok("tree")
        self.assertIn("nothing changed", self.lab.ok("save"))
        self.assertTrue((self.lab.root / "patches/7.2/PCI-Two.patch").exists())

    def test_other_commits_than_the_first_base_are_refused(self):
        self.variant()
        before = self.lab.saved()
        self.commit(self.other, "PCI: Three", "", {"drivers/pci/pci.c": "int three;\n"})
        status, out = self.lab.run("save", BASE="7.2")
        self.refused(status, out, "has other commits")
        self.assertEqual(self.lab.saved(), before)

    def test_new_file_that_differs_between_bases_is_refused(self):
        self.variant()
        before = self.lab.saved()
        write(self.other / NEW, LINES + "int of_7_2;\n")
        git(self.other, "add", NEW)
        git(self.other, "commit", "-q", "--fixup=HEAD~1")
        git(self.other, "rebase", "-q", "-i", "--autosquash", "base/7.2", env={"GIT_SEQUENCE_EDITOR": "true"})
        status, out = self.lab.run("save", BASE="7.2")
        self.refused(status, out, NEW, "differs from the repository's")
        self.assertEqual(self.lab.saved(), before)

    def test_variant_of_a_patch_that_is_gone_does_not_stay(self):
        self.variant()
        git(self.lab.tree, "commit", "-q", "--amend", "-m", "PCI: Renamed")
        self.lab.ok("save")
        orphans = [p.name for p in (self.lab.root / "patches/7.2").glob("*.patch")
                   if p.name not in (self.lab.root / "patches/series").read_text()]
        self.assertEqual(orphans, [], "a diff for 7.2 that no series names any more")


if __name__ == "__main__":
    unittest.main()
