"""What can be wrong with a change of definitions, or with a question about them."""

from collections.abc import Sequence


class DuplicateNames(ValueError):  # noqa: N818 -- it names what is wrong with the input
    """Two definitions of one name, or two mappings of one topic, were to be applied together.

    Attributes:
        names: the names or topics that occur more than once, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Name them."""
        self.names = tuple(names)
        super().__init__(f"given more than once: {', '.join(names)}; a name stands for one document")


class UnknownNames(LookupError):  # noqa: N818 -- it names what is missing
    """No definition has one of these names, or the one that had it was deleted.

    Attributes:
        names: those that are unknown, sorted.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Name them."""
        self.names = tuple(names)
        super().__init__(f"no definition is named {', '.join(names)}; `taskfactory get definitions` lists them")


class UnknownDefinition(LookupError):  # noqa: N818 -- it names what is missing
    """No definition has this id in this version.

    Attributes:
        id: the definition's UUID.
        version: the version asked for.
    """

    def __init__(self, definition_id: str, version: int) -> None:
        """Keep both."""
        self.id = definition_id
        self.version = version
        super().__init__(f"the registry has no version {version} of definition {definition_id}")


class UnknownVersion(LookupError):  # noqa: N818 -- it names what is missing
    """The definition of this name has no such version.

    Attributes:
        name: the definition's.
        version: the version asked for.
        newest: the highest that it has.
    """

    def __init__(self, name: str, version: int, newest: int) -> None:
        """Keep them."""
        self.name = name
        self.version = version
        self.newest = newest
        super().__init__(f"{name} has no version {version}: it has 1 to {newest}")


class NoShadow(LookupError):  # noqa: N818 -- it names what is missing
    """The definition has no shadow version.

    Attributes:
        name: the definition's.
    """

    def __init__(self, name: str) -> None:
        """Name it."""
        self.name = name
        super().__init__(f"{name} has no shadow version; apply one with `--shadow` first")


class NoShadowMappings(ValueError):  # noqa: N818 -- it names what is wrong with the input
    """Topic mappings were to change together with shadow versions; a mapping has none, it would be in force at once.

    Attributes:
        topics: whose mappings would change, in their order.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        """Name them."""
        self.topics = tuple(topics)
        super().__init__(
            f"the mapping of {', '.join(topics)} would be in force at once: only definitions have shadow versions. "
            "Apply mappings without `--shadow`, or leave them out"
        )


class VersionConflict(Exception):  # noqa: N818 -- it names what happened
    """Somebody else has changed the definition since it was looked at; nothing was changed.

    Attributes:
        name: the definition's.
        expected: the ETag that it was to have; None: it was not to exist; `*`: it was to exist.
        found: the one that it has; None: there is none, or it was deleted.
    """

    def __init__(self, name: str, expected: str | None, found: str | None) -> None:
        """Say what differs."""
        self.name = name
        self.expected = expected
        self.found = found
        if found is None:
            said = f"{name} does not exist, or was deleted"
        elif expected is None:
            said = f"{name} exists already, at {found}"
        else:
            said = f"{name} was changed meanwhile: it is at {found}, expected was {expected}"
        super().__init__(f"{said}; nothing was changed. Look at it as it is now, then decide again")
