"""What keeps data: encryption, versions, lifecycles, backups, retention. The local cloud ignores most of it."""

import ast
import json

import pytest

from sluice.ledger import RETENTION_DAYS
from templates.cfn import ROOT, deployment, load, resources

BUCKETS = [(name, logical) for name, logical, _ in resources("AWS::S3::Bucket")]
each_bucket = pytest.mark.parametrize(("name", "logical"), BUCKETS)


def properties(name: str, logical: str) -> dict:
    return load(name)["Resources"][logical]["Properties"]


def test_there_are_the_buckets_that_these_tests_are_for() -> None:
    assert BUCKETS == [
        ("buckets", "Uploads"),
        ("buckets", "Results"),
        ("partner-bucket", "Bucket"),
        ("stream", "Lake"),
        ("pipeline", "Artifacts"),
    ]


# Where it is not by S3's own keys.
ENCRYPTION = {
    ("partner-bucket", "Bucket"): {
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
        },
        # Or each object would cost a request to KMS.
        "BucketKeyEnabled": True,
    }
}


@each_bucket
def test_a_bucket_is_encrypted_private_and_versioned(name: str, logical: str) -> None:
    bucket = properties(name, logical)
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == ENCRYPTION.get((name, logical), {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}})
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    access = bucket["PublicAccessBlockConfiguration"]
    assert access == dict.fromkeys(
        ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"], True
    )
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


