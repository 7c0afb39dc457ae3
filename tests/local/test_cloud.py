"""The local cloud: how it starts and ends, what each patch mends, and the whole loop on it."""

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
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud import ACCOUNT, SCRIPTS, Cloud, CloudError, start

ACCOUNT_ROOT = "arn:aws:iam::111122223333:root"
TRUST_LAMBDA = """{Version: '2012-10-17', Statement: [
  {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]}"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with start() as running:
        yield running


# Helpers


def eventually(condition: Callable, seconds: float = 20):
    """The first true value of `condition()`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)
    return value


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def deploy(cloud: Cloud, template: str, name: str, **parameters: str) -> dict:
    """Create or update the stack and wait; the stack, with its Outputs as a dict."""
    cloudformation = cloud.client("cloudformation")
    try:
        cloudformation.describe_stacks(StackName=name)
        operate = cloudformation.update_stack
    except ClientError:
        operate = cloudformation.create_stack
    operate(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])

    def settled():
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    stack = eventually(settled)
    return {**stack, "Outputs": {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}}


def delete(cloud: Cloud, name: str) -> None:
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName=name)

    def gone():
        try:
            return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
        except ClientError:
            return True

    eventually(gone)


def put(cloud: Cloud, key: str, body: bytes | str) -> str:
    """Store an object in the bucket for templates and artifacts; the bucket's name."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key=key, Body=body)
    return "artifacts"


def nesting(cloud: Cloud, child: str, parameters: str = "{}") -> str:
    """A root template with `child` as its nested stack Child."""
    key = f"{uuid.uuid4().hex}.yaml"
    bucket = put(cloud, key, child)
    return f"""
Parameters:
  Seconds: {{Type: String, Default: '30'}}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: !Sub https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/{bucket}/{key}
      Parameters: {parameters}
Outputs:
  Child: {{Value: !Ref Child}}
"""


def resources(cloud: Cloud, stack: str) -> dict[str, str]:
    """Physical ids by logical id."""
    listed = cloud.client("cloudformation").list_stack_resources(StackName=stack)
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in listed["StackResourceSummaries"]}


def function(cloud: Cloud, source: str, properties: str = "Timeout: 10") -> tuple[str, str]:
    """A stack with one Python function; the function's and the stack's name."""
    code = "".join(f"\n          {line}" for line in source.strip().splitlines())
    stack = unique("function")
    deployed = deploy(cloud, f"""
Resources:
  Role: {{Type: AWS::IAM::Role, Properties: {{AssumeRolePolicyDocument: {TRUST_LAMBDA}}}}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      {properties}
      Code:
        ZipFile: |{code}
Outputs:
  Function: {{Value: !Ref Function}}
""", stack)
    return deployed["Outputs"]["Function"], stack


def invoke(cloud: Cloud, name: str, event: object = None) -> tuple[object, str | None]:
    """The function's answer (or its error) and FunctionError."""
    response = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(response["Payload"]), response.get("FunctionError")


def role(cloud: Cloud, trust: dict, *statements: dict) -> str:
    """A role with an inline policy; its ARN."""
    iam, name = cloud.client("iam"), unique("role")
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **trust}]}))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}))
    return created["Role"]["Arn"]


def refusal(call: Callable, **arguments: object) -> str:
    """The error code of a call that has to fail."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def alive(pid: int) -> bool:
    try:
        # A process that nobody has waited for yet is as good as gone.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# What each patch mends: a check of the same name, run with the patch and without it


def nested_update(cloud: Cloud) -> tuple[dict, dict, dict]:
    """The stack after an update of one resource of its child; physical ids before and after."""
    name = unique("update")
    template = nesting(cloud, """
Parameters:
  Seconds: {Type: String}
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  Steady: {Type: AWS::SQS::Queue, DependsOn: Bucket}
  Changing: {Type: AWS::SQS::Queue, DependsOn: Bucket, Properties: {VisibilityTimeout: !Ref Seconds}}
