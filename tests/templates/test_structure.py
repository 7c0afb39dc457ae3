"""The style that all templates share: sections, parameters, outputs, wiring, names."""

import json
import re

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from templates.cfn import (
    DOMAIN,
    EVERYTHING,
    FILES,
    KEY_ID,
    KEY_IDS,
    ROOT,
    deployment,
    github,
    load,
    resources,
    teardown,
)

SECTIONS = [
    *("AWSTemplateFormatVersion", "Description", "Metadata"),
    *("Parameters", "Rules", "Conditions", "Resources", "Outputs"),
]
ENVIRONMENTS = ["staging", "production"]

NESTED = {stack["Properties"]["TemplateURL"] for stack in load("root")["Resources"].values()}
each_template = pytest.mark.parametrize("name", FILES)


@each_template
def test_sections_come_in_the_fixed_order(name: str) -> None:
    sections = list(load(name))
    assert sections == [section for section in SECTIONS if section in sections]


@each_template
def test_a_template_says_what_it_is(name: str) -> None:
    assert load(name)["Description"].startswith("Sluice: ")


@each_template
def test_a_template_is_not_too_large(name: str) -> None:
    """Nested ones are read from S3, the others are sent as text: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    assert FILES[name].stat().st_size <= (1_000_000 if f"{name}.yaml" in NESTED else 51_200)


@each_template
def test_parameters_are_described_and_constrained(name: str) -> None:
    for parameter, definition in load(name).get("Parameters", {}).items():
        assert definition["Description"].endswith("."), parameter
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(definition), parameter
        assert definition["ConstraintDescription"].startswith("must be "), parameter


@each_template
def test_an_optional_parameter_says_so(name: str) -> None:
    for parameter, definition in load(name).get("Parameters", {}).items():
        assert (definition.get("Default") == "") == definition["Description"].startswith("Optional "), parameter


def test_what_is_wired_is_text() -> None:
    """While a release is planned it may be the placeholder of a value that is not known yet, which packaging admits."""
    wired = [
        load(properties["TemplateURL"].removesuffix(".yaml"))["Parameters"][name]
        for properties in (stack["Properties"] for stack in load("root")["Resources"].values())
        for name, value in properties.get("Parameters", {}).items()
        if "Fn::GetAtt" in json.dumps(value)
    ]
    assert wired and all(one["Type"] == "String" and "AllowedPattern" in one for one in wired)


@each_template
def test_a_pattern_holds_the_whole_value(name: str) -> None:
    for parameter, definition in load(name).get("Parameters", {}).items():
        pattern = definition.get("AllowedPattern", "^$")
        assert pattern.endswith("$"), parameter
        assert all(alternative.startswith("^") for alternative in pattern.split("$|")), parameter


@each_template
def test_every_parameter_is_in_one_labelled_group(name: str) -> None:
    template = load(name)
    interface = template.get("Metadata", {}).get("AWS::CloudFormation::Interface", {"ParameterGroups": []})
    grouped = [parameter for group in interface["ParameterGroups"] for parameter in group["Parameters"]]
    assert sorted(grouped) == sorted(template.get("Parameters", {}))
    assert all(group["Label"]["default"] for group in interface["ParameterGroups"])


@each_template
def test_every_output_is_described_and_exports_nothing(name: str) -> None:
    for output in load(name).get("Outputs", {}).values():
        assert output["Description"].endswith(".")
        assert "Export" not in output  # an export cannot change while another stack uses it


def test_every_output_of_a_nested_stack_is_used() -> None:
    root = json.dumps(load("root"))
    for logical, stack in load("root")["Resources"].items():
        for output in load(stack["Properties"]["TemplateURL"].removesuffix(".yaml")).get("Outputs", {}):
            assert f'"Fn::GetAtt": ["{logical}", "Outputs.{output}"]' in root, f"{logical}.{output}"


def test_the_root_template_only_wires() -> None:
    children = load("root")["Resources"]
    assert {child["Type"] for child in children.values()} == {"AWS::CloudFormation::Stack"}
    assert {child["Properties"]["TemplateURL"] for child in children.values()} == {
        path.name
        for path in (ROOT / "templates").glob("*.yaml")
        if path.stem not in ("root", "boundary", "target", "teardown", "github-oidc")
    }


def test_the_commit_reaches_the_functions_only_and_as_a_tag() -> None:
    """As a parameter or on the whole stack it would make every push touch every resource."""
    where = {
        logical: child["Properties"]
        for logical, child in load("root")["Resources"].items()
        if "CommitId" in json.dumps(child)
    }
    assert list(where) == ["Lambda"]
    assert where["Lambda"]["Tags"] == [{"Key": "sluice:commit", "Value": {"Ref": "CommitId"}}]
    assert "CommitId" not in json.dumps(where["Lambda"]["Parameters"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("email", ["", "ops@example.org"])
@pytest.mark.parametrize(
    "connection", ["", "arn:aws:codestar-connections:us-east-1:000000000000:connection/" + "a" * 36]
)
def test_the_wiring_resolves(environment: str, email: str, connection: str) -> None:
    """Every value that is passed on matches its parameter's pattern, there is no cycle, and nothing is left open."""
    stacks = deployment(environment, email, connection, **EVERYTHING | DOMAIN)
    stacks["teardown"] = teardown()
    stacks["github-oidc"] = github(stacks=stacks)
    assert set(stacks) == set(FILES) - ({"simulator"} if environment == "production" else set())
    for stack in stacks.values():
        text = json.dumps([stack.outputs, *(stack.properties(logical) for logical in stack.resources)])
        assert not re.search(r'"Ref":|"Fn::|\$\{', text), text


