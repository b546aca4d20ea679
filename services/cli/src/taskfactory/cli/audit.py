"""`taskfactory audit`: whether everything is accounted for, and who did what."""

import typer

from taskfactory.cli.audit_records import records
from taskfactory.cli.audit_schedules import schedules
from taskfactory.cli.audit_trail import trail
from taskfactory.cli.default_command import DefaultCommandGroup

app = typer.Typer(name="audit", cls=DefaultCommandGroup, no_args_is_help=True, add_completion=False)


@app.callback()
def audit() -> None:
    """Prove that every record, or every tick of schedules, is accounted for; or show who did what.

    `taskfactory audit --topic …` is short for `taskfactory audit records --topic …`.
    """


app.command()(records)
app.command()(schedules)
app.command()(trail)
