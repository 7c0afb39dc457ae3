"""Who may use a bucket, queue, topic or key, by its own policy: decisions taken off-line from the templates."""

import pytest

from templates.cfn import (
    ACCOUNT,
    EVERYTHING,
    RANDOM,
    REGION,
    deployment,
    resources,
    teardown,
)
from templates.decisions import admits

STACKS = deployment(**EVERYTHING)
STACKS["teardown"] = teardown(STACKS)
TARGET_ROLES = [logical for logical, one in STACKS["target"].resources.items() if one["Type"] == "AWS::IAM::Role"]
STRANGER = "999999999999"
SOMEBODY = f"arn:aws:iam::{ACCOUNT}:user/somebody"
FOREIGNER = f"arn:aws:iam::{STRANGER}:user/somebody"
OURS, THEIRS = {"aws:SourceAccount": ACCOUNT}, {"aws:SourceAccount": STRANGER}
PLAIN_HTTP = {"aws:SecureTransport": "false"}
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{STACKS['monitoring'].ref('DeadLetters')}"
THEIR_ALARM = f"arn:aws:cloudwatch:{REGION}:{STRANGER}:alarm:x"

POLICIES = {
    "uploads": ("buckets", "UploadsPolicy", STACKS["buckets"].arn("Uploads")),
    "results": ("buckets", "ResultsPolicy", STACKS["buckets"].arn("Results")),
    "artifacts": ("pipeline", "ArtifactsPolicy", STACKS["pipeline"].arn("Artifacts")),
    "samples": ("partner-bucket", "BucketPolicy", STACKS["partner-bucket"].arn("Bucket")),
    "lake": ("stream", "LakePolicy", STACKS["stream"].arn("Lake")),
    "discarded": ("stream", "DiscardedPolicy", STACKS["stream"].arn("Discarded")),
    "discarded dead letters": (
        *("stream", "DiscardedDeadLettersPolicy", STACKS["stream"].arn("DiscardedDeadLetters")),
    ),
    "roll-up failures": ("stream", "RollupFailuresPolicy", STACKS["stream"].arn("RollupFailures")),
    "intake": ("queue", "IntakePolicy", STACKS["queue"].arn("Intake")),
    "dead letters": ("queue", "DeadLettersPolicy", STACKS["queue"].arn("DeadLetters")),
    "upload topic": ("notifications", "UploadTopicPolicy", STACKS["notifications"].ref("UploadTopic")),
    "alert topic": ("notifications", "AlertTopicPolicy", STACKS["notifications"].ref("AlertTopic")),
    "pipeline alert topic": ("pipeline", "AlertTopicPolicy", STACKS["pipeline"].ref("AlertTopic")),
}
PIPELINE_KEY_POLICY = STACKS["pipeline"].properties("AlertKey")["KeyPolicy"]
KEY_POLICY = STACKS["notifications"].properties("Key")["KeyPolicy"]
DATABASE_KEY_POLICY = STACKS["database"].properties("Key")["KeyPolicy"]
STREAM_KEY_POLICY = STACKS["stream"].properties("Key")["KeyPolicy"]
SAMPLES_KEY_POLICY = STACKS["partner-bucket"].properties("Key")["KeyPolicy"]
KEY_POLICIES = [KEY_POLICY, PIPELINE_KEY_POLICY, DATABASE_KEY_POLICY, STREAM_KEY_POLICY, SAMPLES_KEY_POLICY]


def document(which: str) -> dict:
    name, logical, _ = POLICIES[which]
    return STACKS[name].properties(logical)["PolicyDocument"]


def test_every_bucket_queue_and_topic_has_a_policy() -> None:
    owners = {"AWS::S3::Bucket": "Bucket", "AWS::SQS::Queue": "Queues", "AWS::SNS::Topic": "Topics"}
    for name, logical, resource in resources():
        if key := owners.get(resource["Type"]):
            policy = STACKS[name].properties(f"{logical}Policy")[key]
            assert policy in (STACKS[name].ref(logical), [STACKS[name].ref(logical)])
            assert (name, f"{logical}Policy") in {one[:2] for one in POLICIES.values()}


