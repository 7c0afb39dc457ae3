"""The measured files are what they are said to be: a race over the wrong file proves nothing."""

from pathlib import Path

import pytest

from benchmark import files
from benchmark.contenders import CONTENDERS, people_csv, people_csv_lines, prices_script, sensors_json
from sluice.contract.check import Check
from support.datasets import dataset


def counts(name: str, path) -> tuple[int, int]:
    check = Check(dataset(name), [path.read_bytes()], lambda error: None)
    for _ in check.blocks():
        pass
    return check.good, check.rejected


def test_people_have_the_bad_rows_they_are_said_to_have(tmp_path):
    path = tmp_path / "people"

    bad = files.write_people(path, 2_000)

    assert bad == 20
    assert counts("people", path) == (1_980, 20)
    assert people_csv(str(path))[0] < 1_980, "a reader of CSV loses the rows behind a quote that is left open"


@pytest.mark.parametrize("race", ["prices", "people"])
def test_every_kind_of_bad_row_is_bad(tmp_path, race: str):
    for kind in files.KINDS[race][2]:
        path = tmp_path / kind
        rows, bad = files.write_kind(path, race, kind)
        assert bad == 10
        assert counts(race, path) == (rows - bad, bad), kind


def test_who_checks_by_hand_finds_all_but_what_the_readers_of_its_format_get_wrong(tmp_path):
    for race, contender, missed in (
        ("people", people_csv, {"a quote left open"}),
        ("people", people_csv_lines, set()),
        ("sensors", sensors_json, {"NaN"}),
    ):
        for kind in files.KINDS[race][2]:
            path = tmp_path / f"{race} {kind}"
            rows, bad = files.write_kind(path, race, kind)
            assert (contender(str(path)) != (rows - bad, bad)) == (kind in missed), kind


def test_every_contender_runs_in_a_race():
    assert {name.partition("_")[0] for name in CONTENDERS} == files.KINDS.keys()


def test_prices_are_good(tmp_path):
    path = tmp_path / "prices"

    assert files.write_prices(path, 100_000) == 0

    assert counts("prices", path) == (100_000, 0)
    assert prices_script(str(path)) == (100_000, None)
    assert path.stat().st_size / 100_000 * files.PRICES_PER_GB == pytest.approx(1e9, rel=0.05)


def test_a_small_file_has_ten_kilobytes(tmp_path):
    path = tmp_path / "small"
    files.write_small(path)

    assert 9_000 < path.stat().st_size < 11_000
    assert counts("prices", path) == (480, 0)


def test_the_benchs_own_datasets_are_of_races():
    datasets = Path(files.__file__).parent / "datasets"
    assert {path.stem for path in datasets.glob("*.yaml")} <= files.KINDS.keys()
