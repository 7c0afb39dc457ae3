"""A deployment with a database, from the first push with it to the one that takes it away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import cloud as local_cloud
from local import mariadb, tables
from local.deployment import ROOT_STACK, Deployment
from support.checkout import Checkout
from support.deployed import held_to_what_it_takes, items, role_name, until
from support.local_cloud import WITH_DATABASE
from support.readback import check

STAFF = "id,email\n1,ann@example.org\n2,bob@example.org\n"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    checkout.shorten_build()
    checkout.replace("environments/staging.json", '"EnableDatabase": "false"', '"EnableDatabase": "true"')
    checkout.commit("a shorter build, with a database")
    return checkout


@pytest.fixture(scope="module")
def deployment(checkout: Checkout) -> Iterator[Deployment]:
    if reason := mariadb.missing():
        pytest.skip(reason)
    with local_cloud.start(database=True) as cloud:
        deployment = Deployment(cloud, print)
        assert deployment.push(checkout.folder)["status"] == "Succeeded"
        deployment.subscribe()
        yield deployment


def people(deployment: Deployment) -> dict[int, str]:
    return {row["id"]: row["email"] for row in tables.read(deployment.cloud.folder)["people"]}


def load(deployment: Deployment, key: str, text: str) -> tuple[dict, dict]:
    """The ledger's item and the notification of a file once it has been taken in."""
    version = deployment.upload(key, text.encode())
    told = until(lambda: next((one for one in deployment.receive() if one["version_id"] == version), None))
    return until(lambda: items(deployment).get((key, version))), told


def report(deployment: Deployment, told: dict, folder: Path) -> list[dict]:
    [path] = deployment.download([told["error_report"]], folder)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def physical(deployment: Deployment, nested: str) -> str:
    """The name of a nested stack."""
    cloudformation = deployment.cloud.client("cloudformation")
    found = cloudformation.describe_stack_resource(StackName=ROOT_STACK, LogicalResourceId=nested)
    return found["StackResourceDetail"]["PhysicalResourceId"]


