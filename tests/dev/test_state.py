"""The state's file says what was written, and wiping takes only what is ours."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from taskfactory.dev.processes import ServerProcess
from taskfactory.dev.state import Mode, StackState, StateFolder

servers = st.builds(ServerProcess, pid=st.integers(1, 2**22), created=st.floats(0, 2e9))
states = st.builds(
    StackState,
    mode=st.none() | st.sampled_from(Mode),
    ports=st.dictionaries(st.text(), st.integers(1, 65_535)),
    servers=st.dictionaries(st.text(), servers),
)


@given(states)
def test_reading_gives_what_was_written(state: StackState) -> None:
    assert StackState.from_json(state.to_json()) == state


@given(states, st.text(), servers)
def test_a_stopped_part_is_forgotten_and_its_ports_are_not(state: StackState, part: str, server: ServerProcess) -> None:
    started = state.started(part, server)
    assert started.servers[part] == server
    stopped = started.stopped([part])
    assert part not in stopped.servers
    assert stopped.ports == state.ports


def test_a_new_folder_has_an_empty_state(tmp_path: Path) -> None:
    assert StateFolder(tmp_path / "none").read() == StackState()


def test_wiping_removes_the_folder_when_nothing_else_is_in_it(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    with folder.locked():
        folder.write(StackState(mode=Mode.NATIVE))
        folder.log("kafka").write_text("hello")
        folder.wipe()
    assert not folder.path.exists()


def test_wiping_leaves_what_is_not_ours(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    (tmp_path / "thesis.txt").write_text("years of work")
    with folder.locked():
        folder.write(StackState())
        folder.wipe()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
