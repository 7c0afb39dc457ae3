"""The templates as parsed, and as CloudFormation would resolve them with sample values for what it generates.

Parsing and intrinsic functions are those of the local cloud's CloudFormation, so that a template and its wiring mean
here what they mean there.
"""

import copy
import functools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import engine

ROOT = Path(__file__).parents[2]
ACCOUNT, REGION = get_account_id(), get_region()
FILES = {path.stem: path for path in (*sorted((ROOT / "templates").glob("*.yaml")), ROOT / "pipeline.yaml")}

COMMIT, DIGEST = "0" * 40, "ab" * 32
RANDOM = "1A2B3C4D5E6F"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
# What the plan of a deployment with a database looks up.
PREFIX_LISTS = {"S3PrefixListId": "pl-0000000000000000a", "DynamoDbPrefixListId": "pl-0000000000000000b"}
# The other keys', by a part of their stacks' names.
KEY_IDS = {f"-{name}-": f"{KEY_ID[:-1]}{number}" for number, name in enumerate(("Database", "Stream", "Samples"))}
# Settings with which there is everything that is optional, but for what comes with a domain.
EVERYTHING = {"EnableDatabase": "true", "EnableStream": "true", "EnableApi": "true", "ApiAuthorization": "IAM"}
DOMAIN = {"ApiDomainName": "api.example.org", "ApiHostedZoneId": "Z1D633PJN98FT9"}
_EC2_PREFIXES = {
    "AWS::EC2::RouteTable": "rtb",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::VPCEndpoint": "vpce",
}


@functools.cache
def _parsed(name: str) -> dict:
    return engine._parse_template(FILES[name].read_text())


def load(name: str) -> dict:
    """A template by its file's stem, as written: intrinsic functions in their long form, sections in order."""
    return copy.deepcopy(_parsed(name))


def resources(kind: str | None = None) -> Iterator[tuple[str, str, dict]]:
    """(template, logical id, resource as written) of every resource, or of those of one type."""
    for name in FILES:
        for logical, resource in load(name)["Resources"].items():
            if kind in (None, resource["Type"]):
                yield name, logical, resource


@dataclass(frozen=True)
class Stack:
    """A stack as it would be: resources by logical id (`Type`, `Properties`, `Ref`, `Attributes`), and outputs."""

    name: str
    resources: dict[str, dict]
    outputs: dict[str, Any]

    def properties(self, logical: str) -> dict:
        return self.resources[logical]["Properties"]

    def ref(self, logical: str) -> str:
        return self.resources[logical]["Ref"]

    def arn(self, logical: str) -> str:
        return self.resources[logical]["Attributes"]["Arn"]


def deployment(
    environment: str = "staging",
    alert_email: str = "",
    connection_arn: str = "",
    tested_bucket: str = "",
    target_account: str = ACCOUNT,
    **settings: str,
) -> dict[str, Stack]:
    """The target's two stacks, the pipeline's, the root stack and its nested stacks, by template.

    The pipeline is told that the target's roles are of `target_account`; `settings` are more parameters of the root
    template, with a database also PREFIX_LISTS. Fails where a value that is passed on does not match the pattern of the
    parameter that takes it, and where a rule of a template does not hold.
    """
    stacks: dict[str, Stack] = {}
    source = {"Repository": "example/sluice", "Branch": "main", "ConnectionArn": connection_arn}
    shared = {"Environment": environment, "AlertEmail": alert_email}
    name = f"sluice-pipeline-{environment}"
    known = {"Environment": environment, "PipelineAccount": ACCOUNT, "PipelineStack": name}
    own = f"sluice-target-{environment}"
    boundary = _resolve(f"{own}-boundary", "boundary", {"Environment": environment}, stacks).outputs
    target = _resolve(own, "target", known | boundary, stacks)
    roles = {key: value.replace(f"::{ACCOUNT}:", f"::{target_account}:") for key, value in target.outputs.items()}
    given = source | shared | boundary | roles | {"TestedBucket": tested_bucket}
    pipeline = _resolve(name, "pipeline", given, stacks)
    release = {"ArtifactBucket": pipeline.ref("Artifacts"), "ArtifactDigest": DIGEST, "CommitId": COMMIT}
    release |= boundary
    looked_up = PREFIX_LISTS if settings.get("EnableDatabase") == "true" else {}
    _resolve(f"sluice-{environment}", "root", shared | looked_up | settings | release, stacks)
    return stacks


