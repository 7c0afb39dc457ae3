"""What a plan says of change sets as CloudFormation describes them, which lane it takes, and what it refuses."""

import base64
import copy
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, WaiterError

from delivery import plan_command
from delivery.changes import Change, leaves
from delivery.plan import PlanError, Request, make
from delivery.plan_command import main, write
from support.ec2 import LOOKED_UP, Ec2

ROOT_ARN = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/plan-1/0001"
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/sluice-staging/0003"
ROLE = "arn:aws:iam::111122223333:role/x"
NESTED_ARN = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/{}/0002"
TEMPLATE = "Resources: {}\n"
DIGEST = "ab" * 32
EMPTY = {"Status": "FAILED", "StatusReason": "The submitted information didn't contain changes.", "Changes": []}


def detail(name: str, source: str = "DirectModification", evaluation: str = "Static") -> dict:
    return {"Target": {"Attribute": "Properties", "Name": name}, "ChangeSource": source, "Evaluation": evaluation}


def change(logical: str, kind: str, action: str = "Modify", *details: dict, **more: str) -> dict:
    resource = {"Action": action, "LogicalResourceId": logical, "ResourceType": kind, "Details": list(details)}
    return {"Type": "Resource", "ResourceChange": {**resource, **more}}


def stack(logical: str, *details: dict, action: str = "Modify", **more: str) -> dict:
    named = {"PhysicalResourceId": f"stack-{logical}", "ChangeSetId": NESTED_ARN.format(logical), **more}
    return change(logical, "AWS::CloudFormation::Stack", action, *details, **named)


OUTPUT = detail("Parameters", "ResourceAttribute", "Dynamic")
CODE = change("Process", "AWS::Lambda::Function", "Modify", detail("Code", "ParameterReference"), Replacement="False")


class CloudFormation:
    """A stack and the change sets that are asked for; `deleted` are those that were deleted.

    `removed` are the stacks that were deleted, by id and role; where `is_stuck`, that does not help.
    """

    def __init__(self, changes: dict[str, list[dict]], status: str | None = "UPDATE_COMPLETE") -> None:
        """`changes` are those of the root ("") and of each nested stack."""
        self.changes, self.status = changes, status
        self.created: list[dict] = []
        self.deleted: list[str] = []
        self.earlier = [{"ChangeSetName": "plan-0", "ExecutionStatus": "AVAILABLE"}]
        self.template = TEMPLATE
        self.reason = ""
        self.removed: list[tuple[str, str]] = []
        self.is_stuck = False

    def describe_stacks(self, StackName: str) -> dict:
        if self.status is None:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "it does not exist"}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self.status, "StackId": STACK_ID}]}

    def delete_stack(self, StackName: str, RoleARN: str) -> None:
        self.removed.append((StackName, RoleARN))
        self.status = "DELETE_FAILED" if self.is_stuck else None

    def get_waiter(self, name: str) -> "CloudFormation":
        assert name == "stack_delete_complete"
        return self

    def wait(self, StackName: str, WaiterConfig: dict) -> None:
        if self.status:
            raise WaiterError("StackDeleteComplete", "it ended in another state", {})

    def create_change_set(self, **request: object) -> dict:
        self.created.append(request)
        return {"Id": ROOT_ARN}

    def describe_change_set(self, ChangeSetName: str, StackName: str = "", NextToken: str = "") -> dict:
        if self.reason:
            return {"Status": "FAILED", "StatusReason": self.reason, "Changes": [], "StackName": "nested"}
        name = "" if ChangeSetName == ROOT_ARN else ChangeSetName.split("/")[1]
        found = self.changes[name]
        if not found:
            return EMPTY
        answer = {"Status": "CREATE_COMPLETE", "ChangeSetName": "plan-1"}
        # One change a page.
        place = int(NextToken or 0)
        more = {"NextToken": str(place + 1)} if place + 1 < len(found) else {}
        return copy.deepcopy({**answer, "Changes": found[place : place + 1], **more})

    def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
        self.deleted.append(ChangeSetName)

    def get_template(self, StackName: str, TemplateStage: str) -> dict:
        return {"TemplateBody": self.template}

    def get_paginator(self, operation: str) -> "CloudFormation":
        self._operation = operation
        return self

    def paginate(self, StackName: str) -> list[dict]:
        if self._operation == "list_change_sets":
            return [{"Summaries": self.earlier}]
        resources = [("Uploads", "AWS::S3::Bucket"), ("UploadsPolicy", "AWS::S3::BucketPolicy")]
        summaries = [{"LogicalResourceId": name, "ResourceType": kind} for name, kind in resources]
        return [{"StackResourceSummaries": summaries}]


