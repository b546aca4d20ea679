"""A broker that lets nobody in without a password, a certificate or a token, and what clients need for it."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not in its __all__
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from taskfactory.dev import probes
from taskfactory.dev.endpoints import HOST, Endpoints
from taskfactory.dev.kafka import Kafka
from taskfactory.dev.part import Say
from taskfactory.dev.ports import choose
from taskfactory.dev.processes import Launch, find, spawn, stop

USER, PASSWORD = "ingress", "correct horse"
CLIENT_ID, CLIENT_SECRET = "taskfactory", "battery staple"
AUDIENCE, KEY_ID = "kafka", "key-1"
PATIENCE = 60


def openssl(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], cwd=folder, input=given, capture_output=True, check=True).stdout


def make_certificates(folder: Path) -> None:
    """An authority, certificates of it for the broker and a client, and another authority that nobody knows."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        subject = ("-subj", f"/CN={name}", "-days", "2")
        openssl(folder, "req", "-x509", *new_key, *subject, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    (folder / "names").write_text(f"subjectAltName=IP:{HOST}")
    for name in ("broker", "client"):
        openssl(folder, "req", *new_key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed_by, "-out", f"{name}.pem")
    store = (folder / "broker.key").read_text() + (folder / "broker.pem").read_text()
    (folder / "broker-store.pem").write_text(store)


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class TokenIssuer:
    """An OAuth server: a token endpoint for client credentials, and the keys that its tokens are signed with."""

    def __init__(self, folder: Path) -> None:
        self.lifetime = 3600.0
        """Seconds until a token expires; negative for tokens that come expired."""
        self._folder = folder
        openssl(folder, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "issuer.key")
        modulus = openssl(folder, "rsa", "-in", "issuer.key", "-noout", "-modulus").decode().strip()
        number = base64url(bytes.fromhex(modulus.removeprefix("Modulus=")))
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": number, "e": "AQAB"}
        self._keys = {"keys": [key]}
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self) -> str:
        now = time.time()
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": CLIENT_ID,
            "iat": int(now - 7200),
            "exp": int(now + self.lifetime),
        }
        parts = [{"alg": "RS256", "typ": "JWT", "kid": KEY_ID}, claims]
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        signature = openssl(self._folder, "dgst", "-sha256", "-sign", "issuer.key", given=text.encode())
        return f"{text}.{base64url(signature)}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, issuer._keys)

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                credentials = self.headers.get("Authorization", "").removeprefix("Basic ")
                expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
                if form.get("grant_type") != ["client_credentials"] or credentials != expected:
                    self._answer(401, {"error": "invalid_client", "error_description": "no such client"})
                else:
                    answer = {"access_token": issuer.token(), "token_type": "Bearer", "expires_in": issuer.lifetime}
                    self._answer(200, answer)

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The tests' output is for the tests."""

        return Handler


@dataclass(frozen=True)
class SecuredKafka(Kafka):
    """The local stack's broker with a listener for each way to log in; PLAINTEXT is for the tests themselves."""

    issuer_url: str = ""
    port_names: tuple[str, ...] = ("kafka", "kafka_controller", "scram", "mtls", "oauth")

    def launch(self, ports: Mapping[str, int], say: Say) -> Launch:
        launch = super().launch(ports, say)
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.issuer_url}/keys"
        return Launch(launch.argv, launch.cwd, launch.account, {"JAVA_TOOL_OPTIONS": allowed})

    def server_properties(self, ports: Mapping[str, int]) -> str:
        listeners = {"PLAINTEXT": "kafka", "SCRAM": "scram", "MTLS": "mtls", "OAUTH": "oauth"}
        advertised = ",".join(f"{name}://{HOST}:{ports[port]}" for name, port in listeners.items())
        module = "org.apache.kafka.common.security"
        oauth = f"{module}.oauthbearer"
        changed = {
            "listeners": f"{advertised},CONTROLLER://{HOST}:{ports['kafka_controller']}",
            "advertised.listeners": advertised,
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCRAM:SASL_SSL,MTLS:SSL,OAUTH:SASL_SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.home / "broker-store.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.home / "ca.pem",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.scram.scram-sha-256.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{oauth}.OAuthBearerLoginModule required;",
            "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": (
                f"{oauth}.OAuthBearerValidatorCallbackHandler"
            ),
            "sasl.oauthbearer.jwks.endpoint.url": f"{self.issuer_url}/keys",
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": self.issuer_url,
        }
        return super().server_properties(ports) + "".join(f"{name}={value}\n" for name, value in changed.items())


@dataclass
class Premises:
    """The running broker, and how to log in to it."""

    folder: Path
    ports: Mapping[str, int]
    issuer: TokenIssuer
    password_file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.password_file = self.folder / "password"
        self.password_file.write_text(f"{PASSWORD}\n")

    @property
    def plaintext(self) -> str:
        return f"{HOST}:{self.ports['kafka']}"

    def env(self, way: str) -> dict[str, str]:
        """Settings with which a client gets in."""
        ca = {"SSL_CA_LOCATION": str(self.folder / "ca.pem")}
        match way:
            case "SCRAM-SHA-256" | "SCRAM-SHA-512":
                listener = "scram"
                config = {
                    "SECURITY_PROTOCOL": "sasl_ssl",
                    "SASL_MECHANISM": way,
                    "SASL_USERNAME": USER,
                    "SASL_PASSWORD_FILE": str(self.password_file),
                }
            case "mTLS":
                listener = "mtls"
                config = {
                    "SECURITY_PROTOCOL": "ssl",
                    "SSL_CERTIFICATE_LOCATION": str(self.folder / "client.pem"),
                    "SSL_KEY_LOCATION": str(self.folder / "client.key"),
                }
            case _:
                listener = "oauth"
                config = {
                    "SECURITY_PROTOCOL": "sasl_ssl",
                    "SASL_MECHANISM": "OAUTHBEARER",
                    "SASL_OAUTHBEARER_METHOD": "oidc",
                    "SASL_OAUTHBEARER_CLIENT_ID": CLIENT_ID,
                    "SASL_OAUTHBEARER_CLIENT_SECRET": CLIENT_SECRET,
                    "SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": f"{self.issuer.url}/token",
                }
        variables = {f"TASKFACTORY_KAFKA_CONFIG__{name}": value for name, value in (ca | config).items()}
        return {"TASKFACTORY_KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.ports[listener]}", **variables}


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Premises]:
    """Such a broker, up until the end of the block.

    Raises:
        ToolMissingError: Java or the broker's jars can't be had here.
    """
    make_certificates(folder)
    issuer = TokenIssuer(folder)
    kafka = SecuredKafka(folder, issuer_url=issuer.url)
    kafka.require()
    ports = choose(kafka.port_names, {}, {})
    server = spawn(kafka.launch(ports, lambda _: None), folder / "kafka.log")
    try:
        endpoints = Endpoints.at({"temporal": 0, "ui": 0, "postgres": 0, **ports})
        deadline = time.monotonic() + PATIENCE
        while (problem := probes.kafka(endpoints)) is not None:
            assert find(server), (folder / "kafka.log").read_text()[-3000:]
            assert time.monotonic() < deadline, problem
            time.sleep(0.05)
        premises = Premises(folder, ports, issuer)
        _add_user(premises.plaintext)
        yield premises
    finally:
        stop([(server, kafka.stop_signal)])
        issuer.close()


def _add_user(servers: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        info = ScramCredentialInfo(mechanism, 4096)
        change = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result(20)
