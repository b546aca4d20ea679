"""A gate in front of Kafka.

A client asks the bootstrap servers where the brokers are and goes there itself, past any proxy. So this one puts its
own port wherever an answer names the broker's. Ports have a fixed width in Kafka's protocol: nothing else changes.
"""

import asyncio
from contextlib import suppress

from tests.ingress.gate import Gate


class KafkaGate(Gate):
    """Forwards to one broker, and is the only broker that its clients know of."""

    def __init__(self, bootstrap_server: str) -> None:
        super().__init__(bootstrap_server)
        host, _, port = bootstrap_server.rpartition(":")
        self._broker = host.encode() + int(port).to_bytes(4)
        self._host = host.encode()

    async def _forward(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        if not self._open:
            near.transport.abort()
            return
        far_reader, far = await asyncio.open_connection(*self._target)
        self._connections |= {near, far}
        await asyncio.gather(self._copy(near_reader, far), self._answer(far_reader, near))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        instead = self._host + int(self.address.rpartition(":")[2]).to_bytes(4)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await reader.readexactly(4)
                answer = await reader.readexactly(int.from_bytes(size))
                writer.write(size + answer.replace(self._broker, instead))
                await writer.drain()
        writer.close()
        self._connections.discard(writer)