class S3:
    """Buckets with the stamps of tested artifacts, and with every artifact, whose checksums are those of their names.

    `others` are checksums of those that are not.
    """

    def __init__(self, *tested: str) -> None:
        self.keys = {("staging", f"tested/{digest}") for digest in tested}
        self.others: dict[str, dict] = {}

    def head_object(self, Bucket: str, Key: str, **more: str) -> dict:
        if named := re.fullmatch("artifacts/([0-9a-f]{64}).zip", Key):
            assert (Bucket, more) == ("own", {"ChecksumMode": "ENABLED"})
            checksum = {"ChecksumSHA256": base64.b64encode(bytes.fromhex(named[1])).decode()}
            return self.others.get(named[1], checksum)
        if (Bucket, Key) not in self.keys:
            status = {"ResponseMetadata": {"HTTPStatusCode": 404}, "Error": {"Code": "404"}}
            raise ClientError(status, "HeadObject")
        return {}


def plan(cloudformation: CloudFormation, environment: str = "staging", s3: S3 | None = None, **more: object):
    request = Request(
        stack=f"sluice-{environment}",
        environment=environment,
        template=TEMPLATE,
        parameters={"Environment": environment, "ArtifactBucket": "own", "ArtifactDigest": DIGEST},
        tags={},
        role_arn=ROLE,
        is_kept=True,
        tested_bucket="staging",
    )
    return make(cloudformation, s3 or S3(DIGEST), Request(**{**vars(request), **more}), lambda line: None)


def paths(cloudformation: CloudFormation) -> list[tuple[str, str, bool]]:
    found = leaves(cloudformation, {"Changes": cloudformation.changes[""]})
    return [(one.path, one.action, one.is_certain) for one in found]


def test_changes_are_those_of_the_nested_stacks_by_logical_path() -> None:
    queue = change("Intake", "AWS::SQS::Queue", "Modify", detail("KmsMasterKeyId"), Replacement="False")
    cloudformation = CloudFormation(
        {
            "": [stack("Queue", detail("TemplateURL")), stack("Ledger", detail("TemplateURL"))],
            "Queue": [queue, change("Extra", "AWS::SQS::Queue", "Add"), change("Old", "AWS::SQS::Queue", "Remove")],
            "Ledger": [
                change("Ledger", "AWS::DynamoDB::Table", "Modify", detail("KeySchema"), Replacement="True"),
                change("Other", "AWS::DynamoDB::Table", "Modify", detail("KeySchema"), Replacement="Conditional"),
            ],
        }
    )
    assert paths(cloudformation) == [
        ("Queue/Intake", "modify", True),
        ("Queue/Extra", "add", True),
        ("Queue/Old", "remove", True),
        ("Ledger/Ledger", "replace", True),
        ("Ledger/Other", "may replace", True),
    ]
    made = plan(cloudformation)
    assert made.summary == (
        "sluice-staging, lane infrastructure: remove 1: Queue/Old; replace 1: Ledger/Ledger; "
        "may replace 1: Ledger/Other; add 1: Queue/Extra; modify 1: Queue/Intake"
    )
    text = made.as_markdown()
    assert text.index("Removed") < text.index("Replaced") < text.index("Added") < text.index("Modified")
    assert "| **stateful** `Ledger/Ledger` | `AWS::DynamoDB::Table` | KeySchema |" in text


