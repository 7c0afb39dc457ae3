"""What the services say of the resources of a deployment, in the shape of a template: a reader a resource type.

A reader takes a function that makes clients, and a resource; it returns what the service knows of its properties, and
nothing of those that no API tells.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from support.stacks import Resource

Client = Callable[[str], Any]
READERS: dict[str, Callable[[Client, Resource], dict]] = {}


def reads(kind: str) -> Callable:
    def register(reader: Callable) -> Callable:
        READERS[kind] = reader
        return reader

    return register


def _or_nothing(call: Callable, name: str, **arguments: object) -> Any:
    """A part of an answer; None where there is none, which S3 calls an error."""
    try:
        return call(**arguments).get(name)
    except ClientError:
        return None


@reads("AWS::ApiGatewayV2::Api")
def api(client: Client, one: Resource) -> dict:
    return client("apigatewayv2").get_api(ApiId=one.physical)


@reads("AWS::ApiGatewayV2::ApiMapping")
def api_mapping(client: Client, one: Resource) -> dict:
    return client("apigatewayv2").get_api_mappings(DomainName=one.properties["DomainName"])["Items"][0] | {
        "DomainName": one.properties["DomainName"]
    }


@reads("AWS::ApiGatewayV2::Authorizer")
def authorizer(client: Client, one: Resource) -> dict:
    of = {"ApiId": one.properties["ApiId"]}
    return client("apigatewayv2").get_authorizer(**of, AuthorizerId=one.physical) | of


@reads("AWS::ApiGatewayV2::DomainName")
def domain_name(client: Client, one: Resource) -> dict:
    return client("apigatewayv2").get_domain_name(DomainName=one.physical)


@reads("AWS::ApiGatewayV2::Integration")
def integration(client: Client, one: Resource) -> dict:
    of = {"ApiId": one.properties["ApiId"]}
    return client("apigatewayv2").get_integration(**of, IntegrationId=one.physical) | of


@reads("AWS::ApiGatewayV2::Route")
def route(client: Client, one: Resource) -> dict:
    of = {"ApiId": one.properties["ApiId"]}
    # Ref is the id alone on AWS, and <API>/<id> here.
    return client("apigatewayv2").get_route(**of, RouteId=one.physical.rpartition("/")[2]) | of


@reads("AWS::ApiGatewayV2::Stage")
def stage(client: Client, one: Resource) -> dict:
    of = {"ApiId": one.properties["ApiId"]}
    return client("apigatewayv2").get_stage(**of, StageName=one.physical) | of


@reads("AWS::CertificateManager::Certificate")
def certificate(client: Client, one: Resource) -> dict:
    acm = client("acm")
    found = acm.describe_certificate(CertificateArn=one.physical)["Certificate"]
    return found | {
        "Tags": acm.list_tags_for_certificate(CertificateArn=one.physical)["Tags"],
        "ValidationMethod": found["DomainValidationOptions"][0]["ValidationMethod"],
    }


@reads("AWS::CloudFormation::Stack")
def stack(client: Client, one: Resource) -> dict:
    [found] = client("cloudformation").describe_stacks(StackName=one.physical)["Stacks"]
    text = client("cloudformation").get_template(StackName=one.physical)["TemplateBody"]
    place = one.properties["TemplateURL"].rpartition("/")[0]
    return {
        "Parameters": {pair["ParameterKey"]: pair["ParameterValue"] for pair in found.get("Parameters", [])},
        "Tags": found["Tags"],
        # Nested templates are named by their content.
        "TemplateURL": f"{place}/{hashlib.sha256(text.encode()).hexdigest()}.yaml",
    }


@reads("AWS::CloudWatch::Alarm")
def alarm(client: Client, one: Resource) -> dict:
    [found] = client("cloudwatch").describe_alarms(AlarmNames=[one.physical])["MetricAlarms"]
    return found


@reads("AWS::CloudWatch::CompositeAlarm")
def composite_alarm(client: Client, one: Resource) -> dict:
    named = {"AlarmNames": [one.physical], "AlarmTypes": ["CompositeAlarm"]}
    [found] = client("cloudwatch").describe_alarms(**named)["CompositeAlarms"]
    return found


@reads("AWS::CloudWatch::Dashboard")
def dashboard(client: Client, one: Resource) -> dict:
    return client("cloudwatch").get_dashboard(DashboardName=one.physical)


@reads("AWS::CodeBuild::Project")
def project(client: Client, one: Resource) -> dict:
    [found] = client("codebuild").batch_get_projects(names=[one.physical])["projects"]
    return found


@reads("AWS::DynamoDB::Table")
def table(client: Client, one: Resource) -> dict:
    dynamodb, name = client("dynamodb"), {"TableName": one.physical}
    found = dynamodb.describe_table(**name)["Table"]
    live = dynamodb.describe_time_to_live(**name)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(**name)["ContinuousBackupsDescription"]
    return found | {
        "BillingMode": found.get("BillingModeSummary", {}).get("BillingMode"),
        "SSESpecification": {"SSEEnabled": found.get("SSEDescription", {}).get("Status") == "ENABLED"},
        "TimeToLiveSpecification": live | {"Enabled": live["TimeToLiveStatus"] == "ENABLED"},
        "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
            == "ENABLED"
        },
    }


@reads("AWS::Events::Rule")
def rule(client: Client, one: Resource) -> dict:
    events, name = client("events"), one.physical.rpartition("/")[2]
    return events.describe_rule(Name=name) | {"Targets": events.list_targets_by_rule(Rule=name)["Targets"]}


@reads("AWS::IAM::ManagedPolicy")
def managed_policy(client: Client, one: Resource) -> dict:
    iam = client("iam")
    policy = iam.get_policy(PolicyArn=one.physical)["Policy"]
    version = iam.get_policy_version(PolicyArn=one.physical, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    roles = iam.list_entities_for_policy(PolicyArn=one.physical)["PolicyRoles"]
    return policy | {"PolicyDocument": version["Document"], "Roles": [role["RoleName"] for role in roles]}


@reads("AWS::IAM::Policy")
def inline_policy(client: Client, one: Resource) -> dict:
    iam, name = client("iam"), one.properties["PolicyName"]
    found = [iam.get_role_policy(RoleName=role, PolicyName=name) for role in one.properties["Roles"]]
    return found[0] | {"Roles": [policy["RoleName"] for policy in found]}


@reads("AWS::IAM::Role")
def role(client: Client, one: Resource) -> dict:
    iam, name = client("iam"), {"RoleName": one.physical}
    # A policy that is a resource of its own has a reader of its own.
    own = [policy["PolicyName"] for policy in one.properties.get("Policies", [])]
    policies = [iam.get_role_policy(**name, PolicyName=policy) for policy in own]
    found = iam.get_role(**name)["Role"]
    boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return found | {"PermissionsBoundary": boundary, "Policies": policies}


@reads("AWS::KMS::Key")
def key(client: Client, one: Resource) -> dict:
    kms, name = client("kms"), {"KeyId": one.physical}
    return {
        "Description": kms.describe_key(**name)["KeyMetadata"]["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(**name)["KeyRotationEnabled"],
        "KeyPolicy": kms.get_key_policy(**name, PolicyName="default")["Policy"],
        "Tags": [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in kms.list_resource_tags(**name)["Tags"]],
    }


@reads("AWS::Kinesis::Stream")
def stream(client: Client, one: Resource) -> dict:
    found = client("kinesis").describe_stream_summary(StreamName=one.physical)["StreamDescriptionSummary"]
    return found | {
        "ShardCount": found["OpenShardCount"],
        "StreamEncryption": {"EncryptionType": found.get("EncryptionType"), "KeyId": found.get("KeyId")},
    }


@reads("AWS::Lambda::Alias")
def alias(client: Client, one: Resource) -> dict:
    name = one.properties["FunctionName"]
    return client("lambda").get_alias(FunctionName=name, Name=one.properties["Name"]) | {"FunctionName": name}


@reads("AWS::Lambda::EventSourceMapping")
def mapping(client: Client, one: Resource) -> dict:
    found = client("lambda").get_event_source_mapping(UUID=one.physical)
    return found | {"FunctionName": found["FunctionArn"]}


@reads("AWS::Lambda::Function")
def function(client: Client, one: Resource) -> dict:
    functions, name = client("lambda"), {"FunctionName": one.physical}
    found = functions.get_function_configuration(**name)
    digest = base64.b64decode(found["CodeSha256"]).hex()
    return found | {
        # Lambda has a copy, and does not tell of what; the artifact is named by its content.
        "Code": {"S3Bucket": one.properties["Code"]["S3Bucket"], "S3Key": f"artifacts/{digest}.zip"},
        "RecursiveLoop": functions.get_function_recursion_config(**name)["RecursiveLoop"],
    }


@reads("AWS::Lambda::Permission")
def permission(client: Client, one: Resource) -> dict:
    name = one.properties["FunctionName"]
    statements = json.loads(client("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
    [found] = [statement for statement in statements if statement["Sid"] == one.physical]
    condition = found.get("Condition", {})
    return {
        "Action": found["Action"],
        "FunctionName": name,
        "Principal": found["Principal"]["Service"],
        "SourceArn": condition.get("ArnLike", {}).get("AWS:SourceArn"),
        "SourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
    }


@reads("AWS::Lambda::Version")
def version(client: Client, one: Resource) -> dict:
    found = client("lambda").get_function_configuration(FunctionName=one.physical)
    return {"Description": found["Description"], "FunctionName": found["FunctionName"]}


@reads("AWS::Logs::LogGroup")
def log_group(client: Client, one: Resource) -> dict:
    [found] = client("logs").describe_log_groups(logGroupNamePrefix=one.physical)["logGroups"]
    return found


@reads("AWS::Logs::MetricFilter")
def metric_filter(client: Client, one: Resource) -> dict:
    found = client("logs").describe_metric_filters(logGroupName=one.properties["LogGroupName"])["metricFilters"]
    [filter_] = [filter_ for filter_ in found if filter_["filterName"] == one.physical]
    for transformation in filter_["metricTransformations"]:
        pairs = transformation.get("dimensions", {}).items()
        transformation["dimensions"] = [{"Key": name, "Value": value} for name, value in pairs]
    return filter_


@reads("AWS::Route53::RecordSet")
def record_set(client: Client, one: Resource) -> dict:
    zone = one.properties["HostedZoneId"]
    found = client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    name = one.properties["Name"].rstrip(".")
    [record] = [
        record for record in found if (record["Name"].rstrip("."), record["Type"]) == (name, one.properties["Type"])
    ]
    return record | {"HostedZoneId": zone, "Name": record["Name"].rstrip(".")}


@reads("AWS::S3::Bucket")
def bucket(client: Client, one: Resource) -> dict:
    s3, name = client("s3"), {"Bucket": one.physical}
    encryption = _or_nothing(s3.get_bucket_encryption, "ServerSideEncryptionConfiguration", **name)
    queues = s3.get_bucket_notification_configuration(**name).get("QueueConfigurations", [])
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {**rule, "ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                for rule in encryption["Rules"]
            ]
        },
        "LifecycleConfiguration": {"Rules": _or_nothing(s3.get_bucket_lifecycle_configuration, "Rules", **name)},
        "NotificationConfiguration": {
            "QueueConfigurations": [
                {
                    "Queue": queue["QueueArn"],
                    "Event": event,
                    "Filter": {"S3Key": {"Rules": queue.get("Filter", {}).get("Key", {}).get("FilterRules")}},
                }
                for queue in queues
                for event in queue["Events"]
            ]
        },
        "OwnershipControls": _or_nothing(s3.get_bucket_ownership_controls, "OwnershipControls", **name),
        "PublicAccessBlockConfiguration": _or_nothing(
            s3.get_public_access_block, "PublicAccessBlockConfiguration", **name
        ),
        "VersioningConfiguration": {"Status": s3.get_bucket_versioning(**name).get("Status")},
    }


@reads("AWS::S3::BucketPolicy")
def bucket_policy(client: Client, one: Resource) -> dict:
    name = one.properties["Bucket"]
    return {"Bucket": name, "PolicyDocument": client("s3").get_bucket_policy(Bucket=name)["Policy"]}


@reads("AWS::SNS::Subscription")
def subscription(client: Client, one: Resource) -> dict:
    sns, arn = client("sns"), one.physical
    listed = sns.list_subscriptions_by_topic(TopicArn=one.properties["TopicArn"])["Subscriptions"]
    [found] = [subscription for subscription in listed if subscription["SubscriptionArn"] == arn]
    return sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"] | found


@reads("AWS::SNS::Topic")
def topic(client: Client, one: Resource) -> dict:
    return client("sns").get_topic_attributes(TopicArn=one.physical)["Attributes"]


@reads("AWS::SNS::TopicPolicy")
def topic_policy(client: Client, one: Resource) -> dict:
    topics = one.properties["Topics"]
    found = [client("sns").get_topic_attributes(TopicArn=name)["Attributes"] for name in topics]
    return {"PolicyDocument": found[0].get("Policy"), "Topics": [attributes["TopicArn"] for attributes in found]}


@reads("AWS::SQS::Queue")
def queue(client: Client, one: Resource) -> dict:
    return client("sqs").get_queue_attributes(QueueUrl=one.physical, AttributeNames=["All"])["Attributes"]


@reads("AWS::SQS::QueuePolicy")
def queue_policy(client: Client, one: Resource) -> dict:
    queues = one.properties["Queues"]
    ask = client("sqs").get_queue_attributes
    policies = [ask(QueueUrl=name, AttributeNames=["Policy"])["Attributes"]["Policy"] for name in queues]
    return {"PolicyDocument": policies[0], "Queues": queues}


@reads("AWS::Scheduler::Schedule")
def schedule(client: Client, one: Resource) -> dict:
    return client("scheduler").get_schedule(Name=one.physical)


@reads("AWS::EC2::RouteTable")
def route_table(client: Client, one: Resource) -> dict:
    [found] = client("ec2").describe_route_tables(RouteTableIds=[one.physical])["RouteTables"]
    return found


@reads("AWS::EC2::SecurityGroup")
def security_group(client: Client, one: Resource) -> dict:
    [found] = client("ec2").describe_security_groups(GroupIds=[one.physical])["SecurityGroups"]
    return {
        "GroupDescription": found["Description"],
        "VpcId": found["VpcId"],
        "Tags": found.get("Tags", []),
        "SecurityGroupIngress": _group_rules(found["IpPermissions"], "Source"),
        "SecurityGroupEgress": _group_rules(found["IpPermissionsEgress"], "Destination"),
    }


def _group_rules(permissions: list[dict], side: str) -> list[dict]:
    """Rules as a template lists them: one for each place that a permission names."""
    rules = []
    for permission in permissions:
        ports = {name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission}
        for pair in permission.get("UserIdGroupPairs", []):
            rules.append(ports | {f"{side}SecurityGroupId": pair["GroupId"], "Description": pair.get("Description")})
        for pair in permission.get("IpRanges", []):
            rules.append(ports | {"CidrIp": pair["CidrIp"], "Description": pair.get("Description")})
        for pair in permission.get("PrefixListIds", []):
            name = f"{side}PrefixListId"
            rules.append(ports | {name: pair["PrefixListId"], "Description": pair.get("Description")})
    return rules


@reads("AWS::EC2::Subnet")
def subnet(client: Client, one: Resource) -> dict:
    [found] = client("ec2").describe_subnets(SubnetIds=[one.physical])["Subnets"]
    return found


@reads("AWS::EC2::SubnetRouteTableAssociation")
def association(client: Client, one: Resource) -> dict:
    [found] = client("ec2").describe_route_tables(RouteTableIds=[one.properties["RouteTableId"]])["RouteTables"]
    return next(part for part in found["Associations"] if part["RouteTableAssociationId"] == one.physical)


@reads("AWS::EC2::VPC")
def vpc(client: Client, one: Resource) -> dict:
    ec2 = client("ec2")
    [found] = ec2.describe_vpcs(VpcIds=[one.physical])["Vpcs"]

    def attribute(name: str) -> bool:
        return ec2.describe_vpc_attribute(VpcId=one.physical, Attribute=name[0].lower() + name[1:])[name]["Value"]

    return found | {name: attribute(name) for name in ("EnableDnsHostnames", "EnableDnsSupport")}


@reads("AWS::EC2::VPCEndpoint")
def vpc_endpoint(client: Client, one: Resource) -> dict:
    [found] = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[one.physical])["VpcEndpoints"]
    return found | {"SecurityGroupIds": [group["GroupId"] for group in found.get("Groups", [])]}


@reads("AWS::RDS::DBCluster")
def cluster(client: Client, one: Resource) -> dict:
    [found] = client("rds").describe_db_clusters(DBClusterIdentifier=one.physical)["DBClusters"]
    secret = found.get("MasterUserSecret", {})
    return found | {
        "DBClusterParameterGroupName": found.get("DBClusterParameterGroup"),
        "DBSubnetGroupName": found.get("DBSubnetGroup"),
        "EnableCloudwatchLogsExports": found.get("EnabledCloudwatchLogsExports"),
        "ManageMasterUserPassword": "SecretArn" in secret,
        "ServerlessV2ScalingConfiguration": found.get("ServerlessV2ScalingConfiguration"),
        "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups", [])],
    }


@reads("AWS::RDS::DBClusterParameterGroup")
def cluster_parameters(client: Client, one: Resource) -> dict:
    rds, name = client("rds"), {"DBClusterParameterGroupName": one.physical}
    [found] = rds.describe_db_cluster_parameter_groups(**name)["DBClusterParameterGroups"]
    parameters = rds.describe_db_cluster_parameters(**name)["Parameters"]
    return {
        "Description": found["Description"],
        "Family": found["DBParameterGroupFamily"],
        "Parameters": {part["ParameterName"]: part.get("ParameterValue") for part in parameters},
    }


@reads("AWS::RDS::DBInstance")
def instance(client: Client, one: Resource) -> dict:
    [found] = client("rds").describe_db_instances(DBInstanceIdentifier=one.physical)["DBInstances"]
    return found | {"EnablePerformanceInsights": found.get("PerformanceInsightsEnabled")}


@reads("AWS::RDS::DBSubnetGroup")
def subnet_group(client: Client, one: Resource) -> dict:
    [found] = client("rds").describe_db_subnet_groups(DBSubnetGroupName=one.physical)["DBSubnetGroups"]
    subnets = [part["SubnetIdentifier"] for part in found["Subnets"]]
    return {"DBSubnetGroupDescription": found["DBSubnetGroupDescription"], "SubnetIds": subnets}


@reads("AWS::SecretsManager::Secret")
def secret(client: Client, one: Resource) -> dict:
    manager = client("secretsmanager")
    value = json.loads(manager.get_secret_value(SecretId=one.physical)["SecretString"])
    asked = one.properties["GenerateSecretString"]
    password = value.pop(asked["GenerateStringKey"])
    return manager.describe_secret(SecretId=one.physical) | {
        "GenerateSecretString": {
            "SecretStringTemplate": {name: value[name] for name in json.loads(asked["SecretStringTemplate"])},
            "GenerateStringKey": asked["GenerateStringKey"],
            "PasswordLength": len(password),
            "ExcludePunctuation": password.isalnum(),
        }
    }


@reads("AWS::SecretsManager::SecretTargetAttachment")
def attachment(client: Client, one: Resource) -> dict:
    name = one.properties["SecretId"]
    value = json.loads(client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    found = client("rds").describe_db_clusters(DBClusterIdentifier=one.properties["TargetId"])["DBClusters"]
    [target] = [part for part in found if part["Endpoint"] == value["host"]]
    return {"SecretId": name, "TargetId": target["DBClusterIdentifier"], "TargetType": "AWS::RDS::DBCluster"}


@reads("AWS::SecretsManager::RotationSchedule")
def rotation_schedule(client: Client, one: Resource) -> dict:
    name = one.properties["SecretId"]
    found = client("secretsmanager").describe_secret(SecretId=name)
    return found | {"SecretId": name}
