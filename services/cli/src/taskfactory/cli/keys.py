"""`taskfactory keys`: who may speak to the Admin API by an API key."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from taskfactory.cli.api_client import Api, admin_api, path_of
from taskfactory.cli.cells import moment, text
from taskfactory.cli.errors import BadInput, OperationFailed
from taskfactory.cli.options import Limit
from taskfactory.cli.output import Output, OutputOption, Table, show
from taskfactory.cli.telling import telling
from taskfactory.definitions.durations import InvalidDuration, parse_duration

app = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True, add_completion=False)


class Role(StrEnum):
    """What a key may do; operators and authors may also do what viewers may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    ASSIGNEE = "assignee"


@app.callback()
def keys() -> None:
    """Make, list and revoke API keys."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, such as ci or ann; the audit trail shows it.")],
    role: Annotated[list[Role], typer.Option("--role", help="What it may do; repeatable.")],
    expires_in: Annotated[str, typer.Option("--expires-in", help="Until it ends, such as 12h or 90d.")] = "90d",
    output: OutputOption = Output.TABLE,
) -> None:
    """Make an API key, and show its secret: once, for only its hash is kept.

    Only roles that you have yourself can be given.

    The key is the only line on standard output.
    """
    try:
        parse_duration(expires_in)
    except InvalidDuration as error:
        raise BadInput([f"--expires-in: {error}"]) from error
    body = {"name": name, "roles": [str(each) for each in dict.fromkeys(role)], "expires_in": expires_in}
    with admin_api() as api:
        made = api.post(path_of("keys"), body).value
    if output is not Output.TABLE:
        show(output, Table((), ()), made)
        return
    if made["key"] is None:
        raise OperationFailed(
            f"Key {made['id']} was made, but the answer with its secret got lost, and only its hash is kept.",
            f"`taskfactory keys revoke {made['id']}` ends it; then make another.",
        )
    typer.echo(made["key"])
    typer.echo(
        f"key {made['id']} of {made['name']}: {', '.join(made['roles'])}; ends {moment(made['expires_at'])}. "
        "Keep the line above: it is not shown again.",
        err=True,
    )


@app.command("list")
def list_keys(limit: Limit = 50, output: OutputOption = Output.TABLE) -> None:
    """List the keys that there are, and were; never their secrets."""
    with admin_api() as api:
        rows = list(api.pages(path_of("keys"), limit))
    show(output, keys_table(rows), rows)


@app.command()
def revoke(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As `keys list` shows them.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """End keys at once; what was done with them stays in the audit trail."""
    with telling(output) as tell, admin_api() as api:
        for key_id in dict.fromkeys(ids):
            api.delete(path_of("keys", key_id))
            tell(f"revoked {key_id}", None if output is Output.TABLE else _listed(api, key_id))


def _listed(api: Api, key_id: str) -> Mapping[str, Any]:
    return next(key for key in api.pages(path_of("keys"), None) if key["id"] == key_id)


def keys_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Keys as people read them."""
    return Table(
        ("ID", "NAME", "ROLES", "CREATED", "EXPIRES", "REVOKED", "LAST USED"),
        [
            (
                row["id"],
                row["name"],
                text(row["roles"]),
                moment(row["created_at"]),
                moment(row["expires_at"]),
                moment(row["revoked_at"]),
                moment(row["last_used_at"]),
            )
            for row in rows
        ],
    )
