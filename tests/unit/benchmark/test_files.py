"""The measured files are what they are said to be: a race over the wrong file proves nothing."""

from benchmark import files
from benchmark.contenders import people_csv, prices_script
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
    assert people_csv(str(path)) != (1_980, 20), "a script that reads quotes on loses the rows behind one left open"


def test_prices_are_good(tmp_path):
    path = tmp_path / "prices"

    assert files.write_prices(path, 100_000) == 0

    assert counts("prices", path) == (100_000, 0)
    assert prices_script(str(path)) == (100_000, None)


def test_a_small_file_has_ten_kilobytes(tmp_path):
    path = tmp_path / "small"
    files.write_small(path)

    assert 9_000 < path.stat().st_size < 11_000
    assert counts("prices", path) == (480, 0)
