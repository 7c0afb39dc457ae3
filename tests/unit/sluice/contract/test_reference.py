"""Sluice against Frictionless on generated descriptors and files: the same errors at the same rows and fields.

Where they are meant to differ, docs/contracts.md has a row in its table, DIFFERENCES an example of it that both sides
are held to, and `expected` applies it to what is generated.
"""

import csv
import io
import re
from pathlib import Path

import pytest
from frictionless import FrictionlessException
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sluice.errors import PermanentError
from support.reference import ours, theirs

DOCUMENT = Path(__file__).parents[4] / "docs" / "contracts.md"
TYPE, CONSTRAINT = {(2, "f", "type-error")}, {(2, "f", "constraint-error")}


def cell(field: dict, text: str, here: set, there: set | type) -> tuple:
    """One cell of a field f, and another that says nothing."""
    return {"schema": {"fields": [{"name": "f", **field}, {"name": "g"}]}}, f"f,g\n{text},x\n".encode(), here, there


def file(descriptor: dict, data: bytes, here: set | str, there: set | type) -> tuple:
    """A file of two fields, f and g, of which f is an integer."""
    schema = {"fields": [{"name": "f", "type": "integer"}, {"name": "g"}]}
    return {"schema": schema} | descriptor, data, here, there


PLAIN = {"fields": [{"name": "f"}, {"name": "g"}]}
REQUIRED = {"fields": [{"name": "f"}, {"name": "g", "constraints": {"required": True}}]}
# What each side finds; a text for a file that is rejected here, an exception for one that stops Frictionless.
DIFFERENCES = {
    "number-text": [
        *[cell({"type": "integer"}, text, TYPE, set()) for text in (" 1", "1_0", "٣")],
        *[cell({"type": "number"}, text, TYPE, set()) for text in (" 1", "1_0", "٣", "1e3", "NaN", "-inf")],
    ],
    "number-groups": [cell({"type": "number", "groupChar": "."} | {"decimalChar": ";"}, "1.5", TYPE, set())],
    "number-around": [
        *[cell({"type": "number", "bareNumber": False}, text, TYPE, set()) for text in ("5-", "++5", ".5", "Rs.5")],
        cell({"type": "integer", "bareNumber": False}, "5-", TYPE, set()),
    ],
    "date-digits": [
        cell({"type": "date"}, "2026-1-2", TYPE, set()),
        cell({"type": "time", "format": "%H:%M"}, "7:05", TYPE, set()),
        cell({"type": "year"}, "+123", TYPE, set()),
        cell({"type": "yearmonth"}, "2026-1", TYPE, set()),
    ],
    "iso-8601": [
        *[cell({"type": "time"}, text, TYPE, set()) for text in ("12:00:00Z", "24:00:00")],
        *[
            cell({"type": "datetime"}, f"2026-01-01{text}", TYPE, set())
            for text in (" 10:00:00", "T10:00:00+01", "T24:00:00")
        ],
    ],
    "datetime-zone": [
        cell(
            {"type": "datetime", "constraints": {"minimum": "2026-01-01T00:00:00Z"}},
            "2025-01-01T00:00:00",
            CONSTRAINT,
            TypeError,
        )
    ],
    "string-formats": [
        cell({"format": "uri"}, "http://a b", TYPE, set()),
        cell({"format": "uuid"}, "2bc1c94f0deb43e992a14775189ec9f8", TYPE, set()),
        cell({"format": "email"}, "аня@example.org", set(), TYPE),
    ],
    "pattern": [cell({"constraints": {"pattern": "a|b"}}, "ax", CONSTRAINT, set())],
    "exclusive-bounds": [
        cell({"type": "integer", "constraints": {"exclusiveMinimum": 1}}, "1", CONSTRAINT, FrictionlessException)
    ],
    "blank-row": [
        file({"schema": PLAIN}, b"f,g\n\n,\n", set(), {(2, None, "blank-row"), (3, None, "blank-row")}),
        file({"schema": REQUIRED}, b"f,g\n,\n", {(2, "g", "constraint-error")}, {(2, None, "blank-row")}),
    ],
    "missing-cell": [
        file(
            {"schema": REQUIRED},
            b"f,g\nx\n",
            {(2, "g", "missing-cell")},
            {(2, "g", "missing-cell"), (2, "g", "constraint-error")},
        )
    ],
    "primary-key": [
        file(
            {"schema": PLAIN | {"primaryKey": ["f", "g"]}},
            b"f,g\nx,\nx,\n",
            {(2, "g", "constraint-error"), (3, "g", "constraint-error")},
            {(3, None, "primary-key")},
        )
    ],
    "comment-char": [
        file({"schema": PLAIN, "dialect": {"commentChar": "#"}}, b'f,g\n"#x"\n', {(2, "g", "missing-cell")}, set())
    ],
    "quotes": [file({}, b'f,g\n"1"2,x\n1,"x\n2,y\n', {(2, None, "row-error"), (3, None, "row-error")}, set())],
    "encoding": [file({}, b"f,g\nx,\xff\ny,1\n", {(2, None, "encoding-error"), (3, "f", "type-error")}, ValueError)],
    "header": [
        file({}, b"g,f\n1,2\n", "the header must be f,g", {(0, "f", "incorrect-label"), (0, "g", "incorrect-label")})
    ],
}


