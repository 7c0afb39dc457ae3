"""`scripts/demo --with`: what may be named, how often, and in which order it is shown."""

from decimal import Decimal

import pytest

from local import demo
from local.demonstrations import Shown, table


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], []),
        (["--with", "stream"], ["stream"]),
        (["--with", "stream,api", "--with", "database"], ["database", "api", "stream"]),
        (["--with", "stream", "--with", "stream"], ["stream"]),
    ],
    ids=["nothing", "one", "commas and repeated", "twice the same"],
)
def test_parts_are_named_by_commas_or_repeatedly(arguments, parts):
    assert demo._parse(arguments).parts == parts


def test_what_is_no_part_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        demo._parse(["--with", "stream,steam"])
    assert "--with takes database, api, stream, not 'steam'" in capsys.readouterr().err


def test_whoever_shows_the_stream_says_that_anybody_may_call_its_api():
    assert demo.PARTS["stream"].SETTINGS["ApiAuthorization"] == "NONE"
    assert "ApiAuthorization" not in demo.PARTS["api"].SETTINGS


def test_rows_are_shown_as_a_table_and_told_as_they_are():
    shown = Shown()
    shown.tell("averages", [{"sensor": "attic", "average": 20.5}, {"sensor": None, "average": 7}], "averages")

    assert shown.document == {"averages": [{"sensor": "attic", "average": 20.5}, {"sensor": None, "average": 7}]}
    assert shown.text == ["", "averages", "", "sensor  average", "attic   20.5", "-       7"]
    assert list(table([["a", "bb"], ["ccc", "d"]])) == ["a    bb", "ccc  d"]


def test_the_average_that_an_answer_is_held_against_is_exact():
    answers = {"resolution": "minute", "from": "a", "to": "b", "count": 3, "min": 0.1, "max": 0.3, "average": 0.2}
    stream = demo.PARTS["stream"]
    readings = [stream.Reading("attic", None, Decimal(value)) for value in ("0.1", "0.2", "0.3")]

    class Api:
        def get(self, path: str, **query: object):
            return type("Answer", (), {"document": answers})

    row = stream._average(Api(), "attic", {}, readings)
    assert (row["reference"], row["of"]) == (0.2, 3)
