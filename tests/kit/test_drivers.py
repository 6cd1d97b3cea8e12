# SPDX-License-Identifier: GPL-2.0
"""make drivers on a kernel in small: nothing may look clean that was not checked."""
import os
import shutil
import unittest

from kit import drivers, prereq
from tests.kit.lab import LabTest, commit, git, write

MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
VERSION = 7
PATCHLEVEL = 3
SUBLEVEL = 4
EXTRAVERSION =
NAME = Baby Opossum Posse

tinyconfig:
	@: >$(KCONFIG_CONFIG)
olddefconfig:
	@sed -i /CONFIG_GONE=/d $(KCONFIG_CONFIG)
prepare:
	@echo prepared
drivers/%/: FORCE
	@status=0; for o in $$(sh $(CURDIR)/objects $@ $(ARCH)); do $(MAKE) -s $$o || status=1; done; exit $$status
drivers/%.o: FORCE
	@mkdir -p $(O)/$(@D); echo $(ARCH) $@ >>$(O)/compiled
	@$(CROSS_COMPILE)gcc $(if $(W),-Wall -Wunused-const-variable) -I$(CURDIR)/include -c -o $(O)/$@ $(CURDIR)/$(@:.o=.c)
	@echo 'source_$@ := $(CURDIR)/$(@:.o=.c)' >$(O)/$(@D)/.$(@F).cmd
.PHONY: FORCE
"""
OBJECTS = """\
case $1:$2 in
drivers/iommu/:x86_64) echo drivers/iommu/iommu.o drivers/iommu/vtd.o ;;
drivers/iommu/:arm) echo drivers/iommu/iommu.o drivers/iommu/mtk.o ;;
drivers/pci/:*) echo drivers/pci/pci.o ;;
esac
"""
DRIVER = """\
#include <linux/iommu.h>
static const int unused_in_base = 1;
static const struct iommu_ops ops = { .attach = 0 };
const struct iommu_ops *%s(void);
const struct iommu_ops *%s(void)
{
	return iommu_attach(1) ? &ops : 0;
}
"""
FILES = {
    "Makefile": MAKEFILE, "objects": OBJECTS,
    "scripts/kconfig/merge_config.sh": '#!/bin/sh\ncat "$6" >>"$5"\n',
    "include/linux/types.h": "typedef unsigned int __le32;\n",
    "include/linux/slab.h": "void kfree(void *p);\n",
    "include/linux/iommu.h": "struct iommu_ops { int attach; };\nint iommu_attach(int dev);\n",
    "drivers/iommu/vtd.c": DRIVER % ("vtd", "vtd"), "drivers/iommu/mtk.c": DRIVER % ("mtk", "mtk"),
}
EXCEPTIONS = "# reasons\nfile: drivers/pci/obsolete.c  # no option has it\n"
RUN = """
from kit import bases, drivers, kbuild, lint, prereq, ui
drivers.MACHINES = tuple(drivers.Machine(n, kbuild.Target(n, "kit-test-"), ("common", n)) for n in ("x86_64", "arm"))
prereq.need = lambda *sets: None
try:
    lint.drivers_alone(bases.get("7.3", None))
except ui.KitError as e:
    print(f"iommu-recovery: {e}")
