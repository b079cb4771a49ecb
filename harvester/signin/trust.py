"""A company's own authorities, believed by the browser of one sign-in and by nothing else.

Chromium on Linux believes its own list and what stands in the NSS database of its home; that home
is the private directory of this sign-in, made anew each time.  The database is written by the very
library that the browser reads it with, so nothing has to be installed.  No error of a certificate
is ignored anywhere: names, dates and chains are judged as always.
"""

from __future__ import annotations

import ctypes
import re
import ssl
import sys
from pathlib import Path

from harvester.errors import BrowserFailed, ConfigInvalid
from harvester.paths import read_private_file

_LIBRARY = "libnss3.so"
# The place that every release looks at first; newer ones know another beside it.
_PLACE = Path(".pki", "nssdb")
# CERTDB_VALID_CA and CERTDB_TRUSTED_CA: an authority that may vouch for servers.
_TRUSTED_AUTHORITY = 0x08 | 0x10
_SUCCESS = 0
# All authorities of the world, as systems install them in one file, are 220 KB.
_BUNDLE_BYTES = 4 * 1024 * 1024
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)


class _Item(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("data", ctypes.c_char_p), ("len", ctypes.c_uint))


class _Trust(ctypes.Structure):
    """For servers, for mail, for programs."""

    _fields_ = (("ssl", ctypes.c_uint), ("email", ctypes.c_uint), ("objects", ctypes.c_uint))


def trust(ca_file: str, home: Path) -> None:
    """Have browsers whose HOME is ``home`` believe these authorities, beside those they know.

    Raises ConfigInvalid or ConfigUnsafe for the file, BrowserFailed where it cannot be told them.
    """
    if sys.platform != "linux":
        raise ConfigInvalid(
            "HARVESTER_CA_FILE cannot be given to a browser on this system, which believes its "
            "keychain alone",
            hint="add the authority to your login keychain and unset HARVESTER_CA_FILE",
        )
    authorities = _authorities(ca_file)
    place = home / _PLACE
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        nss = _library()
    except OSError:
        raise BrowserFailed(
            f"HARVESTER_CA_FILE: {_LIBRARY}, by which a browser is told of an authority, is not "
            "there",
            hint="install libnss3 (apt-get install libnss3)",
        ) from None
    if not _written(nss, place, authorities):
        raise BrowserFailed(
            "the browser could not be told of the authorities of HARVESTER_CA_FILE",
            hint=f"does {ca_file} hold certificates only?  See: openssl storeutl -noout {ca_file}",
        )


def _authorities(ca_file: str) -> list[bytes]:
    try:
        text = read_private_file(ca_file, _BUNDLE_BYTES).decode("ascii", "replace")
        found = [ssl.PEM_cert_to_DER_cert(one) for one in _BLOCK.findall(text)]
    except (FileNotFoundError, ValueError):
        found = []
    if not found:
        raise ConfigInvalid(
            f"HARVESTER_CA_FILE: {ca_file} holds no certificates", hint="name a PEM file"
        )
    return list(dict.fromkeys(found))


def _library() -> ctypes.CDLL:
    nss = ctypes.CDLL(_LIBRARY)
    thing, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    nss.NSS_InitReadWrite.argtypes = [text]
    nss.PK11_GetInternalKeySlot.restype = thing
    nss.PK11_InitPin.argtypes = [thing, text, text]
    nss.PK11_ImportCert.argtypes = [thing, thing, ctypes.c_ulong, text, number]
    nss.PK11_FreeSlot.argtypes = [thing]
    nss.PK11_FreeSlot.restype = None
    nss.CERT_GetDefaultCertDB.restype = thing
    nss.CERT_NewTempCertificate.argtypes = [thing, thing, text, number, number]
    nss.CERT_NewTempCertificate.restype = thing
    nss.CERT_ChangeCertTrust.argtypes = [thing, thing, thing]
    nss.CERT_DestroyCertificate.argtypes = [thing]
    nss.CERT_DestroyCertificate.restype = None
    return nss


def _written(nss: ctypes.CDLL, place: Path, authorities: list[bytes]) -> bool:
    if nss.NSS_InitReadWrite(f"sql:{place}".encode()) != _SUCCESS:
        return False
    slot = nss.PK11_GetInternalKeySlot()
    try:
        # A database without a password: it holds nothing that is secret.
        if nss.PK11_InitPin(slot, None, b"") != _SUCCESS:
            return False
        return all(
            _added(nss, slot, der, f"harvester-{number}".encode())
            for number, der in enumerate(authorities)
        )
    finally:
        nss.PK11_FreeSlot(slot)
        nss.NSS_Shutdown()


def _added(nss: ctypes.CDLL, slot: int, der: bytes, name: bytes) -> bool:
    known = nss.CERT_GetDefaultCertDB()
    item = _Item(0, der, len(der))
    certificate = nss.CERT_NewTempCertificate(known, ctypes.byref(item), None, 0, 1)
    if not certificate:
        return False
    try:
        word = ctypes.byref(_Trust(_TRUSTED_AUTHORITY, 0, 0))
        return bool(
            nss.PK11_ImportCert(slot, certificate, 0, name, 0) == _SUCCESS
            and nss.CERT_ChangeCertTrust(known, certificate, word) == _SUCCESS
        )
    finally:
        nss.CERT_DestroyCertificate(certificate)
