"""How does an embedded server's process begin? Unprivileged and bound to its parent's life, then it becomes the server.

A fresh interpreter runs this file as a script and the server replaces it (same process id). It is a process of its own,
because only one with a single thread may enter a user namespace, and Python between fork and exec of a process with
threads can deadlock. Standard library only: it runs isolated, without the platform's packages.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

CANNOT_LAUNCH = 126  # the exit status of a shell that may not execute a file

# Linux ABI: <linux/sched.h>, <linux/prctl.h>, <linux/securebits.h>, <linux/capability.h>
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _prctl(libc: ctypes.CDLL, option: int, value: int, third: int = 0) -> None:
    arguments = [ctypes.c_ulong(number) for number in (value, third, 0, 0)]
    _check(libc.prctl(ctypes.c_int(option), *arguments), "prctl")


def _enter_namespace(libc: ctypes.CDLL, uid: int) -> None:
    """Our own user id gets another number inside; on disk and towards others nothing changes."""
    outer_uid, gid = os.geteuid(), os.getegid()
    _check(libc.unshare(ctypes.c_int(_CLONE_NEWUSER)), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")  # the kernel wants it before gid_map
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")


def _become_nobody(uid: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _keep_override(libc: ctypes.CDLL) -> None:
    """Keeps one capability through exec: entering directories that root made private, such as /root."""
    only = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)  # effective, permitted, inheritable; low words then high
    _check(libc.capset(header, sets), "capset")
    _prctl(libc, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _become(libc: ctypes.CDLL, identity: str, uid: int) -> None:
    if identity == "namespace":
        _enter_namespace(libc, uid)
    elif identity == "nobody":
        _become_nobody(uid)
    elif identity == "nobody-overriding":
        # Capabilities outlive the change of user, and access() asks them, too: initdb looks for its programs with it
        _prctl(libc, _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        _become_nobody(uid)
        _keep_override(libc)


def _die_with_parent(libc: ctypes.CDLL, parent: int, death_signal: int) -> None:
    """Comes after every change of identity, because those clear it."""
    if sys.platform == "linux":
        _prctl(libc, _PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it died before the kernel knew that we care
        raise ProcessLookupError("the parent process is gone")


def main(parent: str, death_signal: str, identity: str, uid: str, directory: str, *command: str) -> None:
    """Becomes the server, or ends with CANNOT_LAUNCH and the reason on stderr.

    ``parent``: the pid whose death sends ``death_signal``. ``directory``: must be enterable as the new identity.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _become(libc, identity, int(uid))
        os.stat(f"{directory}/.")  # noqa: PTH116  pathlib drops the dot, which is what asks for the right to enter
        os.umask(0o077)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would pass that on
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        _die_with_parent(libc, int(parent), int(death_signal))
        os.execv(command[0], command)  # noqa: S606  no shell is what we want
    except (OSError, AttributeError) as error:  # AttributeError: a libc without the call
        sys.stderr.write(f"cannot launch as {identity}: {error}\n")
        sys.exit(CANNOT_LAUNCH)


if __name__ == "__main__":
    main(*sys.argv[1:])
