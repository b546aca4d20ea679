"""`taskfactory describe`: everything about one thing, on one page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from taskfactory.cli.api_client import Api, admin_api, path_of
from taskfactory.cli.cells import moment, reason, text, took
from taskfactory.cli.names import definition_names
from taskfactory.cli.output import Output, OutputOption, Table, show, yaml_text
from taskfactory.cli.run_lists import task_of
from taskfactory.cli.schedule_tables import next_table, schedule_facts, ticks_table
from taskfactory.cli.standing import known_definition
from taskfactory.cli.tables import context_table, runs_table, shadow_table, tasks_table, versions_table

FEW: Final = 5
"""Versions, runs and ticks on a page."""
CRON: Final = "cron"
COMPARED: Final = ("both", "only_active", "only_shadow", "errors", "other_key")
"""Counts of a comparison, in this order."""


class Kind(StrEnum):
    """What can be described."""

    DEFINITION = "definition"
    RUN = "run"
    TASK = "task"
    SCHEDULE = "schedule"


@dataclass(frozen=True)
class Section:
    """A part of a page."""

    title: str
    body: Table | Sequence[str]


def describe(
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="Its name, or its id.", autocompletion=definition_names)],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything about one definition, run, task or schedule."""
    _DESCRIBED[kind](name, output)


def describe_definition(name: str, output: Output) -> None:
    """How it stands, its versions, its newest runs, its shadow version, its next ticks and its document.

    Raises:
        NotFound: there is none of that name.
    """
    with admin_api() as api:
        found = known_definition(api, name).value
        versions = list(api.pages(path_of("definitions", name, "versions"), FEW))
        runs = list(api.pages(path_of("runs"), FEW, definition=name))
        shadow = None if found["shadow_version"] is None else api.get(path_of("definitions", name, "shadow"))
        ticks = _next(api, name) if found["trigger_type"] == CRON and found["state"] == "enabled" else None
    value = {**found, "versions": versions, "runs": runs, "shadow": shadow, "next": ticks}
    sections = [
        Section(f"definition {name}", _standing(found)),
        Section("versions", versions_table(versions)),
        Section("newest runs", runs_table(runs) if runs else ["none yet"]),
    ]
    if shadow is not None:
        sections.append(Section("shadow version beside the active one", _comparison(shadow)))
        if shadow["examples"]:
            sections.append(Section("records that it sees", shadow_table(shadow["examples"])))
    if ticks is not None:
        sections.append(Section("next ticks", next_table(ticks)))
    sections.append(Section("document", yaml_text(found["document"]).splitlines()))
    _print(sections, value, output)


def describe_run(run_id: str, output: Output) -> None:
    """The run's event, how it went, its context and its tasks.

    Raises:
        NotFound: there is no such run, or none any more.
    """
    with admin_api() as api:
        found = api.get(path_of("runs", run_id))
        context = api.get(path_of("runs", run_id, "context"))["items"]
        tasks = list(api.pages(path_of("runs", run_id, "tasks"), None))
    sections = [Section(f"run {run_id}", _run_facts(found))]
    if context:
        sections.append(Section("context", context_table(context)))
    sections.append(Section("tasks", tasks_table(tasks) if tasks else ["none"]))
    _print(sections, {**found, "context": context, "tasks": tasks}, output)


def describe_task(task_id: str, output: Output) -> None:
    """How the task went, what it was given and what it gave.

    Raises:
        NotFound: there is no such task, or none any more.
    """
    with admin_api() as api:
        found = task_of(api, task_id)
    facts = [
        ("state", found["state"]),
        ("definition", found["definition"]),
        ("run", found["run_id"]),
        ("handler", text(found["handler"])),
        ("queue", text(found["queue"])),
        ("attempts", text(found["attempts"])),
        ("scheduled", moment(found["scheduled_at"])),
        ("ended", moment(found["ended_at"])),
        ("reason", reason(found["error"])),
    ]
    sections = [
        Section(f"task {task_id}", aligned(facts)),
        Section("params", _value(found.get("params"))),
        Section("result", _value(found.get("result"))),
    ]
    _print(sections, found, output)


