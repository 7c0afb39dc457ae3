"""The network of the database: no way in, and no way out but to what the functions call."""

import pytest

from templates.cfn import ACCOUNT, PREFIX_LISTS, REGION, Stack, deployment, load
from templates.decisions import admits

STACKS = deployment(EnableDatabase="true")
NETWORK = STACKS["network"]
OWN_VPC = {
    "EnableDatabase": "true",
    "VpcId": "vpc-0a",
    "SubnetIds": "subnet-0a,subnet-0b,subnet-0c",
    "EndpointGroupId": "sg-0a",
}
OURS, THEIRS = ({"aws:PrincipalAccount": account} for account in (ACCOUNT, "999999999999"))
SOMEBODY = f"arn:aws:iam::{ACCOUNT}:role/somebody"
UPLOADS, RESULTS = STACKS["buckets"].arn("Uploads"), STACKS["buckets"].arn("Results")
RESPONSES = f"arn:aws:s3:::cloudformation-custom-resource-response-{REGION.replace('-', '')}"


def test_nothing_leads_to_or_from_the_internet() -> None:
    kinds = {one["Type"].removeprefix("AWS::EC2::") for one in load("network")["Resources"].values()}
    assert kinds == {
        *("VPC", "Subnet", "RouteTable", "SubnetRouteTableAssociation"),
        *("SecurityGroup", "SecurityGroupEgress", "VPCEndpoint"),
    }
    for logical in ("FirstSubnet", "SecondSubnet"):
        assert "MapPublicIpOnLaunch" not in NETWORK.properties(logical)


def test_the_subnets_are_in_two_zones_and_within_the_vpc() -> None:
    first, second = (NETWORK.properties(logical) for logical in ("FirstSubnet", "SecondSubnet"))
    assert first["AvailabilityZone"] != second["AvailabilityZone"]
    assert (first["CidrBlock"], second["CidrBlock"]) == ("10.0.0.0/26", "10.0.0.64/26")
    assert NETWORK.properties("Vpc")["CidrBlock"] == "10.0.0.0/25"
    for logical, subnet in (("FirstRoutes", "FirstSubnet"), ("SecondRoutes", "SecondSubnet")):
        association = NETWORK.properties(logical)
        assert association == {"RouteTableId": NETWORK.ref("Routes"), "SubnetId": NETWORK.ref(subnet)}


# A rule that leads nowhere: (protocol, first port, last port, where).
NOTHING = ("-1", None, None, "127.0.0.1/32")


def rules(network: Stack) -> set[tuple]:
    """(group, direction, protocol, first port, last port, where) of every rule; none is by address but for NOTHING."""
    found = set()
    kinds = {"Ingress": "SourceSecurityGroupId", "Egress": "DestinationSecurityGroupId"}
    for logical, resource in network.resources.items():
        properties, kind = resource["Properties"], resource["Type"].removeprefix("AWS::EC2::SecurityGroup")
        if kind in kinds:
            owned = [(properties["GroupId"], kind, properties)]
        elif kind:
            continue
        else:
            named = ((way, rule) for way in kinds for rule in properties.get(f"SecurityGroup{way}", []))
            owned = [(network.ref(logical), way, rule) for way, rule in named]
        for group, way, rule in owned:
            where = {key: value for key, value in rule.items() if key.endswith("Id") and key != "GroupId"}
            where |= {key: rule[key] for key in ("CidrIp", "CidrIpv6") if key in rule}
            [(key, value)] = where.items()
            assert key in (kinds[way], "DestinationPrefixListId") or rule["Description"] == "Nothing", rule
            found.add((group, way, rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), value))
    return found


@pytest.mark.parametrize("settings", [{"EnableDatabase": "true"}, OWN_VPC], ids=["our VPC", "their VPC"])
def test_groups_let_in_and_out_by_reference_alone(settings: dict[str, str]) -> None:
    """But for the rule that keeps EC2 from letting everything out where a group has none."""
    stacks = deployment(**settings)
    network = stacks["network"]
    functions, database = network.ref("FunctionGroup"), network.ref("DatabaseGroup")
    expected = {
        *((functions, "Egress", "tcp", 443, 443, prefixes) for prefixes in PREFIX_LISTS.values()),
        (functions, "Egress", "tcp", 3306, 3306, database),
        (database, "Ingress", "tcp", 3306, 3306, functions),
        (database, "Egress", *NOTHING),
    }
    if "VpcId" in settings:
        endpoints = settings["EndpointGroupId"]
    else:
        endpoints = network.ref("EndpointGroup")
        expected |= {(endpoints, "Ingress", "tcp", 443, 443, functions), (endpoints, "Egress", *NOTHING)}
    assert rules(network) == expected | {(functions, "Egress", "tcp", 443, 443, endpoints)}
    assert stacks["database"].properties("Cluster")["VpcSecurityGroupIds"] == [database]


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        *(({"EnableDatabase": "true", parameter: ""}, parameter) for parameter in PREFIX_LISTS),
        *((OWN_VPC | {parameter: ""}, parameter) for parameter in ("SubnetIds", "EndpointGroupId")),
    ],
)
def test_what_another_setting_needs_is_asked_for(settings: dict[str, str], missing: str) -> None:
    with pytest.raises(ValueError, match=f"needs {missing}\\. [A-Z]"):
        deployment(**settings)


