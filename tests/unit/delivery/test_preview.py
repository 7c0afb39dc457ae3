"""What a pull request is told it would change, by an account that refuses what the planner may not do."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from delivery import preview as preview_module
from delivery import templates as packaging
from delivery.artifact import ROOT
from delivery.preview import PreviewError, hand_over, main, preview
from templates.cfn import COMMIT, KEY_ID
from templates.decisions import allows
from templates.roles.names import ARTIFACTS, BUCKETS, PIPELINE, STACKS, arn, stack

DIGEST = "ef" * 32
BUCKET = PIPELINE.ref("Artifacts")
ROLE = PIPELINE.outputs["CloudFormationRoleArn"]
POLICIES = [policy["PolicyDocument"] for policy in STACKS["github-oidc"].properties("Planner")["Policies"]]
PACKAGED = packaging.package(ROOT / "templates")
MAIL = "ops@example.org"


def ask(action: str, resource: str, **context: str) -> None:
    context = {key.replace("_", ":"): value for key, value in context.items()}
    assert any(allows(document, action, resource, context) for document in POLICIES), (action, resource, context)


class S3:
    def __init__(self) -> None:
        self.objects: dict[str, str] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        assert Bucket == BUCKET
        ask("s3:PutObject", f"{ARTIFACTS}/{Key}")
        self.objects[Key] = Body.decode()


class CloudFormation:
    """Staging as its pipeline deployed it. A change set changes the uploads bucket, whatever it is made of."""

    def __init__(self, root: str = PACKAGED.root, **stack: object) -> None:
        self.root = root
        self.parameters = {
            "ArtifactBucket": BUCKET, "ArtifactDigest": "ab" * 32, "CommitId": COMMIT, "AlertEmail": MAIL,
            "Environment": "staging", "LogLevel": "DEBUG", "Gone": "x",
        }  # fmt: skip
        self.stack = {"StackStatus": "UPDATE_COMPLETE", "RoleARN": ROLE} | stack
        self.change_sets: dict[str, dict] = {}
        self.made: list[dict] = []

    def describe_stacks(self, StackName: str) -> dict:
        ask("cloudformation:DescribeStacks", stack(StackName))
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        return {"Stacks": [self.stack | {"Parameters": parameters}]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict:
        assert TemplateStage == "Original"
        ask("cloudformation:GetTemplate", stack(StackName))
        return {"TemplateBody": self.root}

    def create_change_set(self, StackName: str, ChangeSetName: str, RoleARN: str, **request: object) -> dict:
        ask("cloudformation:CreateChangeSet", stack(StackName), cloudformation_ChangeSetName=ChangeSetName)
        ask("cloudformation:TagResource", stack(StackName))
        ask("iam:PassRole", RoleARN, iam_PassedToService="cloudformation.amazonaws.com")
        self.made.append(request)
        root, nested = (arn("cloudformation", f"changeSet/{name}/{KEY_ID}") for name in (ChangeSetName, "nested"))
        kind = {"Action": "Modify", "Replacement": "False"}
        child = {"LogicalResourceId": "Buckets", "ResourceType": "AWS::CloudFormation::Stack", "ChangeSetId": nested}
        leaf = {"LogicalResourceId": "Uploads", "ResourceType": "AWS::S3::Bucket"}
        for name, where, change in ((root, StackName, child), (nested, BUCKETS.name, leaf)):
            self.change_sets[name] = {
                "ChangeSetName": name.split("/")[1], "StackName": where, "Status": "CREATE_COMPLETE",
                "Changes": [{"ResourceChange": kind | change}],
            }  # fmt: skip
        return {"Id": root}

    def describe_change_set(self, ChangeSetName: str, StackName: str | None = None) -> dict:
        found = self.change_sets[ChangeSetName]
        ask("cloudformation:DescribeChangeSet", stack(found["StackName"]))
        return found

    def delete_change_set(self, ChangeSetName: str, StackName: str | None = None) -> None:
        ask("cloudformation:DeleteChangeSet", stack("sluice-staging"), cloudformation_ChangeSetName=ChangeSetName)
        assert self.change_sets.pop(ChangeSetName)["StackName"] == "sluice-staging"


def changed(name: str) -> packaging.Packaged:
    """The templates with a change in one of the nested."""
    [(digest, text)] = [one for one in PACKAGED.children.items() if f"Sluice: {name}" in one[1]]
    new = text + "# changed\n"
    new_digest = hashlib.sha256(new.encode()).hexdigest()
    children = {key: value for key, value in PACKAGED.children.items() if key != digest} | {new_digest: new}
    return packaging.Packaged(PACKAGED.root.replace(digest, new_digest), "", children)


def planned(cloudformation: CloudFormation, s3: S3, packaged: packaging.Packaged = PACKAGED) -> tuple[dict, str]:
    """What the change set was made of, and the plan as text."""
    said: list[str] = []
    made = preview(cloudformation, s3, packaged, DIGEST, said.append)
    assert said == [f"stored s3://{BUCKET}/{key}" for key in s3.objects]
    return cloudformation.made[0], made.as_markdown()


def test_the_plan_looks_into_nested_stacks_and_leaves_nothing_to_execute() -> None:
    cloudformation = CloudFormation()
    request, text = planned(cloudformation, S3())
    assert request["IncludeNestedStacks"] is True and request["ChangeSetType"] == "UPDATE"
    assert "`Buckets/Uploads`" in text
    # The nested change set goes with its root's.
    assert [found["StackName"] for found in cloudformation.change_sets.values()] == [BUCKETS.name]


def test_templates_that_are_deployed_are_named_as_they_are() -> None:
    """Or everything would look as if it changed."""
    s3 = S3()
    request, _ = planned(CloudFormation(), s3)
    assert s3.objects == {} and request["TemplateBody"] == PACKAGED.root


def test_a_changed_template_is_stored_where_nothing_is_deployed_from() -> None:
    s3, packaged = S3(), changed("the bucket for uploads")
    request, _ = planned(CloudFormation(), s3, packaged)
    [(key, text)] = s3.objects.items()
    assert key == f"pull-requests/{hashlib.sha256(text.encode()).hexdigest()}.yaml" and text.endswith("# changed\n")
    assert request["TemplateBody"].count(key) == 1
    assert request["TemplateBody"].replace(key, key.replace("pull-requests", "templates")) == packaged.root


def test_only_the_artifact_and_the_settings_are_new() -> None:
    request, _ = planned(CloudFormation(), S3())
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in request["Parameters"]}
    settings = json.loads((ROOT / "environments" / "staging.json").read_text())["Parameters"]
    assert settings["LogLevel"] == "INFO"
    assert parameters == {
        "ArtifactBucket": BUCKET, "ArtifactDigest": DIGEST, "CommitId": COMMIT, "AlertEmail": MAIL, **settings,
    }  # fmt: skip
    assert {"Key": "Environment", "Value": "staging"} in request["Tags"]


def test_without_staging_there_is_no_plan() -> None:
    cloudformation = CloudFormation()
    del cloudformation.stack["RoleARN"]
    with pytest.raises(PreviewError, match="sluice-staging was not deployed by its pipeline yet"):
        preview(cloudformation, S3(), PACKAGED, DIGEST)


def refusing(code: str, message: str) -> Callable[..., dict]:
    def refuse(**_: object) -> dict:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")

    return refuse


def test_a_missing_stack_is_told_from_a_refusal() -> None:
    cloudformation = CloudFormation()
    cloudformation.describe_stacks = refusing("ValidationError", "Stack with id sluice-staging does not exist")
    with pytest.raises(PreviewError):
        preview(cloudformation, S3(), PACKAGED, DIGEST)
    cloudformation.describe_stacks = refusing("AccessDenied", "not authorized")
    with pytest.raises(ClientError):
        preview(cloudformation, S3(), PACKAGED, DIGEST)


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """The step's outputs, read as GitHub does."""
    path = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))

    def read() -> dict[str, str]:
        found, lines = {}, iter(path.read_text(encoding="utf-8").splitlines())
        for line in lines:
            name, _, end = line.partition("<<")
            found[name] = "\n".join(iter(lambda end=end: next(lines), end)) if end else line
        return found

    return read