@pytest.mark.parametrize("which", POLICIES)
def test_only_tls_is_let_in(which: str) -> None:
    _, _, arn = POLICIES[which]
    asked = {
        "s3": [("s3:GetObject", f"{arn}/prices/LSE/ABC.csv"), ("s3:PutObject", f"{arn}/x"), ("s3:ListBucket", arn)],
        "sqs": [("sqs:SendMessage", arn), ("sqs:ReceiveMessage", arn), ("sqs:PurgeQueue", arn)],
        "sns": [("sns:Publish", arn)],
    }[arn.split(":")[2]]
    for action, resource in asked:
        assert admits(document(which), SOMEBODY, action, resource, PLAIN_HTTP) == "Deny"
        # Not decided here, so by the caller's own rights.
        assert admits(document(which), SOMEBODY, action, resource, {}) == "ImplicitDeny"
        assert admits(document(which), FOREIGNER, action, resource, {}) == "ImplicitDeny"


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObjectTagging"])
def test_uploads_go_through_the_endpoints_where_they_are_given(action: str) -> None:
    stacks = deployment(UploadEndpointIds="vpce-0a,vpce-0b", EnableApi="true")
    policy, key = stacks["buckets"].properties("UploadsPolicy")["PolicyDocument"], f"{POLICIES['uploads'][2]}/a.csv"

    def decided(principal: str, context: dict) -> str:
        named = {"aws:PrincipalArn": principal, "aws:PrincipalIsAWSService": "false"}
        return admits(policy, principal, action, key, named | context)

    # Not decided here, so by the caller's own rights.
    for endpoint in ("vpce-0a", "vpce-0b"):
        assert decided(SOMEBODY, {"aws:SourceVpce": endpoint}) == "ImplicitDeny"
    for context in ({}, {"aws:SourceVpce": "vpce-0c"}):
        assert decided(SOMEBODY, context) == "Deny"
        assert decided(f"arn:aws:iam::{ACCOUNT}:role/sluice-production-Iam-x-ProcessRole-y", context) == "Deny"
        # The pipeline's test uploads from outside, and the process function reads without a VPC.
        for role in (stacks["iam"].arn("ProcessRole"), stacks["target"].arn("SmokeRole")):
            assert decided(role, context) == "ImplicitDeny"
        # What it has signed, somebody else uploads by.
        assert decided(stacks["iam"].arn("SubmitRole"), context) == "Deny"
        assert decided("s3.amazonaws.com", context | {"aws:PrincipalIsAWSService": "true"}) == "ImplicitDeny"
    assert document("uploads")["Statement"] == [one for one in policy["Statement"] if one["Sid"] == "OnlyTls"]


def test_restricted_uploads_can_still_be_listed_and_removed() -> None:
    policy = deployment(UploadEndpointIds="vpce-0a")["buckets"].properties("UploadsPolicy")["PolicyDocument"]
    bucket = POLICIES["uploads"][2]
    for action, resource in (("s3:ListBucketVersions", bucket), ("s3:DeleteObjectVersion", f"{bucket}/a.csv")):
        assert admits(policy, SOMEBODY, action, resource, {"aws:PrincipalArn": SOMEBODY}) == "ImplicitDeny"


def test_s3_may_report_uploads_of_this_account() -> None:
    intake = STACKS["queue"].arn("Intake")
    assert admits(document("intake"), "s3.amazonaws.com", "sqs:SendMessage", intake, OURS) == "Allow"
    assert admits(document("intake"), "s3.amazonaws.com", "sqs:SendMessage", intake, THEIRS) == "ImplicitDeny"
    assert admits(document("intake"), "s3.amazonaws.com", "sqs:ReceiveMessage", intake, OURS) == "ImplicitDeny"
    assert admits(document("intake"), "sns.amazonaws.com", "sqs:SendMessage", intake, OURS) == "ImplicitDeny"


