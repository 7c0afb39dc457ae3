"""What each patch of the local cloud mends: a check of the same name, run with the patch and without it."""

import functools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud import ACCOUNT, SCRIPTS, Cloud, start
from support.cloud import (
    ACCOUNT_ROOT,
    TRUST_LAMBDA,
    alive,
    delete,
    deploy,
    eventually,
    function,
    invoke,
    nesting,
    put,
    refusal,
    resources,
    role,
    unique,
)


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
Parameters:
  Seconds: {Type: String, Default: '30', AllowedPattern: '^[0-9]+$|^[{][{]IntrinsicFunction:.*Other.Outputs.*[}][}]$'}
Resources:
  Kept: {Type: AWS::SQS::Queue}
  Changed: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Seconds}}
"""
    template = nesting(cloud, child, "{Seconds: !Ref Seconds}")
    lasting = "Conditions: {Brief: !Equals [!Ref Seconds, '30'], Long: !Not [Condition: Brief]}\nOutputs:"
    conditional = "".join(f"  {name}: {{Type: AWS::SQS::Queue, Condition: {name}}}\n" for name in ("Brief", "Long"))
    template = template.replace("Outputs:", conditional + lasting)
    not_yet = "  Other: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: 'https://bucket/later.yaml'}}\n"
    wired = template.replace("{Seconds: !Ref Seconds}", "{Seconds: !GetAtt Other.Outputs.Seconds}")
    wired = wired.replace("  Brief: {Type", f"{not_yet}  Brief: {{Type")
    deploy(cloud, template, name)
    cloudformation = cloud.client("cloudformation")

    def preview(body: str, **given: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """The actions on the root's resources by logical id, and what the change set of Child says."""
        made = cloudformation.create_change_set(
            StackName=name, ChangeSetName=unique("look"), TemplateBody=body, IncludeNestedStacks=True,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()])
        changes = cloudformation.describe_change_set(ChangeSetName=made["Id"])["Changes"]
        found = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in changes}
        assert "ChangeSetId" in found["Child"]
        nested = cloudformation.describe_change_set(ChangeSetName=found["Child"]["ChangeSetId"])["Changes"]
        inner = [(one["ResourceChange"]["LogicalResourceId"], one["ResourceChange"]["Replacement"]) for one in nested]
        return {logical: change["Action"] for logical, change in found.items()}, inner

    of_child = [("Changed", "False")]
    assert preview(template, Seconds="60") == ({"Child": "Modify", "Brief": "Remove", "Long": "Add"}, of_child)
    assert preview(wired) == ({"Child": "Modify", "Other": "Add"}, of_child)
    delete(cloud, name)


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


CLUSTER = """
Resources:
  Cluster:
    Type: AWS::RDS::DBCluster
    Properties: {Engine: aurora-mysql, MasterUsername: admin, ManageMasterUserPassword: true, DatabaseName: sluice}
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {GenerateSecretString: {SecretStringTemplate: '{"username": "sluice"}', GenerateStringKey: password}}
  Attachment:
    Type: AWS::SecretsManager::SecretTargetAttachment
    Properties: {SecretId: !Ref Secret, TargetType: AWS::RDS::DBCluster, TargetId: !Ref Cluster}
Outputs:
  Secret: {Value: !Ref Secret}"""


def secret(cloud: Cloud, arn: str, **version: str) -> dict:
    return json.loads(cloud.client("secretsmanager").get_secret_value(SecretId=arn, **version)["SecretString"])


def master_secret(cloud: Cloud) -> None:
    name = unique("database")
    template = f"{CLUSTER}\n  Master: {{Value: !GetAtt Cluster.MasterUserSecret.SecretArn}}"
    outputs = deploy(cloud, template, name)["Outputs"]
    assert "Master" in outputs
    master = secret(cloud, outputs["Master"])
    assert (master["username"], len(master["password"]) > 20) == ("admin", True)
    delete(cloud, name)
    assert refusal(secret, cloud=cloud, arn=outputs["Master"]) == "ResourceNotFoundException"


def database_server(cloud: Cloud) -> None:
    server = {"host": "127.0.0.1", "port": 13306, "user": "admin", "password": "known", "authority": "/authority.pem"}
    (cloud.folder / "database.json").write_text(json.dumps(server))
    try:
        found = secret(cloud, deploy(cloud, CLUSTER, unique("database"))["Outputs"]["Secret"])
        assert (found["host"], found["port"], found["dbname"]) == ("127.0.0.1", 13306, "sluice")
    finally:
        (cloud.folder / "database.json").unlink()


def rotation(cloud: Cloud) -> None:
    manager = cloud.client("secretsmanager")
    arn = manager.create_secret(Name=unique("secret"), SecretString='{"old": true}')["ARN"]
    name, _ = function(cloud, 'def handler(event, context): print("step", event["Step"], event["SecretId"])')
    manager.rotate_secret(SecretId=arn, RotationLambdaARN=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}")

    def steps():
        try:
            logged = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except ClientError:
            return []
        return [line["message"].split()[1:] for line in logged if line["message"].startswith("step")]

    eventually(lambda: len(steps()) == 4)
    assert steps() == [[step, arn] for step in ("createSecret", "setSecret", "testSecret", "finishSecret")]
    # What becomes of the value is the function's matter.
    assert secret(cloud, arn) == {"old": True}
    assert refusal(secret, cloud=cloud, arn=arn, VersionStage="AWSPENDING") == "ResourceNotFoundException"