def test_what_is_in_a_nested_stack_that_goes_is_removed() -> None:
    """Whether or not CloudFormation made a change set of it."""
    gone = stack("Buckets", action="Remove")
    assert paths(CloudFormation({"": [gone], "Buckets": []})) == [
        ("Buckets/Uploads", "remove", True),
        ("Buckets/UploadsPolicy", "remove", True),
    ]


def test_code_is_a_lane_of_its_own() -> None:
    alarm = change("Errors", "AWS::CloudWatch::Dashboard", "Modify", detail("Dimensions", "ParameterReference"))
    cloudformation = CloudFormation(
        {
            "": [stack("Lambda", detail("Parameters", "ParameterReference")), stack("Monitoring", OUTPUT)],
            "Lambda": [CODE],
            # CloudFormation lists what takes an output of the Lambda stack, though that stays the same.
            "Monitoring": [alarm],
        }
    )
    made = plan(cloudformation)
    assert (made.lane, made.change_set) == ("code", "plan-1")
    assert made.summary == "sluice-staging, lane code: modify 1: Lambda/Process; 1 more may be modified"
    cloudformation.template = "Resources: {Other: {}}"
    assert plan(cloudformation).lane == "infrastructure", "the templates are not those that are deployed"


@pytest.mark.parametrize(
    "monitoring",
    [
        change("Errors", "AWS::CloudWatch::Dashboard", "Modify", detail("Threshold"), Replacement="True"),
        change("Errors", "AWS::CloudWatch::Dashboard", "Remove"),
    ],
)
def test_more_than_a_possible_modification_is_infrastructure(monitoring: dict) -> None:
    made = plan(CloudFormation({"": [stack("Monitoring", OUTPUT)], "Monitoring": [monitoring]}))
    assert made.lane == "infrastructure"


def test_nothing_changes() -> None:
    cloudformation = CloudFormation({"": []})
    made = plan(cloudformation, "production", tested_bucket="")
    assert (made.lane, made.change_set, made.blocked) == ("none", "", ())
    assert made.summary == "sluice-production, lane none: nothing changes"
    assert ROOT_ARN in cloudformation.deleted


@pytest.mark.parametrize(
    "loss", [{"action": "Remove"}, {"action": "Dynamic"}, {"Replacement": "True"}, {"Replacement": "Conditional"}]
)
def test_production_keeps_what_holds_data(loss: dict) -> None:
    bucket = change("Uploads", "AWS::S3::Bucket", loss.pop("action", "Modify"), detail("BucketName"), **loss)
    cloudformation = CloudFormation({"": [stack("Buckets", detail("TemplateURL"))], "Buckets": [bucket]})
    assert plan(cloudformation, "staging").blocked == ()
    made = plan(cloudformation, "production")
    [reason] = made.blocked
    assert reason.startswith("Buckets/Uploads (AWS::S3::Bucket) holds data and ") and "AllowedReplacements" in reason
    assert made.summary.startswith("sluice-production, lane infrastructure: BLOCKED: Buckets/Uploads")
    assert made.change_set == "" and ROOT_ARN in cloudformation.deleted
    assert plan(cloudformation, "production", allowed_replacements=["Buckets/Uploads"]).blocked == ()


def test_a_stream_holds_data_as_long_as_it_keeps_them() -> None:
    gone = change("Stream", "AWS::Kinesis::Stream", "Remove")
    cloudformation = CloudFormation({"": [stack("Stream", detail("TemplateURL"))], "Stream": [gone]})
    [reason] = plan(cloudformation, "production").blocked
    assert reason.startswith("Stream/Stream (AWS::Kinesis::Stream) holds data and ")


