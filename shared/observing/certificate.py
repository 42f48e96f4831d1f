"""The end of the certificate by which this process is known; without TLS there is none."""

from pathlib import Path
from typing import Final

from cryptography.x509 import load_pem_x509_certificate
from prometheus_client import Gauge

CERTIFICATE: Final = Gauge(
    "ooc_certificate_ends_seconds", "When the certificate that is shown ends, in Unix time.", ("file",), registry=None
)


def note_end(file: str) -> None:
    """Let the metrics tell the end of the certificate in a PEM file."""
    certificate = load_pem_x509_certificate(Path(file).read_bytes())
    CERTIFICATE.labels(file).set(certificate.not_valid_after_utc.timestamp())
