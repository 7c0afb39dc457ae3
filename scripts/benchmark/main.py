"""`scripts/bench`: rows per second of the whole handler beside scripts and libraries, interleaved, on one core.

Ratios are what to trust: they are taken within one run. Peers read a local file; ours reads the object from the local
S3 and pays for ledger, result and notification as well.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark import cost, files, load_test, loads, streams
from benchmark.contenders import CONTENDERS
from benchmark.processes import on_one_core, peers_python, say
from benchmark.stage import Stage
from local import cloud as local_cloud

OTHERS = {"load": loads, "stream": streams}
DOCS = Path(__file__).parents[2] / "docs"
SMALL_FILES = 200
QUICK_UPLOADS = 500
_WHAT = (
    "load: how fast rows reach a database, instead; stream: records of a stream, requests and reads; "
    "load-test: 10,000 uploads while requests fail by chance"
)
# Rows of the file that comes before the measured one, as many as each race has at least.
_FIRST = 100_000
# The upload key of each race's file, and who writes the file.
RACES: dict[str, tuple[str, Callable[[Path, int], int]]] = {
    "prices": ("prices/LSE/{}.csv", files.write_prices),
    "people": ("people/{}.csv", files.write_people),
    "sensors": ("sensors/{}.jsonl", files.write_sensors),
}


@dataclass(frozen=True)
class Scale:
    """How much is measured: rows of each race, rounds, cold starts, and files that show the memory, in gigabytes."""

    rows: dict[str, int]
    rounds: int
    cold_starts: int
    gigabytes: tuple[int, ...]


FULL = Scale({"prices": 8_000_000, "people": 2_000_000, "sensors": 2_000_000}, 5, 11, (1, 4))
QUICK = Scale({"prices": 900_000, "people": 600_000, "sensors": 100_000}, 3, 5, ())


@dataclass
class Measured:
    """A contender's runs on one file, and what it does with each kind of bad row that it does not tell from good ones.

    `good` is the number of rows that it uses, `bad` of those it says are bad, None where it does not tell. Of ours
    there is the peak memory too, and the last run's seconds of computing and of waiting.
    """

    seconds: list[float] = field(default_factory=list)
    good: int = 0
    bad: int | None = None
    missed: dict[str, str] = field(default_factory=dict)
    peak_rss_mb: float = 0
    cpu_and_wait: tuple[float, float] = (0, 0)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass
class Race:
    """A file, what is true of it, and who ran over it."""

    name: str
    path: Path
    rows: int
    bad: int
    measured: dict[str, Measured] = field(default_factory=dict)

    def rate(self, contender: str) -> float:
        """Rows a second. Who tells good rows from bad has done those that it tells of: what it lost, it has not."""
        runs = self.measured[contender]
        rows = self.rows if runs.bad is None else runs.good + runs.bad
        return rows / runs.median


def main() -> None:
    """Measures, prints a table or JSON; a full run is kept in docs/."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=[*OTHERS, "load-test"], help=_WHAT)
    parser.add_argument("--quick", action="store_true", help="smaller files and fewer rounds; nothing is kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.what in OTHERS:
        other = OTHERS[options.what]
        report = other.measure(is_quick=options.quick)
        if not options.quick:
            (DOCS / f"bench-{options.what}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(report, indent=2) if options.json else other.table(report))
        return
    if options.what == "load-test":
        report = load_test.measure(uploads=QUICK_UPLOADS if options.quick else load_test.UPLOADS)
        print(json.dumps(report, indent=2) if options.json else load_test.table(report))
        return
    python = peers_python()
    with tempfile.TemporaryDirectory() as folder, local_cloud.start() as cloud:
        say("building the artifact")
        report = _measure(Stage(cloud, Path(folder), tuple(RACES)), python, QUICK if options.quick else FULL)
    if not options.quick:
        (DOCS / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        command = [python, "-m", "benchmark.picture", DOCS / "bench.json", DOCS / "bench.png"]
        subprocess.run(command, check=True)
    print(json.dumps(report, indent=2) if options.json else _table(report))


def _measure(stage: Stage, python: str, scale: Scale) -> dict:
    races = []
    for name, (_, write) in RACES.items():
        rows, path = scale.rows[name], stage.folder / name
        say(f"writing {rows:,} rows of {name}")
        race = Race(name, path, rows, write(path, rows))
        _run(race, stage, python, scale.rounds)
        races.append(race)
    say(f"{SMALL_FILES} files of 10 KB")
    small = stage.run_ours([(f"prices/LSE/small-{n}.csv", stage.folder / "small") for n in range(SMALL_FILES)])
    say(f"{scale.cold_starts} cold starts")
    cold = stage.cold_start(scale.cold_starts)
    return _report(races, small[SMALL_FILES // 10 :], cold, _memory(stage, scale.gigabytes))


def _run(race: Race, stage: Stage, python: str, rounds: int) -> None:
    """Ours and every contender in turn, `rounds` times; then each over every kind of bad row by itself."""
    key, _ = RACES[race.name]

    def ours(*paths: Path) -> list[dict]:
        return stage.run_ours([(key.format(path.name.replace(" ", "-")), path) for path in paths])

    def peer(contender: str) -> Callable[..., list[dict]]:
        command = [python, "-m", "benchmark.contenders", contender]
        return lambda *paths: on_one_core([*command, *map(str, paths)], dict(os.environ))

    def warm(path: Path) -> list[dict]:
        """Ours after another file: what is loaded and connected for the first one is measured as the cold start."""
        return ours(first, path)[1:]

    first = stage.folder / f"{race.name} first"
    RACES[race.name][1](first, _FIRST)
    runners: dict[str, Callable[..., list[dict]]] = {"ours": ours}
    runners |= {contender: peer(contender) for contender in CONTENDERS if contender.startswith(f"{race.name}_")}
    race.measured = {contender: Measured() for contender in runners}
    for number in range(rounds):
        for contender, run in runners.items():
            [result] = (warm if contender == "ours" else run)(race.path)
            if result["stopped"]:
                raise SystemExit(f"scripts/bench: {contender} stopped: {result['stopped']}")
            say(f"round {number + 1} of {rounds}: {contender}, {race.name}: {result['seconds']:.2f} s")
            measured = race.measured[contender]
            measured.seconds.append(result["seconds"])
            measured.good, measured.bad = result["good"], result["bad"]
            if contender == "ours":
                measured.peak_rss_mb = max(measured.peak_rss_mb, result["peak_rss_mb"])
                measured.cpu_and_wait = _cpu_and_wait(result)
    kinds = {kind: stage.folder / f"{race.name} {kind}" for kind in files.KINDS[race.name][2]}
    written = {kind: files.write_kind(path, race.name, kind) for kind, path in kinds.items()}
    for contender, run in runners.items():
        for (kind, (rows, bad)), result in zip(written.items(), run(*kinds.values()), strict=True):
            if found := _mistake(result, rows - bad):
                race.measured[contender].missed[kind] = found


def _mistake(result: dict, good: int) -> str | None:
    """What a contender does with bad rows of one kind, other than to leave out just these."""
    if result["stopped"]:
        return f"stops: {result['stopped']}"
    if result["good"] != good:
        return "takes bad rows" if result["good"] > good else "loses good rows"
    return None


def _memory(stage: Stage, gigabytes: tuple[int, ...]) -> dict[str, int]:
    """Peak megabytes of the whole handler over price files of so many gigabytes."""
    peaks = {}
    for size in gigabytes:
        path = stage.folder / "large"
        say(f"a file of {size} GB")
        files.write_prices(path, size * files.PRICES_PER_GB)
        [run] = stage.run_ours([("prices/LSE/large.csv", path)])
        path.unlink()
        peaks[f"{size} GB"] = round(run["peak_rss_mb"])
    return peaks


def _report(races: list[Race], small: list[dict], cold: dict, memory: dict[str, int]) -> dict:
    prices = next(race for race in races if race.name == "prices")
    cpu, wait = (statistics.median(each) for each in zip(*map(_cpu_and_wait, small), strict=True))
    spent = cost.small_files(cost.Measured(cpu, wait, cold["log_bytes"], max(run["item_bytes"] for run in small)))
    gigabytes = prices.path.stat().st_size / 1e9
    own_ms = statistics.median(run["own_seconds"] for run in small) * 1000
    return {
        "ratios": {
            f"{race.name}_vs_{contender.partition('_')[2]}": round(race.rate("ours") / race.rate(contender), 2)
            for race in races
            for contender, runs in race.measured.items()
            if contender != "ours"
        },
        "small_file_ms": round(own_ms, 2),
        "peak_rss_mb": next(iter(memory.values()), round(max(race.measured["ours"].peak_rss_mb for race in races))),
        "cold_start_ms": cold["total_ms"],
        "usd_per_million_10kb": spent["usd"],
        "usd_per_tb": cost.large_files(*(each / gigabytes for each in prices.measured["ours"].cpu_and_wait)),
        "peak_rss_mb_by_size": memory,
        "cold_start": cold,
        "cost": spent,
        "contenders": [_contender(race, name, runs) for race in races for name, runs in race.measured.items()],
    }


def _cpu_and_wait(run: dict) -> tuple[float, float]:
    return run["cpu_seconds"], run["seconds"] - run["cpu_seconds"]


def _contender(race: Race, name: str, runs: Measured) -> dict:
    right = runs.good == race.rows - race.bad and runs.bad in (None, race.bad)
    return {
        "file": race.name,
        "contender": name,
        "title": "Sluice, the whole handler" if name == "ours" else CONTENDERS[name].__doc__.split(",")[0],
        "rows_per_second": round(race.rate(name)),
        "seconds": [round(seconds, 3) for seconds in runs.seconds],
        "bad_rows": race.bad,
        "bad_rows_found": runs.bad,
        "exact": right and not runs.missed,
        "kinds": len(files.KINDS[race.name][2]),
        "missed": runs.missed,
    }


def _table(report: dict) -> str:
    lines = [f"{'file':9}{'contender':16}{'rows/s':>11}  {'bad rows found':20}is wrong on"]
    for row in report["contenders"]:
        found = "does not tell"
        if row["bad_rows_found"] is not None:
            found = f"{row['bad_rows_found']:,} of {row['bad_rows']:,}"
        missed = "-"
        if row["missed"]:
            missed = ", ".join(row["missed"]) if len(row["missed"]) < row["kinds"] else "every kind of bad row"
        lines.append(f"{row['file']:9}{row['contender']:16}{row['rows_per_second']:>11,}  {found:20}{missed}")
    lines += ["", *(f"{name:18}{ratio:>7.2f}" for name, ratio in report["ratios"].items())]
    cold = report["cold_start"]
    lines += [
        "",
        f"a 10 KB file when warm  {report['small_file_ms']} ms of the processor's time, without sending requests",
        f"and after a cold start  {cold['total_ms']} ms: Python and the runtime client "
        f"{cold['python_and_runtime_client_ms']}, our init {cold['init_ms']}, the file {cold['first_file_ms']}",
        f"the artifact            {cold['zip_mb']} MB, {cold['unzipped_mb']} MB unpacked",
        f"a million of them       ${report['usd_per_million_10kb']:.2f} (us-east-1, {report['cost']['prices']}), waits "
        "for AWS as short as for the local cloud",
        f"a terabyte              ${report['usd_per_tb']:.2f} to compute",
        f"peak memory             {report['peak_rss_mb']} MB",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
