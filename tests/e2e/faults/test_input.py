"""Files and keys that are meant to do harm, or look like it: a clear end, in bounded memory and time."""

import gzip
import io
import json
import time
import zipfile

import pytest
from backports import zstd

from support.cases import case
from support.deployed import GOOD

HEAD, ROW = b"id,email\n", b"1,ann@example.org\n"
FILE, KEY = "the uploaded file", "the upload's key"
# Beside what the function has when it begins, which is not the file's doing.
MEMORY, SECONDS = 300 << 20, 60


def ended(account, function, *uploads) -> list[dict]:
    """The ledger's items of uploads, once they have ended in one go, within bounds of memory and time."""
    account.await_events(len(uploads))
    begun = time.monotonic()
    end = account.deliver(function)
    assert (end.answer, end.signal) == ({"batchItemFailures": []}, 0)
    assert end.peak < MEMORY
    assert time.monotonic() - begun < SECONDS
    items = account.items()
    return [items[upload] for upload in uploads]


HOSTILE = {
    "parent folders": "people/../../../etc/passwd.csv",
    "parent folders, encoded": "people/%2e%2e%2fpasswd.csv",
    "a NUL": "people/a\0.csv",
    "1,024 bytes": f"people/{'é' * 506}x.csv",
    "1,024 bytes, whose report's key would be longer": f"prices/{'x' * 500}/{'y' * 512}.csv",
    "marks that turn the text round": "people/\u202egnp.csv\u202c.csv",
    "line ends": 'people/a\r\n{"level":"CRITICAL","message":"forged"}.csv',
    "a statement": "people/'; DROP TABLE people; --.csv",
    "a formula": "people/=cmd|' C calc'!A0.csv",
    "a look-up": "people/${jndi:ldap:example.org}.csv",
}


@case(
    "keys are hostile",
    injected="`../`, NUL, 1,024 bytes, right-to-left marks, line ends, SQL, formulas, look-ups in keys",
    layer=KEY,
    promised="each upload ends like any other under just its key, or says why not",
)
def test_hostile_keys(account, function):
    uploads = {name: account.upload(key, HEAD + ROW + b"x,\n") for name, key in HOSTILE.items()}

    items = dict(zip(uploads, ended(account, function, *uploads.values()), strict=True))

    states = {name: item["state"] for name, item in items.items()}
    assert states == {
        **dict.fromkeys(HOSTILE, "PARTIAL"),
        "parent folders": "IGNORED",
        "1,024 bytes": "REJECTED",
        "1,024 bytes, whose report's key would be longer": "REJECTED",
    }
    assert "key is too long" in items["1,024 bytes"]["reason"]
    assert sorted(told["key"] for told in account.listen()) == sorted(HOSTILE.values())
    for name, item in items.items():
        if item["state"] == "PARTIAL":
            assert item["error_report"]["uri"] == f"s3://results/{HOSTILE[name]}.errors.jsonl"


@case(
    "a key forges lines of the log",
    injected="line ends, JSON and separators of Unicode in keys, of files that are good, bad and unknown",
    layer=KEY,
    promised="each line of the log is one JSON object, and ours",
)
def test_log_injection(account, function, log):
    begun = log.stat().st_size
    forged = '\n{"level":"CRITICAL","message":"forged"}\u2028\x1b[2J'
    keys = [f"people/{forged}.csv", f"prices/{forged}/a.csv", f"{forged}/b"]
    account.send('{"forged": "\\n{}"}')
    account.letters = 1

    uploads = [account.upload(key, GOOD) for key in keys]
    account.await_events(len(uploads) + account.letters)
    account.settle(function)

    lines = log.read_bytes()[begun:].decode().split("\n")[:-1]
    entries = [json.loads(line) for line in lines]
    assert {upload.key for upload in uploads} <= {entry.get("key") for entry in entries}
    # A line of metrics has neither.
    assert not any(entry.get("message") == "forged" or entry.get("level") == "CRITICAL" for entry in entries)


