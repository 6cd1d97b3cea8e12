# SPDX-License-Identifier: GPL-2.0
"""Debian packages as plain downloads.

The mirror is the one that this machine's package manager is set up for. State
and lists are our own, under build/apt: nothing of a foreign suite or
architecture gets into the system.
"""
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from . import paths, proc
from .ui import KitError, note

SUITES = ("bookworm", "bookworm-updates", "trixie", "trixie-updates", "forky", "sid", "stable",
          "testing", "unstable")
ARCHES = ("amd64", "arm64")


def mirror(refresh=True):
    """The first configured repository that serves Debian itself."""
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"]
    try:
        rows = proc.output(["apt-get", "indextargets", "--format",
                            "$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)"])
    except OSError as e:
        raise KitError("apt-get is not there", "set DEBIAN_MIRROR to the URI of a Debian mirror, "
                       "and install apt") from e
    for row in rows.splitlines():
        uri, release, component, created = (row.split() + [""] * 4)[:4]
        if component == "main" and created == "Packages" and release in SUITES:
            return uri
    if refresh and os.geteuid() == 0 and not os.environ.get("IR_NO_INSTALL"):
        # apt names no target whose list it never fetched.
        proc.output(["apt-get", "update"], check=False)
        return mirror(refresh=False)
    raise KitError("no Debian mirror is configured on this machine, or its lists were never fetched",
                   "as root: apt-get update; or set DEBIAN_MIRROR to the URI of a Debian mirror")


def read_conf(path):
    """'key: words' lines; 'sha256: DIGEST VERSION' lines become {version: digest}."""
    conf = {"sha256": {}}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        key, value = line.split(":", 1)
        if key == "sha256":
            digest, known = value.split()
            conf["sha256"][known] = digest
        else:
            conf[key] = value.split()
    return conf


class Apt:
    """apt with private state, looking at one suite; with source packages only if asked for."""

    def __init__(self, suite, source=False):
        self.suite = suite
        self.dir = paths.BUILD / "apt" / (suite + ("-source" if source else ""))
        for sub in ("state/lists/partial", "cache/archives/partial"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        sources = self.dir / "sources.list"
        # The release file of a snapshot may be past its date; what we download is
        # checked against a signature and, where known, a checksum of our own.
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        options = "check-valid-until=no" + (f" signed-by={keyring}" if os.path.exists(keyring) else "")
        kinds = ("deb", "deb-src") if source else ("deb",)
        sources.write_text("".join(f"{kind} [{options}] {mirror()} {suite} main\n" for kind in kinds),
                           encoding="ascii")
        arch = proc.output(["dpkg", "--print-architecture"]).strip()
        arches = [arch] if source else sorted({arch, "arm64"})
        self.options = []
        for key, value in (("Dir::State", self.dir / "state"), ("Dir::Cache", self.dir / "cache"),
                           ("Dir::State::status", self.dir / "status"),
                           ("Dir::Etc::sourcelist", sources), ("Dir::Etc::sourceparts", "/dev/null"),
                           ("Dir::Etc::preferences", "/dev/null"),
                           ("Dir::Etc::preferencesparts", "/dev/null"),
                           ("APT::Architecture", arch), ("APT::Sandbox::User", ""),
                           ("Acquire::Languages", "none"), ("Acquire::Retries", "3"),
                           ("APT::Update::Error-Mode", "any")):
            self.options += ["-o", f"{key}={value}"]
        for a in arches:
            self.options += ["-o", f"APT::Architectures::={a}"]

    def update(self):
        """Fetch the lists."""
        res = subprocess.run(["apt-get", *self.options, "update"], capture_output=True, text=True,
                             env=proc.environment(), check=False)
        if res.returncode:
            wrong = " ".join(line for line in res.stderr.splitlines() if line.startswith("E:"))
            cure = "check the network, the proxy and the mirror of the apt configuration"
            if "NO_PUBKEY" in res.stderr or "signatures couldn't be verified" in res.stderr:
                cure = "update the package debian-archive-keyring"
            raise KitError(f"cannot read suite {self.suite}: {wrong[-300:] or 'no answer'}", cure)

    def versions(self, package, index="Packages"):
        rows = proc.output(["apt-cache", *self.options, "madison", package], check=False)
        return [row.split("|")[1].strip() for row in rows.splitlines() if row.count("|") == 2
                and row.rstrip().endswith(index)]

    def download(self, package, version):
        """Download one package into build/cache and return its path; apt checks its signed hash."""
        found = self.fetch(package, version, ["download"], "*.deb")
        if len(found) != 1:
            raise KitError(f"apt-get downloaded {package}, but there is no package file")
        return found[0]

    def download_source(self, package, version):
        """The same for a source package; the path of its .dsc, the other files are beside it."""
        found = [f for f in self.fetch(package, version, ["source", "--download-only"], "*")
                 if f.suffix == ".dsc"]
        if len(found) != 1:
            raise KitError(f"apt-get downloaded the source of {package}, but there is no .dsc file")
        return found[0]

    def fetch(self, package, version, command, pattern):
        paths.CACHE.mkdir(parents=True, exist_ok=True)
        # An interrupted download stays in the temporary directory, and goes with it.
        with tempfile.TemporaryDirectory(prefix="part", dir=paths.CACHE) as part:
            res = subprocess.run(["apt-get", *self.options, *command, f"{package}={version}"],
                                 cwd=part, capture_output=True, text=True,
                                 env=proc.environment(), check=False)
            if res.returncode:
                raise KitError(f"cannot download {package} {version}: {res.stderr.strip()[-300:]}",
                               proc.out_of_space_cure(res.stderr) or "check the network and the mirror of "
                               "the apt configuration, then run again")
            found = []
            for file in sorted(Path(part).glob(pattern)):
                found.append(paths.CACHE / file.name)
                os.replace(file, found[-1])
        return found


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def verify(path, want):
    """A file of ours is either what it should be, or gone."""
    have = sha256(path)
    if have != want:
        path.unlink()
        raise KitError(f"{path.name} is not what it should be: sha256 {have[:16]}..., "
                       f"expected {want[:16]}... (truncated or altered download; removed)",
                       "run the same command again; if it stays so, the mirror is at fault")


def guest_package(name, suite="bookworm"):
    """Unpack an arm64 package into build/sysroot, for the programs that run in the guest."""
    done = paths.SYSROOT / f".{name}"
    if done.exists():
        return
    apt = Apt(suite)
    if not apt.versions(f"{name}:arm64"):
        apt.update()
    versions = apt.versions(f"{name}:arm64")
    if not versions:
        raise KitError(f"suite {suite} of the configured mirror has no {name} for arm64",
                       "use a full Debian mirror")
    note(f"{name} {versions[0]} (arm64, unpacked into build/sysroot only)")
    deb = apt.download(f"{name}:arm64", versions[0])
    paths.SYSROOT.mkdir(parents=True, exist_ok=True)
    proc.output(["dpkg-deb", "-x", deb, paths.SYSROOT])
    done.touch()
