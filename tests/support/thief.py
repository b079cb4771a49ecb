"""A program that tries what another user of the machine, or another program of the same one, could:
to read a process's memory and environment, to hold it as a debugger, to read files, to connect.

Runs by itself, with the standard library: its words are tasks, its output a JSON list of answers,
each with what was got: bytes, or the name of the error.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_ATTACH, _DETACH = 16, 17


def memory(pid: str) -> str:
    """The first page that may be read at all."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights = line.split()[:2]
        if rights.startswith("r") and "[v" not in line:
            start = int(span.split("-")[0], 16)
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as held:
                held.seek(start)
                return f"{len(held.read(4096))} bytes"
    raise OSError(errno.ENOENT, "nothing is mapped")


def opened_memory(pid: str) -> str:
    with open(f"/proc/{pid}/mem", "rb", buffering=0):
        return "opened"


def environ(pid: str) -> str:
    return f"{len(Path(f'/proc/{pid}/environ').read_bytes())} bytes"


def debug(pid: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_ATTACH, int(pid), 0, 0):
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(int(pid), 0)
    libc.ptrace(_DETACH, int(pid), 0, 0)
    return "attached"


def read(path: str) -> str:
    return f"{len(Path(path).read_bytes())} bytes"


def listed(path: str) -> str:
    return f"{len(os.listdir(path))} names"


def connect(path: str) -> str:
    """What a request for the session gets."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(path)
        got = b""
        try:
            link.sendall(
                b"GET /v1/session HTTP/1.1\r\nHost: harvester\r\nConnection: close\r\n\r\n"
            )
            while chunk := link.recv(65536):
                got += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass  # shown the door
        return f"{len(got)} bytes: {got[:12].decode('latin-1')}"


TASKS: dict[str, Callable[[str], str]] = {
    one.__name__: one for one in (memory, opened_memory, environ, debug, read, listed, connect)
}


def main(words: list[str]) -> None:
    told = []
    for task, object_ in zip(words[::2], words[1::2], strict=True):
        try:
            told.append(TASKS[task](object_))
        except OSError as error:
            told.append(errno.errorcode.get(error.errno or 0, str(error)))
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