Outputs:
  Steady: {Value: !GetAtt Steady.Arn}
""", "{Seconds: !Ref Seconds}")
    child = deploy(cloud, template, name)["Outputs"]["Child"]
    before = resources(cloud, child)
    return deploy(cloud, template, name, Seconds="60"), before, resources(cloud, child)


def nested_change_sets(cloud: Cloud) -> None:
    name = unique("preview")
    child = """
Parameters: {Seconds: {Type: String, Default: '30'}}
Resources:
  Kept: {Type: AWS::SQS::Queue}
  Changed: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Seconds}}
"""
    template = nesting(cloud, child, "{Seconds: !Ref Seconds}")
    deploy(cloud, template, name)
    cloudformation = cloud.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName=name, ChangeSetName="look", TemplateBody=template, IncludeNestedStacks=True,
        Parameters=[{"ParameterKey": "Seconds", "ParameterValue": "60"}])
    [root] = cloudformation.describe_change_set(ChangeSetName=made["Id"])["Changes"]
    assert "ChangeSetId" in root["ResourceChange"]
    nested = cloudformation.describe_change_set(ChangeSetName=root["ResourceChange"]["ChangeSetId"])
    delete(cloud, name)
    [change] = nested["Changes"]
    assert (change["ResourceChange"]["LogicalResourceId"], change["ResourceChange"]["Replacement"]) == (
        "Changed", "False")


def nested_attributes(cloud: Cloud) -> None:
    stack, _, _ = nested_update(cloud)
    assert stack["StackStatus"] == "UPDATE_COMPLETE"


def nested_names(cloud: Cloud) -> None:
    _, before, after = nested_update(cloud)
    assert before == after


def nested_create_rollback(cloud: Cloud) -> None:
    name = unique("broken")
    template = nesting(cloud, """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  KeptUnlessCreating: {Type: AWS::SQS::Queue, DeletionPolicy: RetainExceptOnCreate}
  Broken: {Type: AWS::No::Such, DependsOn: [Queue, KeptUnlessCreating]}
""")
    assert deploy(cloud, template, name)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert not cloud.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls")


def nested_retain(cloud: Cloud) -> None:
    name = unique("retain")
    deploy(cloud, nesting(cloud, """
Resources:
  Kept: {Type: AWS::SQS::Queue, DeletionPolicy: Retain}
  KeptUnlessCreating: {Type: AWS::SQS::Queue, DeletionPolicy: RetainExceptOnCreate}
  Deleted: {Type: AWS::SQS::Queue}
"""), name)
    delete(cloud, name)
    queues = cloud.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    assert sorted(url.rsplit("-", 2)[1] for url in queues) == ["Kept", "KeptUnlessCreating"]


def missing_code(cloud: Cloud) -> None:
    put(cloud, "other.zip", b"")
    stack = deploy(cloud, f"""
Resources:
  Role: {{Type: AWS::IAM::Role, Properties: {{AssumeRolePolicyDocument: {TRUST_LAMBDA}}}}}
  Function:
    Type: AWS::Lambda::Function
    Properties: {{Runtime: python3.13, Handler: index.handler, Role: !GetAtt Role.Arn,
                  Code: {{S3Bucket: artifacts, S3Key: missing.zip}}}}
""", unique("missing"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"


def deleted_function_ends(cloud: Cloud) -> None:
    name, stack = function(cloud, "import os\ndef handler(event, context): return os.getpid()")
    pid, _ = invoke(cloud, name)
    delete(cloud, stack)
    assert not alive(pid)


def python_runtime(cloud: Cloud) -> None:
    name, _ = function(cloud, """
import os, sys, time
def handler(event, context):
    if event == "fail":
        raise KeyError("of its own type")
    if event == "sleep":
        time.sleep(60)
    try:
        import boto3
    except ImportError as error:
        missing = str(error)
    import awslambdaric
    return {"environment": dict(os.environ), "path": sys.path, "missing": missing,
            "here": os.getcwd(), "pid": os.getpid(), "arn": context.invoked_function_arn}
