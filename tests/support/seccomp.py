"""A program under one of Docker's seccomp profiles, as one user without rights: what a container
does to it, as far as that can be had without one.

Usable by itself: ``python seccomp.py PROFILE UID PROGRAM [WORD...]``.  Needs libseccomp, which
every Debian has (apt does).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

_PR_SET_NO_NEW_PRIVS = 38
_ACTIONS = {
    "SCMP_ACT_ALLOW": lambda _errno: 0x7FFF0000,
    "SCMP_ACT_ERRNO": lambda number: 0x00050000 | number,
}
_COMPARE = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7,
}  # fmt: skip
# What libseccomp answers for a name that no architecture it knows of has.
_NO_SUCH_CALL = -1


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def _library() -> ctypes.CDLL:
    found = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_init.argtypes = [ctypes.c_uint32]
    found.seccomp_load.argtypes = [ctypes.c_void_p]
    found.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    found.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip
    return found


def unknown_calls(profile: dict[str, Any]) -> list[str]:
    """Names in a profile that are no system call of any machine."""
    library = _library()
    return [
        name
        for rule in profile["syscalls"]
        for name in rule["names"]
        if library.seccomp_syscall_resolve_name(name.encode()) == _NO_SUCH_CALL
    ]


def enter(profile: dict[str, Any]) -> None:
    """Put this process under the profile, for good.  Raises OSError."""
    library = _library()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    default = profile.get("defaultErrnoRet", errno.EPERM)
    filters = library.seccomp_init(_ACTIONS[profile["defaultAction"]](default))
    for rule in profile["syscalls"]:
        action = _ACTIONS[rule["action"]](rule.get("errnoRet", default))
        wanted = [
            _Comparison(one["index"], _COMPARE[one["op"]], one["value"], one.get("valueTwo", 0))
            for one in rule.get("args", ())
        ]
        array = (_Comparison * len(wanted))(*wanted)
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            said = library.seccomp_rule_add_array(filters, action, number, len(wanted), array)
            # A call that another architecture has and this one lacks is passed over, as by runc.
            if said not in (0, -errno.EDOM):
                raise OSError(-said, f"rule for {name}")
    said = library.seccomp_load(filters)
    if said:
        raise OSError(-said, "seccomp_load")


def become(uid: int) -> None:
    """One user and his group, no other groups: the kernel takes all capabilities with that."""
    if os.geteuid() == uid:
        return
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main(profile: str, uid: str, *words: str) -> None:
    held = json.loads(Path(profile).read_text(encoding="utf-8"))
    become(int(uid))
    enter(held)
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(*sys.argv[1:])
