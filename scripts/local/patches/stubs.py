"""Resource types that ministack does not know and our templates need."""

import json
import os
import uuid
from pathlib import Path

from ministack.core.responses import get_account_id, get_region
from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners


def pipeline(folder: Path) -> None:
    """AWS::CodePipeline::Pipeline, as far as its definition goes.

    Stock: "Unsupported resource type". AWS: Ref is the pipeline's name, GetAtt Version a
    number that grows with every update.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codepipeline-pipeline.html
    Here the resolved properties are kept as <folder>/pipelines/<name>.json; whoever runs
    the pipeline reads its stages from there.
    """
    records = folder / "pipelines"
    records.mkdir()
    versions: dict[str, int] = {}

    def write(name: str, properties: dict) -> tuple[str, dict]:
        versions[name] = versions.get(name, 0) + 1
        draft = records / f".{name}"
        draft.write_text(json.dumps(properties, indent=1), encoding="utf-8")
        os.replace(draft, records / f"{name}.json")
        return name, {"Version": str(versions[name])}

    def create(logical_id, properties, stack_name):
        return write(properties.get("Name") or provisioners._physical_name(
            stack_name, logical_id, max_len=100), properties)

    def update(name, old, new, stack_name, logical_id):
        if new.get("Name", name) == name:
            return write(name, new)
        replacement = create(logical_id, new, stack_name)
        provisioners._delete_predecessor(delete, name, old)
        return replacement

    def delete(name, properties):
        (records / f"{name}.json").unlink(missing_ok=True)

    provisioners._RESOURCE_HANDLERS["AWS::CodePipeline::Pipeline"] = {
        "create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def connection(folder: Path) -> None:
    """AWS::CodeConnections::Connection, which stays PENDING.

    Stock: "Unsupported resource type". AWS: Ref is the ARN; a connection made by
    CloudFormation is PENDING until somebody authorises it in the console.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codeconnections-connection.html
    """
    def attributes(arn: str) -> tuple[str, dict]:
        return arn, {"ConnectionArn": arn, "ConnectionStatus": "PENDING", "OwnerAccountId": get_account_id()}

    def create(logical_id, properties, stack_name):
        return attributes(f"arn:aws:codeconnections:{get_region()}:{get_account_id()}:connection/{uuid.uuid4()}")

    def update(arn, old, new, stack_name, logical_id):
        # Only tags change in place.
        same = {**old, "Tags": None} == {**new, "Tags": None}
        return attributes(arn) if same else create(logical_id, new, stack_name)

    provisioners._RESOURCE_HANDLERS["AWS::CodeConnections::Connection"] = {
        "create": create, "update": update, "update_with_logical_id": True,
        "delete": lambda arn, properties: None}


def releases(folder: Path) -> None:
    """AWS::CodeDeploy::Application and AWS::CodeDeploy::DeploymentGroup, which deploy nothing.

    Stock: "Unsupported resource type". AWS: Ref is the name. The update policy of an alias, which names both, means
    nothing here: the alias has its new version all at once.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_CodeDeploy.html
    """
    for kind, key in (("Application", "ApplicationName"), ("DeploymentGroup", "DeploymentGroupName")):
        def create(logical_id, properties, stack_name, key=key):
            return properties.get(key) or provisioners._physical_name(stack_name, logical_id, max_len=100), {}

        provisioners._RESOURCE_HANDLERS[f"AWS::CodeDeploy::{kind}"] = {
            "create": create, "update": lambda name, old, new, stack_name: (name, {}),
            "delete": lambda name, properties: None}


def group_egress(folder: Path) -> None:
    """AWS::EC2::SecurityGroupEgress, which opens nothing: no traffic is held back here.

    Stock: "Unsupported resource type". AWS: Ref is the rule's id.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroupegress.html
    """
    def create(logical_id, properties, stack_name):
        return f"sgr-{uuid.uuid4().hex[:17]}", {}

    provisioners._RESOURCE_HANDLERS["AWS::EC2::SecurityGroupEgress"] = {
        "create": create, "update": lambda rule, old, new, stack_name: create("", new, stack_name),
        "delete": lambda rule, properties: None}


def rotation_schedule(folder: Path) -> None:
    """AWS::SecretsManager::RotationSchedule, whose schedule never comes.

    Stock: "Unsupported resource type". AWS: Ref is the secret's ARN; the secret has its function and rules from here,
    and is rotated at once unless RotateImmediatelyOnUpdate says otherwise.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-rotationschedule.html
    """
    def create(logical_id, properties, stack_name):
        status, _, body = secretsmanager._rotate_secret({
            "SecretId": properties["SecretId"], "RotationLambdaARN": properties["RotationLambdaARN"],
            "RotationRules": properties.get("RotationRules"),
            "RotateImmediately": str(properties.get("RotateImmediatelyOnUpdate", True)).lower() == "true"})
        if status != 200:
            raise ValueError(f"AWS::SecretsManager::RotationSchedule: {body!r}")
        return json.loads(body)["ARN"], {}

    provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::RotationSchedule"] = {
        "create": create, "update": lambda secret, old, new, stack_name: create("", new, stack_name),
        "delete": lambda secret, properties: None}


PATCHES = (pipeline, connection, releases, group_egress, rotation_schedule)