def teardown(stacks: dict[str, Stack] | None = None) -> Stack:
    """The stack that removes staging every night, with the connection of the pipeline of `stacks`.

    Fails where a value does not match the pattern of the parameter that takes it.
    """
    connection = (stacks or deployment())["pipeline"].outputs["ConnectionArn"]
    source = {"Repository": "example/sluice", "Branch": "develop", "ConnectionArn": connection}
    return _resolve("sluice-teardown", "teardown", source, {})


def partner_bucket(account: str, role: str) -> Stack:
    """The stack that a partner deploys, for a role of an account."""
    given = {"GenerateAccount": account, "GenerateRoleArn": role}
    return _resolve("sluice-samples", "partner-bucket", given, {})


def github(
    subject: str = "repo:example/sluice:pull_request", provider_arn: str = "", stacks: dict[str, Stack] | None = None
) -> Stack:
    """The stack that pull requests plan by, beside staging's of `stacks`.

    Fails where a value does not match the pattern of the parameter that takes it.
    """
    pipeline = (stacks or deployment())["pipeline"]
    given = {
        "Subject": subject,
        "ProviderArn": provider_arn,
        "ArtifactBucket": pipeline.outputs["ArtifactBucket"],
        "CloudFormationRoleArn": pipeline.outputs["CloudFormationRoleArn"],
    }
    return _resolve("sluice-github", "github-oidc", given, {})


def _resolve(stack_name: str, template_name: str, given: dict[str, str], stacks: dict[str, Stack]) -> Stack:
    # Not copied: it is only read here.
    template = _parsed(template_name)
    parameters = engine._resolve_parameters(template, [{"Key": key, "Value": given[key]} for key in given])
    conditions = engine._evaluate_conditions(template, parameters)
    engine._evaluate_rules(template, parameters, conditions)
    known: dict[str, dict] = {}

    def resolve(value: Any) -> Any:
        stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack_name}/{KEY_ID}"
        return engine._resolve_refs(value, known, parameters, conditions, {}, stack_name, stack_id)

    for logical in engine._topological_sort(template["Resources"], conditions):
        kind = template["Resources"][logical]["Type"]
        properties = resolve(template["Resources"][logical].get("Properties", {}))
        physical = f"{stack_name}-{logical}-{RANDOM}"
        if kind == "AWS::CloudFormation::Stack":
            child = _resolve(physical, Path(properties["TemplateURL"]).stem, properties.get("Parameters", {}), stacks)
            ref, attributes = physical, {f"Outputs.{key}": value for key, value in child.outputs.items()}
        else:
            ref, attributes = _sample(kind, physical, properties)
        known[logical] = {"Type": kind, "PhysicalResourceId": ref, "Attributes": attributes, "Properties": properties}
    found = {
        logical: {"Ref": one["PhysicalResourceId"]} | {key: one[key] for key in ("Type", "Attributes", "Properties")}
        for logical, one in known.items()
    }
    outputs = {
        key: resolve(output["Value"])
        for key, output in template.get("Outputs", {}).items()
        if conditions.get(output.get("Condition"), True)
    }
    stacks[template_name] = Stack(stack_name, found, outputs)
    return stacks[template_name]


