"""The weekly look at what is no longer as the templates say."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local.invocation import Context

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
ROOT = "sluice-staging"
STACK = "AWS::CloudFormation::Stack"


def stack_id(name: str) -> str:
    return f"arn:aws:cloudformation:us-east-1:123456789012:stack/{name}/1234abcd"


class CloudFormation:
    """A root stack with two nested ones, one of which has a nested one itself; each detection takes three looks.

    moto has no drift detection. The answers have the shapes of the API:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResourceDrifts.html
    """

    NESTED = {ROOT: ["Queue", "Buckets"], "Queue": [], "Buckets": ["Inner"], "Inner": []}

    def __init__(self) -> None:
        self.drifted: dict[str, list[dict]] = {}
        self.failed: dict[str, str] = {}
        self.started: list[str] = []
        self.looks: dict[str, int] = {}

    def describe_stack_resources(self, *, StackName: str) -> dict:
        name = self._name(StackName)
        other = {"LogicalResourceId": "Other", "ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "other"}
        nested = [
            {"LogicalResourceId": one, "ResourceType": STACK, "PhysicalResourceId": stack_id(one)}
            for one in self.NESTED[name]
        ]
        return {"StackResources": [other, *nested]}

    def detect_stack_drift(self, *, StackName: str) -> dict:
        self.started.append(self._name(StackName))
        return {"StackDriftDetectionId": self._name(StackName)}

    def describe_stack_drift_detection_status(self, *, StackDriftDetectionId: str) -> dict:
        name = StackDriftDetectionId
        self.looks[name] = self.looks.get(name, 0) + 1
        answer = {"StackId": stack_id(name), "StackDriftDetectionId": name}
        if self.looks[name] < 3:
            return answer | {"DetectionStatus": "DETECTION_IN_PROGRESS"}
        if name in self.failed:
            return answer | {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": self.failed[name]}
        return answer | {"DetectionStatus": "DETECTION_COMPLETE"}

    def describe_stack_resource_drifts(self, *, StackName: str, StackResourceDriftStatusFilters: list, **more) -> dict:
        """One resource a page."""
        assert StackResourceDriftStatusFilters == ["MODIFIED", "DELETED"]
        found, page = self.drifted.get(self._name(StackName), []), int(more.get("NextToken", 0))
        answer = {"StackResourceDrifts": found[page : page + 1]}
        return answer | ({"NextToken": str(page + 1)} if page + 1 < len(found) else {})

    def _name(self, stack: str) -> str:
        return stack.split("/")[1] if "/" in stack else stack


def modified(logical: str, *paths: str) -> dict:
    differences = [
        {"PropertyPath": path, "ExpectedValue": "secret", "ActualValue": "secret", "DifferenceType": "NOT_EQUAL"}
        for path in paths
    ]
    return {
        "LogicalResourceId": logical,
        "ResourceType": "AWS::SQS::Queue",
        "StackResourceDriftStatus": "MODIFIED",
        "PropertyDifferences": differences,
    }


DELETED = {
    "LogicalResourceId": "Uploads",
    "ResourceType": "AWS::S3::Bucket",
    "StackResourceDriftStatus": "DELETED",
    "PropertyDifferences": [],
}


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def published() -> list[dict]:
    return []


@pytest.fixture
def check(monkeypatch, aws, load, cloudformation, published):
    """The handler on the fake, with no time between looks; call it to get its answer."""
    module = load("drift", TOPIC_ARN=TOPIC, ENVIRONMENT="staging")
    monkeypatch.setattr(module, "cloudformation", cloudformation)
    monkeypatch.setattr(module, "sns", SimpleNamespace(publish=lambda **message: published.append(message)))
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return lambda context=None: module.handler({"stack": ROOT}, context or Context("drift"))


def test_a_deployment_as_its_templates_say_is_nobodys_business(check, cloudformation, published):
    assert check() == {"stacks": 4, "drifted": [], "unchecked": []}

    assert sorted(cloudformation.started) == ["Buckets", "Inner", "Queue", ROOT]
    assert published == []


def test_what_has_drifted_is_named_with_its_stack_and_properties(check, cloudformation, published):
    cloudformation.drifted = {
        "Queue": [modified("Intake", "/VisibilityTimeout", "/Tags/0"), modified("DeadLetters", "/KmsMasterKeyId")],
        "Inner": [DELETED],
    }

    assert check()["drifted"] == ["Queue/Intake", "Queue/DeadLetters", "Buckets/Inner/Uploads"]

    [message] = published
    assert (message["TopicArn"], message["Subject"]) == (TOPIC, "Sluice staging: 3 resources have drifted")
    lines = message["Message"].splitlines()
    assert "Queue/Intake (AWS::SQS::Queue) is MODIFIED: /VisibilityTimeout, /Tags/0" in lines
    assert "Buckets/Inner/Uploads (AWS::S3::Bucket) is DELETED" in lines
    links = [line.rpartition(" ")[2] for line in lines if "https://" in line]
    assert [link.partition("stackId=")[2].split("%2F")[1] for link in links] == ["Queue", "Inner"]
    # Values stay in the console: a mail goes further than its reader thinks.
    assert "secret" not in message["Message"]


def test_what_could_not_be_checked_is_told_with_the_reason(check, cloudformation, published):
    cloudformation.failed = {"Queue": "no rights to read the queue", ROOT: "too many requests"}

    assert check() == {"stacks": 4, "drifted": [], "unchecked": ["", "Queue/"]}

    [message] = published
    assert message["Subject"] == "Sluice staging: drift could not be checked"
    assert "The root stack could not be checked wholly: too many requests" in message["Message"]
    assert "Queue/ could not be checked wholly: no rights to read the queue" in message["Message"]


def test_a_thousand_resources_still_fit_into_a_message(check, cloudformation, published):
    cloudformation.drifted = {"Queue": [modified(f"Queue{number}", "/Tags") for number in range(1000)]}

    check()

    [message] = published
    assert message["Subject"] == "Sluice staging: 1000 resources have drifted"
    assert "... and 800 more of this stack" in message["Message"]
    assert len(message["Message"].encode()) < 256 * 1024


def test_a_stack_that_is_being_changed_fails_the_check(check, cloudformation, published, monkeypatch):
    """So that it is tried again, and alarmed where that does not help."""

    def refuse(**_):
        raise ClientError({"Error": {"Code": "ValidationError"}}, "DetectStackDrift")

    monkeypatch.setattr(cloudformation, "detect_stack_drift", refuse)
    with pytest.raises(ClientError):
        check()
    assert published == []


def test_a_detection_that_does_not_end_fails_the_check(check):
    with pytest.raises(RuntimeError, match="not come to the end of sluice-staging in time"):
        check(Context("drift", seconds=20))