""", "Timeout: 1\n      MemorySize: 256\n      Environment: {Variables: {OWN: value}}")
    seen, error = invoke(cloud, name)
    assert error is None
    assert seen["missing"] == "No module named 'boto3'"
    environment = seen["environment"]
    assert environment["OWN"] == "value"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{name}"
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert environment["TMPDIR"].startswith(str(cloud.folder))
    assert seen["here"] == environment["LAMBDA_TASK_ROOT"] == seen["path"][0]
    assert not {"HOME", "PYTHONPATH", "GATEWAY_PORT"} & set(environment)
    configuration = cloud.client("lambda").get_function(FunctionName=name)["Configuration"]
    assert (configuration["Runtime"], configuration["Handler"]) == ("python3.13", "index.handler")

    failure, error = invoke(cloud, name, "fail")
    assert (error, failure["errorType"]) == ("Unhandled", "KeyError")
    assert "in handler" in failure["stackTrace"][0]
    failure, _ = invoke(cloud, name, "sleep")
    assert failure["errorType"] == "Sandbox.Timedout"
    assert failure["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert not alive(seen["pid"]) and not Path(environment["TMPDIR"]).exists()

    broken, _ = function(cloud, "import no_such_module")
    failure, _ = invoke(cloud, broken)
    assert failure["errorType"] == "Runtime.ImportModuleError"
    assert failure["errorMessage"] == "Unable to import module 'index': No module named 'no_such_module'"


def function_logs(cloud: Cloud) -> None:
    name, _ = function(cloud, """
import os
def handler(event, context):
    print("one\\u2028line")
    return os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
""", "LoggingConfig: {LogFormat: Text, LogGroup: /sluice/logs}")
    stream, _ = invoke(cloud, name)
    invoke(cloud, name)
    events = cloud.client("logs").get_log_events(logGroupName="/sluice/logs", logStreamName=stream)["events"]
    assert [event["message"] for event in events].count("one\u2028line") == 2


def pipeline(cloud: Cloud) -> None:
    template = """
Conditions: {Never: !Equals [a, b]}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Pipeline:
    Type: AWS::CodePipeline::Pipeline
    Properties:
      RoleArn: !GetAtt Queue.Arn
      Stages: [{Name: Source, Actions: [{Name: !Sub '${AWS::Region}'}, !If [Never, {}, !Ref AWS::NoValue]]}]
Outputs:
  Name: {Value: !Ref Pipeline}
  Version: {Value: !GetAtt Pipeline.Version}
"""
    name = unique("pipeline")
    outputs = deploy(cloud, template, name)["Outputs"]
    assert outputs["Version"] == "1"
    record = cloud.folder / "pipelines" / f"{outputs['Name']}.json"
    assert json.loads(record.read_text()) == {
        "RoleArn": f"arn:aws:sqs:us-east-1:111122223333:{resources(cloud, name)['Queue'].rpartition('/')[2]}",
        "Stages": [{"Name": "Source", "Actions": [{"Name": "us-east-1"}]}]}
    outputs = deploy(cloud, template.replace("Name: Source", "Name: Changed"), name)["Outputs"]
    assert outputs["Version"] == "2"
    assert json.loads(record.read_text())["Stages"][0]["Name"] == "Changed"
    outputs = deploy(cloud, template.replace("Properties:", "Properties:\n      Name: named"), name)["Outputs"]
    assert outputs["Name"] == "named" and [path.name for path in record.parent.iterdir()] == ["named.json"]
    delete(cloud, name)
    assert not list(record.parent.iterdir())


def connection(cloud: Cloud) -> None:
    outputs = deploy(cloud, """