def test_s3_may_report_what_lambda_gave_up() -> None:
    queue = STACKS["stream"].arn("Discarded")
    assert admits(document("discarded"), "s3.amazonaws.com", "sqs:SendMessage", queue, OURS) == "Allow"
    assert admits(document("discarded"), "s3.amazonaws.com", "sqs:SendMessage", queue, THEIRS) == "ImplicitDeny"
    assert admits(document("discarded"), "s3.amazonaws.com", "sqs:ReceiveMessage", queue, OURS) == "ImplicitDeny"
    assert admits(document("discarded"), "lambda.amazonaws.com", "sqs:SendMessage", queue, OURS) == "ImplicitDeny"


def test_only_alarms_and_events_may_publish_alerts() -> None:
    topic = STACKS["notifications"].ref("AlertTopic")
    alarm = OURS | {"aws:SourceArn": ALARM}
    assert admits(document("alert topic"), "cloudwatch.amazonaws.com", "sns:Publish", topic, alarm) == "Allow"
    assert admits(document("alert topic"), "events.amazonaws.com", "sns:Publish", topic, {}) == "Allow"
    for context in (THEIRS | {"aws:SourceArn": THEIR_ALARM}, OURS | {"aws:SourceArn": THEIR_ALARM}, OURS, {}):
        decided = admits(document("alert topic"), "cloudwatch.amazonaws.com", "sns:Publish", topic, context)
        assert decided == "ImplicitDeny", context
    assert admits(document("alert topic"), "s3.amazonaws.com", "sns:Publish", topic, OURS) == "ImplicitDeny"


@pytest.mark.parametrize("service", ["cloudwatch", "events", "s3", "sns"])
def test_no_service_may_publish_about_uploads(service: str) -> None:
    topic = STACKS["notifications"].ref("UploadTopic")
    context = OURS | {"aws:SourceArn": ALARM}
    assert admits(document("upload topic"), f"{service}.amazonaws.com", "sns:Publish", topic, context) == "ImplicitDeny"


def test_the_key_serves_alarms_and_events_on_their_way_to_our_topics() -> None:
    key, context = STACKS["notifications"].arn("Key"), "kms:EncryptionContext:aws:sns:topicArn"
    alarm, alert = OURS | {"aws:SourceArn": ALARM}, {context: STACKS["notifications"].ref("AlertTopic")}
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert admits(KEY_POLICY, "cloudwatch.amazonaws.com", action, key, alarm) == "Allow"
        assert admits(KEY_POLICY, "events.amazonaws.com", action, key, alert) == "Allow"
        theirs = THEIRS | {"aws:SourceArn": THEIR_ALARM}
        assert admits(KEY_POLICY, "cloudwatch.amazonaws.com", action, key, theirs) == "ImplicitDeny"
        elsewhere = {context: f"arn:aws:sns:{REGION}:{ACCOUNT}:somebody-elses"}
        assert admits(KEY_POLICY, "events.amazonaws.com", action, key, elsewhere) == "ImplicitDeny"
        assert admits(KEY_POLICY, "events.amazonaws.com", action, key, {}) == "ImplicitDeny"
        assert admits(KEY_POLICY, "s3.amazonaws.com", action, key, OURS) == "ImplicitDeny"
        assert admits(KEY_POLICY, FOREIGNER, action, key, {}) == "ImplicitDeny"
    for service in ("cloudwatch", "events"):
        asked = (f"{service}.amazonaws.com", "kms:ScheduleKeyDeletion", key, alarm | alert)
        assert admits(KEY_POLICY, *asked) == "ImplicitDeny"


