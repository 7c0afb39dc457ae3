"""`scripts/demo --datasets`: what is pushed, what is refused, and that the repository stays as it is."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from local import demo, mariadb
from local.additions import Additions
from local.demonstrations import files
from sluice.contract.descriptor import DescriptorError
from support.checkout import Checkout

DESCRIPTOR = """\
# Orders.
name: orders
schema: {fields: [{name: id, type: integer}]}
sluice:key: orders/{name}.csv
sluice:processor: clean
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "orders.yaml").write_text(DESCRIPTOR)
    return tmp_path / "own"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, .git included, by the digest of what it holds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_descriptors_are_a_commit_on_top_of_head_and_the_repository_is_only_read(checkout, folder, monkeypatch):
    monkeypatch.setenv("GIT_INDEX_FILE", str(checkout.folder / ".git" / "index"))
    monkeypatch.setenv("GIT_DIR", str(checkout.folder / ".git"))
    before = contents(checkout.folder)
    with Additions(checkout.folder, folder) as additions:
        monkeypatch.undo()
        private = additions.checkout
        assert git(private, "rev-parse", "HEAD~1") == git(checkout.folder, "rev-parse", "HEAD")
        assert git(private, "diff", "--name-status", "HEAD~1") == "A\tlambda/datasets/orders.yaml\n"
        assert git(private, "show", "HEAD:lambda/datasets/orders.yaml") == DESCRIPTOR
    assert not private.exists()
    assert contents(checkout.folder) == before


def test_settings_take_the_place_of_stagings_and_leave_the_others(checkout):
    with Additions(checkout.folder, None, {"EnableDatabase": "true"}) as additions:
        staging = json.loads(git(additions.checkout, "show", "HEAD:environments/staging.json"))
        assert git(additions.checkout, "diff", "--name-only", "HEAD~1") == "environments/staging.json\n"
    expected = json.loads((checkout.folder / "environments" / "staging.json").read_text())
    expected["Parameters"]["EnableDatabase"] = "true"
    assert staging == expected


def test_without_mariadb_the_demo_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(mariadb, "install", lambda: None)
    monkeypatch.setattr(mariadb, "missing", lambda: "mariadbd is missing. Run: apt-get install it")
    assert demo.main(["--with", "database"]) == 2
    assert capsys.readouterr().err == "scripts/demo: mariadbd is missing. Run: apt-get install it\n"


def test_without_descriptors_head_itself_is_pushed(checkout):
    with Additions(checkout.folder, None) as additions:
        assert (additions.checkout, additions.datasets) == (checkout.folder, [])


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("bad.yaml", "clean", "cleanse", "bad.yaml:5: sluice:processor: must be one of clean"),
        ("a.yaml", "name: orders", "name: people", "a.yaml:2: lambda/datasets/people.yaml has the name people already"),
        (
            "a.yaml",
            "key: orders/",
            "key: people/x-",
            "a.yaml:4: lambda/datasets/people.yaml claims keys of people/x-{name}.csv too, with people/{name}.csv",
        ),
        ("people.yaml", "", "", "people.yaml:1: there is a lambda/datasets/people.yaml already"),
    ],
    ids=["invalid", "name", "key", "file name"],
)
def test_what_cannot_be_added_ends_the_demo_before_the_cloud_starts(
    folder, monkeypatch, capsys, name, old, new, reason
):
    monkeypatch.setattr(demo.local_cloud, "start", lambda: pytest.fail("the cloud is started"))
    (folder / "orders.yaml").rename(folder / name)
    (folder / name).write_text(DESCRIPTOR.replace(old, new))

    assert demo.main(["--datasets", str(folder)]) == 2
    assert f"scripts/demo: {folder}/{reason}" in capsys.readouterr().err


def test_two_added_datasets_clash_as_well(checkout, folder):
    (folder / "again.yaml").write_text(DESCRIPTOR.replace("name: orders", "name: again"))
    with pytest.raises(DescriptorError, match=r"orders.yaml:4: .*/again.yaml claims keys of orders/\{name\}.csv too"):
        Additions(checkout.folder, folder).__enter__()


def test_a_folder_without_descriptors_is_refused(checkout, tmp_path):
    with pytest.raises(DescriptorError, match="holds no descriptor"):
        Additions(checkout.folder, tmp_path).__enter__()


def test_a_sample_that_an_added_dataset_claims_may_end_as_it_says(folder):
    (folder / "orders.yaml").write_text(DESCRIPTOR.replace("key: orders/{name}.csv", "key: minutes/{name}.txt"))
    with Additions(demo.ROOT, folder) as additions:
        assert files.EXPECTED.keys() - files.expected(additions).keys() == {"minutes/2026-11 board meeting.txt"}