def test_the_plan_is_one_output_whatever_it_says(output: Callable[[], dict[str, str]]) -> None:
    text = "### Plan\n\nEOF\nplan=x\nother<<EOF\n| ü |"
    hand_over(text)
    assert output() == {"plan": text}


def test_an_output_fits_into_an_environment_variable(output: Callable[[], dict[str, str]]) -> None:
    hand_over("x" * 1_000_000)
    assert len(output()["plan"]) <= 128 * 1024


def test_outside_of_a_workflow_nothing_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    hand_over("text")
    assert "GITHUB_OUTPUT" not in os.environ


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    clients = {"cloudformation": CloudFormation(), "s3": S3()}
    monkeypatch.setattr(preview_module, "boto3", SimpleNamespace(client=clients.__getitem__))
    built = SimpleNamespace(digest=DIGEST)
    monkeypatch.setattr(preview_module.artifact, "named_target", lambda name: {"lambda": name}[name])
    monkeypatch.setattr(preview_module.artifact, "build", lambda target, out_dir: built)
    return clients


def test_the_command_prints_the_plan_and_hands_it_over(
    account: dict, output: Callable[[], dict[str, str]], capsys: pytest.CaptureFixture
) -> None:
    main([])
    printed = capsys.readouterr().out
    assert "`Buckets/Uploads`" in printed and output()["plan"].strip() == printed.strip()


def test_the_comment_says_why_there_is_no_plan(account: dict, output: Callable[[], dict[str, str]]) -> None:
    account["cloudformation"].stack["StackStatus"] = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(SystemExit, match="^preview: sluice-staging is UPDATE_ROLLBACK_FAILED"):
        main([])
    assert output()["plan"].startswith("### No plan for `sluice-staging`\n\nsluice-staging is UPDATE_ROLLBACK_FAILED")
