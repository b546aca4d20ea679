"""What to do about a dead letter, by its reason code."""

from typing import Final

_PRODUCER: Final = (
    "The producer has to be mended, and to send the event again. These bytes will not get better: discard the letter"
)
_DEFINITION: Final = (
    "Mend the definition (`taskfactory apply`), or the event's producer if the event is wrong; then redrive the letter"
)
_ADVICE: Final = {
    "too_large": (
        "Raise TASKFACTORY_MAX_EVENT_BYTES for ingress and for this command, and redrive; or discard the letter and "
        "let the producer send a smaller event that points at its data"
    ),
    "unknown_schema": "Ship or register the schema that the record was written with, then redrive the letter",
    "too_many_hops": (
        "Break the cycle: narrow the match of a definition in the chain, and discard the letter. If the chain is meant "
        "to be so long, raise TASKFACTORY_MAX_HOPS for ingress and for this command, and redrive"
    ),
    "run_input_too_large": (
        "Let the producer send a smaller event that points at its data, and discard the letter; or raise "
        "TASKFACTORY_MAX_RUN_INPUT_BYTES for ingress and for this command, and redrive"
    ),
    "refused_by_temporal": "The sentence above is Temporal's: mend what it names, then redrive the letter",
    "internal_error": "This is a fault of taskfactory's: report it with the sentence above. Redrive after an upgrade",
}


def advice_for(reason: str, *, whole_record: bool) -> str:
    """One or two sentences, without the last full stop.

    Args:
        reason: the letter's code. Those without an entry are the producer's trouble if they concern the record itself,
            and otherwise the definition's.
        whole_record: whether it does.
    """
    return _ADVICE.get(reason, _PRODUCER if whole_record else _DEFINITION)
