"""The local cloud: how it starts and ends, what it does by itself, and the whole loop on it."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from local.calls import Api
from local.cloud import SCRIPTS, Cloud, CloudError, start
from support.cloud import (
    ACCOUNT_ROOT,
    TRUST_LAMBDA,
    alive,
    deploy,
    eventually,
    function,
    invoke,
    put,
    refusal,
    resources,
    role,
    unique,
)

# How the cloud starts and ends


def listening(pid: int) -> set[tuple[str, int]]:
    """Address (as the kernel writes it) and port of the process's listening TCP sockets."""
    own = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return {(row[1].partition(":")[0], int(row[1].rpartition(":")[2], 16))
            for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}


def test_this_machine_only_one_folder_and_nothing_after(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(Path("/tmp").glob("ministack*"))
    with start() as cloud:
        ports = cloud.endpoint.rpartition(":")[2], (cloud.folder / "tls" / "port").read_text()
        assert listening(cloud.pid) == {("0100007F", int(port)) for port in ports}
        assert [cloud.folder] == list(tmp_path.iterdir()) and cloud.folder.stat().st_mode & 0o077 == 0
        name, _ = function(cloud, "import os\ndef handler(event, context): return os.getpid()")
        worker, _ = invoke(cloud, name)
        assert alive(worker)
    assert not alive(worker) and not alive(cloud.pid)
    assert not list(tmp_path.iterdir()) and set(Path("/tmp").glob("ministack*")) == before
    cloud.stop()


def test_an_api_is_called_with_tls_and_by_its_name_only(cloud):
    assert Api(cloud, "https://api.sluice.localhost").get("/_ministack/health").status == 200
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        Api(cloud, "https://api.somebody-else.test").get("/_ministack/health")


PARENT = """
from local.cloud import start
from support.cloud import function, invoke
cloud = start()
name, _ = function(cloud, "import os\\ndef handler(event, context): return os.getpid()")
print(cloud.pid, invoke(cloud, name)[0], cloud.folder, flush=True)
"""


@pytest.mark.parametrize("kept", [False, True])
def test_ends_with_its_parent_unless_kept(kept):
    ending = "cloud.keep()" if kept else "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    parent = subprocess.run([sys.executable, "-c", PARENT + ending], capture_output=True, text=True, env={
        **os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(Path(__file__).parents[1])])})
    pid, worker, folder = parent.stdout.split()
    if kept:
        time.sleep(0.3)
        assert alive(int(pid)) and alive(int(worker)) and Path(folder).exists()
        os.kill(int(pid), signal.SIGTERM)
    eventually(lambda: not alive(int(pid)) and not alive(int(worker)) and not Path(folder).exists())


def test_a_start_that_fails_says_why_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(CloudError, match="(?s)exit code 1 while starting.*KeyError: 'no such patch'"):
        start(_without={"no such patch"})
    assert not list(tmp_path.iterdir())


def test_the_users_own_settings_have_no_part(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODY")
    with start() as cloud:
        assert cloud.client("sts").get_caller_identity()["Arn"] == ACCOUNT_ROOT
        inner = Path(f"/proc/{cloud.pid}/environ").read_text()
        assert "somebody" not in inner.lower() and "127.0.0.1:9\0" not in inner
        arn = role(cloud, {"Principal": {"AWS": ACCOUNT_ROOT}})
        for credentials, who in ((None, ACCOUNT_ROOT), (cloud.assume(arn, "tester"), "/tester")):
            outer = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            child = subprocess.run(
                [sys.executable, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"],
                capture_output=True, text=True, env={**outer, **cloud.environment(credentials)})
            assert child.stdout.strip().endswith(who), child.stderr


def test_environments_start_side_by_side(cloud):
    """All at once from one unzipped artifact; each call in an environment of its own."""
    name, _ = function(cloud, "import os, time\ndef handler(event, context): time.sleep(1); return os.getpid()")
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: invoke(cloud, name), range(6)))
    assert [error for _, error in answers] == [None] * 6
    assert len({pid for pid, _ in answers}) == 6


