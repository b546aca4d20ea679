"""A real HTTP server on loopback that answers as a test tells it to, byte for byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class HttpServer:
    """What it was asked, and what it answers next."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    """Heads of requests, as they came."""
    bodies: list[bytes] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    """Each once, the last one again and again."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def target(self, number: int = -1) -> str:
        """What stood in a request's first line."""
        return self.requests[number].split(" ")[1]

    def headers(self, number: int = -1) -> dict[str, str]:
        lines = self.requests[number].split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.requests.append(head)
                self.bodies.append(await reader.readexactly(int(self.headers().get("content-length", "0"))))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await answer(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def http_server(*answers: Answer) -> AsyncIterator[HttpServer]:
    made = HttpServer(answers=list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def says(body: bytes, status: str = "200 OK", **headers: str) -> Answer:
    """An ordinary answer; underscores in names of headers stand for hyphens."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{''.join(lines)}\r\n"
        writer.write(head.encode("latin-1") + body)

    return answer


def drips(pieces: list[bytes], pause: float) -> Answer:
    """The pieces one after the other, without an end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer
