"""What subscribers read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.announcement import announce
from sluice.upload import (
    FAILED,
    IGNORED,
    PARTIAL,
    REJECTED,
    STREAM_VERSION,
    SUCCEEDED,
    Outcome,
    RowError,
    Stored,
    Upload,
)

KEY = "prices/LSE/ABC.csv"
STATES = [SUCCEEDED, PARTIAL, REJECTED, FAILED, IGNORED]
# S3 takes 1,024 bytes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
KEY_BYTES = 1024
KEYS = st.builds(
    lambda text, times: (text * times).encode()[:KEY_BYTES].decode(errors="ignore"),
    st.text(min_size=1, max_size=30),
    st.sampled_from([1, KEY_BYTES]),
)


def told(key: str, outcome: Outcome, version: str = "v"):
    return announce(Upload("b", key, version, 1), 1, outcome, "staging")


def test_a_person_can_read_it():
    outcome = Outcome(PARTIAL, "2 of 1,000 rows break the contract", "prices", 998, 2)
    outcome.first_errors.append(RowError(7, "price", "type-error", "is not a number", "4111 1111"))
    outcome.error_report = Stored("results", f"{KEY}.errors.jsonl", "v", "", 1)
    mail = told(KEY, outcome)

    assert mail.subject == "prices/LSE/ABC.csv: 2 of 1,000 rows rejected"
    headline, _, advice, _, first, error, _, report, where, *_ = mail.text.splitlines()
    assert headline == mail.subject
    assert advice == "Correct the rejected rows and upload the file again; the error report names them."
    assert (first, error) == ("The first errors:", "  row 7: price is not a number (type-error)")
    assert report.startswith("Every error") and where == "  s3://results/prices/LSE/ABC.csv.errors.jsonl"
    assert "4111" not in mail.text + mail.document


@pytest.mark.parametrize(
    ("outcome", "subject"),
    [
        (Outcome(SUCCEEDED, "", "prices", 30), f"{KEY}: all 30 rows processed"),
        (Outcome(REJECTED, "a picture", "prices"), f"{KEY}: rejected, nothing of it was processed"),
        (Outcome(FAILED, "gave up", "prices"), f"{KEY}: not processed, and not by its own fault"),
        (Outcome(IGNORED, "no dataset"), f"{KEY}: ignored"),
    ],
)
def test_a_subject_says_which_file_and_what_became_of_it(outcome, subject):
    assert told(KEY, outcome).subject == subject


def test_what_to_do_about_a_batch_of_a_stream_is_not_to_upload_it_again():
    assert "upload" not in told(KEY, Outcome(REJECTED, "why"), STREAM_VERSION).text.splitlines()[2]


def test_of_a_long_key_the_end_stays_which_tells_files_apart():
    mail = told(f"prices/{'x' * 200}/2026-11-28.csv", Outcome(PARTIAL, "", "prices", 998, 2))

    assert len(mail.subject) == 99
    assert mail.subject.startswith("...xxx")
    assert mail.subject.endswith("xxx/2026-11-28.csv: 2 of 1,000 rows rejected")


def test_letters_keep_what_ascii_has_of_them():
    assert told("Größe/Café 東.csv", Outcome(IGNORED, "")).subject == "Gro?e/Cafe ?.csv: ignored"


def test_a_key_cannot_write_lines_of_its_own_into_the_mail():
    text = told("a\r\nState:  SUCCEEDED\u2028\u202e.csv", Outcome(REJECTED, "why")).text

    assert text.splitlines()[0] == "a??State:  SUCCEEDED??.csv: rejected, nothing of it was processed"
    assert [line for line in text.splitlines() if line.startswith("State:")] == ["State:         REJECTED"]


@given(KEYS, st.sampled_from(STATES), st.integers(0, 10**12), st.integers(0, 10**12))
def test_no_key_makes_publishing_fail(key, state, good, rejected):
    """SNS refuses a subject of 100 characters or more, or with control characters; it once asked for ASCII that begins
    with a letter, a number or a punctuation mark."""
    mail = told(key, Outcome(state, "why", None, good, rejected))

    assert 0 < len(mail.subject) < 100
    assert all(" " <= character <= "~" for character in mail.subject)
    assert mail.subject[0] != " "
    # Nobody writes a line but us: as many as there are parts of the mail.
    assert len(mail.text.splitlines()) == 13
    assert json.loads(mail.document)["key"] == key
    assert all(mail.attributes.values())
    # A message may have 256 KB, attributes included, and carries document and text.
    assert len(json.dumps({"default": mail.document, "email": mail.text}).encode()) < 100_000
