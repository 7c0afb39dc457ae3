"""Why the roles that are no functions' are granted what they are: a push was seen to take it, or there is a reason.

What the functions' roles are granted is what they were seen to take in tests/e2e, save for the few of FUNCTIONS; what
CloudFormation's role is, AWS's handlers ask for (handlers.py).
"""

_LOGS = "logs:CreateLogStream logs:PutLogEvents"
_BUILDS = {
    _LOGS: "CodeBuild logs by it, and the local one into a folder",
    "s3:GetBucketAcl s3:GetBucketLocation": (
        "CodeBuild asks for both: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html"
    ),
    "s3:GetObjectVersion": "what CodePipeline hands over is read by version; the local one hands over a folder",
}
_CHANGES = "where something changes, which the first push does not"
_NOT_ASKED = "the local cloud asks CloudFormation's caller for neither tags nor roles that are passed"

# {role: what a first push takes}; tests/e2e/test_delivery.py sees to it.
TAKEN: dict[tuple[str, str], str] = {
    ("pipeline", "PipelineRole"): "codebuild:StartBuild s3:PutObject sts:AssumeRole",
    ("pipeline", "BuildRole"): "s3:GetObject s3:ListBucket s3:PutObject",
    ("pipeline", "PlanRole"): "s3:GetObject s3:PutObject sts:AssumeRole",
    ("pipeline", "SmokeRole"): "s3:GetObject s3:PutObject sts:AssumeRole",
    ("pipeline", "UpdateRole"): (
        "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
        "cloudformation:DescribeStacks s3:GetObject sts:AssumeRole"
    ),
    ("target", "UpdateRole"): (
        "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
        "cloudformation:DescribeStacks"
    ),
    ("target", "DeployRole"): (
        "cloudformation:DescribeChangeSet cloudformation:DescribeStacks cloudformation:ExecuteChangeSet"
    ),
    ("target", "PlanRole"): (
        "cloudformation:CreateChangeSet cloudformation:DescribeChangeSet cloudformation:DescribeStacks "
        "cloudformation:ListChangeSets"
    ),
    ("target", "SmokeRole"): (
        "cloudformation:DescribeStacks cloudformation:GetTemplate cloudformation:SetStackPolicy dynamodb:DeleteItem "
        "dynamodb:GetItem s3:DeleteObjectVersion s3:GetObject s3:ListBucketVersions s3:PutObject sns:Subscribe "
        "sns:Unsubscribe sqs:CreateQueue sqs:DeleteMessage sqs:DeleteQueue sqs:ReceiveMessage"
    ),
}

