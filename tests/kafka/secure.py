"""Apache Kafka with TLS and with SASL over TLS, its certificates made by openssl for the run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.kafka.apache import ApacheKafka
from tests.kafka.ports import lasting_port

USER = "segmenter"
PASSWORD = "canary-password-4711"
KEY_PASSWORD = "canary-key-password-4711"


class Certificates:
    """A CA, the broker's certificate for 127.0.0.1 alone, a client's, and a second CA that signed none of them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other-ca")
        self.broker_certificate, self.broker_key = self._signed("broker", "subjectAltName=IP:127.0.0.1")
        self.client_certificate, self.client_key = self._signed("client", "extendedKeyUsage=clientAuth", KEY_PASSWORD)

    def _authority(self, name: str) -> Path:
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=segmenter test {name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip
        return self.directory / f"{name}.pem"

    def _signed(self, name: str, extension: str, password: str | None = None) -> tuple[Path, Path]:
        """A certificate by our CA and its key in PKCS #8, encrypted where there is a password."""
        (self.directory / f"{name}.ext").write_text(extension + "\n")
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.plain.key", "-out", f"{name}.csr",
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
        encrypted = ["-passout", f"pass:{password}"] if password else ["-nocrypt"]
        self._openssl("pkcs8", "-topk8", "-in", f"{name}.plain.key", "-out", f"{name}.key", *encrypted)
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.directory, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"


class SecureKafka(ApacheKafka):
    """A broker with, besides its clear-text listeners:

    tls    TLS; it asks clients for a certificate of our CA
    sasl   TLS with SCRAM-SHA-512, and with PLAIN; the one user is USER with PASSWORD
    """

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self.tls = f"127.0.0.1:{lasting_port()}"
        self.sasl = f"127.0.0.1:{lasting_port()}"
        pem = self.directory / "broker.pem"
        pem.write_text(certificates.broker_key.read_text() + certificates.broker_certificate.read_text())
        self._keystore, self._truststore = pem, certificates.ca

    def _format_options(self) -> list[str]:
        return ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"]

    def _properties(self) -> dict[str, str]:
        clear = super()._properties()
        both = f"TLS://{self.tls},SASL://{self.sasl}"
        return {
            **clear,
            "listeners": f"{clear['listeners']},{both}",
            "advertised.listeners": f"{clear['advertised.listeners']},{both}",
            "listener.security.protocol.map": f"{clear['listener.security.protocol.map']},TLS:SSL,SASL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._truststore),
            "listener.name.tls.ssl.client.auth": "required",
            "listener.name.sasl.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.sasl.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
        }