Resources:
  Connection: {Type: AWS::CodeConnections::Connection, Properties: {ConnectionName: c, ProviderType: GitHub}}
Outputs:
  Ref: {Value: !Ref Connection}
  Arn: {Value: !GetAtt Connection.ConnectionArn}
  Status: {Value: !GetAtt Connection.ConnectionStatus}
""", unique("connection"))["Outputs"]
    assert outputs["Ref"] == outputs["Arn"] and outputs["Status"] == "PENDING"
    assert outputs["Arn"].startswith("arn:aws:codeconnections:us-east-1:111122223333:connection/")


def releases(cloud: Cloud) -> None:
    template = """
Resources:
  Releases: {Type: AWS::CodeDeploy::Application, Properties: {ComputePlatform: Lambda}}
  Release:
    Type: AWS::CodeDeploy::DeploymentGroup
    Properties: {ApplicationName: !Ref Releases, DeploymentConfigName: CodeDeployDefault.LambdaAllAtOnce}
Outputs:
  Application: {Value: !Ref Releases}
  Group: {Value: !Ref Release}
"""
    name = unique("releases")
    outputs = deploy(cloud, template, name)["Outputs"]
    assert all(value.startswith(f"{name}-Release") for value in outputs.values())
    assert deploy(cloud, template.replace("AllAtOnce", "Canary10Percent5Minutes"), name)["Outputs"] == outputs
    delete(cloud, name)


def iam_decisions(cloud: Cloud) -> None:
    bucket = unique("decisions")
    cloud.client("s3").create_bucket(Bucket=bucket)
    arn = role(cloud, {"Principal": {"AWS": ACCOUNT_ROOT}},
               {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3 = cloud.client("s3", cloud.assume(arn, "tester"))
    s3.put_object(Bucket=bucket, Key="key")
    refusal(s3.delete_object, Bucket=bucket, Key="key")
    principal = f"arn:aws:sts::111122223333:assumed-role/{arn.rpartition('/')[2]}/tester"
    common = {"principal": principal, "role": arn.rpartition("/")[2], "resource": f"arn:aws:s3:::{bucket}/key"}
    assert [d for d in cloud.decisions() if d["principal"] == principal] == [
        {**common, "action": "s3:PutObject", "decision": "Allow"},
        {**common, "action": "s3:DeleteObject", "decision": "ImplicitDeny"}]
    assert not [d for d in cloud.decisions() if d["principal"] == ACCOUNT_ROOT]


def tls_on_loopback(cloud: Cloud) -> None:
    bucket, s3 = unique("tls"), cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    everything = {"Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}, **everything}]}))
    arn = role(cloud, {"Principal": {"AWS": ACCOUNT_ROOT}}, everything)
    cloud.client("s3", cloud.assume(arn, "tester")).put_object(Bucket=bucket, Key="key")


def missing_object_denied(cloud: Cloud) -> None:
    bucket, s3 = unique("missing"), cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    reading = {"Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    listing = {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    reader = cloud.client("s3", cloud.assume(role(cloud, trust, reading), "tester"))
    lister = cloud.client("s3", cloud.assume(role(cloud, trust, reading, listing), "tester"))
    for version in ({}, {"VersionId": "no-such-version"}):
        key = {"Bucket": bucket, "Key": "missing", **version}
        assert refusal(lister.head_object, **key) == "404"
        assert refusal(lister.get_object, **key) in ("NoSuchKey", "NoSuchVersion")
        assert refusal(reader.head_object, **key) == "403"
        assert refusal(reader.get_object, **key) == "AccessDenied"


def service_trust(cloud: Cloud) -> None:
    source = "arn:aws:codepipeline:us-east-1:111122223333:mine"
    arn = role(cloud, {"Principal": {"Service": "codepipeline.amazonaws.com"}, "Condition": {
        "StringEquals": {"aws:SourceAccount": "111122223333"}, "ArnEquals": {"aws:SourceArn": source}}})

    def assume(**caller):
        return cloud.assume(arn, "tester", **caller)

    credentials = assume(service="codepipeline.amazonaws.com", source_arn=source)
    assert cloud.client("sts", credentials).get_caller_identity()["Arn"].endswith("/tester")
    assert refusal(assume, service="codepipeline.amazonaws.com", source_arn=source + "-not") == "AccessDenied"
    assert refusal(assume, service="codebuild.amazonaws.com", source_arn=source) == "AccessDenied"
    assert refusal(assume) == "AccessDenied"


def root_signature(cloud: Cloud) -> None:
    for key in (ACCOUNT, "test", "123456789012"):
        for signature in ("v4", "s3"):
            stranger = boto3.client("s3", endpoint_url=cloud.endpoint, region_name=cloud.region,
                                    aws_access_key_id=key, aws_secret_access_key="test",
                                    config=Config(signature_version=signature))
            refusal(stranger.create_bucket, Bucket=unique("stranger"))
    s3, bucket = cloud.client("s3"), unique("signed")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"content"


def no_side_doors(cloud: Cloud) -> None:
    bucket, s3 = unique("kept"), cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(urllib.request.Request(f"{cloud.endpoint}/_ministack/reset", method="POST"))
    s3.head_bucket(Bucket=bucket)


def queue_batches(cloud: Cloud) -> None:
    url = cloud.client("sqs").create_queue(QueueName=unique("batches"))["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:111122223333:{url.rpartition('/')[2]}"
    trust, sending = {"Principal": {"AWS": ACCOUNT_ROOT}}, {"Action": "sqs:SendMessage", "Resource": queue}
    sender = cloud.client("sqs", cloud.assume(role(cloud, trust, sending), "tester"))
    assert len(sender.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])["Successful"]) == 1
    refusal(sender.delete_message_batch, QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": "x"}])


def subscription_resource(cloud: Cloud) -> None:
    topic = cloud.client("sns").create_topic(Name=unique("subscribed"))["TopicArn"]
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    subscriber = cloud.client("sns", cloud.assume(
        role(cloud, trust, {"Action": ["sns:Subscribe", "sns:Unsubscribe"], "Resource": f"{topic}*"}), "tester"))
    made = subscriber.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:111122223333:any")
    subscriber.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    other = cloud.client("sns").create_topic(Name=unique("other"))["TopicArn"]
    refusal(subscriber.unsubscribe, SubscriptionArn=f"{other}:00000000-0000-0000-0000-000000000000")


def change_set_names(cloud: Cloud) -> None:
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    looking = {"Action": "cloudformation:CreateChangeSet", "Resource": "*",
               "Condition": {"StringLike": {"cloudformation:ChangeSetName": "look-*"}}}
    planner = cloud.client("cloudformation", cloud.assume(role(cloud, trust, looking), "tester"))
    asked = {"StackName": unique("planned"), "ChangeSetType": "CREATE",
             "TemplateBody": json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})}
    planner.create_change_set(ChangeSetName="look-1", **asked)
    assert refusal(planner.create_change_set, ChangeSetName="plan-1", **asked) == "AccessDenied"


CHECKS = {check.__name__: check for check in (
    nested_attributes, nested_names, nested_create_rollback, nested_retain, nested_change_sets, missing_code,
    deleted_function_ends, python_runtime, function_logs, pipeline, connection, releases, iam_decisions,
    tls_on_loopback, missing_object_denied, service_trust, root_signature, no_side_doors, queue_batches,
    subscription_resource, change_set_names)}


@pytest.mark.parametrize("name", CHECKS)
def test_patch(cloud, name):
    CHECKS[name](cloud)


@pytest.mark.parametrize("name", CHECKS)
def test_patch_is_needed(name):
    """Red when a newer ministack does by itself what the patch is for."""
    with start(_without={name}) as stock, pytest.raises((AssertionError, ClientError, pytest.fail.Exception)):
        CHECKS[name](stock)


LOSING = """
import sys, threading
from pathlib import Path
from local import patches
patches.apply(Path(sys.argv[1]), set(sys.argv[2:]))
from ministack.services import sqs