def group_egress(cloud: Cloud) -> None:
    deployed = deploy(cloud, """
Resources:
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: any}}
  Egress:
    Type: AWS::EC2::SecurityGroupEgress
    Properties: {GroupId: !GetAtt Group.GroupId, IpProtocol: tcp, DestinationSecurityGroupId: !GetAtt Group.GroupId}
Outputs: {Egress: {Value: !Ref Egress}}""", unique("group"))
    assert deployed["StackStatus"] == "CREATE_COMPLETE", deployed
    assert deployed["Outputs"]["Egress"].startswith("sgr-")


def rotation_schedule(cloud: Cloud) -> None:
    deployed = deploy(cloud, """
Resources:
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: any}}
  Schedule:
    Type: AWS::SecretsManager::RotationSchedule
    Properties:
      SecretId: !Ref Secret
      RotationLambdaARN: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:any
      RotateImmediatelyOnUpdate: false
      RotationRules: {ScheduleExpression: rate(30 days)}
Outputs: {Secret: {Value: !Ref Schedule}}""", unique("rotated"))
    assert deployed["StackStatus"] == "CREATE_COMPLETE", deployed
    found = cloud.client("secretsmanager").describe_secret(SecretId=deployed["Outputs"]["Secret"])
    assert (found["RotationEnabled"], found["RotationRules"]) == (True, {"ScheduleExpression": "rate(30 days)"})


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


def allowed_but_denied(cloud: Cloud, bucket: str, action: str, condition: dict) -> object:
    """A new bucket that denies an action on a condition, as S3 is seen by a role that may take it."""
    s3, statement = cloud.client("s3"), {"Action": action, "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Condition": condition, **statement}]}))
    arn = role(cloud, {"Principal": {"AWS": ACCOUNT_ROOT}}, statement)
    return cloud.client("s3", cloud.assume(arn, "tester"))


def tls_on_loopback(cloud: Cloud) -> None:
    bucket = unique("tls")
    s3 = allowed_but_denied(cloud, bucket, "s3:*", {"Bool": {"aws:SecureTransport": "false"}})
    s3.put_object(Bucket=bucket, Key="key")


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


