"""When the client certificate of the settings ends. Only so much of X.509 (RFC 5280, 4.1) is read as that takes."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

LOCATION, TEXT = "ssl.certificate.location", "ssl.certificate.pem"

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0x18, 0xA0
_LONG = 0x80


class UnreadableCertificate(ValueError):
    """Not a certificate as we know them."""


def client_certificate_end_s(properties: Mapping[str, str]) -> tuple[str, int] | None:
    """(the property that names it, Unix time at which it ends, of a chain the first to end). None: there is none, or it
    is in a key store, which we do not open. Raises UnreadableCertificate, OSError."""
    for name in (LOCATION, TEXT):
        if name in properties:
            text = Path(properties[name]).read_text("utf-8", "replace") if name == LOCATION else properties[name]
            return name, _first_end_s(text)
    return None


def _first_end_s(pem: str) -> int:
    ends = [_end_s(ssl.PEM_cert_to_DER_cert(each)) for each in _PEM.findall(pem)]
    if not ends:
        raise UnreadableCertificate("no certificate in PEM")
    return min(ends)


def _end_s(der: bytes) -> int:
    """Certificate { tbsCertificate { [0] version, serial, signature, issuer, validity { from, to }, ... } }"""
    _, certificate, _ = _element(der, 0, _SEQUENCE)
    _, body, _ = _element(certificate, 0, _SEQUENCE)
    kind, _, at = _element(body, 0)
    for _ in range(3 if kind == _EXPLICIT_VERSION else 2):  # to behind the issuer
        _, _, at = _element(body, at)
    _, validity, _ = _element(body, at, _SEQUENCE)
    _, _, at = _element(validity, 0)
    kind, text, _ = _element(validity, at)
    return _time_s(kind, text.decode("ascii", "replace"))


def _time_s(kind: int, text: str) -> int:
    try:
        if kind == _GENERALIZED_TIME:
            read = datetime.strptime(text, "%Y%m%d%H%M%SZ")
        elif kind == _UTC_TIME:
            century = "20" if text[:2] < "50" else "19"
            read = datetime.strptime(century + text, "%Y%m%d%H%M%SZ")
        else:
            raise UnreadableCertificate("an end that is no time")
    except UnreadableCertificate:
        raise
    except ValueError:
        raise UnreadableCertificate("an end that is no time") from None
    return int(read.replace(tzinfo=UTC).timestamp())


def _element(data: bytes, at: int, expected: int | None = None) -> tuple[int, bytes, int]:
    """(tag, content, where the next begins) of one element in DER."""
    try:
        kind, length, start = data[at], data[at + 1], at + 2
    except IndexError:
        raise UnreadableCertificate("it ends too soon") from None
    if length & _LONG:
        size = length - _LONG
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data) or expected not in (None, kind):
        raise UnreadableCertificate("another shape")
    return kind, data[start : start + length], start + length
