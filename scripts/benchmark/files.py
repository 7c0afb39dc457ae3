"""The files that are measured: the same bytes on every machine."""

import random
from pathlib import Path

BAD_PEOPLE = (
    "x{n},p{n}@example.org",
    "{n},no address",
    "{n}",
    "{n},p{n}@example.org,more",
    ",p{n}@example.org",
    '{n},"p{n}@example.org',
    "{n}.5,p{n}@example.org",
)
_PIECE = 100_000


def write_prices(path: Path, rows: int) -> int:
    """Price rows, all of them good; returns how many are bad: none."""
    chance = random.Random(1)
    piece = "".join(
        f"STK{n % 5000:04},{n % 28 + 1:02}-{n % 12 + 1:02}-{2000 + n % 25},{chance.randrange(1, 2000)}.{n % 100:02}\n"
        for n in range(_PIECE)
    ).encode()
    with path.open("wb") as file:
        for _ in range(rows // _PIECE):
            file.write(piece)
    return 0


def write_people(path: Path, rows: int) -> int:
    """People of whom one in a hundred breaks the contract, in every way; returns how many do."""
    bad = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,email\n")
        for n in range(rows):
            if n % 100 == 50:
                file.write(BAD_PEOPLE[bad % len(BAD_PEOPLE)].format(n=n) + "\n")
                bad += 1
            else:
                file.write(f"{n},person.{n}@example.org\n")
    return bad


def write_small(path: Path) -> int:
    """A price file of 10 KB; returns how many rows are bad: none."""
    path.write_text("".join(f"ABC,{n % 28 + 1:02}-{n % 12 + 1:02}-2026,{n}.25\n" for n in range(480)))
    return 0
