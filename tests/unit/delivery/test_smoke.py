"""What the smoke test takes for a failure, and what it remembers; tests/e2e/test_lanes.py has it in a pipeline."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from delivery import smoke
from delivery.configuration import ALLOW_ALL
from delivery.smoke import FILE, SmokeError, go_back, main, protect, remember, smoke_test

GOOD = {"state": "SUCCEEDED", "reason": "", "rows_good": 2, "rows_rejected": 0}


class Account:
    """Buckets, table and topic of a deployment, whose function does as it is told."""

    def __init__(self) -> None:
        self._clients = {}
        for name in ("uploads", "results", "artifacts"):
            self("s3").create_bucket(Bucket=name)
            self("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        keys = {"upload_key": "HASH", "version_id": "RANGE"}
        self("dynamodb").create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        topic = self("sns").create_topic(Name="sluice-staging-topic")["TopicArn"]
        names = {"UploadsBucket": "uploads", "ResultsBucket": "results", "LedgerTable": "ledger"}
        self.outputs = {**names, "TopicArn": topic}
        self.told, self.state, self.result = GOOD, "SUCCEEDED", FILE
        self.missed = 0
        self._put = self("s3").put_object
        self("s3").put_object = self.put

    def __call__(self, service: str):
        if service not in self._clients:
            self._clients[service] = boto3.client(service, "us-east-1")
        return self._clients[service]

    def put(self, **request: object) -> dict:
        """S3, and after an upload the function."""
        answer = self._put(**request)
        if request["Bucket"] == "uploads":
            item = {"upload_key": f"uploads/{request['Key']}", "version_id": answer["VersionId"], "state": self.state}
            self("dynamodb").put_item(TableName="ledger", Item={name: {"S": value} for name, value in item.items()})
            self._put(Bucket="results", Key=request["Key"], Body=self.result)
            if self.missed:
                self.missed -= 1
                return answer
            told = {"version_id": answer["VersionId"]}
            # Of another file first, as may be.
            for key in ("people/x.csv", request["Key"]):
                document = json.dumps({**self.told, **told, "key": key} if isinstance(self.told, dict) else self.told)
                self("sns").publish(TopicArn=self.outputs["TopicArn"], Message=document)
        return answer

    def left_behind(self) -> list:
        found = (self("s3").list_object_versions(Bucket=name) for name in ("uploads", "results"))
        versions = [version for one in found for version in one.get("Versions", [])]
        items = self("dynamodb").scan(TableName="ledger")["Items"]
        subscriptions = self("sns").list_subscriptions()["Subscriptions"]
        return versions + items + subscriptions + self("sqs").list_queues().get("QueueUrls", [])


class CloudFormation:
    """One stack; `guards` is what it has been protected with."""

    def __init__(self, environment: str, outputs: Mapping[str, str] = MappingProxyType({}), **given: str) -> None:
        self._parameters, self._outputs = {"Environment": environment, **given}, outputs
        self.guards: dict[str, object] = {}

    def set_stack_policy(self, StackName: str, StackPolicyBody: str) -> None:
        self.guards["policy"] = json.loads(StackPolicyBody)

    def update_termination_protection(self, StackName: str, EnableTerminationProtection: bool) -> None:
        self.guards["termination"] = EnableTerminationProtection

    def describe_stacks(self, StackName: str) -> dict:
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self._parameters.items()]
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self._outputs.items()]
        tags = [{"Key": "Project", "Value": "sluice"}]
        return {"Stacks": [{"Parameters": parameters, "Outputs": outputs, "Tags": tags}]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict:
        return {"TemplateBody": "Resources: {}\n"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr(smoke, "_POLL_SECONDS", 0)
    monkeypatch.setattr(smoke, "_WAIT_SECONDS", 0)
    with mock_aws():
        yield Account()


def test_a_file_that_comes_out_right_leaves_nothing_behind(account: Account) -> None:
    smoke_test(account, account.outputs)
    assert account.left_behind() == []


def test_a_notification_that_was_missed_is_asked_for_again(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "_AGAIN_SECONDS", -1)
    monkeypatch.setattr(smoke, "_WAIT_SECONDS", 20)
    account.missed = 1
    smoke_test(account, account.outputs)
    assert account.left_behind() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"told": {**GOOD, "state": "FAILED", "reason": "no memory"}}, "ended as FAILED: no memory"),
        ({"told": {**GOOD, "rows_good": 1}}, "ended as SUCCEEDED"),
        ({"told": {**GOOD, "rows_rejected": 1}}, "ended as SUCCEEDED"),
        ({"state": "PROCESSING"}, "the ledger has no final state within"),
        ({"state": "FAILED"}, "is FAILED in the ledger"),
        ({"result": FILE + b"3,more\n"}, "the result is b"),
    ],
)
def test_what_does_not_work_is_told_and_leaves_nothing_behind(account: Account, changes: dict, message: str) -> None:
    vars(account).update(changes)
    with pytest.raises(SmokeError, match=message):
        smoke_test(account, account.outputs)
    assert account.left_behind() == []


@pytest.mark.parametrize(("environment", "is_stamped"), [("staging", True), ("production", False)])
def test_what_works_is_remembered_and_stamped_outside_of_production(
    account: Account, environment: str, is_stamped: bool
) -> None:
    account._clients["cloudformation"] = CloudFormation(environment)
    remember(account, account("s3"), "artifacts", "s", "ab" * 32)
    keys = [one["Key"] for one in account("s3").list_objects_v2(Bucket="artifacts")["Contents"]]
    assert keys == ["good/s.json", *([f"tested/{'ab' * 32}"] if is_stamped else [])]
    good = json.loads(account("s3").get_object(Bucket="artifacts", Key="good/s.json")["Body"].read())
    assert good == {
        "template": "Resources: {}\n",
        "parameters": {"Environment": environment},
        "tags": {"Project": "sluice"},
    }


def test_a_first_release_has_none_to_go_back_to(account: Account) -> None:
    account._clients["cloudformation"] = CloudFormation("staging")
    assert go_back(account, account("s3"), "artifacts", "s", "role").startswith("there is no earlier release")


@pytest.mark.parametrize(("environment", "termination"), [("staging", {}), ("production", {"termination": True})])
def test_what_works_is_protected(account: Account, environment: str, termination: dict) -> None:
    account._clients["cloudformation"] = cloudformation = CloudFormation(environment)
    policy = {"Statement": [ALLOW_ALL]}
    protect(account, "s", environment, policy)
    assert cloudformation.guards == {"policy": policy, **termination}


DIGEST, COMMIT = "ab" * 32, "cd" * 20


@pytest.fixture
def run(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], CloudFormation]:
    """Runs the command on a stack of production with these parameters; the stack."""
    monkeypatch.setattr(smoke, "boto3", SimpleNamespace(client=account))
    settings = tmp_path / "production.json"
    settings.write_text('{"Parameters": {"Environment": "production"}}')
    options = {"stack": "s", "bucket": "artifacts", "digest": DIGEST, "commit": COMMIT, "role-arn": "r"}
    options["configuration"] = str(settings)

    def run(environment: str = "production", **changed: str) -> CloudFormation:
        given = {"ArtifactDigest": DIGEST, "CommitId": COMMIT, **changed}
        account._clients["cloudformation"] = CloudFormation(environment, account.outputs, **given)
        main([part for name, value in options.items() for part in (f"--{name}", value)])
        return account._clients["cloudformation"]

    return run


def test_what_works_is_protected_by_the_command(run: Callable[[], CloudFormation]) -> None:
    assert run().guards


@pytest.mark.parametrize("told", [{**GOOD, "state": "FAILED"}, {"reason": "no state"}, ["not an object"]])
def test_only_what_works_is_protected(account: Account, run: Callable[[], CloudFormation], told: object) -> None:
    account.told = told
    with pytest.raises(SystemExit, match="the release does not work .*; there is no earlier release"):
        run()
    assert not account("cloudformation").guards


@pytest.mark.parametrize("other", [{"ArtifactDigest": "ef" * 32}, {"CommitId": "ef" * 20}])
def test_another_release_is_not_tested_in_the_name_of_this_one(
    account: Account, run: Callable[[], CloudFormation], other: dict
) -> None:
    """As where a failed action is tried again, after the last good release has come back."""
    with pytest.raises(SystemExit, match="s does not run this release, but that of commit"):
        run("staging", **other)
    assert "Contents" not in account("s3").list_objects_v2(Bucket="artifacts")
