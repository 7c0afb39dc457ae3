"""Certificates of servers on this machine, by an authority that is made for each of them and then forgotten."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AUTHORITY, CERTIFICATE, KEY = "authority.pem", "server.pem", "server.key"
_DAYS = 30


def write(folder: Path, names: Sequence[str]) -> None:
    """Writes into `folder` what a server shows, `CERTIFICATE` and its `KEY`, and what its clients trust, `AUTHORITY`.

    It is good for these names and addresses, the first being its subject. The authority's key is thrown away.
    """
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "this machine")])
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    authority = _certificate(issuer, issuer, authority_key).add_extension(constraints, critical=True)
    (folder / AUTHORITY).write_bytes(_pem(authority.sign(authority_key, hashes.SHA256())))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = x509.SubjectAlternativeName(list(map(_general_name, names)))
    certificate = _certificate(issuer, subject, key).add_extension(alternatives, critical=False)
    (folder / CERTIFICATE).write_bytes(_pem(certificate.sign(authority_key, hashes.SHA256())))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / KEY).write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _certificate(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(_DAYS))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
