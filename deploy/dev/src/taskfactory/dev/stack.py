"""The local stack as the command and the tests see it: one object per folder, whichever way it runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from taskfactory.dev.api_access import api_access
from taskfactory.dev.compose import ComposeStack, engine_answers
from taskfactory.dev.endpoints import Endpoints
from taskfactory.dev.errors import DevError, ModeError
from taskfactory.dev.kafka import Kafka
from taskfactory.dev.native import NativeStack
from taskfactory.dev.part import Part
from taskfactory.dev.ports import FREE, Ports
from taskfactory.dev.postgres import Postgres
from taskfactory.dev.progress import Progress, Silent
from taskfactory.dev.schema_registry import NAME as SCHEMA_REGISTRY
from taskfactory.dev.schema_registry import SchemaRegistry
from taskfactory.dev.state import Mode, PartStatus, StateFolder
from taskfactory.dev.temporal import Temporal


class Stack:
    """Kafka, Temporal and PostgreSQL for one folder; several folders give several stacks side by side.

    Commands of several processes on one folder wait for each other, and a second `up` reuses what runs; the servers
    outlive the process that started them, until someone calls `down`.

    Args:
        state_dir: The folder that keeps data, logs, ports and processes; made if need be.
        ports: Ports to fix; the others are free ones, and stay the same for this folder as long as they are free.
        mode: How to run. None: as this folder's stack ran before, else containers if a Docker engine answers, else
            native processes.
        with_schema_registry: Run a schema registry too, which takes about 230 MB. Containers always have one, and one
            that runs natively stays up until `down`.
    """

    def __init__(
        self,
        state_dir: Path,
        ports: Ports = FREE,
        *,
        mode: Mode | None = None,
        with_schema_registry: bool = False,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self._folder = StateFolder(self.state_dir)
        self._ports = ports
        self._mode = mode
        self._with_schema_registry = with_schema_registry

    def up(self, progress: Progress | None = None) -> Endpoints:
        """Make every server run and answer, with its topics and database.

        Args:
            progress: Told what happens.

        Raises:
            DevError: It could not; the message says what to do.
        """
        with self._folder.unmade_on(DevError), self._folder.locked():
            endpoints = self._backend(self._decide()).up(self._ports, progress or Silent())
            return replace(endpoints, api=api_access(self.state_dir, self._folder.read().ports.values()))

    def down(self, *, wipe: bool = False) -> list[str]:
        """Stop every server and leave no process.

        Args:
            wipe: Remove the data and the folder's other contents of ours as well.

        Returns:
            The names of the parts that ran.
        """
        if not self.state_dir.exists():
            return []
        with self._folder.locked():
            backend = self._backend(self._folder.read().mode or Mode.NATIVE, every_part=True)
            stopped = backend.down()
            if wipe:
                backend.wipe()
                self._folder.wipe()
            return stopped

    def status(self) -> tuple[PartStatus, ...]:
        """Look at every server; changes nothing."""
        return self._backend(self._folder.read().mode or Mode.NATIVE).status()

    def logs(self, part: str | None, lines: int, *, follow: bool) -> list[str]:
        """Give the command line that prints the newest lines of one part's log, or of all.

        Raises:
            ModeError: There is no such log.
        """
        backend = self._backend(self._folder.read().mode or Mode.NATIVE)
        if isinstance(backend, ComposeStack):
            return backend.logs(part, lines, follow=follow)
        logs = self._folder.logs()
        if not logs or (part and part not in logs):
            known = f"there are {', '.join(logs)}" if logs else "there is none yet: `taskfactory dev up` writes them"
            raise ModeError(f"no log of {part or 'any part'} in {self.state_dir}; {known}.")
        chosen = [logs[part]] if part else list(logs.values())
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, chosen)]

    def _decide(self) -> Mode:
        before = self._folder.read()
        if self._mode and before.mode and self._mode != before.mode:
            raise ModeError(
                f"the stack in {self.state_dir} is a {before.mode} one: "
                "`taskfactory dev down --wipe` removes it, or choose another --state."
            )
        mode = self._mode or before.mode
        if mode is Mode.NATIVE:
            return mode
        if engine_answers():
            return Mode.DOCKER
        if mode is Mode.DOCKER:
            raise ModeError("no Docker engine with Compose answers: start one, or use --native.")
        return Mode.NATIVE

    def _backend(self, mode: Mode, *, every_part: bool = False) -> NativeStack | ComposeStack:
        if mode is Mode.DOCKER:
            return ComposeStack(self._folder)
        return NativeStack(self._folder, self._parts(every=every_part))

    def _parts(self, *, every: bool) -> Sequence[Part]:
        parts: list[Part] = [
            Kafka(self.state_dir / "kafka"),
            Temporal(self.state_dir / "temporal"),
            Postgres(self.state_dir / "postgres"),
        ]
        if every or self._with_schema_registry or SCHEMA_REGISTRY in self._folder.read().servers:
            parts.append(SchemaRegistry(self.state_dir / SCHEMA_REGISTRY))
        return parts
