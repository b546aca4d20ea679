"""Java, which two of the servers run on."""

from taskfactory.dev.errors import ToolMissingError
from taskfactory.dev.versions import tool_version

_OLDEST = (17,)


def require_java(purpose: str) -> None:
    """Look for a Java that is recent enough.

    Args:
        purpose: What needs it, as the beginning of a sentence.

    Raises:
        ToolMissingError: There is none.
    """
    java = tool_version(["java", "-version"], after='version "')
    if java is None or java < _OLDEST:
        raise ToolMissingError(
            "Java 17 or later", purpose, "install a JRE (Debian: apt-get install openjdk-17-jre-headless)"
        )
