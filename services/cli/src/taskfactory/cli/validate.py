"""`taskfactory validate`: files checked as `apply` checks them, without any server."""

import typer

from taskfactory.cli.documents import check_sources
from taskfactory.cli.errors import BadInput
from taskfactory.cli.exit_status import ExitStatus
from taskfactory.cli.options import Files
from taskfactory.cli.output import Output, OutputOption, Table, counted, show
from taskfactory.definitions import DefinitionError


def validate(file: Files, output: OutputOption = Output.TABLE) -> None:
    """Check files as `apply` does, without any server.

    The same errors in the same words, `file:line:column: path: message`; exit status 2 when there is one.
    """
    found = check_sources(file)
    if output is not Output.TABLE:
        documents = [("ActivityDefinition", each.name) for each in found.documents.definitions]
        documents += [("TopicMapping", each.topic) for each in found.documents.mappings]
        value = {
            "valid": not found.problems,
            "errors": [_error(problem) for problem in found.problems],
            "documents": [{"kind": kind, "name": name} for kind, name in documents],
        }
        show(output, Table((), ()), value)
        if found.problems:
            raise typer.Exit(ExitStatus.BAD_INPUT)
        return
    if found.problems:
        raise BadInput([str(problem) for problem in found.problems])
    definitions = counted(len(found.documents.definitions), "definition")
    typer.echo(f"valid: {definitions}, {counted(len(found.documents.mappings), 'topic mapping')}")


def _error(problem: DefinitionError | str) -> dict[str, object]:
    if isinstance(problem, str):
        return {"origin": None, "path": "", "message": problem, "line": None, "column": None}
    return {
        "origin": problem.origin,
        "path": problem.path,
        "message": problem.message,
        "line": problem.line,
        "column": problem.column,
    }
