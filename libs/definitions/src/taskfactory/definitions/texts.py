"""Text fields that documents share: names, references, expressions."""

from typing import Annotated, Final

from pydantic import Field

NAME_PATTERN: Final = r"^[a-z0-9-]+$"
CONTEXT_NAME_PATTERN: Final = r"^[a-z][a-z0-9_]*$"
TOPIC_PATTERN: Final = r"^[a-zA-Z0-9._-]+$"
REFERENCE_PATTERN: Final = r"^\S+$"
MASKED_PATTERN: Final = r"^(\$|[^.\s\[\]]+(\.[^.\s\[\]]+)*)$"
URL_PATH_PATTERN: Final = r"^/"

PATTERN_SENTENCES: Final = {
    NAME_PATTERN: "lowercase letters, digits and hyphens",
    CONTEXT_NAME_PATTERN: "lowercase letters, digits and underscores, a letter first",
    TOPIC_PATTERN: "letters, digits, dots, underscores and hyphens",
    REFERENCE_PATTERN: "text without spaces",
    MASKED_PATTERN: "field names joined by dots, * for every element, as cards.*.number, or $ for the whole value",
    URL_PATH_PATTERN: "paths that begin with /, below the connection's base URL",
}
"""How an error message says what a pattern allows."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=120)]
ContextName = Annotated[str, Field(pattern=CONTEXT_NAME_PATTERN, max_length=120)]
Topic = Annotated[str, Field(pattern=TOPIC_PATTERN, max_length=249)]
Reference = Annotated[str, Field(pattern=REFERENCE_PATTERN, max_length=200)]
SecretPath = Annotated[str, Field(pattern=MASKED_PATTERN, max_length=500)]
UrlPath = Annotated[str, Field(pattern=URL_PATH_PATTERN, max_length=2_000)]
Cel = Annotated[str, Field(min_length=1, description="A CEL expression.")]