"""


class Drivers(LabTest):
    @classmethod
    def prepare(cls, lab):
        if not (shutil.which("gcc") and shutil.which("make")):
            raise unittest.SkipTest("this machine lacks gcc or make")
        lab.add_base("7.3", FILES)
        write(lab.root / "scripts/data/drivers-exceptions.txt", EXCEPTIONS)
        for name in ("common", "x86_64", "arm"):
            write(lab.root / f"configs/drivers/{name}.config", f"CONFIG_{name.upper()}=y\n")
        write(lab.where / "bin/kit-test-gcc", '#!/bin/sh\nexec gcc "$@"\n', 0o755)
        cls.first = cls.compile(lab)
        # What is remembered stays; what names this place goes.
        shutil.rmtree(lab.build / "src")
        shutil.rmtree(lab.build / "obj")
        git(lab.where, "--git-dir", lab.store, "worktree", "prune")

    @staticmethod
    def compile(lab):
        return lab.python(RUN, PATH=f"{lab.where / 'bin'}:{os.environ['PATH']}")

    def series(self, **files):
        """Make a series of one commit, by the names of files without what cannot be in a Python name."""
        names = {"header": "include/linux/iommu.h", "vtd": "drivers/iommu/vtd.c", "new": "drivers/iommu/new.c",
                 "makefile": "Makefile", "objects": "objects"}
        self.lab.ok("tree")
        git(self.lab.tree, "sparse-checkout", "disable")
        commit(self.lab.tree, "iommu: Change it", "It is better so.",
               files={names[k]: text for k, text in files.items()})
        self.lab.ok("save")

    def refuse(self, *words):
        out = self.compile(self.lab)
        self.assertIn("iommu-recovery: ", out)
        for word in words:
            self.assertIn(word, out)
        self.assertIn("cure: ", out)
        return out

    def clean(self):
        out = self.compile(self.lab)
        self.assertNotIn("iommu-recovery: ", out)
        return out

    def except_(self, text):
        write(self.lab.root / "scripts/data/drivers-exceptions.txt", EXCEPTIONS + text)

    def test_clean_and_told_in_a_table(self):
        self.assertRegex(self.first, r"\nx86_64 +3 +1 +0 ")
        self.assertRegex(self.first, r"\narm +3 +1 +0 ")
        self.assertRegex(self.first, r"\ntogether +4 +2 +0\n")
        self.assertIn("drivers: mtk, vtd\n", self.first)
        self.assertIn("lint: nothing found", self.first)

    def test_what_is_known_is_not_compiled_again(self):
        self.assertRegex(self.clean(), r"\narm +3 +1 +0 +known \+ known\n")
        self.assertFalse((self.lab.build / "obj").exists())

    def test_wrong_use_of_a_prototype(self):
        self.series(header=FILES["include/linux/iommu.h"].replace("(int dev)", "(int dev, int pasid)"),
                    vtd=FILES["drivers/iommu/vtd.c"].replace("(1)", "(1, 2)"))
        out = self.refuse("arm: drivers/iommu/mtk.c:7:", "error: too few arguments")
        self.assertNotIn("x86_64: drivers", out)
        self.assertNotIn("is compiled by none", out)
        kept = [p.name.split("-")[0] for p in (self.lab.build / "drivers/7.3").iterdir()]
        self.assertEqual(sorted(kept), ["arm", "x86_64", "x86_64"], "a result with an error is not to be kept")

    def test_new_warning_counts_and_an_old_one_does_not(self):
        self.series(vtd="\n" + FILES["drivers/iommu/vtd.c"] + "static const int planted = 2;\n")
        out = self.refuse("lint has 1 findings", "x86_64: drivers/iommu/vtd.c:10:", "planted")
        self.assertRegex(out, r"\nx86_64 +3 +1 +1 ")

    def test_file_that_nobody_compiles(self):
        self.series(new="int new;\n")
        self.refuse("drivers/iommu/new.c is compiled by none of x86_64, arm")
        self.except_("file: drivers/iommu/new.c  # a reason\n")
        self.assertIn("2 sources of 7.3 are left out", self.clean())

    def test_file_exception_that_covers_nothing(self):
        self.except_("file: drivers/iommu/vtd.c  # a reason\nfile: drivers/iommu/nonsense.c  # a reason\n"
                     "file@7.2: drivers/iommu/mtk.c  # of another base\n")
        self.refuse("lint has 2 findings", "line 3 covers nothing: drivers/iommu/vtd.c is compiled",
                    "line 4 covers nothing: drivers/iommu/nonsense.c is not in the tree")

    def test_option_that_is_lost(self):
        write(self.lab.root / "configs/drivers/arm.config", "CONFIG_GONE=y\n")
        self.refuse("does not take: CONFIG_GONE is n, not y")
        self.except_("option arm: CONFIG_GONE  # a reason\n")
        self.clean()
        self.except_("option@7.2 arm: CONFIG_GONE  # a reason\n")
        self.refuse("does not take: CONFIG_GONE is n, not y")

    def test_option_exception_that_covers_nothing(self):
        self.except_("option arm: CONFIG_ARM  # a reason\n")
        self.refuse("arm does not lose CONFIG_ARM (line 3)")

    def test_exception_without_a_reason(self):
        self.except_("file: drivers/iommu/vtd.c\n")
        self.refuse("line 3: neither")
        self.except_("option: CONFIG_GONE  # of no machine\n")
        self.refuse("line 3: neither")

    def test_exception_of_an_unknown_machine(self):
        self.except_("option vax: CONFIG_ARM  # a reason\n")
        self.refuse("there is no machine vax")

    def test_compiler_whose_warnings_are_not_seen(self):
        self.series(makefile=MAKEFILE.replace("-Wall -Wunused-const-variable", ""))
        self.refuse("x86_64 is not working: it does not see a planted mistake")

    def test_build_that_fails_without_a_word_of_the_compiler(self):
        self.series(objects=OBJECTS + "[ $1:$2 != drivers/iommu/:arm ] || echo nonsense\n")
        self.refuse("compiling for arm failed")

    def test_file_that_is_no_longer_compiled(self):
        self.series(objects=OBJECTS.replace(" drivers/iommu/mtk.o", ""))
        self.refuse("drivers/iommu/mtk.c is compiled by none")

    def test_base_that_does_not_compile(self):
        self.lab.add_base("7.3", {**FILES, "drivers/iommu/mtk.c": "nonsense\n"})
        self.refuse("7.3 without the series does not compile for arm: drivers/iommu/mtk.c:1:", "configs/drivers/")


class Configurations(LabTest):
    def test_each_fragment_is_used_and_sorted(self):
        used = {f for m in drivers.MACHINES for f in m.fragments}
        self.assertEqual(used, {p.stem for p in drivers.FRAGMENTS.glob("*.config")})
        for name in used:
            text = (drivers.FRAGMENTS / f"{name}.config").read_text(encoding="ascii")
            rows = [r for r in text.splitlines() if r.startswith("CONFIG_")]
            self.assertEqual(rows, sorted(set(rows)), name)

    def test_each_compiler_is_asked_for(self):
        asked = prereq.SETS["drivers"].keys() | prereq.SETS["build"].keys()
        self.assertEqual({f"{m.target.cross}gcc" for m in drivers.MACHINES} - asked, set())

    def test_missing_compiler_is_named_with_its_package(self):
        lack = prereq.missing(["base", "build"])
        if lack:
            self.skipTest("this machine lacks " + ", ".join(sorted(lack)))
        tools = self.lab.where / "bin"
        tools.mkdir()
        for tool in ("git", "xz", "dpkg-deb", "apt-get", *(t for t in prereq.SETS["build"] if "/" not in t)):
            if shutil.which(tool):
                (tools / tool).symlink_to(shutil.which(tool))
        status, out = self.lab.run("drivers", PATH=str(tools), IR_NO_INSTALL="1")
        self.refused(status, out, "missing: ", "s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu")

    def test_what_is_covered(self):
        for path in ("drivers/iommu/iommu.c", "drivers/iommu/arm/arm-smmu/arm-smmu.c", "drivers/pci/hotplug/pnv_php.c"):
            self.assertTrue(drivers.covered(path), path)
        for path in ("drivers/iommu/Kconfig", "drivers/pci/controller/vmd.c", "drivers/net/net.c"):
            self.assertFalse(drivers.covered(path), path)


if __name__ == "__main__":
    unittest.main()
