"""`scripts/sluice taskcat`: what .taskcat.yml says is created in both regions, and nothing is left but the report."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery.artifact import Artifact
from local import cloud as local_cloud
from local.cloud import Cloud
from operations import destroy, taskcat
from support.checkout import Checkout

# An artifact that nobody runs.
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
COMMIT = "0" * 40
REGIONS = ["eu-central-1", "us-east-1"]


@pytest.fixture(scope="module", autouse=True)
def cloud() -> Iterator[Cloud]:
    """A cloud of its own, which is the usual AWS configuration's, and needs no patience."""
    with local_cloud.start() as cloud, pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environment().items():
            patch.setenv(name, value)
        patch.setattr(destroy, "_PAUSE_SECONDS", 0.2)
        patch.setitem(destroy._PATIENTLY, "Delay", 0.2)
        yield cloud


@pytest.fixture
def built(tmp_path: Path) -> Artifact:
    digest = hashlib.sha256(EMPTY_ZIP).hexdigest()
    path = tmp_path / f"{digest}.zip"
    path.write_bytes(EMPTY_ZIP)
    return Artifact(path, digest)


def left(cloud: Cloud, region: str) -> tuple[list, ...]:
    """What there is in a region: stacks, tables, functions and buckets but taskcat's own."""
    buckets = {bucket["Name"] for bucket in taskcat._client(region, "s3").list_buckets()["Buckets"]}
    return (
        taskcat._client(region, "cloudformation").describe_stacks()["Stacks"],
        taskcat._client(region, "dynamodb").list_tables()["TableNames"],
        taskcat._client(region, "lambda").list_functions()["Functions"],
        sorted(buckets - {taskcat.bucket_name(cloud.account, one) for one in REGIONS}),
    )


def test_every_stack_is_created_in_both_regions_and_leaves_a_report(cloud, built, tmp_path_factory):
    root = Checkout(tmp_path_factory.mktemp("checkout")).folder
    configuration = yaml.safe_load((root / ".taskcat.yml").read_text())
    assert configuration["project"]["regions"] == REGIONS

    stacks = taskcat.run(root, built, COMMIT)

    report = root / taskcat.REPORT
    page = (report / "index.html").read_text()
    logs = [path.name for path in report.glob("*-cfnlogs.txt")]
    for test in configuration["tests"]:
        for region in REGIONS:
            [log] = [name for name in logs if name.startswith(f"tCaT-sluice-{test}-") and f"-{region}-" in name]
            assert log in page
            assert "Stack launch was successful" in (report / log).read_text()
    assert page.count("CREATE_COMPLETE") == len(stacks) == len(logs) == 4
    for region in REGIONS:
        assert left(cloud, region) == ([], [], [], [])


def test_a_stack_that_is_not_created_fails_it_and_is_removed(cloud, built, tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    configuration = yaml.safe_load((checkout.folder / ".taskcat.yml").read_text())
    configuration["project"]["regions"] = REGIONS[:1]
    configuration["tests"] = {"staging": configuration["tests"]["staging"]}
    (checkout.folder / ".taskcat.yml").write_text(yaml.safe_dump(configuration))
    checkout.replace("templates/queue.yaml", "Type: AWS::SQS::QueuePolicy", "Type: AWS::SQS::QueueRule")

    with pytest.raises(taskcat.TaskcatError, match="look into"):
        taskcat.run(checkout.folder, built, COMMIT)

    assert "CREATE_FAILED" in (checkout.folder / taskcat.REPORT / "index.html").read_text()
    assert left(cloud, REGIONS[0]) == ([], [], [], [])
