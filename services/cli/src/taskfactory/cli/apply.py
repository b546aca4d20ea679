"""`taskfactory apply`: definitions and topic mappings from files into the registry, all of them or none."""

from collections.abc import Sequence
from typing import Annotated

import typer

from taskfactory.cli.api_client import Api, admin_api
from taskfactory.cli.documents import SourceText, read_texts
from taskfactory.cli.options import Because, DryRun, Files, Yes
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.plan import Plan, plan_of
from taskfactory.cli.prune_guard import require_prunable

ANY_NUMBER = 1_000_000
"""Deletions of a dry run: what is too many is decided when the plan is known."""

Prune = Annotated[
    bool, typer.Option("--prune", help="Delete the definitions and mappings that the files don't have: all of them.")
]


def apply(  # noqa: PLR0913 -- one parameter per option
    file: Files,
    *,
    dry_run: DryRun = False,
    prune: Prune = False,
    prune_max: Annotated[
        int | None, typer.Option("--prune-max", min=0, help="Deletions at most; without it, --prune asks for many.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="As shadow versions: asked for every event, and never starting anything.")
    ] = False,
    because: Because = None,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Register activity definitions and topic mappings from files: all of them, or none.

    All files are checked first; one error anywhere, and nothing is applied. Then the plan is shown and carried out:
    + is created, ~ updated, ? becomes a shadow version, - deleted, = unchanged. When somebody else changes one of the
    definitions in between, nothing is applied, and the exit status is 4. The services see changes within a second.

    --prune refuses to delete more than 10 documents, or more than a fifth of those that are registered, unless
    somebody says yes: on a terminal it asks, elsewhere it wants --prune-max or --yes.
    """
    texts = read_texts(file)
    with admin_api() as api:
        plan = planned(api, texts, shadow=shadow, prune=prune)
        if output is Output.TABLE:
            for line in plan.lines():
                typer.echo(line)
        if not dry_run and plan.changing:
            require_prunable(plan, limit=prune_max, yes=yes)
            body = {
                **_body(texts, shadow=shadow, prune=prune, deletions=len(plan.deletions)),
                "reason": because,
                "expected": plan.expected,
            }
            plan = plan_of(api.post("/v1/apply", body).value)
            if output is Output.TABLE:
                typer.echo(f"applied: {plan.summary()}")
    if output is not Output.TABLE:
        show_plan(plan, output, applied=not dry_run)
    elif dry_run and plan.changing:
        typer.echo("dry run: nothing was applied")


def planned(api: Api, texts: Sequence[SourceText], *, shadow: bool, prune: bool) -> Plan:
    """What applying would do now."""
    body = _body(texts, shadow=shadow, prune=prune, deletions=ANY_NUMBER) | {"dry_run": True}
    return plan_of(api.question("/v1/apply", body))


def show_plan(plan: Plan, output: Output, **more: object) -> None:
    """The plan for programs, with further fields."""
    items = [
        {
            "kind": item.kind,
            "name": item.name,
            "action": item.action,
            "version": item.version,
            "etag": item.etag,
            "changes": item.changes,
        }
        for item in plan.items
    ]
    show(output, Table((), ()), {"items": items, **more})


def _body(texts: Sequence[SourceText], *, shadow: bool, prune: bool, deletions: int) -> dict[str, object]:
    body: dict[str, object] = {"files": [text.to_json() for text in texts], "shadow": shadow}
    if prune:
        body["prune"] = {"kind_names_not_listed": True, "max": deletions}
    return body
