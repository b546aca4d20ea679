"""The body of an HTTP answer, read and unpacked with a limit that holds at every moment."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

from taskfactory.orchestrator.context.trouble import ContextTrouble

ACCEPTED_ENCODING: Final = "gzip"
_GZIP_WINDOW: Final = 31


async def read_answer(name: str, chunks: AsyncIterator[bytes], encoding: str, max_bytes: int) -> bytes:
    """Read up to `max_bytes`, counted unpacked.

    Args:
        name: the connection, for the message.
        chunks: as they come from the network.
        encoding: of `Content-Encoding`, empty for none.
        max_bytes: more is an error; not more than that is ever unpacked.

    Raises:
        ContextTrouble: too large, or packed in a way that was not asked for.
    """
    if encoding.strip().lower() not in ("", "identity", "gzip"):
        message = f"connection {name}: the answer is packed as {encoding[:20]!r}; accepted are gzip and no packing"
        raise ContextTrouble("Unreadable", message)
    unpack = zlib.decompressobj(_GZIP_WINDOW) if "gzip" in encoding.lower() else None
    body = bytearray()
    async for chunk in chunks:
        room = max_bytes - len(body)
        try:
            # At most one byte more than fits, whatever the chunk would become.
            body += chunk if unpack is None else unpack.decompress(chunk, room + 1)
        except zlib.error as error:
            raise ContextTrouble("Unreadable", f"connection {name}: the answer is no gzip", retryable=True) from error
        if len(body) > max_bytes:
            message = f"connection {name}: the answer has more than {max_bytes} bytes, the most that is allowed here"
            raise ContextTrouble("TooLarge", message)
    if unpack is not None and not unpack.eof:
        raise ContextTrouble("Unreadable", f"connection {name}: the answer ended too early", retryable=True)
    return bytes(body)
