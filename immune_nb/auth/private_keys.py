"""A private key in PEM form, as a client signs in with it (RFC 7523 2.2), and the algorithm that goes with it."""

from __future__ import annotations

from joserfc.jwk import ECKey, RSAKey

from immune_nb.auth.secrets import Secret
from immune_nb.errors import ConfigError

__all__ = ["signing_key"]

BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}  # RFC 7518 3.4
GOOD = "Use an RSA key, or one on the curve P-256, P-384 or P-521."


def signing_key(secret: Secret) -> tuple[RSAKey | ECKey, str]:
    """The key, and the algorithm it signs with.

    Raises:
        ConfigError: It cannot be read, or cannot sign.
    """
    for kind in (RSAKey, ECKey):
        if key := _read(kind, secret):
            return key, _algorithm(key)
    if "ENCRYPTED" in secret.reveal():
        raise ConfigError("The private key is encrypted.", hint="Decrypt it: openssl pkey -in FILE -out DECRYPTED.")
    raise ConfigError("The private key is neither an RSA nor an EC key in PEM form.", hint=GOOD)


def _read(kind: type[RSAKey | ECKey], secret: Secret) -> RSAKey | ECKey | None:
    """The key if it is one of that kind."""
    try:
        return kind.import_key(secret.reveal())
    except Exception:  # noqa: BLE001 - joserfc's, and those of what it stands on: some are mere TypeErrors
        return None


def _algorithm(key: RSAKey | ECKey) -> str:
    if key.private_key is None:
        raise ConfigError("That is a public key, which cannot sign.", hint="Give the private key.")
    if isinstance(key, RSAKey):
        return "RS256"
    curve = key.private_key.curve.name
    if curve not in BY_CURVE:
        raise ConfigError(f"The private key is on the curve {curve}.", hint=GOOD)
    return BY_CURVE[curve]
