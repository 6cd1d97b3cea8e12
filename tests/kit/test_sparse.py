# SPDX-License-Identifier: GPL-2.0
"""A sparse that sees nothing must not look like clean code: a planted mistake must be found."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from kit import bases, lint, paths, prereq

# What 7.2 and later use, and sparse 0.6.4 does not know.
SOURCE = """
typedef unsigned int __attribute__((bitwise)) le32;
extern unsigned long strlen(const char *s);
static const int number = 1;
static __typeof_unqual__(number) other = 1;
static char name[__builtin_strlen("abc") + 1];
le32 planted(void);
le32 planted(void)
{
	le32 x = %s;

	name[0] = (char)other;
	return x;
}
"""


class Sparse(unittest.TestCase):
    def wrapped(self, text):
        """What the wrapper of lint writes about a source file."""
        if not shutil.which("sparse"):
            self.skipTest("this machine lacks sparse")
        scratch = tempfile.TemporaryDirectory(prefix="sparse-")
        self.addCleanup(scratch.cleanup)
        where = Path(scratch.name)
        (where / "wrapper").write_text(lint.SPARSE_WRAPPER, encoding="ascii")
        (where / "wrapper").chmod(0o755)
        (where / "x.c").write_text(text, encoding="ascii")
        (where / "out").mkdir()
        subprocess.run([str(where / "wrapper"), "-D__CHECKER__", str(where / "x.c")], check=False,
                       env={**os.environ, "IR_SPARSE_OUT": str(where / "out")}, capture_output=True)
        return "".join(p.read_text(encoding="utf-8") for p in (where / "out").iterdir())

    def test_planted_bug_is_seen(self):
        out = self.wrapped(SOURCE % "1")
        self.assertIn("checked: ", out)
        self.assertRegex(out, r"x\.c:10:.*warning: incorrect type in initializer")

    def test_what_old_sparse_does_not_know_is_no_finding(self):
        out = self.wrapped(SOURCE % "(__attribute__((force)) le32)1")
        self.assertEqual([row for row in out.splitlines() if "warning:" in row or "error:" in row], [])

    def test_planted_bug_is_seen_in_the_kernel(self):
        lack = prereq.missing(["build", "lint"])
        if lack:
            self.skipTest("this machine lacks " + ", ".join(sorted(lack)))
        version = bases.supported()[0]
        commit = (paths.STORE / "HEAD").exists() and bases.commit_of(f"refs/bases/{version}")
        prepared = paths.BUILD / "obj" / f"{version}-lint" / "include/generated/asm-offsets.h"
        if not commit or not prepared.exists():
            self.skipTest("the kernel source for lint is not prepared yet, lint itself plants the same mistake")
        self.assertTrue(lint.sparse_sees_planted_bug(bases.Base(version, version, commit)))


if __name__ == "__main__":
    unittest.main()