class Busy(list):
    def __iter__(self):  # another thread sends when all messages have been looked at
        yield from super().__iter__()
        sender = threading.Thread(target=sqs._act_send_message, args=({"MessageBody": "new"}, url))
        sender.start()
        sender.join(0.2)
        senders.append(sender)

senders = []
url = sqs._act_create_queue({"QueueName": "queue"}, "")["QueueUrl"]
sqs._act_send_message({"MessageBody": "old"}, url)
[old] = sqs._receive_messages_for_esm(url, 10)
queue = sqs._get_q(url)
queue["messages"] = Busy(queue["messages"])
sqs._delete_messages_for_esm(url, {old["receipt_handle"]})
senders[0].join()
print([message["body"] for message in queue["messages"]])
"""


LISTING = """
from local.patches import access, functions, queues, stacks, stubs
print(*(patch.__name__ for module in (access, functions, queues, stacks, stubs) for patch in module.PATCHES))
"""


def inside(folder: Path, code: str, *arguments: str) -> str:
    """What `code` prints in a process that has ministack's modules, as the cloud's own has."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={
        "PATH": os.environ["PATH"], "PYTHONPATH": str(SCRIPTS), "TMPDIR": str(folder), "STATE_DIR": str(folder)})
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip()


@pytest.mark.parametrize(("without", "left"), [((), ["new"]), (("no_lost_messages",), [])])
def test_no_lost_messages(tmp_path, without, left):
    assert inside(tmp_path, LOSING, str(tmp_path), *without) == str(left)


