"""From a host's name to the addresses that are connected to: asked once, checked, then used as they are."""

import asyncio
import socket
from typing import Protocol

from taskfactory.orchestrator.context.addresses import may_connect, parse_address
from taskfactory.orchestrator.context.connections import HttpConnection
from taskfactory.orchestrator.context.trouble import ContextTrouble


class Resolver(Protocol):
    """Looks names up."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, as text, in the order in which they are to be tried.

        Raises:
            OSError: the name is not known, or nobody could be asked.
        """


class SystemResolver:
    """The operating system's resolver."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Ask it, outside of the event loop."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def pinned_addresses(name: str, connection: HttpConnection, resolver: Resolver) -> list[str]:
    """The addresses to connect to; nothing is looked up again after this.

    One address that may not be reached refuses all: a name that leads inside by chance would lead there sometimes.

    Raises:
        ContextTrouble: the name is not known, or leads to where nobody may go.
    """
    try:
        addresses = await resolver.resolve(connection.host, connection.port)
    except OSError as error:
        message = f"connection {name}: its host is not known: {type(error).__name__}"
        raise ContextTrouble("Unavailable", message, retryable=True) from error
    for address in addresses:
        if not may_connect(parse_address(address), connection.networks):
            message = (
                f"connection {name}: its host leads to {address}, which is not public; the operator allows that by "
                "allowed_networks of the connection"
            )
            raise ContextTrouble("AddressRefused", message)
    if not addresses:
        raise ContextTrouble("Unavailable", f"connection {name}: its host has no address", retryable=True)
    return addresses
