"""How large things may be that authors write and that follow from it. The settings that set them are in the docstrings.

What the CEL engine and the format itself bound is not here, because it has to be the same wherever a definition is
read: 10,000 characters and 10,000 steps of an expression, 100 tasks of a definition.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Of what is read from YAML or JSON text."""

    values: int = 50_000
    """`TASKFACTORY_MAX_YAML_VALUES`: values of one document, aliases written out."""
    depth: int = 50
    """`TASKFACTORY_MAX_YAML_DEPTH`: levels of lists and mappings."""
    documents: int = 1_000
    """`TASKFACTORY_MAX_DOCUMENTS`: documents of one text, and of all that are applied together."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Of what one event leads to."""

    tasks: int = 10_000
    """`TASKFACTORY_MAX_TASKS_PER_RUN`: skipped ones included."""
    elements: int = 10_000
    """`TASKFACTORY_MAX_FOREACH_ELEMENTS`: of the list that one `foreach` gives."""