def test_every_patch_has_a_check(tmp_path):
    assert set(inside(tmp_path, LISTING).split()) == {*CHECKS, "no_lost_messages"}


def test_environments_start_side_by_side(cloud):
    """All at once from one unzipped artifact; each call in an environment of its own."""
    name, _ = function(cloud, "import os, time\ndef handler(event, context): time.sleep(1); return os.getpid()")
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: invoke(cloud, name), range(6)))
    assert [error for _, error in answers] == [None] * 6
    assert len({pid for pid, _ in answers}) == 6


# How the cloud starts and ends


def listening(pid: int) -> set[tuple[str, int]]:
    """Address (as the kernel writes it) and port of the process's listening TCP sockets."""
    own = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    rows = [line.split() for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return {(row[1].partition(":")[0], int(row[1].rpartition(":")[2], 16))
            for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own}


def test_one_port_one_folder_and_nothing_after(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(Path("/tmp").glob("ministack*"))
    with start() as cloud:
        assert listening(cloud.pid) == {("0100007F", int(cloud.endpoint.rpartition(":")[2]))}
        assert [cloud.folder] == list(tmp_path.iterdir()) and cloud.folder.stat().st_mode & 0o077 == 0
        name, _ = function(cloud, "import os\ndef handler(event, context): return os.getpid()")
        worker, _ = invoke(cloud, name)
        assert alive(worker)
    assert not alive(worker) and not alive(cloud.pid)
    assert not list(tmp_path.iterdir()) and set(Path("/tmp").glob("ministack*")) == before
    cloud.stop()


PARENT = """
import test_cloud
cloud = test_cloud.start()
name, _ = test_cloud.function(cloud, "import os\\ndef handler(event, context): return os.getpid()")
print(cloud.pid, test_cloud.invoke(cloud, name)[0], cloud.folder, flush=True)
"""


@pytest.mark.parametrize("kept", [False, True])
def test_ends_with_its_parent_unless_kept(kept):
    ending = "cloud.keep()" if kept else "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    parent = subprocess.run([sys.executable, "-c", PARENT + ending], capture_output=True, text=True, env={
        **os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(Path(__file__).parent)])})
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
