"""The head of a message as we write it: what was put together is looked at once more, as a whole.

A client's headers go to a site and a site's to a client; both were read strictly.  Should a line
get through all the same that holds the end of another one, it is not sent.
"""

from __future__ import annotations

import time
from email.utils import formatdate


def head(lines: list[str]) -> bytes:
    """Raises ValueError where one of them would forge another one."""
    told = "\r\n".join(lines) + "\r\n\r\n"
    ends = len(lines) + 1
    if not (told.count("\r") == told.count("\n") == ends) or "\0" in told:
        raise ValueError("a header that would forge another one")
    return told.encode("utf-8")


class Today:
    """The date as HTTP writes it, made once in a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = ""

    def date(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date