def _sample(kind: str, physical: str, properties: dict) -> tuple[str, dict[str, str]]:
    """What Ref and GetAtt give of a resource: its names are generated the way CloudFormation does."""

    def arn(service: str, rest: str, region: str = REGION, account: str = ACCOUNT) -> str:
        return f"arn:aws:{service}:{region}:{account}:{rest}"

    match kind:
        case "AWS::S3::Bucket":
            return physical.lower(), {"Arn": arn("s3", physical.lower(), "", "")}
        case "AWS::SQS::Queue":
            url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical}"
            return url, {"Arn": arn("sqs", physical), "QueueName": physical}
        case "AWS::SNS::Topic":
            return arn("sns", physical), {}
        case "AWS::KMS::Key":
            key = next((key for part, key in KEY_IDS.items() if part in physical), KEY_ID)
            return key, {"Arn": arn("kms", f"key/{key}")}
        case "AWS::DynamoDB::Table":
            table = arn("dynamodb", f"table/{physical}")
            return physical, {"Arn": table, "StreamArn": f"{table}/stream/2026-11-20T10:00:00.000"}
        case "AWS::Kinesis::Stream":
            return physical, {"Arn": arn("kinesis", f"stream/{physical}")}
        case "AWS::ApiGatewayV2::Api":
            number = f"{zlib.crc32(physical.encode()):010x}"
            return number, {"ApiEndpoint": f"https://{number}.execute-api.{REGION}.amazonaws.com"}
        case "AWS::ApiGatewayV2::Authorizer" | "AWS::ApiGatewayV2::Integration" | "AWS::ApiGatewayV2::Route":
            return f"{zlib.crc32(physical.encode()):07x}", {}
        case "AWS::ApiGatewayV2::DomainName":
            target = f"d-{zlib.crc32(physical.encode()):010x}.execute-api.{REGION}.amazonaws.com"
            return properties["DomainName"], {"RegionalDomainName": target, "RegionalHostedZoneId": "Z1UJRXOUMOOFQ8"}
        case "AWS::CertificateManager::Certificate":
            return arn("acm", f"certificate/{KEY_ID}"), {}
        case "AWS::Logs::LogGroup":
            return physical, {"Arn": arn("logs", f"log-group:{physical}:*")}
        case "AWS::IAM::Role":
            return physical, {"Arn": arn("iam", f"role/{physical}", region="")}
        case "AWS::IAM::OIDCProvider":
            provider = arn("iam", f"oidc-provider/{properties['Url'].removeprefix('https://')}", region="")
            return provider, {"Arn": provider}
        case "AWS::Lambda::Function":
            return physical, {"Arn": arn("lambda", f"function:{physical}")}
        case "AWS::Lambda::Version":
            return arn("lambda", f"function:{properties['FunctionName']}:1"), {"Version": "1"}
        case "AWS::Lambda::Alias":
            return arn("lambda", f"function:{properties['FunctionName']}:{properties['Name']}"), {}
        case "AWS::Lambda::EventSourceMapping":
            return KEY_ID, {}
        case "AWS::CodeBuild::Project":
            # A generated name is the only one of them without the stack's.
            name = properties.get("Name") or "-".join(physical.rsplit("-", 2)[1:])
            return name, {"Arn": arn("codebuild", f"project/{name}")}
        case "AWS::CodePipeline::Pipeline":
            return physical, {"Version": "1"}
        case "AWS::CodeConnections::Connection":
            connection = arn("codeconnections", f"connection/{KEY_ID}")
            return connection, {"ConnectionArn": connection}
        case "AWS::IAM::ManagedPolicy":
            return arn("iam", f"policy/{physical}", region=""), {}
        case "AWS::RDS::DBCluster":
            secret = arn("secretsmanager", f"secret:rds!cluster-{KEY_ID}-AbCdEf")
            return physical.lower(), {"MasterUserSecret.SecretArn": secret}
        case "AWS::RDS::DBInstance" | "AWS::RDS::DBSubnetGroup" | "AWS::RDS::DBClusterParameterGroup":
            return physical.lower(), {}
        case "AWS::SecretsManager::Secret":
            return arn("secretsmanager", f"secret:{properties['Name']}-AbCdEf"), {}
        case "AWS::SecretsManager::SecretTargetAttachment":
            return properties["SecretId"], {}
    if kind in _EC2_PREFIXES:
        number = f"{_EC2_PREFIXES[kind]}-{zlib.crc32(physical.encode()):017x}"
        return number, {"GroupId": number}
    return physical, {}
