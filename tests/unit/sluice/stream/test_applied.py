"""What a window remembers of batches: each reading counts once, however its source is cut into pieces."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.items import to_item
from sluice.stream import applied
from sluice.stream.applied import Run, State, WindowFullError
from sluice.stream.windows import Statistics

# A piece of a source: from which of its records, and how many.
pieces = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 11), st.integers(1, 12)), max_size=12)
# Which of a source's twelve records are readings of the window: the others are of other windows.
ours = st.sets(st.integers(0, 11))


def piece(source: str, numbers: range, readings: set[int]) -> list[Run]:
    found = [(number, Decimal(2) ** number) for number in numbers if number in readings]
    return [Run(source, found)] if found else []


@settings(max_examples=200)
@given(pieces, ours)
def test_pieces_in_any_order_add_each_reading_once(drawn, readings):
    """Powers of two: no other set of readings has the same sum."""
    state, wanted = State(), {}
    for source, first, length in drawn:
        numbers = range(first, min(first + length, 12))
        state = state.add(piece(source, numbers, readings)) or state
        wanted |= {(source, number): Decimal(2) ** number for number in numbers if number in readings}

    assert state.statistics == (Statistics.of(wanted.values()) if wanted else None)
    for ranges in state.applied.values():
        assert all(earlier[1] < later[0] for earlier, later in zip(ranges, ranges[1:], strict=False))


def test_what_lies_between_two_batches_has_not_been():
    """The batch between may have been discarded, to come back days later."""
    first = State().add(piece("a", range(0, 4), {1, 2, 3}))
    third = first.add(piece("a", range(8, 12), {8, 9}))

    second = third.add(piece("a", range(4, 8), {5}))

    assert second.statistics.count == 6
    assert second.applied == {"a": ((1, 3), (5, 5), (8, 9))}


def test_a_state_that_holds_everything_is_not_written_again():
    state = State().add(piece("a", range(4), {0, 3}))

    assert state.add(piece("a", range(4), {0, 3})) is None
    assert state.add([]) is None


def test_the_version_stays_that_of_the_item_until_it_is_written():
    state = State(Statistics.of([Decimal(1)]), {"a": ((1, 1),)}, version=7)

    assert state.add(piece("b", range(2), {1})).version == 7


def test_a_window_of_too_many_batches_is_full(monkeypatch):
    monkeypatch.setattr(applied, "BYTES_LIMIT", 250)
    state = State().add(piece("a", range(1), {0})).add(piece("a", range(2, 3), {2}))

    with pytest.raises(WindowFullError):
        state.add(piece("a", range(4, 5), {4}))

    assert state.add(piece("a", range(3), {0, 2})) is None, "what it holds, it holds"


def test_a_window_is_full_before_its_item_is_too_large():
    """The longest partition keys that Kinesis takes, and a new one each time."""
    state, number = State(), 49590338271490256608559692538361571095921575989136588898
    sources = (f"shardId-000000000000/{name:\N{SNOWMAN}>256}" for name in range(1000))

    with pytest.raises(WindowFullError):
        for source in sources:
            state = state.add([Run(source, [(number, Decimal(1))])])

    item = to_item({source: frozenset({f"{number}-{number}"}) for source in state.applied})
    assert 200_000 < len(json.dumps(item, ensure_ascii=False).encode()) < 400_000