def test_production_takes_only_what_staging_has_tested() -> None:
    cloudformation = CloudFormation({"": [stack("Lambda", detail("Parameters"))], "Lambda": [CODE]})
    assert plan(cloudformation, "production").blocked == ()
    other = {"parameters": {"ArtifactBucket": "own", "ArtifactDigest": "cd" * 32}}
    for changed in (other, {"tested_bucket": ""}):
        [reason] = plan(cloudformation, "production", **changed).blocked
        assert "has not passed staging's smoke test" in reason
    assert plan(cloudformation, "production", **other, allowed_untested="cd" * 32).blocked == ()
    assert plan(cloudformation, "staging", **other).blocked == ()


@pytest.mark.parametrize("checksum", [{"ChecksumSHA256": "c29tZSBvdGhlciBjb2Rl"}, {"ChecksumCRC32": "jNwWgw=="}])
def test_production_takes_nothing_else_under_the_name_of_what_was_tested(checksum: dict) -> None:
    """As who has stolen the role of its build could have stored there first."""
    cloudformation = CloudFormation({"": [stack("Lambda", detail("Parameters"))], "Lambda": [CODE]})
    s3 = S3(DIGEST)
    s3.others[DIGEST] = checksum
    for more in ({}, {"allowed_untested": DIGEST}):
        made = plan(cloudformation, "production", s3, **more)
        [reason] = made.blocked
        assert f"artifacts/{DIGEST}.zip in own holds other bytes than its name says" in reason
        assert made.change_set == ""


def test_a_plan_supersedes_earlier_ones_and_a_look_leaves_nothing() -> None:
    changes = {"": [stack("Lambda", detail("Parameters"))], "Lambda": [CODE]}
    kept, looked = CloudFormation(changes), CloudFormation(changes)
    plan(kept)
    assert kept.deleted == ["plan-0"]
    assert plan(looked, is_kept=False).change_set == ""
    assert looked.deleted == [ROOT_ARN]


@pytest.mark.parametrize(("environment", "on_failure"), [("staging", "DELETE"), ("production", None)])
def test_a_first_deployment(environment: str, on_failure: str | None) -> None:
    cloudformation = CloudFormation({"": [stack("Queue", action="Add")], "Queue": []}, "REVIEW_IN_PROGRESS")
    cloudformation.changes[""][0]["ResourceChange"].pop("ChangeSetId")
    made = plan(cloudformation, environment)
    assert (made.lane, made.changes) == ("infrastructure", (Change("Queue", "AWS::CloudFormation::Stack", "add"),))
    [request] = cloudformation.created
    assert (request["ChangeSetType"], request.get("OnStackFailure")) == ("CREATE", on_failure)
    assert "IncludeNestedStacks" not in request


NEVER_CREATED = ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"]


@pytest.mark.parametrize("status", NEVER_CREATED)
def test_outside_of_production_a_stack_that_was_never_created_is_replaced(status: str) -> None:
    cloudformation = CloudFormation({"": [stack("Queue", action="Add")], "Queue": []}, status)
    made = plan(cloudformation)
    assert (made.lane, made.change_set) == ("infrastructure", "plan-1")
    assert cloudformation.removed == [(STACK_ID, ROLE)]
    assert [request["ChangeSetType"] for request in cloudformation.created] == ["CREATE"]


def test_a_stack_that_cannot_be_replaced_is_named_with_the_way_out() -> None:
    cloudformation = CloudFormation({"": []}, "ROLLBACK_FAILED")
    cloudformation.is_stuck = True
    with pytest.raises(PlanError, match="sluice-staging cannot be deleted: .*--stack-name sluice-staging"):
        plan(cloudformation)
    assert cloudformation.created == []


