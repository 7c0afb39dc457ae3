"""The files that go through the demo, and what must become of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from local.additions import Additions
from local.deployment import LOADED, Ending

SAMPLES = Path(__file__).parents[1] / "samples"
# What must become of the samples, which are stored under their keys.
EXPECTED = {
    "prices/LSE/TSCO.csv": "SUCCEEDED",
    "prices/NYSE/IBM.csv": "PARTIAL",
    "people/staff.csv": "SUCCEEDED",
    "prices/XETRA/scan.csv": "REJECTED",
    "minutes/2026-11 board meeting.txt": "IGNORED",
}
# With a database, after the others: some of its rows are in the table already, and one is not valid.
EXPECTED_AFTER = {"people/joiners.csv": "PARTIAL"}


def samples(keys: Iterable[str]) -> dict[str, bytes]:
    """The samples by key."""
    return {key: (SAMPLES / key).read_bytes() for key in keys}


def given(uploads: Sequence[str]) -> dict[str, bytes]:
    """The files of PATH=KEY arguments by key. Raises OSError for what cannot be read, ValueError for a key of two."""
    # A path may hold "=": the longest one that is a file wins.
    files = {}
    for upload in uploads:
        cuts = [position for position, character in enumerate(upload) if character == "="]
        cut = next((cut for cut in reversed(cuts) if Path(upload[:cut]).is_file()), cuts[0])
        key = upload[cut + 1 :]
        if key in files:
            raise ValueError(f"{key} is the key of two files: give each its own")
        files[key] = Path(upload[:cut]).read_bytes()
    return files


def expected(additions: Additions) -> dict[str, str]:
    """What must become of the samples, but for those that an added dataset claims."""
    claims = [dataset.key for dataset in additions.datasets]
    states = EXPECTED | EXPECTED_AFTER
    return {key: state for key, state in states.items() if not any(claim.fullmatch(key) for claim in claims)}


def wrong(endings: Sequence[Ending], files: Iterable[str], expected: dict[str, str]) -> list[str]:
    """What did not end as it should, in words."""
    states = {ending.key: ending.state for ending in endings}
    silent = [f"{key}: no notification arrived" for key in files if key not in states]
    return silent + [
        f"{key}: expected {state}, got {states[key]}"
        for key, state in expected.items()
        if key in states and states[key] != state
    ]


def rows(endings: Sequence[Ending], has_database: bool) -> list[list[str]]:
    """The endings as the rows of a table, with its headings."""
    counts = LOADED if has_database else ()
    found = [["file", "state", "good", "rejected", *counts, "seconds", "result", "reason"]]
    for ending in endings:
        loaded = [getattr(ending, name) for name in counts]
        found.append(
            [
                ending.key,
                ending.state,
                str(ending.rows_good),
                str(ending.rows_rejected),
                *("-" if count is None else str(count) for count in loaded),
                f"{ending.seconds:.1f}",
                ending.result or ending.error_report or "-",
                ending.reason,
            ]
        )
    return found