def test_only_events_may_publish_of_the_pipeline_and_use_its_key() -> None:
    topic, context = STACKS["pipeline"].ref("AlertTopic"), "kms:EncryptionContext:aws:sns:topicArn"
    assert admits(document("pipeline alert topic"), "events.amazonaws.com", "sns:Publish", topic, {}) == "Allow"
    key = STACKS["pipeline"].arn("AlertKey")
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        asked = ("events.amazonaws.com", action, key)
        assert admits(PIPELINE_KEY_POLICY, *asked, {context: topic}) == "Allow"
        for elsewhere in (STACKS["notifications"].ref("AlertTopic"), f"arn:aws:sns:{REGION}:{ACCOUNT}:somebody-elses"):
            assert admits(PIPELINE_KEY_POLICY, *asked, {context: elsewhere}) == "ImplicitDeny"
        assert admits(PIPELINE_KEY_POLICY, *asked, {}) == "ImplicitDeny"
    for service in ("cloudwatch", "s3", "codepipeline"):
        asked = (f"{service}.amazonaws.com", "sns:Publish", topic, OURS)
        assert admits(document("pipeline alert topic"), *asked) == "ImplicitDeny"


# By what services each key is used in the name of the account's roles, and for what.
USED = {
    ("notifications", "Key"): ({"sns"}, {"kms:Decrypt", "kms:GenerateDataKey"}),
    ("pipeline", "AlertKey"): (set(), set()),
    ("database", "Key"): ({"rds", "secretsmanager"}, {"kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"}),
    ("stream", "Key"): ({"kinesis"}, {"kms:Decrypt", "kms:GenerateDataKey"}),
    ("partner-bucket", "Key"): ({"s3"}, {"kms:Decrypt", "kms:GenerateDataKey"}),
}
USES = (
    "kms:CreateGrant kms:Decrypt kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyPair kms:GenerateMac "
    "kms:ReEncryptFrom kms:ReEncryptTo kms:RetireGrant kms:Sign kms:ReplicateKey kms:ImportKeyMaterial"
).split()


def test_every_key_is_among_them() -> None:
    assert {(name, logical) for name, logical, _ in resources("AWS::KMS::Key")} == set(USED)


@pytest.mark.parametrize("of", USED, ids="/".join)
def test_a_key_is_used_through_its_service_only(of: tuple[str, str]) -> None:
    """By whom, IAM says: the account's root stands for all of it."""
    policy, key = STACKS[of[0]].properties(of[1])["KeyPolicy"], STACKS[of[0]].arn(of[1])
    services, uses = USED[of]
    for principal in (SOMEBODY, f"arn:aws:iam::{ACCOUNT}:root"):
        for action in USES:
            assert admits(policy, principal, action, key, {}) != "Allow", action
            for service in ("sns", "rds", "secretsmanager", "kinesis", "s3", "ec2", "lambda"):
                # A grant is made by the service for what it holds, or not at all.
                via = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com", "kms:GrantIsForAWSResource": "true"}
                is_let_in = admits(policy, principal, action, key, via) == "Allow"
                assert is_let_in is (service in services and action in uses), (action, service)


@pytest.mark.parametrize("of", USED, ids="/".join)
def test_a_key_leaves_its_administration_to_iam(of: tuple[str, str]) -> None:
    """Or nobody could ever change it; KMS refuses a policy that locks its author out, and not all the others."""
    policy, key = STACKS[of[0]].properties(of[1])["KeyPolicy"], STACKS[of[0]].arn(of[1])
    wanted = {
        action
        for stack in STACKS.values()
        for resource in stack.resources.values()
        for given in (*resource["Properties"].get("Policies", ()), resource["Properties"])
        for statement in given.get("PolicyDocument", {}).get("Statement", ())
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        if action.startswith("kms:") and action not in (*USES, "kms:CreateKey")
    }
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DescribeKey"} < wanted
    for action in (*wanted, "kms:CancelKeyDeletion", "kms:RevokeGrant"):
        assert admits(policy, SOMEBODY, action, key, {}) == "Allow", action
        assert admits(policy, FOREIGNER, action, key, {}) == "ImplicitDeny", action


