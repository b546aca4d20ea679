"""Whatever happens to a definition in whatever order, its history adds up."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine

from taskfactory.definitions import ActivityDefinition
from taskfactory.registry import Applied, DefinitionStore, NoShadow, UnknownNames, VersionConflict
from tests.registry.samples import definition

TEXTS = st.sampled_from(["first", "second", "third"])


class History(RuleBasedStateMachine):
    """One definition on a real registry, beside a model of a few lines."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.store = DefinitionStore(self.engine)
        self.name = f"history-{uuid4().hex}"
        self.id: str | None = None
        self.documents: list[ActivityDefinition] = []
        """Of every version there should be."""
        self.active: int | None = None
        self.shadow: int | None = None
        self.paused = False

    @property
    def there(self) -> bool:
        return self.active is not None or self.shadow is not None

    def current(self) -> ActivityDefinition:
        number = self.active or self.shadow
        assert number is not None
        return self.documents[number - 1]

    def wrote(self, applied: Applied, document: ActivityDefinition, *, shadow: bool = False) -> None:
        self.documents.append(document)
        assert applied.version == len(self.documents)
        self.id = self.id or applied.id
        if shadow:
            self.shadow = applied.version
        else:
            self.active, self.shadow = applied.version, None

    @rule(text=TEXTS, enabled=st.booleans())
    def apply(self, text: str, *, enabled: bool) -> None:
        document = definition(self.name, description=text, enabled=enabled)
        known, there = bool(self.documents), self.there
        (applied,) = self.store.apply([document], "ann")
        if self.active is not None and self.documents[self.active - 1] == document:
            assert (applied.action, applied.version) == ("unchanged", self.active)
            return
        assert applied.action == ("updated" if there else "revived" if known else "created")
        self.wrote(applied, document)

    @rule(text=TEXTS)
    def apply_as_shadow(self, text: str) -> None:
        document = definition(self.name, description=text)
        (applied,) = self.store.apply([document], "ann", shadow=True)
        beside = self.shadow or self.active
        if beside is not None and self.documents[beside - 1] == document:
            assert (applied.action, applied.version) == ("unchanged", beside)
            return
        assert applied.action == "shadowed"
        self.wrote(applied, document, shadow=True)

    @precondition(lambda self: self.there)
    @rule(enabled=st.booleans())
    def enable_or_disable(self, *, enabled: bool) -> None:
        (applied,) = (self.store.enable if enabled else self.store.disable)([self.name], "ann")
        current = self.current()
        if self.active is not None and current.enabled is enabled:
            assert applied.action == "unchanged"
            return
        self.wrote(applied, definition(self.name, description=current.description, enabled=enabled))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        to = data.draw(st.integers(1, len(self.documents)))
        applied = self.store.rollback(self.name, to, "ann")
        document = self.documents[to - 1]
        if self.active is not None and self.documents[self.active - 1] == document:
            assert applied.action == "unchanged"
            return
        self.wrote(applied, document)

    @precondition(lambda self: self.there)
    @rule()
    def promote(self) -> None:
        if self.shadow is None:
            with pytest.raises(NoShadow):
                self.store.promote(self.name, "ann")
            return
        assert self.store.promote(self.name, "ann").version == self.shadow
        self.active, self.shadow = self.shadow, None

    @precondition(lambda self: self.shadow is not None)
    @rule()
    def drop_shadow(self) -> None:
        applied = self.store.drop_shadow(self.name, "ann")
        assert applied.action == ("updated" if self.active is not None else "deleted")
        self.shadow = None
        self.paused = self.paused and self.active is not None

    @precondition(lambda self: self.there)
    @rule(paused=st.booleans())
    def pause_or_resume(self, *, paused: bool) -> None:
        changed = (self.store.pause if paused else self.store.resume)([self.name], "ann")
        assert changed == ([] if self.paused is paused else [self.name])
        self.paused = paused

    @rule()
    def remove(self) -> None:
        if not self.there:
            with pytest.raises(UnknownNames):
                self.store.remove([self.name], "ann")
            return
        self.store.remove([self.name], "ann")
        self.active = self.shadow = None
        self.paused = False

    @rule(text=TEXTS)
    def change_what_was_not_seen(self, text: str) -> None:
        with pytest.raises(VersionConflict):
            self.store.apply([definition(self.name, description=text)], "eve", expected={self.name: "0-0"})

    @invariant()
    def what_is_asked_about_events_is_what_was_said_last(self) -> None:
        changes = self.store.changes(None)
        active = [(item.version, item.paused) for item in changes.in_force if item.definition.name == self.name]
        shadow = [item.version for item in changes.shadows if item.definition.name == self.name]
        in_force = self.active is not None and self.documents[self.active - 1].enabled
        assert active == ([(self.active, self.paused)] if in_force else [])
        assert shadow == ([] if self.shadow is None else [self.shadow])

    @invariant()
    def versions_rise_by_one_and_stay_as_they_were(self) -> None:
        if not self.documents:
            return
        versions = self.store.versions(self.name)[::-1]
        assert [version.version for version in versions] == list(range(1, len(self.documents) + 1))
        assert [version.document for version in versions] == [document.to_dict() for document in self.documents]
        assert [version.version for version in versions if version.active] == ([self.active] if self.active else [])
        assert [version.version for version in versions if version.shadow] == ([self.shadow] if self.shadow else [])
        assert {version.id for version in versions} == {self.id}

    @invariant()
    def the_row_says_how_it_stands(self) -> None:
        if not self.documents:
            return
        row = self.store.get(self.name)
        if not self.there:
            assert (row.state, row.etag) == ("deleted", None)
            return
        enabled = self.active is not None and self.current().enabled
        assert row.state == (("paused" if self.paused else "enabled") if enabled else "disabled")
        assert row.shadow_version == self.shadow
        assert row.description == self.current().description


def test_any_sequence_of_changes_ends_as_the_last_of_them_says(engine: Engine) -> None:
    class OnThisRegistry(History):
        pass

    OnThisRegistry.engine = engine
    run_state_machine_as_test(
        OnThisRegistry,
        settings=settings(
            max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