@pytest.mark.parametrize(
    ("descriptor", "data", "here", "there"), [example for examples in DIFFERENCES.values() for example in examples]
)
def test_the_deliberate_differences_are_as_they_are_said_to_be(descriptor, data, here, there):
    if isinstance(here, str):
        with pytest.raises(PermanentError, match=here):
            ours(descriptor, data)
    else:
        assert ours(descriptor, data) == here
    if isinstance(there, type):
        with pytest.raises((there, AssertionError)):
            theirs(descriptor, data)
    else:
        assert theirs(descriptor, data) == there


def test_the_deliberate_differences_are_all_documented():
    section = DOCUMENT.read_text(encoding="utf-8").split("## Where this differs from Frictionless")[1].split("\n## ")[0]

    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == list(DIFFERENCES)


NOISE = st.text(st.sampled_from("0123456789+-._ eENaIinf٣TZ:/,;\"'\n"), max_size=6)
INTEGERS = st.integers(-3, 12).map(str) | st.sampled_from(["007", "+5", "-0", "1.0", "x", str(10**40)])
NUMBERS = st.decimals(-2, 12, places=2).map(str) | st.sampled_from([".5", "5.", "007.10", "1.2.3", "--1", "."])
TRUTHS = st.sampled_from(["true", "FALSE", "1", "0", "yes", "tRUE", "ja", "nein"])
CLOCKS = st.times().map(lambda time: time.isoformat("microseconds")) | st.sampled_from(["12:00:00", "12:00", "25:00"])
INSTANTS = st.datetimes().map(lambda moment: moment.isoformat("T", "seconds")) | st.sampled_from(
    ["2026-02-30T00:00:00", "2026-01-01T00:00:00.25", "2026-01-01", "x"]
)
DAYS = st.dates().map(str) | st.sampled_from(["2026-02-30", "31.12.2026", "1.1.2026", "31-Dec-26", "31-DEC-26"])
YEARS = st.sampled_from(["2026", "0999", "1999", "26", "12026", "20x6", "2025"])
MONTHS = st.sampled_from(["2026-01", "2026-12", "2026-13", "1999-07", "202601"])
WORDS = st.text(st.sampled_from("abcä ;'"), max_size=4) | st.just('a"b,\nc')
MAILS = st.sampled_from(["a@b.de", "a.b+c@d-e.co.uk", "a@b", "a b@c.de", "a..b@c.de", "a@-b.de", "ü@ü.de", "@b.de"])
URIS = st.sampled_from(["https://example.org/a?b#c", "urn:isbn:1", "mailto:a@b.de", "example.org", "/a/b", ""])
UUIDS = st.uuids().map(str) | st.sampled_from(["x", "2bc1c94f-0deb-43e9-92a1", "2BC1C94F-0DEB-43E9-92A1-4775189EC9F"])
EUROS = st.sampled_from(["1.234,50", "-1.000", "12,5", "1,2,3", "1234567,8", "x", "7", "-2"])
AROUND = st.sampled_from(["€ 5", "5%", "EUR -7.50", "-€5", "x", "10 net", "1 2"])