@pytest.mark.parametrize("policy", KEY_POLICIES)
def test_only_services_make_grants_on_a_key(policy: dict) -> None:
    """https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-grant-is-for-aws-resource"""
    person, service = {"aws:PrincipalIsAWSService": "false"}, {"aws:PrincipalIsAWSService": "true"}
    for context in (person, person | {"kms:GrantIsForAWSResource": "false"}, {}):
        assert admits(policy, SOMEBODY, "kms:CreateGrant", "*", context) == "Deny", context
    # As RDS does in the name of who makes a cluster, and a service by itself.
    for_resource = person | {"kms:GrantIsForAWSResource": "true"}
    assert admits(policy, SOMEBODY, "kms:CreateGrant", "*", for_resource) != "Deny"
    assert admits(policy, "rds.amazonaws.com", "kms:CreateGrant", "*", service) != "Deny"
    assert admits(policy, SOMEBODY, "kms:DescribeKey", "*", person) != "Deny"


def test_nobody_is_let_in_for_everything() -> None:
    broad = set()
    documents = [document(which) for which in POLICIES] + KEY_POLICIES
    for statement in (one for policy in documents for one in policy["Statement"] if one["Effect"] == "Allow"):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        broad |= {(action, *statement["Principal"]) for action in actions if "*" in action}
    # What AWS documents that SNS needs of a publisher.
    assert broad == {("kms:GenerateDataKey*", "Service")}


@pytest.mark.parametrize("folder", ["artifacts", "templates", "releases"])
def test_what_a_build_has_stored_is_never_replaced(folder: str) -> None:
    """By nobody: what was tested and approved under a name stays what it was.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html"""
    _, _, bucket = POLICIES["artifacts"]
    for principal in (STACKS["pipeline"].arn("BuildRole"), SOMEBODY):
        for key in (f"{folder}/x", f"{folder}/x/y"):
            asked = (document("artifacts"), principal, "s3:PutObject", f"{bucket}/{key}")
            assert admits(*asked, {}) == "Deny"
            # Not decided here, so by the caller's own rights.
            assert admits(*asked, {"s3:if-none-match": "*"}) == "ImplicitDeny"
    for key in ("good/x", "plans/x", "pull-requests/x", "tested/x", "x/Build/x"):
        assert admits(document("artifacts"), SOMEBODY, "s3:PutObject", f"{bucket}/{key}", {}) == "ImplicitDeny"


@pytest.mark.parametrize("account", [ACCOUNT, STRANGER])
def test_what_is_deployed_is_read_by_the_targets_roles(account: str) -> None:
    pipeline = deployment(target_account=account)["pipeline"]
    policy, bucket = pipeline.properties("ArtifactsPolicy")["PolicyDocument"], pipeline.arn("Artifacts")
    roles = {name: f"arn:aws:iam::{account}:role/sluice-target-staging-{name}-{RANDOM}" for name in TARGET_ROLES}
    let_in = {
        (name, action, key.split("/")[0])
        for name, role in roles.items()
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        for key in ("templates/x", "artifacts/x", "pull-requests/x", "tested/x", "good/x", "x/Source/x")
        if admits(policy, role, action, f"{bucket}/{key}", {}) == "Allow"
    }
    folders = ("templates", "artifacts", "pull-requests")
    readers = ("CloudFormationRole", "PlanRole", "SmokeRole")
    assert let_in == {(name, "s3:GetObject", folder) for name in readers for folder in folders}
    elsewhere = roles["PlanRole"].replace(account, "123456789012")
    for other in (f"arn:aws:iam::{account}:role/Administrator", roles["DeployRole"], elsewhere):
        assert admits(policy, other, "s3:GetObject", f"{bucket}/templates/x", {}) == "ImplicitDeny"
