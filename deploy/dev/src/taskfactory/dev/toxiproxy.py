"""toxiproxy: a TCP proxy that delays, cuts and swallows what passes through it, when told to over HTTP."""

from taskfactory.dev.cache import Cache, user_cache
from taskfactory.dev.go_tool import GoTool


def toxiproxy(cache: Cache | None = None) -> GoTool:
    """Describe the program.

    Args:
        cache: Where its binary is kept; default: the user's.
    """
    return GoTool(
        "toxiproxy",
        "toxiproxy",
        "github.com/Shopify/toxiproxy/v2/cmd/server",
        "10 seconds",
        cache=cache or user_cache(),
    )