def field(texts: st.SearchStrategy, descriptor: dict, **constraints: st.SearchStrategy) -> st.SearchStrategy:
    """Fields of a type with some of its constraints, and cells for them."""
    kept = st.fixed_dictionaries({}, optional={"required": st.booleans(), "unique": st.booleans(), **constraints})
    return kept.map(lambda kept: ({**descriptor, "constraints": kept}, texts))


def bounds(*values: object) -> dict:
    return {"minimum": st.sampled_from(values), "maximum": st.sampled_from(values)}


FIELDS = st.one_of(
    field(WORDS, {"type": "any"}, enum=st.just(["a", "b", ""])),
    field(
        WORDS,
        {"type": "string"},
        minLength=st.integers(0, 2),
        maxLength=st.integers(1, 4),
        pattern=st.just("[a-z]*"),
        enum=st.just(["a", "ab", "b"]),
    ),
    *[field(texts, {"format": name}) for name, texts in (("email", MAILS), ("uri", URIS), ("uuid", UUIDS))],
    field(TRUTHS, {"type": "boolean"}, enum=st.just([True])),
    field(TRUTHS, {"type": "boolean", "trueValues": ["ja", "1"], "falseValues": ["nein"]}),
    field(INTEGERS | NOISE, {"type": "integer"}, enum=st.just([1, "2"]), **bounds(0, "5", 7)),
    field(NUMBERS | NOISE, {"type": "number"}, enum=st.just(["1.5", 2]), **bounds(0.5, "5.25", 7)),
    field(EUROS, {"type": "number", "groupChar": ".", "decimalChar": ","}, **bounds(0, "12,5", "1.234,5")),
    field(AROUND, {"type": "number", "bareNumber": False}, **bounds(0, 5)),
    field(DAYS, {"type": "date"}, **bounds("1990-01-01", "2026-12-31")),
    field(DAYS, {"type": "date", "format": "%d.%m.%Y"}, **bounds("01.01.1990", "31.12.2026")),
    field(DAYS, {"type": "date", "format": "%d-%b-%y"}, **bounds("01-Jan-90", "31-Dec-26")),
    field(CLOCKS, {"type": "time"}, **bounds("08:00:00", "16:00:00")),
    field(CLOCKS, {"type": "time", "format": "%H:%M"}),
    field(INSTANTS, {"type": "datetime"}, **bounds("1990-01-01T00:00:00", "2026-01-01T00:00:00")),
    field(YEARS, {"type": "year"}, **bounds(1990, "2025")),
    field(MONTHS, {"type": "yearmonth"}, **bounds("2000-01", "2026-11")),
)  # fmt: skip
# What Frictionless reads as a number, or as a date of fewer digits, and Sluice does not: number-text, date-digits.
LENIENT = {
    "integer": re.compile(r"[\s_]|[^\x00-\x7f]"),
    "number": re.compile(r"[\s_]|[^\x00-\x7f]|e|nan|inf", re.IGNORECASE),
    "date": re.compile(r"1\.1\.2026"),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict, bytes, dict[int, list[str]]]:
    """A descriptor, a file, and the cells of its records by the physical line they start on."""
    drawn = draw(st.lists(FIELDS, min_size=2, max_size=4))
    fields = [{"name": f"f{number}", **descriptor} for number, (descriptor, _) in enumerate(drawn)]
    schema: dict = {"fields": fields}
    if draw(st.booleans()):
        schema["missingValues"] = draw(st.sampled_from([["", "-"], ["x"], []]))
    if draw(st.booleans()):
        schema["primaryKey"] = draw(st.sampled_from(["f0", ["f0", "f1"]]))
    dialect = {
        "delimiter": draw(st.sampled_from(",;|")),
        "quoteChar": draw(st.sampled_from("\"'")),
        "header": draw(st.booleans()),
        "skipInitialSpace": draw(st.booleans()),
    }
    preamble = draw(st.integers(0, 2)) if dialect["header"] else 0
    if preamble:
        dialect["headerRows"] = [preamble + 1]
    comments = draw(st.booleans())
    if comments:
        dialect["commentChar"] = "#"
    skipped = draw(st.booleans()) and preamble + 2
    if skipped:
        dialect["commentRows"] = [skipped]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "windows-1252", "iso-8859-1"]))

    text = io.StringIO(newline="")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    options = {"delimiter": dialect["delimiter"], "quotechar": dialect["quoteChar"], "lineterminator": end}
    minimal, full = csv.writer(text, **options), csv.writer(text, **options, quoting=csv.QUOTE_ALL)
    text.write(f"Report of the day{end}" * preamble)
    if dialect["header"]:
        minimal.writerow([field["name"] for field in fields])
    records = {}
    for _ in range(draw(st.integers(1, 8))):
        line = text.getvalue().count("\n") + 1
        match draw(st.sampled_from(["row"] * 8 + ["short", "long", "blank", "comment"])):
            case _ if line == skipped:
                text.write(f"not for you{end}")
            case "comment" if comments:
                text.write(f"# a remark{end}")
            case "blank":
                text.write(end)
            case kind:
                texts = [texts for _, texts in drawn]
                texts = texts[:-1] if kind == "short" else [*texts, WORDS] if kind == "long" else texts
                cells = [draw(strategy | st.sampled_from(["", "-", "1"])) for strategy in texts]
                # Frictionless counts records where Sluice counts lines: no cell has any where lines are named.
                cells = [cell.replace("\n", "") if skipped else cell for cell in cells]
                cells = [cell if _fits(cell, encoding) else "1" for cell in cells]
                spaced = any(cell.startswith(" ") for cell in cells)
                (full if spaced or draw(st.booleans()) else minimal).writerow(cells)
                records[line] = cells
    assume(records)  # Frictionless calls a file without any an error of its source.
    descriptor = {"encoding": encoding, "dialect": dialect, "schema": schema}
    return descriptor, text.getvalue().encode(encoding), records


