"""A TCP proxy that a test can shut: what is behind it is then away, as after a crash or a network split."""

import asyncio
from contextlib import suppress
from typing import Self


class Gate:
    """Forwards connections to one address while it is open."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._open = True
        self._connections: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        self._server.close()

    @property
    def address(self) -> str:
        """Where to connect to."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def shut(self) -> None:
        """Cut every connection, and every new one as soon as it comes."""
        self._open = False
        for writer in self._connections:
            writer.transport.abort()
        self._connections.clear()

    def open(self) -> None:
        """Let connections through again."""
        self._open = True

    async def _forward(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if not self._open:
            near.transport.abort()
            return
        far_reader, far = await asyncio.open_connection(*self._target)
        self._connections |= {near, far}
        await asyncio.gather(self._copy(near_reader, far), self._copy(far_reader, near))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._connections.discard(writer)
