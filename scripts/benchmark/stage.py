"""What the whole handler needs to run here: a cloud, the artifact unpacked, and files uploaded."""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmark import files
from benchmark.coldstart import ColdStart, function_environment, sizes
from benchmark.processes import on_one_core, pin
from delivery.artifact import build, named_target
from local import surroundings
from local.cloud import Cloud
from local.invocation import event
from local.patches.functions import install_runtime

_SCRIPTS = Path(__file__).parents[1]
_DATASETS = Path(__file__).parent / "datasets"


class Stage:
    """A cloud with the handler's buckets, table, topic and queue; the artifact, as Lambda would unpack it.

    `races` are those that are run: each may have a dataset of its own beside the product's. `settings` are what the
    handler's environment has beside what it always has.
    """

    def __init__(self, cloud: Cloud, folder: Path, races: tuple[str, ...], settings: dict | None = None) -> None:
        self.folder = folder
        self._s3, self._dynamodb = cloud.client("s3"), cloud.client("dynamodb")
        for bucket in ("uploads", "results"):
            self._s3.create_bucket(Bucket=bucket)
            self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._settings = {**surroundings.create(cloud), **(settings or {})}
        self._archive, self._task = build(named_target("local"), folder / "artifact").path, folder / "task"
        with zipfile.ZipFile(self._archive) as archive:
            archive.extractall(self._task)
        self.sizes = sizes(self._archive, self._task)
        for race in races:
            if (dataset := _DATASETS / f"{race}.yaml").exists():
                shutil.copy(dataset, self._task / "datasets")
        files.write_small(folder / "small")

    def run_ours(self, uploads: list[tuple[str, Path]]) -> list[dict]:
        """Processes files, each under its key, in one process; of each the times and what its ledger item says."""
        versions = []
        for key, path in uploads:
            with path.open("rb") as body:
                answer = self._s3.put_object(Bucket="uploads", Key=key, Body=body)
            versions.append((key, answer["VersionId"]))
        runs = self.run("benchmark.ours", "uploads", *("=".join(version) for version in versions))
        for run, (key, version) in zip(runs, versions, strict=True):
            item = self._dynamodb.get_item(
                TableName="ledger", Key={"upload_key": {"S": f"uploads/{key}"}, "version_id": {"S": version}}
            )["Item"]
            run |= {"good": int(item["rows_good"]["N"]), "bad": int(item["rows_rejected"]["N"])}
            run |= {"duplicates": int(item.get("duplicates", {"N": 0})["N"])}
            run |= {"stopped": None, "item_bytes": _item_bytes(item)}
            self._s3.delete_object(Bucket="uploads", Key=key, VersionId=version)
        return runs

    def run(self, module: str, *arguments: str) -> list[dict]:
        """Runs a module of the benchmark's on one core, with the artifact; returns the objects that it prints."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= self._settings | {"POWERTOOLS_LOG_LEVEL": "WARNING"}
        environment["PYTHONPATH"] = f"{self._task}{os.pathsep}{_SCRIPTS}"
        return on_one_core([sys.executable, "-m", module, *arguments], environment)

    def cold_start(self, runs: int) -> dict:
        """How long the first 10 KB file of a new execution environment takes, and where the time goes."""
        runtime = self.folder / "runtime"
        install_runtime(runtime)
        cold = ColdStart(self._task, runtime, function_environment(self._settings), pin())
        return cold.measure(self._small_uploads(), runs) | self.sizes

    def _small_uploads(self) -> Iterator[dict]:
        number = 0
        while True:
            key = f"prices/LSE/cold-{number}.csv"
            version = self._s3.put_object(Bucket="uploads", Key=key, Body=(self.folder / "small").read_bytes())
            yield event("uploads", key, version["VersionId"], sequencer=number)
            number += 1


def _item_bytes(item: dict) -> int:
    """About what DynamoDB counts: names and values as text."""
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in item.items())
