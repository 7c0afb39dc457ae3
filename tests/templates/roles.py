"""The table of what each role may and may not do; test_policies.py compares it with the templates."""

from templates.cfn import ACCOUNT, KEY_ID, RANDOM, REGION, deployment, github, teardown
from templates.decisions import Row, may, may_not

TESTED = "sluice-pipeline-staging-artifacts-of-another-pipeline"
STACKS = deployment(tested_bucket=TESTED, EnableDatabase="true")
STACKS["teardown"] = teardown(STACKS)
STACKS["github-oidc"] = github(stacks=STACKS)
PIPELINE, TARGET, BUCKETS, QUEUE = (STACKS[name] for name in ("pipeline", "target", "buckets", "queue"))
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ffffffff-ffff-ffff-ffff-ffffffffffff"


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def stack(name: str) -> str:
    return arn("cloudformation", f"stack/{name}/{KEY_ID}")


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


ARTIFACTS = PIPELINE.arn("Artifacts")
RUN = f"{ARTIFACTS}/sluice-pipeline-stag"  # the pipeline's name, cut to 20 characters
UPLOADS, RESULTS = BUCKETS.arn("Uploads"), BUCKETS.arn("Results")
INTAKE, DEAD_LETTERS = QUEUE.arn("Intake"), QUEUE.arn("DeadLetters")
LEDGER = STACKS["ledger"].arn("Ledger")
UPLOAD_TOPIC, ALERT_TOPIC = STACKS["notifications"].ref("UploadTopic"), STACKS["notifications"].ref("AlertTopic")
TOPIC_KEY = STACKS["notifications"].arn("Key")
PROCESS_LOG = STACKS["logs"].arn("Process").removesuffix("*") + "log-stream:2026/11/20/[1]abc"
SWEEP_LOG = STACKS["logs"].arn("Sweep").removesuffix("*") + "log-stream:2026/11/20/[1]abc"
TEARDOWN_LOG = STACKS["teardown"].arn("Log").removesuffix("*") + "log-stream:abc"
LOG_GROUP = STACKS["logs"].arn("Process")
DRIFT_LOG = STACKS["logs"].arn("Drift").removesuffix("*") + "log-stream:2026/11/20/[1]abc"
BUILD_LOG = PIPELINE.arn("BuildLog").removesuffix("*") + "log-stream:abc"
CONNECTION = PIPELINE.ref("Connection")
FUNCTION = STACKS["lambda"].arn("Process")
ALIAS = STACKS["lambda"].ref("ProcessAlias")
SWEEP, SWEEP_ALIAS = STACKS["lambda"].arn("Sweep"), STACKS["lambda"].ref("SweepAlias")
SCHEDULE = arn("scheduler", f"schedule/default/{STACKS['sweep'].ref('Schedule')}")
DRIFT, DRIFT_ALIAS = STACKS["lambda"].arn("Drift"), STACKS["lambda"].ref("DriftAlias")
RELEASES = STACKS["lambda"].ref("Releases")
RELEASE = arn("codedeploy", f"deploymentgroup:{RELEASES}/{STACKS['lambda'].ref('ProcessRelease')}")
CANARY = arn("cloudwatch", f"alarm:{STACKS['lambda'].ref('NewVersionErrors')}")
MAPPING = arn("lambda", f"event-source-mapping:{KEY_ID}")
[TAG] = STACKS["notifications"].properties("Key")["Tags"]
OTHER_STACK = f"sluice-production-Notifications-{RANDOM}"
OWN_TAG = {f"aws:ResourceTag/{TAG['Key']}": TAG["Value"]}
NEW_TAG = {f"aws:RequestTag/{TAG['Key']}": TAG["Value"]}
OTHER_TAG = {f"aws:ResourceTag/{TAG['Key']}": OTHER_STACK}
LOOK, LOOK_ARN, PLAN, PLAN_ARN = (
    {"cloudformation:ChangeSetName": name}
    for kind in ("look", "plan")
    for name in (f"{kind}-1", arn("cloudformation", f"changeSet/{kind}-1/{KEY_ID}"))
)
DATABASE = STACKS["database"]
SECRET, MASTER_SECRET = DATABASE.ref("Secret"), DATABASE.outputs["MasterSecretArn"]
OTHER_SECRET = arn("secretsmanager", "secret:somebody-elses-AbCdEf")
CLUSTER, WRITER = arn("rds", f"cluster:{DATABASE.ref('Cluster')}"), arn("rds", f"db:{DATABASE.ref('Writer')}")
SETTINGS, SUBNETS = (
    arn("rds", f"{kind}:{DATABASE.ref(logical)}")
    for kind, logical in (("cluster-pg", "Settings"), ("subgrp", "Subnets"))
)
MIGRATE, ROTATE = STACKS["lambda"].arn("Migrate"), STACKS["lambda"].arn("Rotate")
MIGRATE_LOG, ROTATE_LOG = (
    STACKS["logs"].arn(logical).removesuffix("*") + "log-stream:2026/11/20/[1]abc" for logical in ("Migrate", "Rotate")
)
VIA_SECRETS, VIA_RDS, VIA_S3 = (
    {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"} for service in ("secretsmanager", "rds", "s3")
)
FROM_CODE = {"lambda:SourceFunctionArn": FUNCTION}
OTHER_NEW_TAG = {f"aws:RequestTag/{TAG['Key']}": OTHER_STACK}



def writes(own: str, other: str) -> list[Row]:
    """Of a function that logs."""
    return [
        may("logs:CreateLogStream logs:PutLogEvents", own),
        may_not("logs:CreateLogStream logs:PutLogEvents", other),
        may_not("logs:CreateLogGroup logs:DeleteLogStream logs:GetLogEvents", own),
    ]


def tells(own: str, other: str) -> list[Row]:
    """Of a function that publishes to a topic, which is encrypted."""
    return [
        may("sns:Publish", own),
        may_not("sns:Publish", other),
        may_not("sns:Subscribe", own),
        may("kms:GenerateDataKey kms:Decrypt", TOPIC_KEY),
        may_not("kms:GenerateDataKey kms:Decrypt", OTHER_KEY),
        may_not("kms:ScheduleKeyDeletion kms:PutKeyPolicy", TOPIC_KEY),
    ]


def invokes(alias: str, function: str) -> list[Row]:
    """Of what starts a function: only what is released, and never the process function."""
    return [
        may("lambda:InvokeFunction", alias),
        may_not("lambda:InvokeFunction", function),
        may_not("lambda:InvokeFunction", ALIAS),
        may_not("lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration", function),
    ]


PIPELINE_ROLES, TARGET_ROLES = (
    [one["Attributes"]["Arn"] for one in found.resources.values() if one["Type"] == "AWS::IAM::Role"]
    for found in (PIPELINE, TARGET)
)
OTHER_ROLES = [*TARGET_ROLES, PIPELINE.arn("PipelineRole"), role("Administrator")]

# Of a function that is in the VPC.
VPC = [
    *(
        may("ec2:CreateNetworkInterface ec2:AssignPrivateIpAddresses ec2:UnassignPrivateIpAddresses", resource)
        for resource in (arn("ec2", "network-interface/eni-0a"), arn("ec2", "subnet/subnet-0a"))
    ),
    may("ec2:CreateNetworkInterface", arn("ec2", "security-group/sg-0a")),
    may("ec2:DeleteNetworkInterface", arn("ec2", "network-interface/eni-0a")),
    may_not("ec2:CreateNetworkInterface", f"arn:aws:ec2:{REGION}:999999999999:subnet/subnet-0a"),
    may("ec2:DescribeNetworkInterfaces ec2:DescribeSubnets", "*"),
    # Lambda may, in the role's name; code that runs in the function may not.
    may_not("ec2:CreateNetworkInterface ec2:DeleteNetworkInterface", arn("ec2", "network-interface/eni-0a"), FROM_CODE),
    may_not("ec2:DescribeNetworkInterfaces ec2:DescribeSubnets", "*", FROM_CODE),
    may_not("ec2:RunInstances ec2:CreateTags", "*"),
]
# Of every project that works for the pipeline.
BUILDS = [
    may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
    may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
    may("s3:GetBucketAcl s3:GetBucketLocation", ARTIFACTS),
    may_not("s3:GetBucketAcl s3:GetBucketLocation", UPLOADS),
    may_not("s3:PutObject s3:DeleteObject", f"{RUN}/Source/a1B2c3D"),
    may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", "arn:aws:s3:::somebody-elses/x/Source/a1B2c3D"),
    may_not("iam:PutRolePolicy iam:PassRole", TARGET.arn("CloudFormationRole")),
    may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
]
UPDATING = (
    "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
    "cloudformation:DescribeStackEvents cloudformation:DescribeStacks cloudformation:ExecuteChangeSet "
    "cloudformation:TagResource cloudformation:UntagResource cloudformation:UpdateTerminationProtection"
)
CHANGING_ROLES = (
    "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies "
    "iam:ListRolePolicies iam:PutRolePolicy iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole "
    "iam:UpdateRoleDescription"
)
# Of the target's roles that make change sets.
FINDING_PREFIX_LISTS = [
    may("ec2:DescribeManagedPrefixLists", "*"),
    may_not("ec2:GetManagedPrefixListEntries ec2:CreateManagedPrefixList ec2:DescribeVpcs", "*"),
]
PLANNING = [
    may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml", {"aws:ResourceAccount": "999999999999"}),
    may_not("s3:PutObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Source/a1B2c3D"),
    may_not("s3:GetObject s3:PutObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
    may_not("s3:GetObject s3:PutObject", f"{ARTIFACTS}/tested/{'ab' * 32}"),
    *(
        may(
            "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
            "cloudformation:DescribeStacks cloudformation:GetTemplate cloudformation:ListChangeSets "
            "cloudformation:ListStackResources cloudformation:TagResource cloudformation:UntagResource",
            stack(name),
        )
        for name in ("sluice-staging", BUCKETS.name)
    ),
    may_not("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack("sluice-production")),
    may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack(PIPELINE.name)),
    may("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
    may_not("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    may_not("iam:PassRole", role("somebody-elses"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
]

EC2 = [
    arn("ec2", f"{kind}-0a")
    for kind in ("vpc/vpc", "subnet/subnet", "route-table/rtb", "security-group/sg", "vpc-endpoint/vpce")
]
VPC_0, SUBNET_0, ROUTES_0, GROUP_0, ENDPOINT_0 = EC2
# Of CloudFormation's role.
NETWORKS = [
    may(
        "ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInstances "
        "ec2:DescribeInternetGateways ec2:DescribeNetworkAcls ec2:DescribeNetworkInterfaces ec2:DescribeRouteTables "
        "ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups ec2:DescribeSubnets "
        "ec2:DescribeVpcEncryptionControls ec2:DescribeVpcEndpoints ec2:DescribeVpcs",
        "*",
    ),
    *(
        one
        for action, resource in (
            ("ec2:CreateVpc", VPC_0),
            ("ec2:CreateSubnet", SUBNET_0),
            ("ec2:CreateRouteTable", ROUTES_0),
            ("ec2:CreateSecurityGroup", GROUP_0),
            ("ec2:CreateVpcEndpoint", ENDPOINT_0),
        )
        for one in (may(action, resource, NEW_TAG), may_not(action, resource), may_not(action, resource, OTHER_NEW_TAG))
    ),
    *(may("ec2:CreateTags", resource, NEW_TAG | {"ec2:CreateAction": "CreateSomething"}) for resource in EC2),
    *(may_not("ec2:CreateTags", resource, NEW_TAG) for resource in EC2),
    may_not("ec2:CreateTags", VPC_0, OTHER_NEW_TAG | {"ec2:CreateAction": "CreateVpc"}),
    may_not("ec2:CreateTags", arn("ec2", "instance/i-0a"), NEW_TAG | {"ec2:CreateAction": "RunInstances"}),
    may_not("ec2:CreateSubnet ec2:CreateVpcEndpoint", arn("ec2", "instance/i-0a"), NEW_TAG),
    # In whose VPC it is does not matter.
    may(
        "ec2:CreateRouteTable ec2:CreateSecurityGroup ec2:CreateSubnet ec2:CreateVpcEndpoint ec2:DescribeVpcAttribute",
        VPC_0,
    ),
    may_not("ec2:CreateSecurityGroup", f"arn:aws:ec2:{REGION}:999999999999:vpc/vpc-0a"),
    *(
        one
        for actions, resource in (
            ("ec2:ModifyVpcAttribute ec2:DeleteVpc ec2:CreateTags ec2:DeleteTags", VPC_0),
            ("ec2:ModifySubnetAttribute ec2:DeleteSubnet ec2:CreateVpcEndpoint ec2:AssociateRouteTable", SUBNET_0),
            (
                "ec2:AssociateRouteTable ec2:DisassociateRouteTable ec2:ReplaceRouteTableAssociation "
                "ec2:DeleteRouteTable",
                ROUTES_0,
            ),
            (
                "ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupEgress "
                "ec2:RevokeSecurityGroupIngress ec2:UpdateSecurityGroupRuleDescriptionsEgress "
                "ec2:UpdateSecurityGroupRuleDescriptionsIngress ec2:DeleteSecurityGroup",
                GROUP_0,
            ),
            ("ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints", ENDPOINT_0),
        )
        for one in (may(actions, resource, OWN_TAG), may_not(actions, resource), may_not(actions, resource, OTHER_TAG))
    ),
    may_not("ec2:DeleteTags", arn("ec2", "instance/i-0a"), OWN_TAG),
    may_not("ec2:CreateInternetGateway ec2:AttachInternetGateway ec2:CreateNatGateway ec2:CreateRoute", VPC_0, OWN_TAG),
]
DATABASES = [
    may(
        "rds:AddTagsToResource rds:CreateDBCluster rds:DeleteDBCluster rds:DescribeDBClusters rds:ListTagsForResource "
        "rds:ModifyDBCluster rds:RemoveTagsFromResource rds:CreateDBClusterSnapshot rds:DescribeDBClusterSnapshots",
        CLUSTER,
    ),
    may("rds:CreateDBClusterSnapshot", arn("rds", "cluster-snapshot:sluice-staging-x")),
    may(
        "rds:CreateDBInstance rds:DeleteDBInstance rds:DescribeDBInstances rds:ModifyDBInstance rds:RebootDBInstance",
        WRITER,
    ),
    may(
        "rds:CreateDBClusterParameterGroup rds:DeleteDBClusterParameterGroup rds:DescribeDBClusterParameterGroups "
        "rds:DescribeDBClusterParameters rds:ModifyDBClusterParameterGroup rds:ResetDBClusterParameterGroup",
        SETTINGS,
    ),
    may(
        "rds:CreateDBSubnetGroup rds:DeleteDBSubnetGroup rds:DescribeDBSubnetGroups rds:ModifyDBSubnetGroup",
        SUBNETS,
    ),
    *(
        may("rds:CreateDBCluster rds:CreateDBInstance rds:ModifyDBInstance", arn("rds", default))
        for default in ("pg:default.aurora-mysql8.0", "og:default:aurora-mysql-8-0")
    ),
    *(
        may_not("rds:DeleteDBCluster rds:ModifyDBCluster rds:CreateDBCluster", arn("rds", f"cluster:{name}"))
        for name in ("somebody-elses", "sluice-production-database-x")
    ),
    may_not("rds:ModifyDBClusterSnapshotAttribute rds:RestoreDBClusterFromSnapshot", CLUSTER),
    may_not("rds:CreateDBInstance", arn("rds", "pg:somebody-elses")),
    may(
        "rds:DescribeDBEngineVersions rds:DescribeEngineDefaultClusterParameters rds:DescribeEvents "
        "secretsmanager:GetRandomPassword",
        "*",
    ),
    may("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
    may_not("route53:ChangeResourceRecordSets route53:DeleteHostedZone", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
    may_not("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::healthcheck/Z1D633PJN98FT9"),
    may(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
        {"iam:AWSServiceName": "rds.amazonaws.com"},
    ),
    may_not(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
        {"iam:AWSServiceName": "ec2.amazonaws.com"},
    ),
    may_not("iam:CreateServiceLinkedRole", role("somebody-elses"), {"iam:AWSServiceName": "rds.amazonaws.com"}),
    may(
        "secretsmanager:CancelRotateSecret secretsmanager:CreateSecret secretsmanager:DeleteSecret "
        "secretsmanager:DescribeSecret secretsmanager:GetSecretValue secretsmanager:PutSecretValue "
        "secretsmanager:RotateSecret secretsmanager:TagResource secretsmanager:UntagResource "
        "secretsmanager:UpdateSecret",
        SECRET,
    ),
    may_not("secretsmanager:GetSecretValue secretsmanager:CreateSecret", OTHER_SECRET),
    may(
        "secretsmanager:CreateSecret secretsmanager:DescribeSecret secretsmanager:RotateSecret "
        "secretsmanager:TagResource",
        MASTER_SECRET,
    ),
    may_not("secretsmanager:GetSecretValue secretsmanager:DeleteSecret", MASTER_SECRET),
    *(may("kms:CreateGrant kms:Decrypt kms:GenerateDataKey", OTHER_KEY, via) for via in (VIA_SECRETS, VIA_RDS)),
    *(may_not("kms:CreateGrant kms:Decrypt kms:GenerateDataKey", OTHER_KEY, via) for via in ({}, VIA_S3)),
    may_not("kms:Decrypt", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", VIA_RDS),
    may("lambda:InvokeFunction", MIGRATE),
    may("lambda:InvokeFunction lambda:AddPermission lambda:GetPolicy lambda:RemovePermission", ROTATE),
    may_not("lambda:AddPermission", MIGRATE),
]

TABLE: dict[tuple[str, str], list[Row]] = {
    ("iam", "ProcessRole"): [
        may("sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility", INTAKE),
        may("sqs:SendMessage", INTAKE),
        may_not("sqs:ReceiveMessage sqs:DeleteMessage sqs:SendMessage", DEAD_LETTERS),
        may_not("sqs:PurgeQueue sqs:SetQueueAttributes", INTAKE),
        may("s3:GetObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutObject s3:DeleteObject s3:DeleteObjectVersion s3:GetObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may("s3:PutObject s3:AbortMultipartUpload s3:GetObject", f"{RESULTS}/prices/LSE/ABC_predicted.csv"),
        may_not("s3:DeleteObject s3:DeleteObjectVersion s3:PutObjectAcl", f"{RESULTS}/prices/LSE/ABC_predicted.csv"),
        may_not("s3:GetObjectVersion s3:PutObject s3:GetObject", "arn:aws:s3:::somebody-elses/prices/LSE/ABC.csv"),
        may("s3:ListBucket", UPLOADS),
        may("s3:ListBucket", RESULTS),
        may_not("s3:ListBucket", ARTIFACTS),
        may_not("s3:PutBucketPolicy s3:PutBucketNotification s3:DeleteBucket", UPLOADS),
        may("dynamodb:UpdateItem", LEDGER),
        may_not("dynamodb:DeleteItem dynamodb:PutItem dynamodb:Scan dynamodb:DeleteTable", LEDGER),
        may_not("dynamodb:UpdateItem", arn("dynamodb", "table/somebody-elses")),
        *tells(UPLOAD_TOPIC, other=ALERT_TOPIC),
        *writes(PROCESS_LOG, other=SWEEP_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("sts:AssumeRole iam:PassRole", TARGET.arn("CloudFormationRole")),
        may("secretsmanager:GetSecretValue", SECRET),
        may_not("secretsmanager:GetSecretValue", MASTER_SECRET),
        may_not("secretsmanager:PutSecretValue secretsmanager:DeleteSecret", SECRET),
        may("kms:Decrypt", DATABASE.arn("Key"), VIA_SECRETS),
        may_not("kms:Decrypt", OTHER_KEY, VIA_SECRETS),
        may_not("kms:Decrypt", DATABASE.arn("Key")),
        *VPC,
    ],
    ("iam", "MigrateRole"): [
        may("secretsmanager:GetSecretValue", SECRET),
        may("secretsmanager:GetSecretValue", MASTER_SECRET),
        may_not("secretsmanager:GetSecretValue", OTHER_SECRET),
        may_not("secretsmanager:PutSecretValue", SECRET),
        may("kms:Decrypt", DATABASE.arn("Key"), VIA_SECRETS),
        may_not("kms:Decrypt", OTHER_KEY, VIA_SECRETS),
        may_not("kms:Decrypt", DATABASE.arn("Key")),
        may("logs:CreateLogStream logs:PutLogEvents", MIGRATE_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may_not("s3:GetObject s3:PutObject", f"{UPLOADS}/people/staff.csv"),
        *VPC,
    ],
    ("iam", "RotateRole"): [
        may(
            "secretsmanager:DescribeSecret secretsmanager:GetSecretValue secretsmanager:PutSecretValue "
            "secretsmanager:UpdateSecretVersionStage",
            SECRET,
        ),
        may("secretsmanager:GetSecretValue", MASTER_SECRET),
        may_not("secretsmanager:GetSecretValue secretsmanager:PutSecretValue", OTHER_SECRET),
        may_not("secretsmanager:PutSecretValue secretsmanager:UpdateSecretVersionStage", MASTER_SECRET),
        may_not("secretsmanager:GetRandomPassword", "*"),
        may("kms:Decrypt kms:GenerateDataKey", DATABASE.arn("Key"), VIA_SECRETS),
        may_not("kms:Decrypt kms:GenerateDataKey", OTHER_KEY, VIA_SECRETS),
        may_not("kms:Decrypt kms:GenerateDataKey", DATABASE.arn("Key")),
        may("logs:CreateLogStream logs:PutLogEvents", ROTATE_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        *VPC,
    ],
    ("iam", "SweepRole"): [
        may("s3:ListBucketVersions", UPLOADS),
        may_not("s3:ListBucketVersions", RESULTS),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject s3:DeleteObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may("dynamodb:BatchGetItem dynamodb:UpdateItem", LEDGER),
        may_not("dynamodb:BatchGetItem dynamodb:UpdateItem", arn("dynamodb", "table/somebody-elses")),
        may_not("dynamodb:DeleteItem dynamodb:PutItem dynamodb:BatchWriteItem dynamodb:Scan", LEDGER),
        may("sqs:SendMessage", INTAKE),
        may_not("sqs:SendMessage", DEAD_LETTERS),
        may_not("sqs:ReceiveMessage sqs:DeleteMessage sqs:PurgeQueue sqs:SetQueueAttributes", INTAKE),
        *tells(UPLOAD_TOPIC, other=ALERT_TOPIC),
        *writes(SWEEP_LOG, other=PROCESS_LOG),
        *invokes(SWEEP_ALIAS, SWEEP),
    ],
    ("iam", "DriftRole"): [
        may(
            "ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInternetGateways "
            "ec2:DescribeNetworkAcls ec2:DescribeRouteTables ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups "
            "ec2:DescribeSubnets ec2:DescribeVpcEncryptionControls ec2:DescribeVpcEndpoints ec2:DescribeVpcs",
            "*",
        ),
        may("ec2:DescribeVpcAttribute", arn("ec2", "vpc/vpc-0a")),
        may_not("ec2:DescribeVpcAttribute", f"arn:aws:ec2:{REGION}:999999999999:vpc/vpc-0a"),
        may("rds:DescribeDBClusters", CLUSTER),
        may("rds:DescribeDBInstances", WRITER),
        may("rds:DescribeDBClusterParameterGroups rds:DescribeDBClusterParameters rds:ListTagsForResource", SETTINGS),
        may("rds:DescribeDBSubnetGroups rds:ListTagsForResource", SUBNETS),
        may_not("rds:DescribeDBClusters", arn("rds", "cluster:somebody-elses")),
        may_not("rds:DeleteDBCluster rds:ModifyDBCluster", CLUSTER),
        may("secretsmanager:DescribeSecret", SECRET),
        may_not("secretsmanager:DescribeSecret", OTHER_SECRET),
        may_not("secretsmanager:GetSecretValue", SECRET),
        may("kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags", DATABASE.arn("Key")),
        may("lambda:GetPolicy", ROTATE),
        may_not("lambda:GetPolicy", arn("lambda", "function:somebody-elses")),
        *(
            may(
                "cloudformation:DescribeStackResourceDrifts cloudformation:DescribeStackResources "
                "cloudformation:DetectStackDrift cloudformation:DetectStackResourceDrift",
                stack(name),
            )
            for name in ("sluice-staging", BUCKETS.name)
        ),
        may_not("cloudformation:DetectStackDrift cloudformation:DescribeStackResources", stack("sluice-production")),
        may_not("cloudformation:DetectStackDrift", stack(PIPELINE.name)),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may(
            "cloudformation:BatchDescribeTypeConfigurations cloudformation:DescribeStackDriftDetectionStatus "
            "logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies",
            "*",
        ),
        may(
            "cloudformation:DescribeStacks cloudformation:GetStackPolicy cloudformation:GetTemplate",
            stack(BUCKETS.name),
        ),
        may_not("cloudformation:GetTemplate", stack(PIPELINE.name)),
        *(
            may(
                "s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration s3:GetBucketAbac s3:GetBucketCORS "
                "s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration s3:GetBucketNotification "
                "s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls s3:GetBucketPolicy "
                "s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite "
                "s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration s3:GetInventoryConfiguration "
                "s3:GetLifecycleConfiguration s3:GetMetricsConfiguration s3:GetReplicationConfiguration s3:ListBucket "
                "s3:ListTagsForResource",
                bucket,
            )
            for bucket in (UPLOADS, RESULTS)
        ),
        may_not("s3:ListBucket s3:GetBucketPolicy", ARTIFACTS),
        may_not("s3:GetObject s3:GetObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:PutBucketPolicy s3:DeleteBucket", UPLOADS),
        may(
            "dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights "
            "dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable dynamodb:DescribeTimeToLive "
            "dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource",
            LEDGER,
        ),
        may_not("dynamodb:DescribeTable", arn("dynamodb", "table/somebody-elses")),
        may_not("dynamodb:GetItem dynamodb:Scan dynamodb:DeleteTable", LEDGER),
        may("kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags", TOPIC_KEY),
        may_not("kms:DescribeKey kms:GetKeyPolicy", OTHER_KEY),
        may_not("kms:PutKeyPolicy", TOPIC_KEY),
        may("sqs:GetQueueAttributes sqs:ListQueueTags", INTAKE),
        may_not("sqs:ReceiveMessage sqs:SetQueueAttributes", INTAKE),
        may_not("sqs:GetQueueAttributes", arn("sqs", "somebody-elses")),
        may(
            "sns:GetDataProtectionPolicy sns:GetTopicAttributes sns:ListSubscriptionsByTopic sns:ListTagsForResource",
            UPLOAD_TOPIC,
        ),
        may("sns:GetSubscriptionAttributes", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:GetTopicAttributes", arn("sns", "somebody-elses")),
        may("logs:DescribeMetricFilters logs:GetDataProtectionPolicy logs:ListTagsForResource", LOG_GROUP),
        may_not("logs:DescribeMetricFilters", PIPELINE.arn("BuildLog")),
        may_not("logs:GetLogEvents logs:FilterLogEvents", LOG_GROUP),
        may(
            "iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies",
            STACKS["iam"].arn("ProcessRole"),
        ),
        may_not("iam:GetRole", role("Administrator")),
        may_not("iam:PutRolePolicy iam:PassRole sts:AssumeRole", STACKS["iam"].arn("ProcessRole")),
        may(
            "lambda:GetAlias lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:GetFunctionConfiguration "
            "lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig lambda:GetProvisionedConcurrencyConfig "
            "lambda:GetRuntimeManagementConfig",
            FUNCTION,
        ),
        may_not("lambda:GetFunction", arn("lambda", "function:somebody-elses")),
        may_not("lambda:InvokeFunction lambda:UpdateFunctionCode", FUNCTION),
        may("lambda:GetEventSourceMapping lambda:ListTags", MAPPING),
        may_not("lambda:ListTags", FUNCTION),
        may("scheduler:GetSchedule", SCHEDULE),
        may_not("scheduler:GetSchedule", arn("scheduler", "schedule/default/other")),
        may("cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource", CANARY),
        may_not("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:somebody-elses")),
        may("codedeploy:GetApplication codedeploy:ListTagsForResource", arn("codedeploy", f"application:{RELEASES}")),
        may("codedeploy:GetDeployment codedeploy:GetDeploymentGroup codedeploy:ListDeployments", RELEASE),
        may_not("codedeploy:GetApplication", arn("codedeploy", "application:somebody-elses")),
        may_not("codedeploy:CreateDeployment", RELEASE),
        *tells(ALERT_TOPIC, other=UPLOAD_TOPIC),
        *writes(DRIFT_LOG, other=PROCESS_LOG),
    ],
    ("drift", "ScheduleRole"): [
        *invokes(DRIFT_ALIAS, DRIFT),
        may_not("lambda:InvokeFunction", SWEEP_ALIAS),
    ],
    ("teardown", "Role"): [
        may("logs:CreateLogStream logs:PutLogEvents", TEARDOWN_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may("codeconnections:GetConnection codeconnections:GetConnectionToken", CONNECTION),
        may_not("codeconnections:GetConnectionToken", arn("codeconnections", "connection/somebody-elses")),
        may_not("codeconnections:PassConnection codeconnections:DeleteConnection", CONNECTION),
        may("cloudformation:DeleteStack cloudformation:DescribeStacks", stack("sluice-staging")),
        may("cloudformation:ListStackResources", stack("sluice-staging")),
        may("cloudformation:ListStackResources", stack(BUCKETS.name)),
        *(
            may_not(
                "cloudformation:DeleteStack cloudformation:DescribeStacks cloudformation:ListStackResources",
                stack(name),
            )
            for name in ("sluice-production", f"sluice-production-Buckets-{RANDOM}", PIPELINE.name)
        ),
        may_not(
            "cloudformation:UpdateStack cloudformation:CreateChangeSet cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        may("s3:DeleteBucket s3:ListBucketMultipartUploads s3:ListBucketVersions", UPLOADS),
        may("s3:AbortMultipartUpload s3:DeleteObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{UPLOADS}/people/staff.csv"),
        *(
            may_not("s3:DeleteBucket s3:ListBucketVersions s3:DeleteObjectVersion s3:AbortMultipartUpload", resource)
            for bucket in (ARTIFACTS, f"arn:aws:s3:::sluice-production-buckets-{RANDOM.lower()}")
            for resource in (bucket, f"{bucket}/x")
        ),
        may("dynamodb:DeleteTable dynamodb:DescribeTable", LEDGER),
        may_not("dynamodb:DeleteTable", arn("dynamodb", f"table/sluice-production-Ledger-{RANDOM}")),
        may_not("dynamodb:Scan dynamodb:UpdateTable", LEDGER),
        may("rds:DeleteDBCluster rds:DescribeDBClusters", CLUSTER),
        may("rds:DeleteDBInstance", WRITER),
        may_not("rds:DeleteDBCluster", arn("rds", "cluster:sluice-production-database-x")),
        may_not("rds:ModifyDBCluster rds:CreateDBClusterSnapshot", CLUSTER),
        may("kms:ScheduleKeyDeletion", DATABASE.arn("Key"), OWN_TAG),
        may_not("kms:ScheduleKeyDeletion", DATABASE.arn("Key"), OTHER_TAG),
        may_not("kms:ScheduleKeyDeletion", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", OWN_TAG),
        may_not("kms:Decrypt", DATABASE.arn("Key"), OWN_TAG),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
    ],
    ("teardown", "ScheduleRole"): [
        may("codebuild:StartBuild", STACKS["teardown"].arn("Teardown")),
        may_not("codebuild:StartBuild", arn("codebuild", "project/somebody-elses")),
        may_not("codebuild:UpdateProject codebuild:StopBuild", STACKS["teardown"].arn("Teardown")),
    ],
    ("iam", "ReleaseRole"): [
        may("lambda:GetAlias lambda:UpdateAlias", FUNCTION),
        may("lambda:GetProvisionedConcurrencyConfig", ALIAS),
        may_not("lambda:UpdateAlias", arn("lambda", "function:somebody-elses")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction lambda:DeleteAlias", FUNCTION),
        may("cloudwatch:DescribeAlarms", CANARY),
        may_not("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{REGION}:999999999999:alarm:x"),
        may_not("cloudwatch:PutMetricAlarm cloudwatch:DisableAlarmActions cloudwatch:DeleteAlarms", CANARY),
    ],
    ("sweep", "ScheduleRole"): [
        *invokes(SWEEP_ALIAS, SWEEP),
        may_not("sqs:SendMessage", INTAKE),
    ],
    ("pipeline", "PipelineRole"): [
        may("s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketVersioning", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketVersioning", UPLOADS),
        may_not("s3:PutBucketPolicy s3:DeleteBucket s3:ListBucket", ARTIFACTS),
        may("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Build/a1B2c3D"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/releases/abcd-abcd.json"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may("codeconnections:UseConnection codestar-connections:UseConnection", CONNECTION),
        may_not("codeconnections:UseConnection", arn("codeconnections", "connection/somebody-elses")),
        *(
            may("codebuild:StartBuild codebuild:BatchGetBuilds", PIPELINE.arn(project))
            for project in ("Update", "Build", "Plan", "Smoke")
        ),
        may_not("codebuild:StartBuild codebuild:BatchGetBuilds", arn("codebuild", "project/somebody-elses")),
        may("sts:AssumeRole", TARGET.arn("DeployRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("DeployRole")),
        may_not("cloudformation:ExecuteChangeSet cloudformation:CreateChangeSet", stack("sluice-staging")),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
        may_not("iam:PutRolePolicy iam:AttachRolePolicy", PIPELINE.arn("PipelineRole")),
    ],
    ("pipeline", "UpdateRole"): [
        may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may("s3:GetBucketAcl s3:GetBucketLocation", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation", UPLOADS),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject s3:DeleteObject", f"{ARTIFACTS}/templates/x.yaml"),
        may("sts:AssumeRole", TARGET.arn("UpdateRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("UpdateRole")),
        may(UPDATING, stack(PIPELINE.name)),
        *(may_not(UPDATING, stack(name)) for name in (TARGET.name, "sluice-staging", "sluice-pipeline-production")),
        may_not("cloudformation:DeleteStack cloudformation:UpdateStack", stack(PIPELINE.name)),
        may(CHANGING_ROLES, PIPELINE.arn("PlanRole")),
        *(
            may_not(CHANGING_ROLES, other)
            for other in (TARGET.arn("PlanRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("iam:AttachRolePolicy iam:CreateUser", PIPELINE.arn("PlanRole")),
        may("iam:PassRole", PIPELINE.arn("PlanRole"), {"iam:PassedToService": "codebuild.amazonaws.com"}),
        *(
            may("iam:PassRole", passed, {"iam:PassedToService": "codepipeline.amazonaws.com"})
            for passed in (PIPELINE.arn("PipelineRole"), TARGET.arn("DeployRole"))
        ),
        may_not("iam:PassRole", TARGET.arn("PlanRole"), {"iam:PassedToService": "codepipeline.amazonaws.com"}),
        may_not("iam:PassRole", PIPELINE.arn("PlanRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may_not("iam:PassRole", role("Administrator"), {"iam:PassedToService": "codebuild.amazonaws.com"}),
        may(
            "codebuild:BatchGetProjects codebuild:CreateProject codebuild:DeleteProject codebuild:UpdateProject",
            PIPELINE.arn("Plan"),
        ),
        may_not("codebuild:UpdateProject codebuild:DeleteProject", arn("codebuild", "project/somebody-elses")),
        may_not("codebuild:StartBuild", PIPELINE.arn("Plan")),
        may(
            "codepipeline:GetPipeline codepipeline:GetPipelineState codepipeline:ListTagsForResource "
            "codepipeline:StartPipelineExecution codepipeline:TagResource codepipeline:UntagResource "
            "codepipeline:UpdatePipeline",
            arn("codepipeline", PIPELINE.ref("Pipeline")),
        ),
        may_not("codepipeline:UpdatePipeline", arn("codepipeline", "somebody-elses")),
        may_not(
            "codepipeline:PutApprovalResult codepipeline:DeletePipeline codepipeline:OverrideStageCondition",
            arn("codepipeline", f"{PIPELINE.ref('Pipeline')}/Approve"),
        ),
        may(
            "codeconnections:GetConnection codeconnections:ListTagsForResource codeconnections:PassConnection "
            "codeconnections:TagResource codeconnections:UntagResource codestar-connections:PassConnection",
            CONNECTION,
        ),
        may_not("codeconnections:PassConnection", arn("codeconnections", "connection/somebody-elses")),
        may_not("codeconnections:DeleteConnection codeconnections:UseConnection", CONNECTION),
        may(
            "logs:CreateLogGroup logs:DeleteLogGroup logs:GetDataProtectionPolicy logs:ListTagsForResource "
            "logs:PutRetentionPolicy logs:TagResource logs:UntagResource",
            PIPELINE.arn("BuildLog"),
        ),
        may_not("logs:DeleteLogGroup logs:PutRetentionPolicy", LOG_GROUP),
        may("logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies", "*"),
        may(
            "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
            "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe "
            "sns:TagResource sns:UntagResource",
            PIPELINE.ref("AlertTopic"),
        ),
        may(
            "sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe",
            f"{PIPELINE.ref('AlertTopic')}:{KEY_ID}",
        ),
        may_not("sns:DeleteTopic sns:SetTopicAttributes sns:Subscribe", UPLOAD_TOPIC),
        may(
            "events:DeleteRule events:DescribeRule events:ListTagsForResource events:ListTargetsByRule events:PutRule "
            "events:PutTargets events:RemoveTargets events:TagResource events:UntagResource",
            arn("events", f"rule/{PIPELINE.ref('Unfinished')}"),
        ),
        may_not("events:PutRule events:DeleteRule", arn("events", "rule/somebody-elses")),
        may(
            "s3:ListBucket s3:PutBucketOwnershipControls s3:PutBucketPolicy s3:PutBucketPublicAccessBlock "
            "s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration "
            "s3:TagResource s3:UntagResource s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration "
            "s3:GetBucketAbac s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration "
            "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
            "s3:GetBucketPolicy s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning "
            "s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration "
            "s3:GetInventoryConfiguration s3:GetLifecycleConfiguration s3:GetMetricsConfiguration "
            "s3:GetReplicationConfiguration s3:ListTagsForResource",
            ARTIFACTS,
        ),
        may_not("s3:PutBucketPolicy s3:PutLifecycleConfiguration", UPLOADS),
        # A replacement of what holds data, decrypts or is authorised by hand is not the pipeline's to make.
        may_not("s3:DeleteBucket s3:CreateBucket", ARTIFACTS),
        may(
            "kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags "
            "kms:PutKeyPolicy kms:TagResource kms:UntagResource kms:UpdateKeyDescription",
            PIPELINE.arn("AlertKey"),
        ),
        may_not("kms:DescribeKey kms:PutKeyPolicy", OTHER_KEY),
        may_not("kms:ScheduleKeyDeletion kms:Decrypt", PIPELINE.arn("AlertKey")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
    ],
    ("pipeline", "BuildRole"): [
        may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may_not("logs:CreateLogGroup", BUILD_LOG),
        may("s3:GetBucketAcl s3:GetBucketLocation s3:ListBucket", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation s3:ListBucket", UPLOADS),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may("s3:PutObject", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/releases/abcd-abcd.json"),
        may_not("s3:DeleteObject s3:DeleteObjectVersion", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:PutObject s3:GetObject s3:GetObjectVersion", f"{ARTIFACTS}/elsewhere/x"),
        may_not("s3:PutObject s3:GetObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("cloudformation:UpdateStack cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
    ],
    ("pipeline", "PlanRole"): [
        *BUILDS,
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject", f"{ARTIFACTS}/plans/plan-1.md"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject s3:GetObjectVersion", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("sts:AssumeRole", TARGET.arn("PlanRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("PlanRole")),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may("s3:GetObject", f"arn:aws:s3:::{TESTED}/tested/{'ab' * 32}"),
        may("s3:ListBucket", f"arn:aws:s3:::{TESTED}"),
        may_not("s3:PutObject", f"arn:aws:s3:::{TESTED}/tested/{'ab' * 32}"),
        may_not("s3:GetObject", f"arn:aws:s3:::{TESTED}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:ListBucket", UPLOADS),
    ],
    ("pipeline", "SmokeRole"): [
        *BUILDS,
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:GetObjectVersion", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/good/sluice-staging.json"),
        may("s3:PutObject", f"{ARTIFACTS}/tested/{'ab' * 32}"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:ListBucket", ARTIFACTS),
        may_not("s3:ListBucket", UPLOADS),
        may("sts:AssumeRole", TARGET.arn("SmokeRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("SmokeRole")),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/smoke/x.csv"),
    ],
    ("target", "UpdateRole"): [
        may(UPDATING, stack(TARGET.name)),
        *(may_not(UPDATING, stack(name)) for name in (PIPELINE.name, "sluice-staging", "sluice-target-production")),
        may_not("cloudformation:DeleteStack cloudformation:UpdateStack", stack(TARGET.name)),
        may(CHANGING_ROLES, TARGET.arn("CloudFormationRole")),
        *(
            may_not(CHANGING_ROLES, other)
            for other in (PIPELINE.arn("PlanRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("iam:AttachRolePolicy iam:PassRole sts:AssumeRole", TARGET.arn("CloudFormationRole")),
        may(
            "iam:CreatePolicy iam:CreatePolicyVersion iam:DeletePolicy iam:DeletePolicyVersion iam:GetPolicy "
            "iam:GetPolicyVersion iam:ListEntitiesForPolicy iam:ListPolicyVersions",
            TARGET.ref("NetworkRights"),
        ),
        may_not("iam:CreatePolicyVersion iam:DeletePolicy", f"arn:aws:iam::{ACCOUNT}:policy/somebody-elses"),
        may(
            "iam:AttachRolePolicy iam:DetachRolePolicy",
            TARGET.arn("CloudFormationRole"),
            {"iam:PolicyARN": TARGET.ref("NetworkRights")},
        ),
        may_not("iam:AttachRolePolicy", role("Administrator"), {"iam:PolicyARN": TARGET.ref("NetworkRights")}),
        may_not(
            "iam:AttachRolePolicy",
            TARGET.arn("CloudFormationRole"),
            {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
    ],
    ("target", "PlanRole"): [
        *PLANNING,
        *FINDING_PREFIX_LISTS,
        may_not(
            "cloudformation:ExecuteChangeSet cloudformation:UpdateStack cloudformation:SetStackPolicy "
            "cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        # One that was never created as a whole.
        may("cloudformation:DeleteStack", stack("sluice-staging")),
        *(
            may_not("cloudformation:DeleteStack", stack(name))
            for name in (BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
        may_not("s3:ListBucket", UPLOADS),
        may_not("sts:AssumeRole", TARGET.arn("CloudFormationRole")),
    ],
    ("target", "DeployRole"): [
        may(
            "cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet cloudformation:DescribeStacks "
            "cloudformation:DescribeStackEvents",
            stack("sluice-staging"),
        ),
        may_not("cloudformation:ExecuteChangeSet", stack("sluice-production")),
        may_not("cloudformation:ExecuteChangeSet", stack(PIPELINE.name)),
        # It executes what was planned, and plans nothing itself.
        may_not(
            "cloudformation:CreateChangeSet cloudformation:UpdateStack cloudformation:DeleteStack "
            "cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
        may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    ],
    ("target", "SmokeRole"): [
        may("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/smoke/x.csv"),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", "arn:aws:s3:::somebody-elses/smoke/x.csv"),
        may("s3:ListBucketVersions", UPLOADS, {"s3:prefix": "smoke/x.csv"}),
        may_not("s3:ListBucketVersions", UPLOADS, {"s3:prefix": "prices/"}),
        may_not("s3:ListBucketVersions", ARTIFACTS, {"s3:prefix": "smoke/x.csv"}),
        may("dynamodb:GetItem dynamodb:DeleteItem", LEDGER, {"dynamodb:LeadingKeys": "bucket/smoke/x.csv"}),
        may_not("dynamodb:GetItem dynamodb:DeleteItem", LEDGER, {"dynamodb:LeadingKeys": "bucket/people/x.csv"}),
        may_not("dynamodb:DeleteItem", arn("dynamodb", "table/x"), {"dynamodb:LeadingKeys": "b/smoke/x"}),
        may_not("dynamodb:UpdateItem dynamodb:Scan", LEDGER, {"dynamodb:LeadingKeys": "bucket/smoke/x.csv"}),
        may("sns:Subscribe", UPLOAD_TOPIC),
        may("sns:Unsubscribe", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:Subscribe sns:Unsubscribe", arn("sns", "somebody-elses")),
        may_not("sns:Publish", UPLOAD_TOPIC),
        may(
            "sqs:CreateQueue sqs:DeleteQueue sqs:DeleteMessage sqs:ReceiveMessage", arn("sqs", "smoke-sluice-staging-x")
        ),
        may_not("sqs:DeleteQueue sqs:DeleteMessage sqs:ReceiveMessage", INTAKE),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/good/sluice-staging.json"),
        may_not("s3:ListBucket", UPLOADS),
        *PLANNING,
        may("cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may("cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection", stack("sluice-staging")),
        *(
            may_not("cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection", stack(name))
            for name in (BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
    ],
    ("target", "CloudFormationRole"): [
        *NETWORKS,
        *DATABASES,
        may(
            "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
            "cloudformation:ExecuteChangeSet "
            "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack "
            "cloudformation:DescribeStacks cloudformation:GetStackPolicy cloudformation:GetTemplate "
            "cloudformation:TagResource cloudformation:UntagResource",
            stack(BUCKETS.name),
        ),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack(PIPELINE.name)),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack(f"sluice-production-Buckets-{RANDOM}")),
        may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may("s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:GetObject", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml", {"aws:ResourceAccount": "999999999999"}),
        may_not("s3:GetObject", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:PutObject s3:DeleteObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may(
            "s3:CreateBucket s3:DeleteBucket s3:ListBucket s3:PutBucketNotification s3:PutBucketOwnershipControls "
            "s3:PutBucketPublicAccessBlock s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration "
            "s3:PutLifecycleConfiguration s3:TagResource s3:UntagResource s3:GetBucketPolicy s3:PutBucketPolicy "
            "s3:DeleteBucketPolicy s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration s3:GetBucketAbac "
            "s3:GetBucketAcl s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration "
            "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
            "s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite "
            "s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration s3:GetInventoryConfiguration "
            "s3:GetLifecycleConfiguration s3:GetMetricsConfiguration s3:GetReplicationConfiguration "
            "s3:ListTagsForResource",
            UPLOADS,
        ),
        may_not("s3:PutBucketPolicy s3:DeleteBucket s3:PutLifecycleConfiguration", ARTIFACTS),
        may_not("s3:PutBucketPolicy s3:DeleteBucket", f"arn:aws:s3:::sluice-production-buckets-{RANDOM.lower()}"),
        may_not("s3:GetObject s3:PutObject s3:DeleteObject s3:DeleteObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutBucketAcl s3:PutReplicationConfiguration", UPLOADS),
        may(
            "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
            "sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue",
            INTAKE,
        ),
        may_not("sqs:SendMessage sqs:ReceiveMessage sqs:PurgeQueue", INTAKE),
        may_not("sqs:DeleteQueue sqs:SetQueueAttributes", arn("sqs", "somebody-elses")),
        may(
            "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
            "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe "
            "sns:TagResource sns:UntagResource",
            UPLOAD_TOPIC,
        ),
        may("sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:Publish", UPLOAD_TOPIC),
        may_not("sns:DeleteTopic sns:SetTopicAttributes sns:Subscribe", arn("sns", "somebody-elses")),
        may("kms:CreateKey", "*", NEW_TAG),
        may_not("kms:CreateKey", "*"),
        may_not("kms:CreateKey", "*", OTHER_NEW_TAG),
        may("kms:TagResource", TOPIC_KEY, NEW_TAG),
        may("kms:TagResource kms:UntagResource", TOPIC_KEY, OWN_TAG),
        may_not("kms:TagResource kms:UntagResource", OTHER_KEY, OTHER_TAG),
        may(
            "kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags",
            TOPIC_KEY,
        ),
        may_not("kms:DescribeKey", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}"),
        may("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", TOPIC_KEY, OWN_TAG),
        may_not("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", OTHER_KEY),
        may_not("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", OTHER_KEY, OTHER_TAG),
        may_not("kms:PutKeyPolicy", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", OWN_TAG),
        may_not("kms:Decrypt kms:GenerateDataKey kms:CreateGrant kms:DisableKeyRotation", TOPIC_KEY, OWN_TAG),
        may(
            "dynamodb:CreateTable dynamodb:DeleteTable dynamodb:DescribeContinuousBackups "
            "dynamodb:DescribeContributorInsights dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable "
            "dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource dynamodb:TagResource "
            "dynamodb:UntagResource dynamodb:UpdateContinuousBackups dynamodb:UpdateTable dynamodb:UpdateTimeToLive",
            LEDGER,
        ),
        may_not("dynamodb:PutItem dynamodb:UpdateItem dynamodb:Scan dynamodb:PutResourcePolicy", LEDGER),
        may_not("dynamodb:DeleteTable", arn("dynamodb", "table/somebody-elses")),
        may(
            "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteMetricFilter logs:DescribeMetricFilters "
            "logs:GetDataProtectionPolicy logs:ListTagsForResource logs:PutMetricFilter logs:PutRetentionPolicy "
            "logs:TagResource logs:UntagResource",
            STACKS["logs"].arn("Process"),
        ),
        may_not("logs:DeleteLogGroup logs:PutRetentionPolicy", PIPELINE.arn("BuildLog")),
        may("logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies", "*"),
        may_not("logs:GetLogEvents logs:PutResourcePolicy", "*"),
        may(
            "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy "
            "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:PutRolePolicy iam:TagRole iam:UntagRole "
            "iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription",
            STACKS["iam"].arn("ProcessRole"),
        ),
        # It cannot give itself, nor the other roles of the pipeline, anything more.
        *(
            may_not("iam:PutRolePolicy iam:UpdateAssumeRolePolicy iam:DeleteRole", other)
            for other in (*TARGET_ROLES, *PIPELINE_ROLES)
        ),
        may_not("iam:AttachRolePolicy iam:DeleteRolePermissionsBoundary", STACKS["iam"].arn("ProcessRole")),
        may_not("iam:CreateUser iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/sluice-staging-x"),
        may("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may("iam:PassRole", STACKS["sweep"].arn("ScheduleRole"), {"iam:PassedToService": "scheduler.amazonaws.com"}),
        may("iam:PassRole", STACKS["iam"].arn("ReleaseRole"), {"iam:PassedToService": "codedeploy.amazonaws.com"}),
        may_not("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "ec2.amazonaws.com"}),
        may_not("iam:PassRole", role("Administrator"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may(
            "lambda:CreateFunction lambda:DeleteFunction lambda:GetFunction lambda:GetFunctionCodeSigningConfig "
            "lambda:GetFunctionConfiguration lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig "
            "lambda:GetRuntimeManagementConfig lambda:ListTags lambda:ListVersionsByFunction lambda:PublishVersion "
            "lambda:PutFunctionRecursionConfig lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode "
            "lambda:UpdateFunctionConfiguration "
            "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias lambda:UpdateAlias",
            FUNCTION,
        ),
        may("lambda:GetProvisionedConcurrencyConfig", ALIAS),
        may_not("lambda:InvokeFunction lambda:AddPermission lambda:CreateFunctionUrlConfig", FUNCTION),
        may_not("lambda:UpdateFunctionCode lambda:DeleteFunction", arn("lambda", "function:somebody-elses")),
        may("lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": ALIAS}),
        may_not(
            "lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": arn("lambda", "function:somebody-elses")}
        ),
        may(
            "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:UpdateEventSourceMapping",
            MAPPING,
            {"lambda:FunctionArn": ALIAS},
        ),
        may_not(
            "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:UpdateEventSourceMapping",
            MAPPING,
            {"lambda:FunctionArn": arn("lambda", "function:somebody-elses")},
        ),
        may_not(
            "lambda:DeleteEventSourceMapping",
            f"arn:aws:lambda:{REGION}:999999999999:event-source-mapping:{KEY_ID}",
            {"lambda:FunctionArn": ALIAS},
        ),
        may("lambda:ListTags lambda:TagResource lambda:UntagResource", MAPPING),
        may_not("lambda:TagResource lambda:UntagResource", arn("lambda", "function:somebody-elses")),
        may(
            "codedeploy:CreateApplication codedeploy:DeleteApplication codedeploy:GetApplication "
            "codedeploy:GetApplicationRevision codedeploy:ListTagsForResource codedeploy:RegisterApplicationRevision "
            "codedeploy:TagResource codedeploy:UntagResource",
            arn("codedeploy", f"application:{RELEASES}"),
        ),
        may(
            "codedeploy:CreateDeployment codedeploy:CreateDeploymentGroup codedeploy:DeleteDeploymentGroup "
            "codedeploy:GetDeployment codedeploy:GetDeploymentGroup codedeploy:ListDeployments "
            "codedeploy:UpdateDeploymentGroup",
            RELEASE,
        ),
        may("codedeploy:GetDeploymentConfig", arn("codedeploy", "deploymentconfig:CodeDeployDefault.LambdaAllAtOnce")),
        may("codedeploy:StopDeployment", "*"),
        may_not("codedeploy:DeleteApplication", arn("codedeploy", "application:somebody-elses")),
        may_not("codedeploy:CreateDeployment", arn("codedeploy", "deploymentgroup:somebody-elses/x")),
        may_not("codedeploy:GetDeploymentConfig", arn("codedeploy", "deploymentconfig:somebody-elses")),
        may_not("codedeploy:ContinueDeployment", RELEASE),
        may(
            "scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule scheduler:UpdateSchedule", SCHEDULE
        ),
        may_not("scheduler:DeleteSchedule scheduler:UpdateSchedule", arn("scheduler", "schedule/default/other")),
        may_not("scheduler:CreateScheduleGroup", arn("scheduler", "schedule-group/default")),
        may(
            "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource "
            "cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:UntagResource",
            arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}"),
        ),
        may_not("cloudwatch:DeleteAlarms cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:somebody-elses")),
        may_not(
            "cloudwatch:DisableAlarmActions", arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}")
        ),
    ],
    ("github-oidc", "Planner"): [
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        # Nothing that is deployed, tested or approved, nor what CodePipeline hands over.
        *(
            may_not("s3:PutObject s3:DeleteObject s3:DeleteObjectVersion", f"{ARTIFACTS}/{key}")
            for key in ("templates/x.yaml", "artifacts/x.zip", "releases/x.json", "plans/x.md", "tested/x", "x")
        ),
        may_not("s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:DeleteObject s3:PutObjectAcl", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", "arn:aws:s3:::somebody-elses/pull-requests/x.yaml"),
        may_not("s3:PutObject s3:GetObject s3:GetObjectVersion", f"{UPLOADS}/pull-requests/ABC.csv"),
        *(
            may("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack(name), named)
            for name in ("sluice-staging", BUCKETS.name)
            for named in (LOOK, LOOK_ARN)
        ),
        *(
            may_not("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack(name), named)
            for name in ("sluice-staging", BUCKETS.name)
            for named in (PLAN, PLAN_ARN)
        ),
        may(
            "cloudformation:DescribeChangeSet cloudformation:DescribeStacks cloudformation:GetTemplate "
            "cloudformation:TagResource cloudformation:UntagResource",
            stack("sluice-staging"),
        ),
        may("cloudformation:DescribeChangeSet cloudformation:ListStackResources", stack(BUCKETS.name)),
        *(
            may_not(
                "cloudformation:ExecuteChangeSet cloudformation:CreateStack cloudformation:UpdateStack "
                "cloudformation:DeleteStack cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection "
                "cloudformation:ContinueUpdateRollback cloudformation:RollbackStack",
                stack(name),
                LOOK,
            )
            for name in ("sluice-staging", BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
        *(
            may_not("cloudformation:CreateChangeSet cloudformation:DescribeChangeSet", stack(name), LOOK)
            for name in ("sluice-production", f"sluice-production-Buckets-{RANDOM}", PIPELINE.name, "sluice-github")
        ),
        may("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
        may_not("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        *(
            may_not("iam:PassRole", other, {"iam:PassedToService": "cloudformation.amazonaws.com"})
            for other in (PIPELINE.arn("PipelineRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("sts:AssumeRole iam:PutRolePolicy", TARGET.arn("CloudFormationRole")),
        may_not("iam:PutRolePolicy iam:UpdateAssumeRolePolicy", STACKS["github-oidc"].arn("Planner")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
        *FINDING_PREFIX_LISTS,
    ],
}
