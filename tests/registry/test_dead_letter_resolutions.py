"""Which dead letters are off the list."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine

from taskfactory.registry import DeadLetterResolutions, Refused, Resolution


def test_a_letters_resolution_is_the_one_with_the_most_attempts(engine: Engine) -> None:
    resolutions, letter = DeadLetterResolutions(engine), f"events/0/{uuid4()}"
    resolutions.put(
        [Resolution(letter, 2, "redriven", "started x", "ada"), Resolution(letter, 1, "discarded", "y", "b")]
    )
    found = resolutions.newest([letter, "events/0/unknown"])
    assert set(found) == {letter}
    assert (found[letter].attempts, found[letter].resolution, found[letter].by) == (2, "redriven", "ada")
    assert found[letter].at is not None


def test_of_two_resolutions_of_one_attempt_the_first_stands(engine: Engine) -> None:
    resolutions, letter = DeadLetterResolutions(engine), f"events/0/{uuid4()}"
    resolutions.put([Resolution(letter, 1, "discarded", "a test event", "ada")])
    resolutions.put([Resolution(letter, 1, "redriven", "started x", "bob")])
    assert resolutions.newest([letter])[letter].resolution == "discarded"


def test_any_number_of_letters_is_asked_for_at_once(engine: Engine) -> None:
    resolutions, prefix = DeadLetterResolutions(engine), f"events/{uuid4()}"
    ids = [f"{prefix}/{number}" for number in range(12_000)]
    resolutions.put([Resolution(letter, 1, "discarded", "many", "ada") for letter in ids])
    assert len(resolutions.newest([*ids, f"{prefix}/none"])) == 12_000
    assert resolutions.newest([]) == {}


def test_a_reason_that_the_database_refuses_records_nothing(engine: Engine) -> None:
    resolutions, letter = DeadLetterResolutions(engine), f"events/0/{uuid4()}"
    with pytest.raises(Refused):
        resolutions.put([Resolution(letter, 1, "discarded", "nul \0", "ada")])
    assert resolutions.newest([letter]) == {}
