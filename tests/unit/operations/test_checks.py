"""`scripts/sluice doctor`: what it finds, and the command that mends it."""

import boto3
import pytest
from botocore.exceptions import ClientError

from delivery.subscriptions import Subscription
from operations import checks
from operations.checks import CHECKS, Finding, examine
from operations.deployment import find

ALARMS = """
Resources:
  DeadLetters:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmActions:
      - !Ref AlertTopicArn
  NewVersion:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Namespace: AWS/Lambda
"""
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"


@pytest.fixture
def cloudwatch(aws, stacks):
    """Two alarms, of which one has actions by its template."""
    stacks.nested["Monitoring"] = {
        "DeadLetters": ("AWS::CloudWatch::Alarm", "dead-letters"),
        "NewVersion": ("AWS::CloudWatch::Alarm", "new-version"),
    }
    stacks.templates["Monitoring"] = ALARMS
    client = boto3.client("cloudwatch")
    put_alarm(client, "dead-letters", AlarmActions=[TOPIC])
    put_alarm(client, "new-version")
    return client


def put_alarm(client, name: str, **more) -> None:
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SQS",
        MetricName="Any",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=0,
        **more,
    )


@pytest.fixture(autouse=True)
def heard(aws, stacks):
    """Somebody is subscribed to the alarms."""
    aws.sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:subscriber")


def found(name: str) -> list[Finding]:
    return list(examine(find(), {name: CHECKS[name]}))


def test_a_deployment_that_is_well_is_0(sluice, cloudwatch):
    assert sluice("doctor").out == "sluice-staging is well: subscriptions, dead letters, mappings, alarms, drift\n"
    assert sluice("doctor", "--json").document["findings"] == []


def test_a_finding_is_1_with_the_command_that_mends_it(aws, sluice, stacks):
    stacks.nested["Queue"] = {"DeadLetters": ("AWS::SQS::Queue", aws.dead_letters)}
    aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody="{}")

    [finding] = sluice("doctor", "--json", code=1).document["findings"]
    assert "mend: scripts/sluice redrive --stack sluice-staging" in sluice("doctor", code=1).out
    assert finding["check"] == "dead letters" and finding["what"].startswith("1 message in Queue/DeadLetters")
    assert finding["mend"] == "scripts/sluice redrive --stack sluice-staging"


def test_a_subscription_that_nobody_has_confirmed_is_found(monkeypatch):
    listed = {
        "uploads": [Subscription("uploads", "email", "a@example.org", None)],
        "alerts": [Subscription("alerts", "email", "b@example.org", None)],
    }
    monkeypatch.setattr(checks, "subscriptions", lambda sns, topic: iter(listed[topic.rpartition(":")[2]]))

    waiting, alarms, unheard = found("subscriptions")

    assert "a@example.org has not confirmed" in waiting.what
    assert alarms.mend == (
        f"aws sns subscribe --topic-arn {TOPIC} --protocol email --notification-endpoint b@example.org"
    )
    assert "nobody is subscribed to the alarms" in unheard.what


def test_messages_that_a_function_will_read_are_no_dead_letters(aws, stacks, monkeypatch):
    arn = "arn:aws:sqs:us-east-1:123456789012:"
    policy = f'{{"deadLetterTargetArn": "{arn}discarded-dead", "maxReceiveCount": 3}}'
    aws.sqs.create_queue(QueueName="discarded-dead")
    aws.sqs.create_queue(QueueName="discarded", Attributes={"RedrivePolicy": policy})
    aws.sqs.create_queue(QueueName="rollup-failures")
    names = ("intake", "discarded", "discarded-dead", "rollup-failures")
    urls = {name: aws.sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names}
    stacks.nested["Queue"] = {name: ("AWS::SQS::Queue", url) for name, url in urls.items()}
    mappings = {name: {"EventSourceArn": arn + name, "State": "Enabled"} for name in ("intake", "discarded")}
    monkeypatch.setattr(checks, "_mappings", lambda deployment: mappings)
    for url in urls.values():
        aws.sqs.send_message(QueueUrl=url, MessageBody="{}")

    discarded, rollups = found("dead letters")

    assert "1 message in Queue/discarded-dead" in discarded.what
    assert discarded.mend == f"aws sqs start-message-move-task --source-arn {arn}discarded-dead"
    assert "1 message in Queue/rollup-failures" in rollups.what
    assert rollups.mend.startswith(f"aws sqs purge-queue --queue-url {urls['rollup-failures']}")


@pytest.mark.parametrize(("state", "count"), [("Enabled", 0), ("Creating", 0), ("Disabled", 1), ("Disabling", 1)])
def test_a_mapping_that_is_switched_off_is_found(stacks, monkeypatch, state, count):
    mapping = {"EventSourceArn": "arn:queue", "State": state, "UUID": "1234"}
    monkeypatch.setattr(checks, "_mappings", lambda deployment: {"Mapping": mapping})

    findings = found("mappings")

    assert len(findings) == count
    assert all(one.mend == "aws lambda update-event-source-mapping --enabled --uuid 1234" for one in findings)


