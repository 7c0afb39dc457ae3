"""What the long runs share: their scale, a function without a deployment, and where their results are kept."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import cloud as local_cloud
from local import surroundings
from support.generated import Generated, GeneratedS3, serve

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "docs" / "full.json"
PAGE = ROOT / "docs" / "full.md"
_INTRODUCTION = """\
# The long runs

What `scripts/test --full` has measured and asserted, written by the run itself. `scripts/test --full --scale 0.01` is
a quick one that keeps nothing; `-k large`, `-k bad`, `-k many` and `-k faults` run one alone.

The function is limited to one core; nothing models that 1,024 MB of memory have six tenths of one. What is read and
written by the large files is made up and counted by a server of the test's own, all else is the local cloud.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=float, default=1.0, help="of the sizes and numbers; results are kept of 1 only")


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> float:
    return request.config.getoption("--scale")


@pytest.fixture
def keep(scale: float) -> Callable[[str, list[dict]], None]:
    """Prints the rows of a table, and keeps it in docs/ under its title."""

    def write(title: str, rows: list[dict]) -> None:
        for row in rows:
            print(f"{title}: {row}")
        if scale != 1:
            return
        kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        kept[title] = {"machine": machine, "rows": rows}
        KEPT.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        sections = [_section(title, table) for title, table in sorted(kept.items())]
        PAGE.write_text("\n".join([_INTRODUCTION, *sections]), encoding="utf-8")

    return write


def _section(title: str, table: dict) -> str:
    head = "| " + " | ".join(table["rows"][0]) + " |"
    rows = ["| " + " | ".join(map(str, row.values())) + " |" for row in table["rows"]]
    rule = "|---" * len(table["rows"][0]) + "|"
    return "\n".join([f"## {title}", "", *[head, rule, *rows], "", f"On {table['machine']}.", ""])


class Function:
    """The process function without a deployment, its S3 made up, its ledger and topic in the local cloud."""

    def __init__(self, cloud: local_cloud.Cloud, s3: GeneratedS3, code: Path, scratch: Path) -> None:
        self.s3 = s3
        self._dynamodb = cloud.client("dynamodb")
        self._environment = {
            **os.environ,
            **surroundings.create(cloud),
            "AWS_ENDPOINT_URL_S3": s3.endpoint,
            "POWERTOOLS_LOG_LEVEL": "ERROR",
            "PYTHONPATH": os.pathsep.join([str(code), str(ROOT / "tests"), str(ROOT / "scripts")]),
            "TMPDIR": str(scratch),
        }

    def run(self, key: str, file: Generated) -> tuple[dict, dict]:
        """Processes a file; returns what it took (support/limited.py) and its ledger item as plain values."""
        self.s3.files[f"/uploads/{key}"] = file
        command = [sys.executable, "-m", "support.limited", "uploads", key, str(file.size)]
        run = subprocess.run(command, env=self._environment, stdout=subprocess.PIPE, text=True, check=True)
        name = {"upload_key": {"S": f"uploads/{key}"}, "version_id": {"S": "1"}}
        item = self._dynamodb.get_item(TableName="ledger", Key=name)["Item"]
        return json.loads(run.stdout), {name: next(iter(value.values())) for name, value in item.items()}


def _code_with_more_datasets(code: Path) -> Path:
    """A copy of lambda/ with datasets whose results are Parquet: of JSON lines, and people as CSV."""
    shutil.copytree(ROOT / "lambda", code, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "scripts" / "benchmark" / "datasets" / "sensors.yaml", code / "datasets")
    people = (code / "datasets" / "people.yaml").read_text(encoding="utf-8")
    staff = people.replace("people", "staff").replace("sluice:format: csv\nsluice:result: staff/{name}.csv\n", "")
    (code / "datasets" / "staff.yaml").write_text(staff, encoding="utf-8")
    return code


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    code = _code_with_more_datasets(tmp_path_factory.mktemp("code") / "lambda")
    with local_cloud.start() as cloud, serve() as s3:
        yield Function(cloud, s3, code, tmp_path_factory.mktemp("scratch"))
