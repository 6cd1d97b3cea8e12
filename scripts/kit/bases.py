# SPDX-License-Identifier: GPL-2.0
"""Base kernels: found, verified, and kept as one commit each in a bare store.

build/git holds refs/bases/NAME. Trees to edit or to build are git worktrees of
it. The commits depend on nothing but the source, so they are the same
everywhere.
"""
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass

from . import debian, paths, proc
from .ui import KitError, note, relative

# The user's git configuration (line ends, hooks, templates) must not change what we make.
BLIND = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
IDENTITY = {
    "GIT_AUTHOR_NAME": "iommu-recovery", "GIT_AUTHOR_EMAIL": "iommu-recovery@localhost",
    "GIT_COMMITTER_NAME": "iommu-recovery", "GIT_COMMITTER_EMAIL": "iommu-recovery@localhost",
    "GIT_AUTHOR_DATE": "1700000000 +0000", "GIT_COMMITTER_DATE": "1700000000 +0000",
}


# Debian's source ignores everything at its top, and a developer's new files with it.
DEBIAN_IGNORE = re.compile(rb"\n#\n# Debian packaging:.*", re.S)
# What a kernel build leaves in a tree that is not git's: no part of the source.
BUILT = ("*.o", "*.a", "*.ko", "*.cmd", "*.order", "vmlinux", "vmlinux.unstripped", "vmlinux.map",
         "arch/*/boot/*Image*", ".tmp_*", ".config", ".config.old", "include/config/**",
         "include/generated/**", "arch/*/include/generated/**")


class Gone(KitError):
    """The mirror answered, and does not have the package any more."""


@dataclass
class Base:
    name: str        # the directory names in build/ are made of it
    version: str     # "7.3": decides which patches apply
    commit: str


def git(*args, env=None, data=None, check=True, cwd=None):
    """git on the store, blind to the user's configuration."""
    full = {**BLIND, **IDENTITY, **(env or {})}
    return proc.output(["git", "--git-dir", paths.STORE, *args], env=full, data=data, check=check,
                       cwd=cwd)


def supported():
    """Versions that the kit has a configuration for, the first one first."""
    return sorted((p.stem for p in paths.BASES.glob("*.conf")), reverse=True)


def read_conf(version):
    return debian.read_conf(paths.BASES / f"{version}.conf")


def check_supported(version, where):
    if version not in supported():
        raise KitError(f"Linux {version} is not supported ({where}); supported: "
                       + ", ".join(supported()),
                       "use one of these: BASE=" + supported()[0])


def init_store():
    if not (paths.STORE / "HEAD").exists():
        paths.BUILD.mkdir(parents=True, exist_ok=True)
        proc.output(["git", "init", "-q", "--bare", "--template=", paths.STORE], env=BLIND)
        git("config", "gc.auto", "0")
        git("config", "user.name", "iommu-recovery")
        git("config", "user.email", "iommu-recovery@localhost")
        # A sparse worktree needs a configuration of its own, and then "bare" is the store's alone.
        git("config", "extensions.worktreeConfig", "true")
        git("config", "--file", paths.STORE / "config.worktree", "core.bare", "true")
        git("config", "--unset", "core.bare")


def commit_of(ref):
    return git("rev-parse", "-q", "--verify", f"{ref}^{{commit}}", check=False).strip()


def get(name=None, kernel=None):
    """The base of that name, downloaded when it is not there; or a user's own tree."""
    init_store()
    if kernel:
        return from_directory(kernel)
    name = name or supported()[0]
    check_supported(name, f"BASE={name}")
    commit = commit_of(f"refs/bases/{name}")
    version = git("config", f"base.{name}.package", check=False).strip()
    if not commit:
        deb = find_package(name)
        commit = import_package(name, deb)
        version = deb.name.split("_")[1].replace("%3a", ":")
        git("config", f"base.{name}.package", version)
    known = read_conf(name)["sha256"]
    if version and version not in known:
        note(f"{name} is version {version}, not one that the series was proven on ({', '.join(known)})")
    return Base(name, name, commit)


def find_package(name):
    """A verified package of the base kernel, from the cache or the first suite that has it."""
    conf = read_conf(name)
    package, known = conf["package"][0], conf["sha256"]
    for version, digest in known.items():
        cached = paths.CACHE / f"{package}_{version}_all.deb"
        if cached.exists():
            debian.verify(cached, digest)
            return cached
    proc.need_space(paths.BUILD, 4, f"the source of Linux {name}")
    problems = []
    for suite in conf["suites"]:
        apt = debian.Apt(suite)
        try:
            apt.update()
        except KitError as e:
            problems.append(e)
            continue
        versions = apt.versions(package)
        if versions:
            version = next((v for v in known if v in versions), versions[0])
            note(f"{package} {version} from {suite}")
            deb = apt.download(package, version)
            if version in known:
                debian.verify(deb, known[version])
            return deb
    if problems:
        raise problems[0]
    others = [v for v in supported() if v != name]
    raise Gone(f"{package} is in none of the suites {' '.join(conf['suites'])} of the "
               "configured mirror", f"use BASE={others[0]}" if others else
               "use KERNEL=DIR with a tree of your own")