def test_a_mapping_that_is_gone_is_found_and_hinders_no_look_at_the_queues(aws, stacks):
    uuid = "12345678-1234-1234-1234-123456789012"
    stacks.nested["Lambda"] = {"ProcessMapping": ("AWS::Lambda::EventSourceMapping", uuid)}
    stacks.nested["Queue"] = {"DeadLetters": ("AWS::SQS::Queue", aws.dead_letters)}
    aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody="{}")

    [gone], [letter] = found("mappings"), found("dead letters")

    assert "Lambda/ProcessMapping is gone" in gone.what
    assert gone.mend.startswith("aws cloudformation create-change-set --stack-name Lambda ")
    assert letter.what.startswith("1 message in Queue/DeadLetters")


def test_an_alarm_that_is_gone_is_found_and_put_back_by_a_change_set_that_sees_it(cloudwatch, stacks):
    """What its properties were, the check of the drift does not tell: of what is gone there are none."""
    stacks.parameters = {"Environment": "staging", "ApiId": "none"}
    cloudwatch.delete_alarms(AlarmNames=["dead-letters"])

    [finding] = found("alarms")

    assert "Monitoring/DeadLetters (dead-letters) is gone" in finding.what
    assert "whatever else was changed there by hand" in finding.what
    made, waited, executed = finding.mend.split(" && ")
    which = "--stack-name Monitoring --change-set-name undo-drift"
    assert made == (
        f"aws cloudformation create-change-set {which} --use-previous-template --deployment-mode REVERT_DRIFT "
        "--parameters ParameterKey=Environment,UsePreviousValue=true ParameterKey=ApiId,UsePreviousValue=true"
    )
    assert waited == f"aws cloudformation wait change-set-create-complete {which}"
    assert executed == f"aws cloudformation execute-change-set {which}"


def test_a_composite_alarm_that_is_gone_is_found(cloudwatch, stacks):
    stacks.nested["Monitoring"]["Impaired"] = ("AWS::CloudWatch::CompositeAlarm", "impaired")

    [finding] = found("alarms")

    assert "Monitoring/Impaired (impaired) is gone" in finding.what
    assert "REVERT_DRIFT && " in finding.mend


def test_an_alarm_without_the_actions_of_its_template_is_found(cloudwatch):
    put_alarm(cloudwatch, "dead-letters")

    [finding] = found("alarms")

    assert "Monitoring/DeadLetters (dead-letters) has no actions" in finding.what


def test_an_alarm_whose_actions_are_switched_off_is_found(cloudwatch):
    cloudwatch.disable_alarm_actions(AlarmNames=["new-version"])

    [finding] = found("alarms")

    assert finding.mend == "aws cloudwatch enable-alarm-actions --alarm-names new-version"


def test_an_alarm_that_is_raised_is_found_with_its_section_of_the_runbook(cloudwatch):
    cloudwatch.set_alarm_state(AlarmName="dead-letters", StateValue="ALARM", StateReason="1 > 0")

    [finding] = found("alarms")

    assert "is raised: 1 > 0" in finding.what and finding.mend == "docs/runbook.md, section DeadLetters"


def test_drift_is_found_resource_by_resource(stacks):
    stacks.nested["Queue"] = {}
    stacks.drifted["Queue"] = [
        {
            "LogicalResourceId": "Intake",
            "ResourceType": "AWS::SQS::Queue",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [{"PropertyPath": "/VisibilityTimeout"}],
        }
    ]

    [finding] = found("drift")

    assert "Queue/Intake (AWS::SQS::Queue) is MODIFIED: /VisibilityTimeout" in finding.what
    assert finding.mend.endswith("--stack-name Queue")


def test_a_check_that_cannot_be_made_is_a_finding_and_hinders_no_other(aws, sluice, stacks):
    stacks.undetectable = "the stack is being updated"
    stacks.nested["Queue"] = {"DeadLetters": ("AWS::SQS::Queue", aws.dead_letters)}
    aws.sqs.send_message(QueueUrl=aws.dead_letters, MessageBody="{}")

    findings = sluice("doctor", "--json", code=1).document["findings"]

    assert [one["check"] for one in findings] == ["dead letters", "drift"]
    assert "could not be checked" in findings[1]["what"] and "being updated" in findings[1]["what"]


def test_an_error_of_ours_is_no_finding():
    def fail(deployment):
        raise ValueError("a mistake")
        yield

    with pytest.raises(ValueError, match="a mistake"):
        list(examine(None, {"x": fail}))


def test_an_error_of_aws_names_the_check():
    def refuse(deployment):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeAlarms")
        yield

    class Deployment:
        stack = "sluice-staging"

    [finding] = examine(Deployment(), {"alarms": refuse})
    assert finding.check == "alarms" and "not you" in finding.what and "Use credentials that may read" in finding.what