OPTIONAL_STACKS = {
    *("network", "database", "rotation"),
    *("stream", "simulator", "api"),
    *("partner-bucket", "samples"),
}
OPTIONAL_KINDS = (
    *("AWS::EC2::", "AWS::RDS::", "AWS::SecretsManager::"),
    *("AWS::Kinesis::", "AWS::ApiGatewayV2::", "AWS::CertificateManager::", "AWS::Route53::"),
)


def test_without_what_is_optional_there_is_nothing_of_it() -> None:
    stacks = deployment()
    assert set(FILES) - set(stacks) == OPTIONAL_STACKS | {"teardown", "github-oidc"}
    kinds = {one["Type"] for stack in stacks.values() for one in stack.resources.values()}
    assert not [kind for kind in kinds if kind.startswith(OPTIONAL_KINDS)]


def released(*names: str) -> set[str]:
    return {f"{name}{part}" for name in names for part in ("", "Version", "Alias")}


READING = {
    "iam": {"QueryRole", "DriftRoleApi"},
    "lambda": released("Query"),
    "logs": {"Query", "Access"},
    "monitoring": {"ApiErrors", "ApiLatency"},
}
OPTIONS = {
    "EnableDatabase": {
        "root": {"Network", "Database", "Rotation"},
        "iam": {"ProcessRoleDatabase", "DriftRoleDatabase", "MigrateRole", "RotateRole"},
        "lambda": {"Migrate", "Migration", "Rotate"},
        "logs": {"Migrate", "Rotate"},
        "monitoring": {"DatabaseCapacity"},
    },
    "EnableStream": {
        "root": {"Stream", "Simulator", "Api"},
        "iam": {"StreamRole", "RollupRole", "SimulateRole", "DriftRoleStream"} | READING["iam"],
        "lambda": released("Stream", "Rollup", "Simulate")
        | {"StreamMapping", "DiscardedMapping", "RollupMapping"}
        | READING["lambda"],
        "logs": {"Stream", "Rollup", "Simulate"} | READING["logs"],
        "monitoring": {
            *("StreamLag", "RollupLag", "StreamNearTimeout", "ReadingsRejected"),
            *("DiscardedDeadLetters", "StreamUndelivered", "RollupFailures"),
        }
        | READING["monitoring"],
    },
    "EnableApi": {
        "root": {"Api", "Samples", "SampleRights"},
        "iam": {"SubmitRole", "GenerateRole"} | READING["iam"],
        "lambda": released("Submit", "Generate") | READING["lambda"],
        "logs": {"Submit", "Generate"} | READING["logs"],
        "monitoring": READING["monitoring"],
    },
}


def added(**settings: str) -> dict[str, set[str]]:
    """What settings add to the templates that are deployed without them, too."""
    stacks = deployment()
    return {
        name: set(stack.resources) - set(stacks[name].resources)
        for name, stack in deployment(**settings).items()
        if name in stacks and stack.resources.keys() != stacks[name].resources.keys()
    }


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_optional_adds_what_it_needs(option: str) -> None:
    assert added(**{option: "true"}) == OPTIONS[option]


@pytest.mark.parametrize(
    ("settings", "has_one"),
    [
        ({}, True),
        ({"SimulatorMinutes": "0"}, False),
        ({"EnableStream": "false", "EnableApi": "true"}, False),
        ({"environment": "production"}, False),
    ],
)
def test_there_is_a_simulator_only_for_a_stream_and_never_in_production(settings: dict, has_one: bool) -> None:
    stacks = deployment(**{"EnableStream": "true"} | settings)
    assert ("simulator" in stacks) is has_one
    assert ("Simulate" in stacks["lambda"].resources, "SimulateRole" in stacks["iam"].resources) == (has_one, has_one)


