"""An HTTP server of the test's own, in threads; it can be away, slow, or say what a test wants."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answers = Callable[[str], tuple[int, Any]]


class CrmServer:
    """Answers GETs on loopback by a function of the path; `None` instead of a status keeps the caller waiting."""

    def __init__(self, answers: Answers) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._answers = answers
        self._server: ThreadingHTTPServer | None = None
        self._ended = threading.Event()

    def start(self) -> None:
        crm = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                crm.asked.append(self.path)
                status, body = crm._answers(self.path)
                if status == 0:
                    crm._ended.wait(60)
                    return
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more; the port stays the same for the next start."""
        self._ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