# What our function relies on and ministack does by itself


def test_conditional_writes(cloud):
    s3, bucket = cloud.client("s3"), unique("conditional")
    s3.create_bucket(Bucket=bucket)
    tag = s3.put_object(Bucket=bucket, Key="key", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refusal(s3.put_object, Bucket=bucket, Key="key", IfNoneMatch="*") == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="key", Body=b"2", IfMatch=tag)
    assert refusal(s3.put_object, Bucket=bucket, Key="key", IfMatch=tag) == "PreconditionFailed"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"3")["ETag"]
    complete = {"Bucket": bucket, "Key": "key", "UploadId": upload,
                "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert refusal(s3.complete_multipart_upload, **complete, IfNoneMatch="*") == "PreconditionFailed"
    assert refusal(s3.complete_multipart_upload, **complete, IfMatch=tag) == "PreconditionFailed"

    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(TableName=bucket, BillingMode="PAY_PER_REQUEST",
                          AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                          KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
    item = {"id": {"S": "1"}, "phase": {"S": "DONE"}}
    dynamodb.put_item(TableName=bucket, Item=item)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as refused:
        dynamodb.update_item(TableName=bucket, Key={"id": {"S": "1"}}, UpdateExpression="SET phase = :new",
                             ConditionExpression="attribute_not_exists(id)",
                             ExpressionAttributeValues={":new": {"S": "NEW"}},
                             ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refused.value.response["Item"] == item


INTAKE = """
Resources:
  Dead: {Type: AWS::SQS::Queue}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 30, RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}}
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Service: s3.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Queue.Arn
            Condition:
              StringEquals: {'aws:SourceAccount': !Ref AWS::AccountId}
              ArnLike: {'aws:SourceArn': 'arn:aws:s3:::*'}
  Uploads:
    Type: AWS::S3::Bucket
    DependsOn: QueuePolicy
    Properties:
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration: {QueueConfigurations: [{Event: 's3:ObjectCreated:*', Queue: !GetAtt Queue.Arn}]}
Outputs:
  QueueArn: {Value: !GetAtt Queue.Arn}
  QueueUrl: {Value: !Ref Queue}
"""

PROCESS = """
Parameters: {Digest: {Type: String}, QueueArn: {Type: String}, QueueUrl: {Type: String}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: TRUST_LAMBDA
      Policies:
        - PolicyName: queue
          PolicyDocument: {Version: '2012-10-17', Statement: [
            {Effect: Allow, Action: 'sqs:ChangeMessageVisibility', Resource: !Ref QueueArn}]}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Description: !Ref Digest
      Runtime: python3.13
      Handler: app.handler
      Timeout: 5
      Role: !GetAtt Role.Arn
      Code: {S3Bucket: artifacts, S3Key: !Ref Digest}
      Environment: {Variables: {QUEUE_URL: !Ref QueueUrl}}
  Version:
    Type: AWS::Lambda::Version
    UpdateReplacePolicy: Retain
    Properties: {FunctionName: !Ref Function, Description: !Ref Digest}
  Live:
    Type: AWS::Lambda::Alias
    Properties: {Name: live, FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Live
      EventSourceArn: !Ref QueueArn
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: 2}
""".replace("TRUST_LAMBDA", TRUST_LAMBDA)

# "poison" is tried again at once, "later" after two seconds, by ChangeMessageVisibility.
HANDLER = """
import json, os, sys
def handler(event, context):
    failures = []
    for record in event["Records"]:
        for upload in json.loads(record["body"]).get("Records", []):
            seen = dict(upload["s3"]["object"], code=CODE, count=int(record["attributes"]["ApproximateReceiveCount"]))
            print(json.dumps(seen))
            if seen["key"] == "poison" or (seen["key"] == "later" and seen["count"] == 1):
                sys.path.append(SITE)
                import boto3
                boto3.client("sqs").change_message_visibility(
                    QueueUrl=os.environ["QUEUE_URL"], ReceiptHandle=record["receiptHandle"],
                    VisibilityTimeout=2 if seen["key"] == "later" else 0)
                failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
"""


def artifact(cloud: Cloud, code: str) -> str:
    """Store a Lambda artifact that calls itself `code`, under its digest."""
    site = str(Path(boto3.__file__).parents[1])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", f"CODE, SITE = {code!r}, {site!r}\n{HANDLER}")
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    put(cloud, digest, file.getvalue())
    return digest


def test_the_loop(cloud):
    """Upload, queue, function behind an alias; poison, a code update, an update that fails."""
    s3, name = cloud.client("s3"), unique("loop")

    def update(process: str, code: str) -> str:
        for key, child in (("intake", INTAKE), ("process", process)):
            put(cloud, f"{hashlib.sha256(child.encode()).hexdigest()}.yaml", child)
            urls[key] = f"https://s3.us-east-1.amazonaws.com/artifacts/{hashlib.sha256(child.encode()).hexdigest()}.yaml"
        return deploy(cloud, f"""
Parameters: {{Digest: {{Type: String}}}}
Resources:
  Intake: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: '{urls["intake"]}'}}}}
  Process:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: {urls["process"]}
      Parameters: {{Digest: !Ref Digest, QueueArn: !GetAtt Intake.Outputs.QueueArn,
                    QueueUrl: !GetAtt Intake.Outputs.QueueUrl}}
""", name, Digest=artifact(cloud, code))["StackStatus"]

    urls: dict[str, str] = {}
    assert update(PROCESS, "one") == "CREATE_COMPLETE"
    children = resources(cloud, name)
    intake, process = (resources(cloud, children[child]) for child in ("Intake", "Process"))

    def seen(key: str) -> list[dict]:
        quoted = urllib.parse.quote_plus(key, safe="/")
        try:
            events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{process['Function']}")["events"]
        except ClientError:
            return []  # nothing was logged yet
        lines = [json.loads(e["message"]) for e in events if e["message"].startswith("{")]
        return sorted((line for line in lines if line["key"] == quoted), key=lambda line: line["count"])

    def upload(key: str) -> str:
        return s3.put_object(Bucket=intake["Uploads"], Key=key, Body=b"content")["VersionId"]

    version = upload("a b+c/\u00fc'\".csv")
    [first] = eventually(lambda: seen("a b+c/\u00fc'\".csv"))
    assert first["versionId"] == version and int(first["sequencer"], 16) and first["code"] == "one"

    keys = [f"good-{n}" for n in range(9)]
    started = time.time()
    for key in (*keys, "later", "poison"):
        upload(key)
    dead = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=intake["Dead"]).get("Messages"))
    assert '"poison"' in dead[0]["Body"]
    assert [line["count"] for line in seen("poison")] == [1, 2, 3]
    eventually(lambda: len(seen("later")) == 2)
    assert 2 <= time.time() - started < 30  # the queue's own visibility timeout
    assert [len(seen(key)) for key in keys] == [1] * 9

    assert update(PROCESS, "two") == "UPDATE_COMPLETE"
    after = resources(cloud, children["Process"])
    assert resources(cloud, children["Intake"]) == intake
    assert {key for key in after if after[key] != process[key]} == {"Version"}
    upload("second")
    assert eventually(lambda: seen("second"))[0]["code"] == "two"

    broken = PROCESS.replace("Name: live,", "Name: live, Description: !Ref Added,") + """
  Added: {Type: AWS::SQS::Queue}
  Broken: {Type: AWS::No::Such, DependsOn: Mapping}
"""
    assert update(broken, "three") == "UPDATE_ROLLBACK_COMPLETE"
    rolled_back = resources(cloud, children["Process"])
    assert {key for key in rolled_back if rolled_back[key] != after.get(key)} <= {"Version"}
    assert not cloud.client("sqs").list_queues(QueueNamePrefix=f"{name}-Process").get("QueueUrls")
    upload("third")
    assert eventually(lambda: seen("third"))[0]["code"] == "two"