def conditional_writes(cloud: Cloud) -> None:
    bucket = unique("conditional")
    writer = allowed_but_denied(cloud, bucket, "s3:PutObject", {"Null": {"s3:if-none-match": "true"}})
    assert refusal(writer.put_object, Bucket=bucket, Key="key", Body=b"1") == "AccessDenied"
    writer.put_object(Bucket=bucket, Key="key", Body=b"1", IfNoneMatch="*")
    assert refusal(writer.put_object, Bucket=bucket, Key="key", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"


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


def message_moves(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    letters, work = (sqs.create_queue(QueueName=unique(name))["QueueUrl"] for name in ("letters", "work"))
    arn = sqs.get_queue_attributes(QueueUrl=letters, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=work, Attributes={"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(
        {"deadLetterTargetArn": arn, "maxReceiveCount": 1})})
    sqs.send_message(QueueUrl=work, MessageBody="again")

    def received(url: str) -> list[dict]:
        return sqs.receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages", [])

    [first] = received(work)
    assert not received(work)
    sqs.start_message_move_task(SourceArn=arn)
    assert not received(letters)
    [again] = received(work)
    assert (again["Body"], again["Attributes"]["ApproximateReceiveCount"]) == ("again", "1")
    assert again["MessageId"] != first["MessageId"]


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


def role_as_principal(cloud: Cloud) -> None:
    trust, assuming = {"Principal": {"AWS": ACCOUNT_ROOT}}, {"Action": "sts:AssumeRole", "Resource": "*"}
    step, other = role(cloud, trust, assuming), role(cloud, trust, assuming)
    target = role(cloud, {**trust, "Condition": {"ArnLike": {"aws:PrincipalArn": step}}})

    def assume(caller):
        sts = cloud.client("sts", cloud.assume(caller, "tester"))
        return sts.assume_role(RoleArn=target, RoleSessionName="tester")["AssumedRoleUser"]["Arn"]

    assert target.rpartition("/")[2] in assume(step)
    assert refusal(assume, caller=other) == "AccessDenied"


def caller_of_another_account(cloud: Cloud) -> None:
    bucket = unique("theirs")
    theirs = cloud.of("444455556666").client("s3")
    theirs.create_bucket(Bucket=bucket)
    trust, putting = {"Principal": {"AWS": ACCOUNT_ROOT}}, {"Action": "s3:PutObject", "Resource": "*"}
    ours, other = role(cloud, trust, putting), role(cloud, trust, putting)
    theirs.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ACCOUNT_ROOT}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/in/*", "Condition": {"ArnEquals": {"aws:PrincipalArn": ours}}}]}))
    our, another = (cloud.client("s3", cloud.assume(arn, "tester")) for arn in (ours, other))
    our.put_object(Bucket=bucket, Key="in/ours", Body=b"")
    assert refusal(our.put_object, Bucket=bucket, Key="elsewhere", Body=b"") == "AccessDenied"
    assert refusal(another.put_object, Bucket=bucket, Key="in/another", Body=b"") == "AccessDenied"
    assert [found["Key"] for found in theirs.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/ours"]


def objects_of_other_accounts(cloud: Cloud) -> None:
    template = nesting(cloud, "Resources: {Queue: {Type: AWS::SQS::Queue}}")
    assert deploy(cloud.of("444455556666"), template, unique("apart"))["StackStatus"] == "CREATE_COMPLETE"


def role_boundaries(cloud: Cloud) -> None:
    bounding = """
Parameters:
  Action: {Type: String}
Resources:
  First: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {
    Version: '2012-10-17', Statement: [{Effect: Allow, Action: !Ref Action, Resource: '*'}]}}}
  Second: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {
    Version: '2012-10-17', Statement: [{Effect: Allow, Action: 'sns:*', Resource: '*'}]}}}
  Role: {Type: AWS::IAM::Role, Properties: {PermissionsBoundary: !Ref %s,
    AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: [
      {Effect: Allow, Principal: {AWS: 'arn:aws:iam::111122223333:root'}, Action: 'sts:AssumeRole'}]},
    Policies: [{PolicyName: all, PolicyDocument: {
      Version: '2012-10-17', Statement: [{Effect: Allow, Action: ['sqs:*', 'sns:*'], Resource: '*'}]}}]}}
Outputs:
  Role: {Value: !GetAtt Role.Arn}
"""
    name = unique("bounded")

    def may(policy: str) -> list[bool]:
        arn = deploy(cloud, bounding % policy, name, Action="sqs:ListQueues")["Outputs"]["Role"]
        credentials = cloud.assume(arn, "tester")
        calls = (cloud.client("sqs", credentials).list_queues, cloud.client("sns", credentials).list_topics)
        return [succeeds(call) for call in calls]

    def succeeds(call) -> bool:
        try:
            return bool(call())
        except ClientError:
            return False

    assert may("First") == [True, False]
    assert may("Second") == [False, True]


CHECKS = {check.__name__: check for check in (
    nested_attributes, nested_names, nested_create_rollback, nested_retain, nested_change_sets, missing_code,
    deleted_function_ends, python_runtime, function_logs, pipeline, connection, releases, iam_decisions,
    tls_on_loopback, missing_object_denied, conditional_writes, service_trust, root_signature, no_side_doors,
    message_moves, queue_batches, subscription_resource, change_set_names, role_as_principal, caller_of_another_account,
    objects_of_other_accounts, role_boundaries, master_secret, database_server, rotation, group_egress,
    rotation_schedule)}


@pytest.mark.parametrize("name", CHECKS)
def test_patch(cloud, name):
    CHECKS[name](cloud)


@pytest.mark.parametrize("name", CHECKS)
def test_patch_is_needed(name, monkeypatch):
    """Red when a newer ministack does by itself what the patch is for."""
    monkeypatch.setattr(sys.modules[__name__], "eventually", functools.partial(eventually, seconds=4))
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
from local.patches import access, databases, functions, http_apis, metrics, queues, stacks, streams, stubs
modules = access, databases, functions, http_apis, metrics, queues, stacks, streams, stubs
print(*(patch.__name__ for module in modules for patch in module.PATCHES))
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


# A look at what the schedules' thread does every ten seconds.
STARTING = """
import sys
from pathlib import Path
from local import patches
patches.apply(Path(sys.argv[1]), set(sys.argv[2:]))
from ministack.services import eventbridge, scheduler

eventbridge._invoke_target = lambda target, event, rule: print(target["Input"])
target = {"Arn": "arn:function", "RoleArn": "arn:role", "Input": "for <aws.scheduler.scheduled-time>"}
scheduler._create_schedule("once", {
    "ScheduleExpression": "at(2026-11-20T10:00:00)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target})
scheduler._tick_schedules()
"""


@pytest.mark.parametrize(
    ("without", "told"),
    [((), "for 2026-11-20T10:00:00Z"), (("scheduled_time",), "for <aws.scheduler.scheduled-time>")],
)
def test_scheduled_time(tmp_path, without, told):
    assert inside(tmp_path, STARTING, str(tmp_path), *without) == told


def test_every_patch_has_a_check(tmp_path):
    elsewhere = {"kinesis_mappings", "dynamodb_mappings", "starting_timestamp", "sequence_numbers",  # test_streams.py
                 "cross_origin", "access_logs", "disabled_endpoint",  # test_http_apis.py
                 "embedded_metrics", "function_metrics", "api_metrics", "queue_metrics", "alarm_states",
                 "metric_search", "composite_alarm"}  # test_metrics.py
    assert set(inside(tmp_path, LISTING).split()) == {*CHECKS, "no_lost_messages", "scheduled_time"} | elsewhere
