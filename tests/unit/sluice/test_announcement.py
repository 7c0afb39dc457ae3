"""What subscribers read."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sluice.announcement import announce
from sluice.upload import Outcome, RowError, Upload


def test_a_person_can_read_it():
    outcome = Outcome("PARTIAL", "2 of 1,000 rows break the contract", "prices", 998, 2)
    outcome.first_errors.append(RowError(7, "price", "type-error", "is not a number", "4111 1111"))
    told = announce(Upload("b", "prices/LSE/ABC.csv", "v", 1), 1, outcome, "staging")

    assert told.subject == "2 of 1,000 rows rejected: prices/LSE/ABC.csv"
    assert "row 7: price is not a number (type-error)" in told.text
    assert "upload the file again" in told.text
    assert "4111" not in told.text + told.document


@given(st.text(min_size=1), st.sampled_from(["SUCCEEDED", "PARTIAL", "REJECTED", "FAILED", "IGNORED"]))
def test_no_key_makes_publishing_fail(key, state):
    told = announce(Upload("b", key, "v", 1), 2, Outcome(state, "why"), "test")

    assert 0 < len(told.subject) < 100
    assert all(" " <= character <= "~" for character in told.subject)
    assert not told.subject.startswith(" ")
    assert json.loads(told.document)["key"] == key
    assert all(told.attributes.values())


def test_no_key_writes_lines_of_its_own_or_turns_the_text_round():
    key = "people/a\nState:         SUCCEEDED\r\u2028\u202egnp.csv"
    outcome = Outcome("REJECTED", "the file is empty", "people")
    told = announce(Upload("b", key, "v", 1), 1, outcome, "test")
    plain = announce(Upload("b", "people/a.csv", "v", 1), 1, outcome, "test")

    assert len(told.text.splitlines()) == len(plain.text.splitlines())
    assert "people/a\\nState:         SUCCEEDED\\r\\u2028\\u202egnp.csv" in told.text
    assert json.loads(told.document)["key"] == key