_UPDATES = {
    "cloudformation:DescribeStackEvents cloudformation:ExecuteChangeSet": _CHANGES,
    "cloudformation:TagResource cloudformation:UntagResource": _NOT_ASKED,
    "cloudformation:UpdateTerminationProtection": "protects a stack that somebody has left without",
}
# {role: {actions: why}} of what is granted and not in TAKEN, nor asked for by a handler of a type in HANDLED.
REASONS: dict[tuple[str, str], dict[str, str]] = {
    ("pipeline", "PipelineRole"): {
        "codebuild:BatchGetBuilds": "CodePipeline asks how a build goes on; the local one waits for it",
        "codeconnections:UseConnection codestar-connections:UseConnection": (
            "reads from GitHub, under its present and its former name; the local one from a folder"
        ),
        "s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketVersioning": (
            "https://docs.aws.amazon.com/codepipeline/latest/userguide/security-iam-permissions-console-logs.html"
        ),
        "s3:GetObject s3:GetObjectVersion": "what an action hands to the next; the local one hands over a folder",
    },
    ("pipeline", "BuildRole"): _BUILDS,
    ("pipeline", "PlanRole"): _BUILDS | {"s3:ListBucket": "production: tells that an artifact has no stamp from 403"},
    ("pipeline", "SmokeRole"): _BUILDS | {"s3:ListBucket": "tells that there is no release yet to return to from 403"},
    ("pipeline", "UpdateRole"): _UPDATES
    | {
        "logs:CreateLogStream logs:PutLogEvents": _BUILDS[_LOGS],
        "s3:GetBucketAcl s3:GetBucketLocation": _BUILDS["s3:GetBucketAcl s3:GetBucketLocation"],
        "s3:GetObjectVersion": _BUILDS["s3:GetObjectVersion"],
        "codebuild:BatchGetProjects codebuild:CreateProject codebuild:DeleteProject codebuild:UpdateProject": (
            "of AWS::CodeBuild::Project, whose schema names no permissions"
        ),
        "codeconnections:PassConnection": "as codestar-connections:PassConnection, its former name",
        "codepipeline:StartPipelineExecution": "RestartExecutionOnUpdate starts it",
    },
    ("target", "UpdateRole"): _UPDATES,
    ("target", "DeployRole"): {"cloudformation:DescribeStackEvents": "where a deployment fails: names what has failed"},
    ("target", "PlanRole"): {
        "cloudformation:DeleteChangeSet cloudformation:GetTemplate cloudformation:ListStackResources": _CHANGES,
        "cloudformation:DeleteStack": "of a stack that was never created as a whole",
        "cloudformation:TagResource cloudformation:UntagResource iam:PassRole": _NOT_ASKED,
        "ec2:DescribeManagedPrefixLists": "of a deployment with a database",
        "s3:GetObject": "CloudFormation reads nested templates in the caller's name; the local one in nobody's",
    },
    ("target", "SmokeRole"): {
        "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
        "cloudformation:ExecuteChangeSet cloudformation:ListChangeSets cloudformation:ListStackResources": (
            "the return to the last good release"
        ),
        "cloudformation:TagResource cloudformation:UntagResource iam:PassRole": _NOT_ASKED,
        "cloudformation:UpdateTerminationProtection": "of production",
    },
    ("iam", "DriftRole"): {
        "cloudformation:BatchDescribeTypeConfigurations cloudformation:DescribeStackDriftDetectionStatus "
        "cloudformation:DescribeStackResourceDrifts cloudformation:DescribeStackResources "
        "cloudformation:DetectStackDrift cloudformation:DetectStackResourceDrift": (
            "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html"
        ),
        "sns:Publish kms:Decrypt kms:GenerateDataKey": "tells what has drifted, on an encrypted topic",
        "xray:PutTelemetryRecords xray:PutTraceSegments": "Lambda traces the function in its name",
        _LOGS: "it logs",
    },
    ("iam", "ReleaseRole"): {
        "lambda:GetAlias lambda:GetProvisionedConcurrencyConfig lambda:UpdateAlias cloudwatch:DescribeAlarms": (
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCodeDeployRoleForLambda.html"
        ),
    },
    **{
        (name, "ScheduleRole"): {"lambda:InvokeFunction": "starts the function of the schedule"}
        for name in ("drift", "simulator", "sweep")
    },
    ("teardown", "ScheduleRole"): {"codebuild:StartBuild": "starts the build of the schedule"},
    ("teardown", "Role"): {
        _LOGS: _BUILDS[_LOGS],
        "codeconnections:GetConnection codeconnections:GetConnectionToken": (
            "fetches the source: https://docs.aws.amazon.com/codebuild/latest/userguide/connections-github-app.html"
        ),
        "cloudformation:DeleteStack cloudformation:DescribeStacks cloudformation:ListStackResources "
        "s3:DeleteBucket s3:ListBucketMultipartUploads s3:ListBucketVersions s3:AbortMultipartUpload "
        "s3:DeleteObjectVersion dynamodb:DeleteTable dynamodb:DescribeTable rds:DeleteDBCluster rds:DeleteDBInstance "
        "rds:DescribeDBClusters kms:ScheduleKeyDeletion": "the calls of scripts/operations/destroy.py",
    },
    ("github-oidc", "Planner"): {
        "s3:GetObject s3:PutObject cloudformation:CreateChangeSet cloudformation:DeleteChangeSet "
        "cloudformation:DescribeChangeSet cloudformation:DescribeStacks cloudformation:GetTemplate "
        "cloudformation:ListStackResources": "the calls of scripts/delivery/preview.py; tests/e2e/test_pull_request.py",
        "cloudformation:TagResource cloudformation:UntagResource iam:PassRole": _NOT_ASKED,
        "ec2:DescribeManagedPrefixLists": "of a deployment with a database",
    },
}
# {role: the templates that it reads or updates, and the operations}: what their types' handlers ask for needs no line.
HANDLED: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("pipeline", "UpdateRole"): (("pipeline",), ("create", "read", "update", "delete")),
    ("target", "UpdateRole"): (("target", "boundary"), ("create", "read", "update", "delete")),
    ("iam", "DriftRole"): (("",), ("read",)),
}

_RUNS = {
    _LOGS: "Lambda logs in the function's name",
    "xray:PutTelemetryRecords xray:PutTraceSegments": "Lambda traces it in its name",
}
_QUEUE = {"sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage": "Lambda reads the queue in its name"}
_TOPIC = {"kms:Decrypt kms:GenerateDataKey": "the topic is encrypted; the local one is not"}
_NETWORK = {
    "ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface "
    "ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:UnassignPrivateIpAddresses": "Lambda joins the network",
}
# {the role of a function: {actions: why}} of what it is granted and no test sees it take: all else tests/e2e does see
# (`held_to_what_it_takes`). What Lambda does in a function's name the local cloud does in nobody's.
FUNCTIONS: dict[str, dict[str, str]] = {
    "GenerateRole": _RUNS | {"kms:GenerateDataKey": "the bucket is encrypted; the local one is not"},
    "MigrateRole": _RUNS | _NETWORK | {"kms:Decrypt": "the secrets are encrypted; the local ones are not"},
    "ProcessRole": {
        **(_RUNS | _QUEUE | _TOPIC | _NETWORK),
        "sqs:SendMessage": "an upload that has lacked time as often as a message may be received: hours of large files",
    },
    "QueryRole": _RUNS,
    "RollupRole": {
        **_RUNS,
        "dynamodb:ListStreams": "https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html",
        "sqs:SendMessage": "Lambda says in its name what was given up",
    },
    "RotateRole": {
        **(_RUNS | _NETWORK),
        "kms:Decrypt kms:GenerateDataKey": "the secrets are encrypted; the local ones are not",
    },
    "SimulateRole": _RUNS | {"kms:GenerateDataKey": "the stream is encrypted; the local one is not"},
    "StreamRole": {
        **(_RUNS | _QUEUE | _TOPIC),
        "kinesis:DescribeStreamSummary kinesis:ListStreams": (
            "https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html"
        ),
        "s3:ListBucket": (
            "of a destination: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html"
        ),
    },
    "SubmitRole": _RUNS,
    "SweepRole": {
        **(_RUNS | _TOPIC),
        "dynamodb:Query": "of datasets with `sluice:expected`, and there is none: tests/unit/sluice/test_overdue.py",
    },
}
