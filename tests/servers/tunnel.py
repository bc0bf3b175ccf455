"""A company's way out: a proxy that tunnels TLS and writes everything down, a private CA, and a service behind it."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Tunnel", "certificates", "tunnel"]

NAMES = ("api.example", "auth.example", "localhost")


@dataclass
class Tunnel:
    """What a test holds.

    Attributes:
        proxy: The proxy's address.
        ca: The private CA's certificate, as a file.
        seen: All bytes that the proxy passed on or was told, in both directions.
        asked: Paths that the service was asked, each with the credential that came.
    """

    proxy: str = ""
    ca: Path = Path()
    seen: bytearray = field(default_factory=bytearray)
    asked: list[tuple[str, str]] = field(default_factory=list)


def certificates(folder: Path, names: tuple[str, ...] = NAMES, *, ended: bool = False) -> tuple[Path, ssl.SSLContext]:
    """A CA of our own, and a server's context with a certificate by it for some names, in force or no longer."""
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    ends = now - day / 2 if ended else now + day
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's CA")])

    def signed(
        subject: x509.Name, public: Any, until: dt.datetime, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        made = x509.CertificateBuilder(ca_name, subject, public, x509.random_serial_number(), now - day, until)
        for extension in extensions:
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return made.sign(ca_key, hashes.SHA256())

    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = signed(ca_name, ca_key.public_key(), now + day, x509.BasicConstraints(ca=True, path_length=0), identifier)
    named = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = signed(subject, key.public_key(), ends, named, issuer)
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(pem + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


class _Service(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Two sensors, or a token."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        told = " ".join([*self.headers.values(), self.path, body])
        self.server.tunnel.asked.append((self.path.partition("?")[0], told))
        rows = {"data": [{"id": "a"}, {"id": "b"}], "has_more": False}
        said = json.dumps({"access_token": self.server.token} if self.path == "/token" else rows).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET  # noqa: N815 - theirs

    def log_message(self, *args: Any) -> None:
        pass


class _Proxy(BaseHTTPRequestHandler):
    server: Any

    def do_CONNECT(self) -> None:
        """Tunnel to the service, whatever the name."""
        self.note(f"{self.requestline}\r\n{self.headers}".encode())
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(self.server.service) as there:
            back = threading.Thread(target=self.pump, args=(there, self.connection))
            back.start()
            self.pump(self.connection, there)
            back.join()

    def do_GET(self) -> None:
        """What is asked for in the clear is read in the clear."""
        self.note(f"{self.requestline}\r\n{self.headers}".encode())
        self.send_error(502)

    def pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on and write down."""
        with suppress(OSError):
            while piece := source.recv(65536):
                self.note(piece)
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def note(self, data: bytes) -> None:
        """Write down."""
        self.server.tunnel.seen.extend(data)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def tunnel(folder: Path, token: str, *, over_tls: bool) -> Iterator[Tunnel]:
    """All of it, for as long as the block lasts.

    Args:
        folder: For the certificates.
        token: What the token endpoint gives.
        over_tls: Whether the proxy itself is spoken to in TLS.
    """
    made = Tunnel()
    made.ca, context = certificates(folder)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), _Service) as service,
        ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as proxy,
    ):
        service.socket = context.wrap_socket(service.socket, server_side=True)
        if over_tls:
            proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        made.proxy = f"http{'s' * over_tls}://localhost:{proxy.server_port}"
        vars(proxy).update(tunnel=made, service=service.server_address)
        vars(service).update(tunnel=made, token=token)
        for server in (service, proxy):
            server.daemon_threads, server.block_on_close = True, False
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        for server in (service, proxy):
            server.shutdown()
