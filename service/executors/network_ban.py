"""A child that reads what clients sent opens no sockets: the kernel refuses them, where it can.

On Linux, x86-64 and arm64, a seccomp filter of this process answers `socket` and `io_uring_setup`
with EACCES, for every thread, every library and every child of it, for good. It needs no privilege
and no user namespace, which containers often forbid. Elsewhere, and where seccomp is not to be had,
Python's own audit hook refuses what goes through Python's `socket` module, and nothing more.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from typing import NamedTuple

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _TO_ALL_THREADS = 1, 1
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# Classic BPF: load a word of `struct seccomp_data`, jump where it equals or is at least, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_IO_URING_SETUP = 425


class _Machine(NamedTuple):
    """The numbers of a machine's system calls; those from `foreign` on are another ABI's."""

    audit: int
    seccomp: int
    socket: int
    foreign: int


# x32, a second ABI of x86-64, has numbers of its own from 2**30 on.
_MACHINES = {
    "x86_64": _Machine(audit=0xC000003E, seccomp=317, socket=41, foreign=0x40000000),
    "aarch64": _Machine(audit=0xC00000B7, seccomp=277, socket=198, foreign=0x40000000),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_network() -> bool:
    """Let this process, and whatever it starts, open no socket any more.

    Returns:
        Whether the kernel sees to it; if not, only Python does.
    """
    if _filtered():
        return True
    sys.addaudithook(_refuse)
    return False


def _filtered() -> bool:
    machine = _MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    if machine is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    code = _filter(machine)
    program = _Program(len(code) // 8, code)
    refused = libc.syscall(
        machine.seccomp, _SET_MODE_FILTER, _TO_ALL_THREADS, ctypes.byref(program)
    )
    return bool(refused == 0)


def _filter(machine: _Machine) -> bytes:
    """Return the filter: `struct sock_filter` is code, jump if true, jump if false, operand."""
    return b"".join(
        struct.pack("=HBBI", *step)
        for step in (
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUAL, 1, 0, machine.audit),
            (_RETURN, 0, 0, _KILL),
            (_LOAD, 0, 0, _NUMBER),
            (_AT_LEAST, 2, 0, machine.foreign),
            (_EQUAL, 1, 0, machine.socket),
            (_EQUAL, 0, 1, _IO_URING_SETUP),
            (_RETURN, 0, 0, _ERRNO | errno.EACCES),
            (_RETURN, 0, 0, _ALLOW),
        )
    )


def _refuse(event: str, _: object) -> None:
    if event.startswith("socket."):
        raise PermissionError(errno.EACCES, f"{event}: this process opens no sockets")