@pytest.mark.parametrize(
    ("environment", "is_kept", "status"),
    [
        *(("production", True, status) for status in NEVER_CREATED),
        *(("staging", False, status) for status in NEVER_CREATED),
        # These were complete once, or may have been.
        *(("staging", True, status) for status in ("DELETE_FAILED", "UPDATE_ROLLBACK_FAILED")),
    ],
)
def test_a_stack_that_is_stuck_is_named_with_the_way_out(environment: str, is_kept: bool, status: str) -> None:
    cloudformation = CloudFormation({"": []}, status)
    with pytest.raises(PlanError, match=rf"{status}.*aws cloudformation .* --stack-name sluice-{environment}"):
        plan(cloudformation, environment, is_kept=is_kept)
    assert cloudformation.removed == []


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"])
def test_a_stack_that_was_complete_is_never_deleted(status: str) -> None:
    cloudformation = CloudFormation({"": [stack("Lambda", detail("Parameters"))], "Lambda": [CODE]}, status)
    assert plan(cloudformation).lane == "code"
    assert cloudformation.removed == []


def test_why_there_can_be_no_plan() -> None:
    cloudformation = CloudFormation({"": []})
    cloudformation.reason = f"Nested change set {NESTED_ARN.format('x')} was not successfully created"
    with pytest.raises(PlanError, match="cannot plan this: Nested change set .*; nested: Nested change set"):
        plan(cloudformation)
    assert ROOT_ARN in cloudformation.deleted


def test_the_summary_is_short_and_safe_for_a_shell(tmp_path: Path) -> None:
    added = [change(f"It's{number}", "AWS::SQS::Queue", "Add") for number in range(300)]
    made = plan(CloudFormation({"": added}))
    assert len(made.summary) < 1000 and "\n" not in made.summary
    write(made, "https://example.org/?a=1&b=2", tmp_path)
    shell = ["sh", "-euc", '. ./plan.env; printf %s "$PLAN_SUMMARY|$LANE|$CHANGE_SET|$PLAN_URL"']
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{made.summary}|infrastructure|plan-1|https://example.org/?a=1&b=2"


def test_a_file_does_not_lift_the_guards_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "production.json").write_text('{"Parameters": {"Environment": "staging"}}')
    asked = {"stack": "s", "bucket": "b", "template": "t", "role-arn": "r", "environment": "production"}
    asked["configuration"] = str(tmp_path / "production.json")
    with pytest.raises(SystemExit, match="Environment is not production"):
        main([part for name, value in asked.items() for part in (f"--{name}", value)])


@pytest.mark.parametrize(("enabled", "given"), [("true", "true"), ("false", "true"), ("true", "false"), ("true", "")])
def test_the_prefix_lists_of_a_database_are_looked_up_in_the_target(
    enabled: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the role that plans; where a parameter of the command turns the database off, not at all."""
    is_on, cloudformation = (given or enabled) == "true", CloudFormation({"": []})
    bucket = SimpleNamespace(put_object=lambda **_: None, meta=SimpleNamespace(region_name="eu-central-1"))
    target = {"cloudformation": cloudformation} | ({"ec2": Ec2()} if is_on else {})
    assumed = {"planner": SimpleNamespace(client=target.__getitem__)}
    monkeypatch.setattr(plan_command, "boto3", SimpleNamespace(client={"s3": bucket}.__getitem__))
    monkeypatch.setattr(plan_command, "assumed", SimpleNamespace(session=assumed.__getitem__))
    monkeypatch.setattr(plan_command.artifact, "ROOT", tmp_path)
    (tmp_path / "root.yaml").write_text(TEMPLATE)
    settings = {"Parameters": {"Environment": "staging", "EnableDatabase": enabled}}
    (tmp_path / "staging.json").write_text(json.dumps(settings))

    main(
        ["--stack", "s", "--bucket", "b", "--role-arn", ROLE, "--assume-role", "planner"]
        + ["--template", str(tmp_path / "root.yaml"), "--configuration", str(tmp_path / "staging.json")]
        + (["--parameter", f"EnableDatabase={given}"] if given else [])
    )

    [request] = cloudformation.created
    passed = {one["ParameterKey"]: one["ParameterValue"] for one in request["Parameters"]}
    expected = {"Environment": "staging", "EnableDatabase": given or enabled}
    assert passed == expected | (LOOKED_UP if is_on else {})