def _fits(text: str, encoding: str) -> bool:
    return text.encode(encoding, "replace").decode(encoding) == text


def expected(descriptor: dict, found: set, records: dict[int, list[str]]) -> set:
    """What Frictionless found, with the deliberate differences applied."""
    schema, result = descriptor["schema"], set(found)
    fields, missing = schema["fields"], schema.get("missingValues", [""])
    key = schema.get("primaryKey", [])
    key = [key] if isinstance(key, str) else key
    required = {field["name"] for field in fields if field["constraints"].get("required") or field["name"] in key}
    # Nothing but two quotes on a line is blank as well, for Frictionless unless `missingValues` say otherwise.
    blank = {row for row, cells in records.items() if cells == [""]}
    for row in blank | {row for row, _, error in found if error == "blank-row"}:  # blank-row
        result -= {entry for entry in result if entry[0] == row}
        cells = records.get(row, [])
        if row in records.keys() - blank:
            result |= {(row, field["name"], "missing-cell") for field in fields[len(cells) :]}
            result |= {(row, None, "extra-cell")} if len(cells) > len(fields) else set()
    for row, cells in records.items():
        if row in blank:
            continue
        named = list(zip(fields, cells, strict=False))
        for field, text in named:
            name, lenient = field["name"], LENIENT.get(field.get("type"))
            if text in missing and name in required:  # blank-row, primary-key
                result.add((row, name, "constraint-error"))
            if text not in missing and lenient and "bareNumber" not in field and lenient.search(text):
                result -= {(row, name, error) for error in ("constraint-error", "unique-error")}
                result.add((row, name, "type-error"))
        for field in fields[len(cells) :]:  # missing-cell
            result.discard((row, field["name"], "constraint-error"))
        keyed = [(field["name"], text) for field, text in named if field["name"] in key]
        if len(keyed) < len(key) or any(t in missing or (row, n, "type-error") in result for n, t in keyed):
            result.discard((row, None, "primary-key"))  # primary-key
    return result


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_the_same_errors_as_the_reference(case):
    descriptor, data, records = case

    assert ours(descriptor, data) == expected(descriptor, theirs(descriptor, data), records)
