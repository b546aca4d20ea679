"""PostgreSQL never runs as root, and whoever runs it can reach its folder."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskfactory.dev.account import Account, choose_account, may_enter, reaches

ROOT, POSTGRES, NOBODY = Account("root", 0, 0), Account("postgres", 101, 104), Account("nobody", 65534, 65534)
ANN = Account("ann", 1000, 1000)
accounts = st.lists(
    st.builds(Account, st.sampled_from(["root", "ann", "nobody", "postgres", "bob"]), st.integers(0, 9), st.just(7))
)


@given(euid=st.integers(min_value=1), known=accounts)
def test_an_ordinary_user_runs_it_as_itself(euid: int, known: list[Account]) -> None:
    assert choose_account(euid, known) is None


@pytest.mark.parametrize(
    ("known", "chosen"),
    [([ROOT, ANN, NOBODY, POSTGRES], POSTGRES), ([ROOT, NOBODY, ANN], NOBODY), ([ROOT, ANN], ANN)],
)
def test_root_gives_it_to_an_unprivileged_account(known: list[Account], chosen: Account) -> None:
    assert choose_account(0, known) == chosen


@given(known=accounts)
def test_root_never_gives_it_to_root(known: list[Account]) -> None:
    try:
        chosen = choose_account(0, known)
    except LookupError:
        assert all(account.uid == 0 for account in known)
    else:
        assert chosen is not None
        assert chosen.uid != 0


def folder(mode: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    return os.stat_result((0o040000 | mode, 0, 0, 0, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("places", "enters"),
    [
        ([folder(0o755), folder(0o711)], True),
        ([folder(0o755), folder(0o700)], False),
        ([folder(0o700, uid=101)], True),
        ([folder(0o750, gid=104)], True),
        ([folder(0o701, gid=104)], False),  # the group's bits count for the group, not the others'
    ],
)
def test_every_folder_on_the_way_must_let_the_account_through(places: list[os.stat_result], *, enters: bool) -> None:
    assert may_enter(POSTGRES, places) is enters


def test_a_closed_folder_is_out_of_reach_for_others_and_open_to_ourselves(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert reaches(None, closed)
    assert not reaches(Account("stranger", 4_000_000, 4_000_000), closed)