def describe_schedule(name: str, output: Output) -> None:
    """When a definition with a cron trigger fires, and what became of its latest ticks.

    Raises:
        NotFound: there is no schedule of that name.
    """
    with admin_api() as api:
        found = api.get(path_of("schedules", name))
        ticks = _next(api, name)
    sections = [
        Section(f"schedule {name}", aligned(schedule_facts(found["schedule"]))),
        Section("latest ticks", ticks_table(found["recent"]) if found["recent"] else ["none yet"]),
        Section("next ticks", next_table(ticks) if ticks["items"] else ["none"]),
    ]
    _print(sections, {**found, "next": ticks}, output)


_DESCRIBED: Final[Mapping[Kind, Callable[[str, Output], None]]] = {
    Kind.DEFINITION: describe_definition,
    Kind.RUN: describe_run,
    Kind.TASK: describe_task,
    Kind.SCHEDULE: describe_schedule,
}


def aligned(facts: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values below one another; what says nothing is left out."""
    width = max(len(name) for name, _ in facts)
    return [f"{name:{width}}  {value}" for name, value in facts if value != "-"]


def _value(value: Any) -> list[str]:
    # YAML ends a value that is no list or mapping with a line of its own.
    return ["none"] if value is None else yaml_text(value).removesuffix("\n...\n").splitlines()


def _next(api: Api, name: str) -> Any:
    return api.get(path_of("schedules", name, "next"), count=FEW)


def _standing(found: Mapping[str, Any]) -> list[str]:
    return aligned(
        [
            ("state", found["state"]),
            ("version", str(found["version"])),
            ("shadow version", text(found["shadow_version"])),
            ("description", text(found["description"])),
            ("trigger", found["trigger_type"]),
            ("dedupe", found["dedupe"]),
            ("id", found["id"]),
            ("etag", found["etag"]),
            ("created", f"{moment(found['created_at'])} by {found['created_by']}"),
            ("updated", f"{moment(found['updated_at'])} by {found['updated_by']}"),
            ("because", text(found["reason"])),
        ]
    )


def _run_facts(found: Mapping[str, Any]) -> list[str]:
    trigger = found["trigger"]
    place = [str(trigger[part]) for part in ("topic", "partition", "offset") if trigger.get(part) is not None]
    return aligned(
        [
            ("state", found["state"]),
            ("definition", f"{found['definition']}@{found['version']}"),
            ("generation", text(found["generation"])),
            ("event", f"{found['event_type']} {found['event_id']} of {found['event_source']}"),
            ("record", "/".join(place) or "-"),
            ("dedupe key", f"{found['dedupe_key']} ({found['dedupe_strategy']})"),
            ("started", moment(found["started_at"])),
            ("ended", moment(found["ended_at"])),
            ("took", took(found["started_at"], found["ended_at"])),
            ("reason", reason(found["error"])),
            ("rerun of", _rerun(found.get("rerun_of"))),
            ("rerun as", _rerun(found.get("rerun_as"))),
        ]
    )


def _rerun(link: Mapping[str, Any] | None) -> str:
    if link is None:
        return "-"
    because = f": {link['reason']}" if link["reason"] else ""
    return f"{link['run_id']}, by {link['by']} at {moment(link['at'])}{because}"


def _comparison(report: Mapping[str, Any]) -> list[str]:
    if report["first"] is None:
        return ["it has not been asked about any record yet"]
    full = "yes, no more records are written down" if report["full"] else "-"
    return aligned(
        [
            *((name.replace("_", " "), f"{report[name]:,}") for name in COMPARED),
            ("from", moment(report["first"])),
            ("to", moment(report["last"])),
            ("full", full),
        ]
    )


def _print(sections: Sequence[Section], value: Any, output: Output) -> None:
    if output is not Output.TABLE:
        show(output, Table((), ()), value)
        return
    for number, section in enumerate(sections):
        typer.echo(f"{'' if number == 0 else chr(10)}{section.title}")
        if isinstance(section.body, Table):
            show(Output.TABLE, section.body, None)
        else:
            for line in section.body:
                typer.echo(f"  {line}")