def test_there_are_endpoints_for_what_the_functions_call() -> None:
    endpoints = {
        one["Properties"]["ServiceName"].rpartition(".")[2]: one["Properties"]
        for one in NETWORK.resources.values()
        if one["Type"] == "AWS::EC2::VPCEndpoint"
    }
    assert set(endpoints) == {"s3", "dynamodb", "sns", "sqs", "secretsmanager"}
    for name, endpoint in endpoints.items():
        assert endpoint["VpcId"] == NETWORK.ref("Vpc")
        if name in ("s3", "dynamodb"):
            assert (endpoint["VpcEndpointType"], endpoint["RouteTableIds"]) == ("Gateway", [NETWORK.ref("Routes")])
        else:
            assert (endpoint["VpcEndpointType"], endpoint["PrivateDnsEnabled"]) == ("Interface", True)
            assert endpoint["SubnetIds"] == [NETWORK.ref("FirstSubnet"), NETWORK.ref("SecondSubnet")]
            assert endpoint["SecurityGroupIds"] == [NETWORK.ref("EndpointGroup")]


# (endpoint, actions, resource, one of another that it does not let through)
PASSES = [
    ("S3", "s3:GetObjectVersion", f"{UPLOADS}/people/staff.csv", "arn:aws:s3:::somebody-elses/people/staff.csv"),
    ("S3", "s3:ListBucket", UPLOADS, "arn:aws:s3:::somebody-elses"),
    ("S3", "s3:GetObject s3:PutObject s3:AbortMultipartUpload", f"{RESULTS}/x", "arn:aws:s3:::somebody-elses/x"),
    ("S3", "s3:ListBucket", RESULTS, "arn:aws:s3:::somebody-elses"),
    ("DynamoDb", "dynamodb:UpdateItem", STACKS["ledger"].arn("Ledger"), f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/x"),
    ("Sns", "sns:Publish", STACKS["notifications"].ref("UploadTopic"), f"arn:aws:sns:{REGION}:{ACCOUNT}:x"),
    (
        "Sqs",
        "sqs:SendMessage sqs:ChangeMessageVisibility",
        STACKS["queue"].arn("Intake"),
        STACKS["queue"].arn("DeadLetters"),
    ),
    *(
        (
            "SecretsManager",
            "secretsmanager:GetSecretValue secretsmanager:DescribeSecret secretsmanager:PutSecretValue "
            "secretsmanager:UpdateSecretVersionStage",
            secret,
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:x-AbCdEf",
        )
        for secret in (STACKS["database"].ref("Secret"), STACKS["database"].outputs["MasterSecretArn"])
    ),
]


@pytest.mark.parametrize(("endpoint", "actions", "resource", "another"), PASSES)
def test_an_endpoint_lets_through_what_the_functions_do_and_no_more(
    endpoint: str, actions: str, resource: str, another: str
) -> None:
    policy = NETWORK.properties(endpoint)["PolicyDocument"]
    for action in actions.split():
        assert admits(policy, SOMEBODY, action, resource, OURS) == "Allow"
        assert admits(policy, SOMEBODY, action, resource, THEIRS) == "ImplicitDeny"
        assert admits(policy, SOMEBODY, action, another, OURS) == "ImplicitDeny"
    for action in ("s3:PutObject", "s3:DeleteObject", "sqs:ReceiveMessage", "sns:Subscribe", "dynamodb:Scan"):
        if resource.startswith(UPLOADS) or not action.startswith("s3:"):
            assert admits(policy, SOMEBODY, action, resource, OURS) == "ImplicitDeny"
    assert admits(policy, SOMEBODY, "secretsmanager:DeleteSecret", resource, OURS) == "ImplicitDeny"


def test_the_migration_may_answer_cloudformation() -> None:
    """By a signed URL, so as somebody of another account."""
    policy = NETWORK.properties("S3")["PolicyDocument"]
    assert admits(policy, "arn:aws:iam::999999999999:root", "s3:PutObject", f"{RESPONSES}/x", THEIRS) == "Allow"
    assert admits(policy, SOMEBODY, "s3:GetObject", f"{RESPONSES}/x", OURS) == "ImplicitDeny"
