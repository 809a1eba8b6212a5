"""When a client certificate ends, against what openssl says."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream.kafka.certificate import LOCATION, TEXT, UnreadableCertificate, client_certificate_end_s


def certificate(directory: Path, days: int) -> Path:
    made = directory / f"{days}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", str(days), "-subj", "/CN=worker", "-keyout", str(directory / "key"), "-out", str(made)],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return made


def end_s(made: Path) -> int:
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", str(made)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    read = datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT")
    return int(read.replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize("days", [1, 400, 20_000])  # the last ends after 2050: written otherwise
def test_a_certificates_end_is_what_openssl_says(tmp_path: Path, days: int) -> None:
    made = certificate(tmp_path, days)
    assert client_certificate_end_s({LOCATION: str(made)}) == (LOCATION, end_s(made))
    assert client_certificate_end_s({TEXT: made.read_text()}) == (TEXT, end_s(made))


def test_of_a_chain_the_first_to_end_counts(tmp_path: Path) -> None:
    longer, shorter = certificate(tmp_path, 90), certificate(tmp_path, 10)
    chain = longer.read_text() + "issuer\n" + shorter.read_text()
    assert client_certificate_end_s({TEXT: chain}) == (TEXT, end_s(shorter))


def test_without_a_client_certificate_there_is_no_end() -> None:
    assert client_certificate_end_s({"ssl.ca.location": "/ca.pem", "ssl.keystore.location": "/store.p12"}) is None


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    lines = certificate(tmp_path, 10).read_text().splitlines()
    cut = "\n".join([*lines[:5], lines[-1]])
    for text in ("", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", cut):
        with pytest.raises(UnreadableCertificate):
            client_certificate_end_s({TEXT: text})