def test_a_partners_bucket_takes_the_place_of_our_own() -> None:
    bucket, key = "partners-bucket", "arn:aws:kms:eu-west-1:999999999999:key/" + KEY_ID
    stacks = deployment(EnableApi="true", SampleBucket=bucket, SampleKeyArn=key)
    assert "partner-bucket" not in stacks and "DriftRoleSamples" not in stacks["samples"].resources
    variables = stacks["lambda"].properties("Generate")["Environment"]["Variables"]
    assert (variables["SAMPLE_BUCKET"], variables["SAMPLE_KEY"]) == (bucket, key)
    assert stacks["root"].outputs["GenerateRoleArn"] == stacks["iam"].arn("GenerateRole")
    assert "SampleBucket" not in stacks["root"].outputs
    without_key = deployment(EnableApi="true", SampleBucket=bucket)
    assert "SAMPLE_KEY" not in without_key["lambda"].properties("Generate")["Environment"]["Variables"]


def test_the_wiring_resolves_with_a_vpc_that_is_there_already() -> None:
    given = {"VpcId": "vpc-0a", "SubnetIds": "subnet-0a,subnet-0b,subnet-0c", "EndpointGroupId": "sg-0a"}
    stacks = deployment(EnableDatabase="true", **given)
    assert set(stacks["network"].resources) == {
        *("FunctionGroup", "FunctionGroupToEndpoints", "FunctionGroupToDatabase", "DatabaseGroup")
    }
    for name, logical in (("database", "Subnets"), ("lambda", "Process")):
        properties = stacks[name].properties(logical)
        assert properties.get("VpcConfig", properties)["SubnetIds"] == ["subnet-0a", "subnet-0b", "subnet-0c"]


def test_staging_and_production_fit_into_one_account_and_region() -> None:
    """There is no name that both would have."""

    def names(environment: str) -> set[str]:
        stacks = deployment(environment, **EVERYTHING)
        return {one["Ref"] for stack in stacks.values() for one in stack.resources.values()}

    # Random ids in real life, each of them.
    random = (KEY_ID, *KEY_IDS.values())
    same = {name for name in names("staging") & names("production") if not name.endswith(random)}
    assert not same


# A physical name hinders replacement, and a second deployment in the same account.
NAMED = {
    ("lambda", "ProcessAlias", "Name"): "an alias is known by its name, within its function",
    ("lambda", "SweepAlias", "Name"): "likewise",
    **{
        ("lambda", f"{function}Alias", "Name"): "likewise"
        for function in ("Drift", "Stream", "Rollup", "Simulate", "Query", "Submit", "Generate")
    },
    ("api", "Authorizer", "Name"): "an authorizer is known by its id; the name is for people",
    ("api", "Stage", "StageName"): "the only one whose name is not in its address",
    ("lambda", "NewVersionCrashes", "AlarmName"): "another version has another alarm, without the state of the last",
    ("lambda", "NewVersionErrors", "AlarmName"): "likewise",
    ("database", "Secret", "Name"): "a generated name lacks the stack's, by which CloudFormation's role knows its own",
    ("database", "Cluster", "DatabaseName"): "no resource's name",
    **{
        ("network", endpoint, "ServiceName"): "no resource's name"
        for endpoint in ("S3", "DynamoDb", "Sns", "Sqs", "SecretsManager")
    },
    **{
        ("pipeline", project, "Name"): "the pipeline may update its own projects, which generated names would not tell"
        for project in ("Update", "Build", "Plan", "Smoke")
    },
    ("pipeline", "Connection", "ConnectionName"): "the type requires it; it carries the environment",
}


def test_nothing_has_a_physical_name() -> None:
    named = set()
    for name, logical, resource in resources():
        if resource["Type"].startswith("Custom::"):
            continue
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        fixed = {path.removeprefix("/properties/") for path in schema.get("createOnlyProperties", [])}
        for key in {key for key in fixed | {"Name"} if key.endswith(("Name", "NamePrefix"))}:
            value = resource.get("Properties", {}).get(key)
            if value is not None and not (isinstance(value, dict) and value.keys() & {"Ref", "Fn::GetAtt"}):
                named.add((name, logical, key))
    assert named == set(NAMED)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_file_fits_the_root_template(environment: str) -> None:
    settings = json.loads((ROOT / "environments" / f"{environment}.json").read_text())
    assert settings["Tags"] == {"Project": "sluice", "Environment": environment}
    assert settings["Parameters"]["Environment"] == environment
    for key, value in settings["Parameters"].items():
        parameter = load("root")["Parameters"][key]
        assert value in parameter.get("AllowedValues", [value])
        assert re.search(parameter.get("AllowedPattern", ""), value)
