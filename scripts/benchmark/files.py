"""The files that are measured: the same bytes on every machine."""

import random
from collections.abc import Callable
from pathlib import Path

BAD_PRICES = {
    "31 February": "ABC,31-02-2026,1.50",
    "a day of one digit": "ABC,1-02-2026,1.50",
    "no price": "ABC,01-02-2026,",
    "a negative price": "ABC,01-02-2026,-1.50",
    "NaN": "ABC,01-02-2026,nan",
    "an exponent": "ABC,01-02-2026,1e3",
    "a cell missing": "ABC,01-02-2026",
    "a cell too many": "ABC,01-02-2026,1.50,more",
    "no stock": ",01-02-2026,1.50",
    "a quote left open": '"ABC,01-02-2026,1.50',
}
BAD_PEOPLE = {
    "text for a number": "x{n},p{n}@example.org",
    "no address": "{n},no address",
    "a cell missing": "{n}",
    "a cell too many": "{n},p{n}@example.org,more",
    "no number": ",p{n}@example.org",
    "a quote left open": '{n},"p{n}@example.org',
    "a fraction for an integer": "{n}.5,p{n}@example.org",
}
BAD_SENSORS = {
    "text for a number": '{{"sensor":"s{n}","time":"2026-01-01T00:00:00","temperature":"warm"}}',
    "no such time": '{{"sensor":"s{n}","time":"2026-02-30T00:00:00","temperature":20.5}}',
    "a key missing": '{{"sensor":"s{n}","temperature":20.5}}',
    "no sensor": '{{"sensor":null,"time":"2026-01-01T00:00:00","temperature":20.5}}',
    "NaN": '{{"sensor":"s{n}","time":"2026-01-01T00:00:00","temperature":NaN}}',
    "cut short": '{{"sensor":"s{n}","time":"2026-01-01T00',
    "no JSON": "s{n};2026-01-01T00:00:00;20.5",
}
_PIECE = 100_000
# A price row has 26 bytes.
PRICES_PER_GB = 37_800_000


def price(n: int) -> str:
    """A price row that is good."""
    return f"STK{n % 5000:04},{n % 28 + 1:02}-{n % 12 + 1:02}-{2000 + n % 25},{n % 1999 + 1}.{n % 100:02}"


def person(n: int) -> str:
    """A person's row that is good."""
    return f"{n},person.{n}@example.org"


def sensor(n: int) -> str:
    """A sensor's line that is good."""
    time = f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:00"
    return f'{{"sensor":"s{n % 1000}","time":"{time}","temperature":{n % 60 - 20}.{n % 10}}}'


def write_prices(path: Path, rows: int) -> int:
    """Price rows, all of them good; returns how many are bad: none."""
    chance = random.Random(1)  # repeatable  # nosec B311
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
    return _write_mixed(path, rows, "id,email\n", person, list(BAD_PEOPLE.values()))


def write_repeating(path: Path, rows: int, first: int = 0) -> int:
    """People's rows from a number on, all of them good; every hundredth repeats the one before it. Returns how many
    do."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,email\n")
        file.writelines(f"{person(first + n - (n % 100 == 99))}\n" for n in range(rows))
    return rows // 100


def write_sensors(path: Path, rows: int) -> int:
    """JSON lines of sensors, of which one in a hundred is bad, in every way; returns how many are."""
    return _write_mixed(path, rows, "", sensor, list(BAD_SENSORS.values()))


def write_kind(path: Path, race: str, kind: str) -> tuple[int, int]:
    """A small file of the race with bad rows of one kind only; returns its rows and how many of them are bad."""
    header, good, kinds = KINDS[race]
    rows = 1000
    return rows, _write_mixed(path, rows, header, good, [kinds[kind]])


def write_small(path: Path) -> int:
    """A price file of 10 KB; returns how many rows are bad: none."""
    path.write_text("".join(f"ABC,{n % 28 + 1:02}-{n % 12 + 1:02}-2026,{n}.25\n" for n in range(480)))
    return 0


def _write_mixed(path: Path, rows: int, header: str, good: Callable[[int], str], kinds: list[str]) -> int:
    bad = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header)
        for n in range(rows):
            if n % 100 == 50:
                file.write(kinds[bad % len(kinds)].format(n=n) + "\n")
                bad += 1
            else:
                file.write(good(n) + "\n")
    return bad


# Of each race: the header of its file, a good row, and the kinds of bad ones.
KINDS = {
    "prices": ("", price, BAD_PRICES),
    "people": ("id,email\n", person, BAD_PEOPLE),
    "sensors": ("", sensor, BAD_SENSORS),
}
