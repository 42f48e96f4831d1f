"""A certificate authority of a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Authority:
    """A certificate authority, with the file by which its certificates are checked."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path

    @classmethod
    def made(cls, file: Path) -> Authority:
        """Make an authority, and write its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file.name)])
        certificate = _signed(name, name, key.public_key(), key, x509.BasicConstraints(ca=True, path_length=None))
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(key, certificate, file)

    def issue(self, host: str, folder: Path) -> None:
        """Write a certificate for a host, and its key, into a folder."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = _signed(name, self.certificate.subject, key.public_key(), self.key, names)
        (folder / "server.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, public, x509.random_serial_number(), now, now + timedelta(days=1)
    )
    # RFC 5280 4.2.1.1: Python 3.13 refuses a certificate that does not say which key signed it.
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(extension, critical=False).add_extension(signer, critical=False)
    return builder.sign(key, hashes.SHA256())