def import_package(name, deb):
    """Make the base commit from the package, without unpacking it to the disk."""
    note(f"importing {deb.name} into {relative(paths.STORE)}")
    ref = f"refs/bases/{name}"
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as outer:
        with opened(deb, outer) as tar:
            member = next((m for m in tar if m.name.endswith(".tar.xz")), None)
            if not member:
                raise KitError(f"{deb.name} holds no kernel source", "remove it and run again")
            with subprocess.Popen(["xz", "-dc"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as xz:
                commit = stream_import(ref, tar.extractfile(member), xz)
        outer.kill()
    found = version_of(lambda path: git("show", f"{commit}:{path}"))
    if found != name:
        git("update-ref", "-d", ref)
        raise KitError(f"{deb.name} holds Linux {found}, not {name}", f"remove {relative(deb)}")
    return commit


def opened(deb, outer):
    try:
        return tarfile.open(fileobj=outer.stdout, mode="r|")
    except tarfile.TarError as e:
        raise KitError(f"{deb.name} is not a Debian package", f"remove {relative(deb)} and run again") from e


def stream_import(ref, compressed, xz):
    import threading  # noqa: PLC0415  (needed here only)

    def feed():
        try:
            for block in iter(lambda: compressed.read(1 << 20), b""):
                xz.stdin.write(block)
            xz.stdin.close()
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    with tarfile.open(fileobj=xz.stdout, mode="r|") as tar:
        fast_import(ref, ((m.name.split("/", 1)[-1], m, tar) for m in tar if "/" in m.name))
    feeder.join()
    return commit_of(ref)


def fast_import(ref, members):
    """Write a commit of tar members; the reference appears only when all of it is there."""
    cmd = ["git", "-c", "core.compression=1", "-c", "pack.compression=1",
           "--git-dir", str(paths.STORE), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(cmd, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=proc.environment(IDENTITY)) as git_import:
        try:
            put = git_import.stdin.write
            put(f"feature done\ncommit {ref}\ncommitter iommu-recovery <iommu-recovery@localhost> "
                "1700000000 +0000\ndata 12\nbase kernel\n\n".encode())
            for path, member, tar in members:
                if member.isfile():
                    mode, data = (b"100755" if member.mode & 0o100 else b"100644",
                                  tar.extractfile(member).read())
                elif member.issym():
                    mode, data = b"120000", member.linkname.encode()
                else:
                    continue
                if path == ".gitignore":
                    data = DEBIAN_IGNORE.sub(b"", data)
                put(b"M %s inline %s\ndata %d\n" % (mode, path.encode(), len(data)))
                put(data)
                put(b"\n")
            put(b"done\n")
            git_import.stdin.close()
        except BrokenPipeError:
            pass
        stderr = git_import.stderr.read().decode(errors="replace")
    if git_import.returncode:
        raise KitError(f"git fast-import failed: {stderr.strip()[-300:]}",
                       proc.out_of_space_cure(stderr))


def version_of(read):
    """'7.3' out of the top Makefile; None when it is not a kernel's."""
    try:
        text = read("Makefile")
    except (KitError, OSError, UnicodeDecodeError):
        return None
    part = dict(re.findall(r"^(VERSION|PATCHLEVEL) *= *(\d+)$", text, re.M))
    return f"{part['VERSION']}.{part['PATCHLEVEL']}" if len(part) == 2 else None


def kernel_version(directory):
    """The version of a user's tree, or a refusal that names what is wrong with it."""
    if not os.path.isdir(directory):
        raise KitError(f"KERNEL={directory} is not a directory", "name the top of a kernel tree")
    if not os.access(directory, os.R_OK | os.X_OK):
        raise KitError(f"KERNEL={directory} cannot be read", "check its permissions")

    def read(path):
        with open(os.path.join(directory, path), encoding="utf-8") as f:
            return f.read()

    version = version_of(read)
    if not version or not os.path.isdir(os.path.join(directory, "drivers/iommu")):
        raise KitError(f"KERNEL={directory} is not a kernel tree "
                       "(no Makefile with VERSION, or no drivers/iommu)",
                       "name the top of a kernel tree")
    check_supported(version, f"KERNEL={directory}")
    return version


def is_git_top(directory):
    return os.path.exists(os.path.join(directory, ".git"))


def user_git(directory, *args, check=True, env=None, data=None):
    return proc.output(["git", "-c", f"safe.directory={os.path.realpath(directory)}", "-C", directory,
                        *args], check=check, env=env, data=data)


def check_clean(directory):
    dirty = user_git(directory, "status", "--porcelain", "--untracked-files=no").splitlines()
    if dirty:
        raise KitError(f"KERNEL={directory} has changes that are not committed: "
                       + ", ".join(d[3:] for d in dirty[:3]) + (" ..." if dirty[3:] else ""),
                       "commit or stash them")


def from_directory(directory):
    """A user's own tree as base. It is read, never written."""
    version = kernel_version(directory)
    real = os.path.realpath(directory)
    name = "user-" + re.sub(r"[^A-Za-z0-9.]+", "-", real).strip("-")[-60:]
    ref = f"refs/bases/{name}"
    note(f"importing {directory} (Linux {version})")
    if is_git_top(directory):
        check_clean(directory)
        head = user_git(directory, "rev-parse", "HEAD").strip()
        tree_ref = f"refs/imported/{name}"
        # What serves the fetch is a git of its own, which does not see our -c.
        serve = "git -c safe.directory=* upload-pack"
        git("-c", f"safe.directory={real}", "fetch", "-q", "--depth=1", "--no-tags", f"--upload-pack={serve}",
            f"file://{real}", f"+{head}:{tree_ref}")
        tree = git("rev-parse", f"{tree_ref}^{{tree}}").strip()
    else:
        index = paths.BUILD / f"index.{name}"
        index.unlink(missing_ok=True)
        env = {"GIT_INDEX_FILE": str(index)}
        git("--work-tree", real, "add", "-A", "-f", ".", *[f":(exclude,glob)**/{b}" for b in BUILT],
            env=env, cwd=real)
        tree = git("write-tree", env=env).strip()
    commit = git("commit-tree", tree, data="base kernel\n").strip()
    git("update-ref", ref, commit)
    return Base(name, version, commit)
