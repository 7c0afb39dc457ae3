"""The clean rows."""

from pathlib import Path

from sluice.contract.check import Check
from sluice.contract.descriptor import load_dataset
from sluice.processors import NEEDS
from sluice.processors.clean import clean

PEOPLE = load_dataset(Path(__file__).parents[4] / "lambda" / "datasets" / "people.yaml", NEEDS)


def test_valid_rows_are_written_as_they_were_under_the_header():
    source = b'\xef\xbb\xbfid,email\r\n1,a@b.org\r\n\r\nx,c@d.org\r\n3,e@f.org,more\r\n4\r\n"5",g@h.org'
    errors, pieces = [], []
    check = Check(PEOPLE, [source], errors.append)

    clean(check.blocks(), pieces.append, PEOPLE, "")

    assert b"".join(pieces) == b"id,email\n1,a@b.org\n5,g@h.org\n"
    assert (check.good, check.rejected, check.blank) == (2, 3, 1)
    assert [(error.row, error.field, error.error) for error in errors] == [
        (4, "id", "type-error"),
        (5, None, "extra-cell"),
        (6, "email", "missing-cell"),
    ]
