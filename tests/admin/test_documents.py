"""Files as requests bring them."""

import pytest

from taskfactory.admin.documents import File, read_files
from taskfactory.definitions import DocumentLimits, InvalidDefinitions

ONE = """
apiVersion: taskfactory/v1
kind: ActivityDefinition
name: {name}
trigger: {{type: event, match: {{type: [order]}}}}
tasks: [{{name: only, type: activity, handler: h, queue: q}}]
"""


def test_the_documents_of_all_files_together_have_a_limit() -> None:
    files = [File(origin=f"{name}.yaml", text=ONE.format(name=name)) for name in ("a", "b", "c")]
    assert len(read_files(files, DocumentLimits(documents=3)).definitions) == 3
    with pytest.raises(InvalidDefinitions) as refused:
        read_files(files, DocumentLimits(documents=2))
    [error] = refused.value.errors
    assert (error.origin, error.message) == (
        "c.yaml",
        "found 3 documents up to here; allowed are at most 2 at once (TASKFACTORY_MAX_DOCUMENTS)",
    )