@case(
    "an error report is opened as CSV",
    injected="cells that start with =, +, - and @ in rows that are bad",
    layer=FILE,
    promised="no cell of the report starts a formula; read as JSON it has the text as it was",
)
def test_formulas(account, function):
    evil = ["=cmd|' /C calc'!A0", "+A1", "-1+1", "@SUM(A1)", 'x,=HYPERLINK("http://example.org")']
    rows = "".join('"{}",ann@example.org\n'.format(text.replace('"', '""')) for text in evil)
    upload = account.upload("people/formulas.csv", HEAD + ROW + rows.encode())

    [item] = ended(account, function, upload)

    report = account.stored("people/formulas.csv.errors.jsonl")[0].decode()
    assert item["state"] == "PARTIAL"
    assert [json.loads(line)["text"] for line in report.splitlines()] == evil
    assert not any(cell.strip("\" '").startswith(("=", "+", "-", "@")) for cell in report.split(","))


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", bytes(64 << 20))
    return file.getvalue()


LAUGHS = b'<?xml version="1.0"?>\n<!DOCTYPE a [\n<!ENTITY b "ha">\n' + b"".join(
    b'<!ENTITY b%d "%s">\n' % (n, b"&b%d;" % (n - 1) * 10) for n in range(1, 10)
)
# What makes the file, and what its reason says.
REFUSED = {
    "zip bomb": (zip_bomb, "a ZIP archive or an Excel workbook, not text"),
    "zip bomb in gzip": (lambda: gzip.compress(zip_bomb()), "a ZIP archive or an Excel workbook, not text"),
    "old workbook": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096), "an old Excel workbook"),
    "XML bomb": (lambda: LAUGHS + b"]>\n<a>&b9;</a>\n", "line 1: the header must be id,email"),
    "10,000 columns": (lambda: b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + ROW, "it has 10000 cells"),
    "one line of 20 MB": (lambda: HEAD + b"1," + b"x" * (20 << 20), "a line is longer than 16 MiB"),
    "one line of 40 MB, compressed": (
        lambda: gzip.compress(HEAD + b"1," + b"x" * (40 << 20), 1),
        "a line is longer than 16 MiB",
    ),
    "gzip bomb": (lambda: gzip.compress(HEAD + bytes(80 << 20), 1), "full of NUL bytes"),
    "gzip bomb of rows": (lambda: gzip.compress(HEAD + b"1,a@b.org\n" * (7 << 20)), "more than 400 times its size"),
    "zstd bomb of rows": (lambda: zstd.compress(HEAD + ROW * (5 << 20)), "more than 1,000 times its size"),
}


@case(
    "a spreadsheet or an archive is a bomb",
    injected="a ZIP of 64 MB of zeros in 64 KB, the same in gzip, an old workbook",
    layer=FILE,
    promised="refused by its first bytes, and the reason says what it is",
    only="zip bomb-zip bomb in gzip-old workbook",
)
@case(
    "a file is an XML bomb",
    injected="ten entities within each other",
    layer=FILE,
    promised="refused by its first line: no format that is read has entities",
    only="XML bomb",
)
@case(
    "a file has 10,000 columns",
    injected="a header and a row of so many cells",
    layer=FILE,
    promised="REJECTED, and the reason counts them",
    only="10,000 columns",
)
@case(
    "a file is one huge line",
    injected="lines of 20 MB and, compressed, of 40 MB",
    layer=FILE,
    promised="REJECTED once 16 MB of it have been read",
    only="one line of 20 MB-one line of 40 MB, compressed",
)
@case(
    "a compressed file is a bomb",
    injected="gzip and zstd of 70 to 100 MB in few KB, of zeros and of valid rows",
    layer=FILE,
    promised="REJECTED when it has grown beyond 64 MB and 400 or 1,000 times its size, or is seen to be no text",
    only="gzip bomb-gzip bomb of rows-zstd bomb of rows",
)
@pytest.mark.parametrize(
    "names",
    [
        ["zip bomb", "zip bomb in gzip", "old workbook"],
        ["XML bomb"],
        ["10,000 columns"],
        ["one line of 20 MB", "one line of 40 MB, compressed"],
        ["gzip bomb", "gzip bomb of rows", "zstd bomb of rows"],
    ],
    ids="-".join,
)
def test_bombs(account, function, names):
    uploads = [account.upload(f"people/{name}.csv", REFUSED[name][0]()) for name in names]

    for name, item in zip(names, ended(account, function, *uploads), strict=True):
        assert item["state"] == "REJECTED", name
        assert REFUSED[name][1] in item["reason"]


