"""An OpenID Connect issuer on loopback: a discovery document, keys that rotate, and tokens signed with them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

AUDIENCE = "taskfactory"


class Issuer:
    """What the server publishes, and what it was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.away = False
        self.keys: list[RSAKey | ECKey] = []
        self.rotate("first")

    def rotate(self, kid: str, *, elliptic: bool = False) -> None:
        """From now on, sign with a new key, and publish no other."""
        self.keys = [ECKey.generate_key("P-256", {"kid": kid}) if elliptic else RSAKey.generate_key(2048, {"kid": kid})]

    def token(self, *, header: dict[str, Any] | None = None, key: Any = None, **changed: Any) -> str:
        """A token that is good, but for what is changed; a claim that is None is left out."""
        signing = key or self.keys[-1]
        algorithm = "ES256" if isinstance(signing, ECKey) else "HS256" if isinstance(signing, OctKey) else "RS256"
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": now,
            "exp": now + 300,
            "roles": ["viewer"],
        } | changed
        given: dict[str, Any] = {"alg": algorithm, "kid": signing.kid} | (header or {})
        return jwt.encode(
            given,
            {name: value for name, value in claims.items() if value is not None},
            signing,
            algorithms=[str(given["alg"])],
        )

    def document(self, path: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            # A secret among them must not become a key that tokens may be signed with.
            secret = OctKey.import_key("published-by-mistake-and-known-to-all", {"kid": "secret"})
            return {"keys": [*(key.as_dict(private=False) for key in self.keys), secret.as_dict(private=True)]}
        return None


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """The issuer, until the block ends."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            document = None if issuer.away else issuer.document(self.path)
            body = json.dumps(document or {}).encode()
            self.send_response(200 if document else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
