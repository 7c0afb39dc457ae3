"""A file that is bad throughout: exact counts, bounded memory, a report that is cut and says so."""

import json

import pytest

from support.generated import Generated

pytestmark = pytest.mark.full

ROWS, PIECE, REPORTED = 5_000_000, 50_000, 100_000
MEMORY, DISK = 256 * 2**20, 512 * 2**20


def test_every_row_is_bad(function, keep, scale):
    piece = b"".join(b"x%d,no address\n" % n for n in range(PIECE))
    file = Generated(b"id,email\n", piece, max(int(ROWS * scale) // PIECE, 2))
    rows = PIECE * file.times

    took, item = function.run("people/bad.csv", file)

    assert (item["state"], int(item["rows_good"]), int(item["rows_rejected"])) == ("REJECTED", 0, rows)
    assert item["reason"] == "no row is valid; the error report ends after 100,000 errors"
    report = function.s3.written["/results/people/bad.csv.errors.jsonl"]
    assert report.lines == REPORTED + 1
    last = json.loads(report.tail.splitlines()[-1])
    assert last["message"] == f"the report is cut after the first {REPORTED:,} of {2 * rows:,} errors"
    assert "/results/people/bad.csv" not in function.s3.written
    assert took["peak_bytes"] <= MEMORY
    assert took["disk_bytes"] <= DISK
    row = {
        "rows": f"{rows:,}",
        "counted as rejected": f"{int(item['rows_rejected']):,}",
        "seconds": f"{took['seconds']:.0f}",
        "peak memory, MB": f"{took['peak_bytes'] / 1e6:.0f}",
        "report, MB": f"{report.size / 1e6:.0f}",
        "errors in the report": f"{report.lines - 1:,} of {2 * rows:,}",
    }
    keep("Every row is bad: people", [row])