def group(deployment: Deployment, function: str) -> str:
    """The log group of a function."""
    found = deployment.cloud.client("cloudformation").describe_stack_resource(
        StackName=physical(deployment, "Logs"), LogicalResourceId=function
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def text_of(logs: Any, group: str) -> str:
    """All that is in a log group."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return "\n".join(event["message"] for page in pages for event in page["events"])


def decided(deployment: Deployment, role: str) -> dict[str, set[str]]:
    """What was decided on secrets for a role of iam.yaml: the actions, by decision."""
    name, found = role_name(deployment, role), {}
    for entry in deployment.cloud.decisions():
        if entry["role"] == name and entry["action"].startswith("secretsmanager:"):
            found.setdefault(entry["decision"], set()).add(entry["action"].removeprefix("secretsmanager:"))
    return found


def test_rows_go_into_the_table_and_are_accounted_for(deployment):
    item, told = load(deployment, "people/staff.csv", STAFF)

    assert people(deployment) == {1: "ann@example.org", 2: "bob@example.org"}
    assert (told["state"], told["result"], told["error_report"]) == ("SUCCEEDED", None, None)
    counts = {"inserted": 2, "updated": 0, "duplicates": 0}
    assert {name: told[name] for name in counts} == {name: int(item[name]) for name in counts} == counts
    assert decided(deployment, "ProcessRole") == {"Allow": {"GetSecretValue"}}
    assert decided(deployment, "MigrateRole") == {"Allow": {"GetSecretValue"}}


def test_groups_lead_to_the_prefix_lists_that_the_plan_has_looked_up(deployment):
    ec2 = deployment.cloud.client("ec2")
    lists = {one["PrefixListId"]: one["PrefixListName"] for one in ec2.describe_managed_prefix_lists()["PrefixLists"]}
    groups = ec2.describe_security_groups()["SecurityGroups"]
    [rules] = [group["IpPermissionsEgress"] for group in groups if group["Description"].startswith("Functions ")]

    named = {lists[one["PrefixListId"]] for rule in rules for one in rule["PrefixListIds"]}
    assert named == {f"com.amazonaws.{deployment.cloud.region}.{service}" for service in ("s3", "dynamodb")}
    assert not [rule for rule in rules if rule["IpRanges"] or rule["Ipv6Ranges"]]


def test_what_a_database_adds_is_read_back(deployment):
    """As tests/e2e/test_local_cloud.py does without one."""
    own_keys = frozenset({("AWS::S3::Bucket", "BucketEncryption")})  # S3's: no bucket here asks for others
    check(deployment.cloud, [deployment.stack], WITH_DATABASE, own_keys)


def test_the_same_rows_of_another_file_are_duplicates_and_listed(deployment, tmp_path):
    _, told = load(deployment, "people/again.csv", STAFF)

    assert (told["state"], told["inserted"], told["duplicates"]) == ("SUCCEEDED", 0, 2)
    assert [line["row"] for line in report(deployment, told, tmp_path)] == [2, 3]
    assert len(people(deployment)) == 2


def test_a_bad_row_is_refused_with_its_number_and_the_others_are_loaded(deployment, tmp_path):
    rows = "3,carol@example.org\nfour,dora@example.org\n5,eve@example.org\n"
    _, told = load(deployment, "people/mixed.csv", f"id,email\n{rows}")

    assert (told["state"], told["inserted"], told["rows_rejected"]) == ("PARTIAL", 2, 1)
    assert [line["row"] for line in report(deployment, told, tmp_path)] == [3]
    assert people(deployment).keys() == {1, 2, 3, 5}


def test_what_no_event_tells_of_is_loaded_by_the_sweep(deployment):
    """Which runs so often that nothing stays unloaded for an hour (tests/templates/test_functions.py)."""
    s3, bucket = deployment.cloud.client("s3"), deployment.outputs()["UploadsBucket"]
    configuration = s3.get_bucket_notification_configuration(Bucket=bucket)
    del configuration["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        deployment.upload("people/silent.csv", b"id,email\n6,frank@example.org\n")
        deployment.cloud.client("lambda").invoke(
            FunctionName=f"{deployment.outputs()['SweepFunction']}:live", Payload=b'{"min_age_seconds": 0}'
        )
        until(lambda: 6 in people(deployment))
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def test_logs_hold_neither_rows_nor_secrets(deployment):
    """Of all that came before, and of a load that fails: its table is gone for a while."""
    logs, manager = deployment.cloud.client("logs"), deployment.cloud.client("secretsmanager")
    with tables.connect(deployment.cloud.folder) as connection, connection.cursor() as cursor:
        cursor.execute("RENAME TABLE people TO people_away")
        deployment.upload("people/late.csv", b"id,email\n9,ivan@example.org\n")
        until(lambda: "message comes back" in text_of(logs, group(deployment, "Process")))
        cursor.execute("RENAME TABLE people_away TO people")
    until(lambda: 9 in people(deployment))

    for name, said in (("Process", "upload concluded"), ("Migrate", "people")):
        text = text_of(logs, group(deployment, name))
        assert said in text and "@example.org" not in text
        for secret in manager.list_secrets()["SecretList"]:
            account = json.loads(manager.get_secret_value(SecretId=secret["ARN"])["SecretString"])
            assert account["password"] not in text


def test_a_rotated_password_does_not_hinder_what_runs(deployment):
    manager = deployment.cloud.client("secretsmanager")
    [secret] = [one["ARN"] for one in manager.list_secrets()["SecretList"] if one["Name"].endswith("-user")]
    old = manager.get_secret_value(SecretId=secret)["SecretString"]

    manager.rotate_secret(SecretId=secret)

    until(lambda: manager.get_secret_value(SecretId=secret)["SecretString"] != old)
    _, told = load(deployment, "people/rotated.csv", "id,email\n7,grace@example.org\n")
    assert (told["state"], told["inserted"]) == ("SUCCEEDED", 1)
    assert set(decided(deployment, "RotateRole")) == {"Allow"}


@pytest.mark.parametrize("name", ["MigrateRole", "RotateRole", "ProcessRole"])
def test_every_granted_action_is_taken_and_no_other_was_asked_for(deployment, name):
    """By the tests above; of the process function, on what it has because of the database."""
    held_to_what_it_takes(deployment, name, about="secretsmanager:" if name == "ProcessRole" else "")


def test_a_migration_that_is_refused_fails_the_push_and_rolls_it_back(deployment, checkout, pristine):
    checkout.replace("lambda/datasets/people.yaml", "type: integer", "type: number")
    checkout.commit("another type")

    execution = deployment.push(checkout.folder)

    assert execution["status"] == "Failed"
    cloudformation = deployment.cloud.client("cloudformation")
    [stack] = cloudformation.describe_stacks(StackName=ROOT_STACK)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=physical(deployment, "Lambda"))["StackEvents"]
    reasons = [one.get("ResourceStatusReason", "") for one in events if one["LogicalResourceId"] == "Migration"]
    assert any("people" in reason and "id" in reason for reason in reasons), reasons
    _, told = load(deployment, "people/after.csv", "id,email\n8,heidi@example.org\n")
    assert (told["state"], told["inserted"]) == ("SUCCEEDED", 1)


def test_without_the_database_the_same_files_are_processed_as_before(deployment, checkout):
    checkout.replace("environments/staging.json", '"EnableDatabase": "true"', '"EnableDatabase": "false"')
    checkout.commit("no database")

    assert deployment.push(checkout.folder)["status"] == "Succeeded"

    _, told = load(deployment, "people/staff.csv", STAFF)
    assert (told["state"], "inserted" in told) == ("SUCCEEDED", False)
    assert told["result"].endswith("/people/staff.csv")
    rds, ec2 = deployment.cloud.client("rds"), deployment.cloud.client("ec2")
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    manager = deployment.cloud.client("secretsmanager")
    assert [one["Name"] for one in manager.list_secrets()["SecretList"]] == []
