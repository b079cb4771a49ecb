"""cookies.txt, the file of Netscape that curl, wget and browser extensions still write.

Not ``http.cookiejar``: it drops cookies without an end, and refuses a file over one odd line.
"""

from __future__ import annotations

from harvester.pasted.cookies import Pasted, PastedCookie, nothing_in_it, seconds

_HTTP_ONLY = "#HttpOnly_"
# domain, whole domain?, path, secure?, expiry, name, value; some writers drop an empty value.
_LEAST_FIELDS, _FIELDS = 6, 7


def read(text: str) -> Pasted:
    cookies = []
    for line in text.split("\n"):
        http_only = line.startswith(_HTTP_ONLY)
        line = line.removeprefix(_HTTP_ONLY)
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if not _LEAST_FIELDS <= len(fields) <= _FIELDS or not fields[5]:
            continue
        domain, whole, path, secure, expiry, name, value = (*fields, "")[:_FIELDS]
        if whole.upper() == "TRUE" and not domain.startswith("."):
            domain = f".{domain}"
        cookies.append(
            PastedCookie(
                name=name,
                value=value,
                domain=domain.strip(),
                path=path,
                expires_at=seconds(expiry),
                http_only=http_only,
                secure=secure.upper() == "TRUE",
            )
        )
    if not cookies:
        raise nothing_in_it("netscape")
    return Pasted("netscape", tuple(cookies))
