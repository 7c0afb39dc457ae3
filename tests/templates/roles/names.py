"""What the table of roles names: resources of a deployment with everything that is optional, and of others."""

from templates.cfn import ACCOUNT, EVERYTHING, KEY_ID, RANDOM, REGION, deployment, github, teardown
from templates.decisions import Row, may, may_not

TESTED = "sluice-pipeline-staging-artifacts-of-another-pipeline"
STACKS = deployment(tested_bucket=TESTED, **EVERYTHING)
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
# A dashboard is the account's, in no region.
DASHBOARD, OTHER_DASHBOARD = (
    f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}" for name in (STACKS["monitoring"].ref("Dashboard"), "others")
)
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
STREAM, STREAM_KEY, LAKE = (STACKS["stream"].arn(logical) for logical in ("Stream", "Key", "Lake"))
WINDOWS = STACKS["stream"].arn("Windows")
CHANGES = STACKS["stream"].resources["Windows"]["Attributes"]["StreamArn"]
DISCARDED, ROLLUP_FAILURES = (STACKS["stream"].arn(logical) for logical in ("Discarded", "RollupFailures"))
SAMPLES, SAMPLES_KEY = STACKS["partner-bucket"].arn("Bucket"), STACKS["partner-bucket"].arn("Key")
VIA_KINESIS = {"kms:ViaService": f"kinesis.{REGION}.amazonaws.com"}
FROM_CODE = {"lambda:SourceFunctionArn": FUNCTION}
OTHER_NEW_TAG = {f"aws:RequestTag/{TAG['Key']}": OTHER_STACK}


def writes(own: str, other: str) -> list[Row]:
    """Of a function that logs and is traced."""
    return [
        may("xray:PutTelemetryRecords xray:PutTraceSegments", "*"),
        may_not("xray:GetTraceSummaries xray:BatchGetTraces", "*"),
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

UPDATING = (
    "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
    "cloudformation:DescribeStackEvents cloudformation:DescribeStacks cloudformation:ExecuteChangeSet "
    "cloudformation:TagResource cloudformation:UntagResource cloudformation:UpdateTerminationProtection"
)
# Of who plans.
FINDING_PREFIX_LISTS = [
    may("ec2:DescribeManagedPrefixLists", "*"),
    may_not("ec2:GetManagedPrefixListEntries ec2:CreateManagedPrefixList ec2:DescribeVpcs", "*"),
]
BOUNDARY = STACKS["boundary"].outputs["PermissionsBoundaryArn"]
WITHIN = {"iam:PermissionsBoundary": BOUNDARY}
CHANGING_ROLES = (
    "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies "
    "iam:ListRolePolicies iam:PutRolePolicy iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole "
    "iam:UpdateRoleDescription"
)