@case(
    "a row has a million cells, or brackets a thousand levels deep",
    injected="rows of very many cells, quotes and brackets between good ones",
    layer=FILE,
    promised="they cost themselves, with one error each",
)
def test_wide_and_deep_rows(account, function):
    rows = [b"2," + b"," * 1_000_000, b'3,"' + b'""' * 100_000, b"4," + b"[" * 100_000]
    body = HEAD + ROW + b"".join(row + b"\n" + ROW for row in rows)

    [item] = ended(account, function, account.upload("people/wide.csv", body))

    assert (item["state"], item["rows_good"], item["rows_rejected"]) == ("PARTIAL", "4", "3")


# Made for this: each with its state, good and bad rows.
MALFORMED = {
    "empty": (b"", "REJECTED", 0, 0),
    "header alone": (HEAD, "REJECTED", 0, 0),
    "header twice": (HEAD + HEAD + ROW, "PARTIAL", 1, 1),
    "no header": (ROW, "REJECTED", 0, 0),
    "another delimiter": (b"id;email\n1;ann@example.org\n", "REJECTED", 0, 0),
    "blank lines alone": (b"\n\n\n", "REJECTED", 0, 0),
    "no line end": (HEAD + ROW.rstrip(), "SUCCEEDED", 1, 0),
    "carriage returns alone": (b"id,email\r1,ann@example.org\r", "REJECTED", 0, 0),
    "mixed line ends": (b"id,email\r\n" + ROW + b"2,bob@example.org\r\n", "SUCCEEDED", 2, 0),
    "byte order mark": (b"\xef\xbb\xbf" + HEAD + ROW, "SUCCEEDED", 1, 0),
    "UTF-16": ((HEAD + ROW).decode().encode("utf-16"), "REJECTED", 0, 0),
    "Latin-1": (HEAD + ROW + b"2,ren\xe9@example.org\n", "PARTIAL", 1, 1),
    "NUL in a row": (HEAD + ROW + b"2,b\0b@example.org\n", "PARTIAL", 1, 1),
    "open quote": (HEAD + ROW + b'2,"bob@example.org\n' + ROW, "PARTIAL", 2, 1),
    "text after a quote": (HEAD + ROW + b'2,"bob"@example.org\n' + ROW, "PARTIAL", 2, 1),
    "missing and extra cells": (HEAD + ROW + b"2\n3,a@b.org,\n", "PARTIAL", 1, 2),
    "numbers that are none": (HEAD + ROW + b"1.5,a@b.org\n1e3,a@b.org\n0x1F,a@b.org\n", "PARTIAL", 1, 3),
    "binary": (bytes(range(256)) * 8, "REJECTED", 0, 0),
    "gzip cut off": (gzip.compress(HEAD + ROW * 999)[:-9], "REJECTED", None, None),
    "end of file mark": (HEAD + ROW + b"\x1a", "PARTIAL", 1, 1),
}


@case(
    "files are malformed, in twenty ways",
    injected="a corpus of CSV files as they come from editors, exports and broken transfers",
    layer=FILE,
    promised="each ends in the state that is written beside it, with its rows counted",
)
def test_malformed_files(account, function):
    uploads = {name: account.upload(f"people/corpus {name}.csv", data) for name, (data, *_) in MALFORMED.items()}
    account.await_events(len(uploads))
    account.drain(function)

    items = account.items()
    for name, (_, state, good, bad) in MALFORMED.items():
        item = items[uploads[name]]
        counted = (int(item["rows_good"]), int(item["rows_rejected"])) if good is not None else (None, None)
        assert (item["state"], *counted) == (state, good, bad), (name, item["reason"])