@each_bucket
def test_a_bucket_forgets_what_nobody_needs(name: str, logical: str) -> None:
    rules = properties(name, logical)["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    whole_bucket = {key: value for rule in rules if "Prefix" not in rule for key, value in rule.items()}
    assert whole_bucket["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7 if name == "stream" else 30}
    assert whole_bucket["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert whole_bucket["ExpiredObjectDeleteMarker"] is True
    # S3 refuses them in one rule.
    assert not any({"ExpirationInDays", "ExpiredObjectDeleteMarker"} <= set(rule) for rule in rules)


@pytest.mark.parametrize(("name", "logical"), [one for one in BUCKETS if one[0] != "pipeline"])
def test_data_are_kept_for_a_year(name: str, logical: str) -> None:
    rules = properties(name, logical)["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule and "Prefix" not in rule] == [365]


def test_the_ledger_outlives_the_uploads() -> None:
    """Or an old upload that is delivered again would be taken for a new one."""
    rules = properties("buckets", "Uploads")["LifecycleConfiguration"]["Rules"]
    [lifetime] = [
        rule["ExpirationInDays"] + rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "ExpirationInDays" in rule
    ]
    assert lifetime < RETENTION_DAYS


def test_every_upload_is_reported_to_the_intake_queue() -> None:
    stacks = deployment()
    configuration = stacks["buckets"].properties("Uploads")["NotificationConfiguration"]
    queue = {"Event": "s3:ObjectCreated:*", "Queue": stacks["queue"].arn("Intake")}
    assert configuration == {"QueueConfigurations": [queue]}


@pytest.mark.parametrize(("environment", "is_protected"), [("staging", False), ("production", True)])
def test_the_ledger(environment: str, is_protected: bool) -> None:
    ledger = deployment(environment)["ledger"].properties("Ledger")
    assert ledger["BillingMode"] == "PAY_PER_REQUEST"
    assert ledger["DeletionProtectionEnabled"] is is_protected
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert ledger["SSESpecification"] == {"SSEEnabled": True}
    assert ledger["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    keys = [(key["AttributeName"], key["KeyType"]) for key in ledger["KeySchema"]]
    assert keys == [("upload_key", "HASH"), ("version_id", "RANGE")]
    types = {one["AttributeName"]: one["AttributeType"] for one in ledger["AttributeDefinitions"]}
    listed = {"dataset_day": "S", "finished": "N", "upload_id": "S"}
    assert types == {"upload_key": "S", "version_id": "S"} | listed


def indexes(**settings: str) -> dict[str, dict]:
    """The ledger's indexes by name."""
    found = deployment(**settings)["ledger"].properties("Ledger")["GlobalSecondaryIndexes"]
    return {index["IndexName"]: index for index in found}


def test_no_update_of_the_ledger_adds_more_than_one_index() -> None:
    """DynamoDB takes one at a time: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html"""
    assert list(indexes()) == ["ended", "upload_id"]
    assert list(indexes(EnableStream="true")) == ["ended", "upload_id"]
    assert list(indexes(EnableApi="true")) == ["ended", "upload_id", "open"]


def test_the_ledger_finds_an_upload_by_its_id() -> None:
    assert indexes()["upload_id"] == {
        "IndexName": "upload_id",
        "KeySchema": [{"AttributeName": "upload_id", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


def test_the_ledger_lists_what_is_open_by_day() -> None:
    assert indexes(EnableApi="true")["open"] == {
        "IndexName": "open",
        "KeySchema": [
            {"AttributeName": "open_day", "KeyType": "HASH"},
            {"AttributeName": "first_seen", "KeyType": "RANGE"},
        ],
        "Projection": {
            "ProjectionType": "INCLUDE",
            "NonKeyAttributes": ["attempt", "last_error", "state", "upload_id"],
        },
    }
    ledger = deployment(EnableApi="true")["ledger"].properties("Ledger")
    keys = [key["AttributeName"] for one in (ledger, *ledger["GlobalSecondaryIndexes"]) for key in one["KeySchema"]]
    # DynamoDB refuses a definition that no key needs.
    assert sorted(one["AttributeName"] for one in ledger["AttributeDefinitions"]) == sorted(keys)


def test_the_ledger_lists_what_has_ended_by_dataset_and_day() -> None:
    assert indexes()["ended"] == {
        "IndexName": "ended",
        "KeySchema": [
            {"AttributeName": "dataset_day", "KeyType": "HASH"},
            {"AttributeName": "finished", "KeyType": "RANGE"},
        ],
        "Projection": {
            "ProjectionType": "INCLUDE",
            "NonKeyAttributes": ["attempt", "reason", "rows_good", "rows_rejected", "state"],
        },
    }


def test_only_the_final_write_sets_the_indexs_partition() -> None:
    """So claims and retries write nothing to it."""
    source = ast.parse((ROOT / "lambda" / "sluice" / "ledger.py").read_text())
    functions = [node for node in ast.walk(source) if isinstance(node, ast.FunctionDef)]
    [ending] = [function for function in functions if "dataset_day = " in ast.unparse(function)]
    assert {one.name for one in functions if f"{ending.name}(" in ast.unparse(one)} == {"finish", "record", ending.name}


@pytest.mark.parametrize(("name", "logical"), [(name, logical) for name, logical, _ in resources("AWS::SQS::Queue")])
def test_a_queue_is_encrypted_and_keeps_messages_as_long_as_can_be(name: str, logical: str) -> None:
    queue = properties(name, logical)
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_intake_queue_gives_up_into_the_dead_letter_queue() -> None:
    queue = deployment()["queue"]
    intake = queue.properties("Intake")
    assert intake["RedrivePolicy"] == {"deadLetterTargetArn": queue.arn("DeadLetters"), "maxReceiveCount": "8"}
    assert intake["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}
    assert "RedrivePolicy" not in queue.properties("DeadLetters")


def test_topics_are_encrypted_with_a_rotated_key_of_ours() -> None:
    notifications = deployment()["notifications"]
    assert notifications.properties("Key")["EnableKeyRotation"] is True
    for topic in ("UploadTopic", "AlertTopic"):
        assert notifications.properties(topic)["KmsMasterKeyId"] == notifications.arn("Key")
    pipeline = deployment()["pipeline"]
    assert pipeline.properties("AlertKey")["EnableKeyRotation"] is True
    assert pipeline.properties("AlertTopic")["KmsMasterKeyId"] == pipeline.arn("AlertKey")


@pytest.mark.parametrize("name", ["notifications", "pipeline"])
def test_mail_subscriptions_are_optional(name: str) -> None:
    assert not [one for one in deployment()[name].resources.values() if "Subscription" in one["Type"]]


def test_mail_tells_of_alarms_and_of_uploads_that_did_not_fully_succeed() -> None:
    notifications = deployment(alert_email="ops@example.org")["notifications"]
    mails = {logical: notifications.properties(logical) for logical in ("UploadMail", "AlertMail")}
    assert {(mail["Protocol"], mail["Endpoint"]) for mail in mails.values()} == {("email", "ops@example.org")}
    assert mails["UploadMail"]["TopicArn"] == notifications.ref("UploadTopic")
    assert mails["UploadMail"]["FilterPolicyScope"] == "MessageAttributes"
    assert mails["UploadMail"]["FilterPolicy"] == {"state": ["PARTIAL", "REJECTED", "FAILED"], "source": ["file"]}
    assert mails["AlertMail"]["TopicArn"] == notifications.ref("AlertTopic")
    assert "FilterPolicy" not in mails["AlertMail"]


def test_every_log_group_has_a_retention() -> None:
    groups = list(resources("AWS::Logs::LogGroup"))
    assert {(name, logical) for name, logical, _ in groups} == {
        ("logs", "Process"),
        ("logs", "Sweep"),
        ("logs", "Drift"),
        ("logs", "Migrate"),
        ("logs", "Rotate"),
        *(("logs", name) for name in ("Stream", "Rollup", "Simulate", "Query", "Submit", "Generate", "Access")),
        ("pipeline", "BuildLog"),
        ("teardown", "Log"),
    }
    assert all(group["Properties"]["RetentionInDays"] == 90 for _, _, group in groups)


@pytest.mark.parametrize(("environment", "is_protected"), [("staging", False), ("production", True)])
def test_the_database(environment: str, is_protected: bool) -> None:
    database = deployment(environment, EnableDatabase="true", DatabaseMinCapacity="0.5")["database"]
    cluster, writer, key = database.properties("Cluster"), database.properties("Writer"), database.arn("Key")
    assert (cluster["Engine"], writer["Engine"], writer["DBInstanceClass"]) == (*["aurora-mysql"] * 2, "db.serverless")
    assert cluster["DeletionProtection"] is is_protected
    assert (cluster["StorageEncrypted"], cluster["KmsKeyId"]) == (True, key)
    assert database.properties("Key")["EnableKeyRotation"] is True
    assert (cluster["BackupRetentionPeriod"], cluster["CopyTagsToSnapshot"]) == (7, True)
    assert (cluster["ManageMasterUserPassword"], cluster["MasterUserSecret"]) == (True, {"KmsKeyId": key})
    assert not cluster.keys() & {"MasterUserPassword", "PubliclyAccessible"} and writer["PubliclyAccessible"] is False
    assert (writer["EnablePerformanceInsights"], writer["PerformanceInsightsKMSKeyId"]) == (True, key)
    # The log of slow statements would quote values.
    assert cluster["EnableCloudwatchLogsExports"] == ["error"]
    # A template that names a version, and a database that changes it by itself, would drift apart.
    assert writer["AutoMinorVersionUpgrade"] is False and cluster["EngineVersion"].startswith("8.0.mysql_aurora.3.10.")


def test_the_settings_of_the_database() -> None:
    database = deployment(EnableDatabase="true")["database"]
    settings = database.properties("Settings")
    assert database.properties("Cluster")["DBClusterParameterGroupName"] == database.ref("Settings")
    assert settings["Family"] == "aurora-mysql8.0"
    assert settings["Parameters"] == {
        "character_set_server": "utf8mb4",
        "collation_server": "utf8mb4_bin",
        "local_infile": "1",
        "require_secure_transport": "ON",
        "wait_timeout": "300",
    }


@pytest.mark.parametrize(("low", "pause"), [("0", {"SecondsUntilAutoPause": 300}), ("0.5", {})])
def test_the_database_pauses_where_it_may_have_no_capacity(low: str, pause: dict) -> None:
    database = deployment(EnableDatabase="true", DatabaseMinCapacity=low, DatabaseMaxCapacity="8")["database"]
    scaling = database.properties("Cluster")["ServerlessV2ScalingConfiguration"]
    # It refuses that property otherwise.
    assert scaling == {"MinCapacity": low, "MaxCapacity": "8"} | pause


def test_production_does_not_pause() -> None:
    for environment, pauses in (("staging", True), ("production", False)):
        settings = json.loads((ROOT / "environments" / f"{environment}.json").read_text())["Parameters"]
        assert (settings["DatabaseMinCapacity"] == "0") is pauses


def test_there_is_no_database_unless_it_is_asked_for() -> None:
    assert load("root")["Parameters"]["EnableDatabase"]["Default"] == "false"


def test_the_users_secret_is_generated_and_told_where_the_database_is() -> None:
    database = deployment(EnableDatabase="true")["database"]
    secret = database.properties("Secret")
    assert secret["KmsKeyId"] == database.arn("Key")
    assert secret["GenerateSecretString"] == {
        "SecretStringTemplate": '{"username": "sluice"}',
        "GenerateStringKey": "password",
        "PasswordLength": 32,
        "ExcludePunctuation": True,
    }
    assert database.properties("SecretAttachment") == {
        "SecretId": database.ref("Secret"),
        "TargetType": "AWS::RDS::DBCluster",
        "TargetId": database.ref("Cluster"),
    }


# (deletion, replacement). What the stack's creation made and its failure undoes holds no data yet.
KEPT = ("RetainExceptOnCreate", "Retain")
GONE = ("Delete", "Delete")
DELETION = {
    ("buckets", "Uploads"): KEPT,
    ("buckets", "UploadsPolicy"): KEPT,
    ("buckets", "Results"): KEPT,
    ("buckets", "ResultsPolicy"): KEPT,
    ("ledger", "Ledger"): KEPT,
    # What the cluster leaves; the key, because the snapshot cannot be read without it.
    ("database", "Cluster"): ("Snapshot", "Snapshot"),
    ("database", "Key"): KEPT,
    ("pipeline", "Artifacts"): KEPT,
    ("pipeline", "ArtifactsPolicy"): KEPT,
    # An earlier version stays, to go back to; one that a failed update leaves would be in the way of the next attempt.
    # But not of the function that may be in a network, which could not go for as long as a version of it is there.
    ("lambda", "SweepVersion"): ("Delete", "Retain"),
    ("lambda", "DriftVersion"): ("Delete", "Retain"),
    **{
        ("lambda", f"{function}Version"): ("Delete", "Retain")
        for function in ("Stream", "Rollup", "Simulate", "Query", "Submit", "Generate")
    },
    ("stream", "Lake"): KEPT,
    ("stream", "LakePolicy"): KEPT,
    ("stream", "Windows"): KEPT,
    # It would cost by the hour; what was read from it is in the lake. Not so where another one takes its place.
    ("stream", "Stream"): ("Delete", "Retain"),
    ("stream", "Key"): ("Delete", "Retain"),
    # The key, because the objects cannot be read without it.
    **{("partner-bucket", logical): KEPT for logical in ("Bucket", "BucketPolicy", "Key")},
}


def test_what_happens_to_a_resource_when_its_stack_is_deleted() -> None:
    for name, logical, resource in resources():
        policy = (resource.get("DeletionPolicy", "Delete"), resource.get("UpdateReplacePolicy", "Delete"))
        assert policy == DELETION.get((name, logical), GONE), f"{name}: {logical}"
