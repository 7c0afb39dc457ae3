"""What CloudWatch knows of what runs in the local cloud: a check of each patch, run with the patches and without."""

import contextlib
import functools
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud, start
from support.cloud import TRUST_LAMBDA, deploy, eventually, unique

PATCHES = {
    *("embedded_metrics", "function_metrics", "api_metrics", "queue_metrics", "alarm_states"),
    *("metric_search", "composite_alarm"),
}

TEMPLATE = f"""
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {TRUST_LAMBDA}
      Policies: [{{PolicyName: all, PolicyDocument: {{Version: '2012-10-17', Statement: [
        {{Effect: Allow, Action: 'sqs:*', Resource: '*'}}, {{Effect: Allow, Action: 'kinesis:*', Resource: '*'}}]}}}}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import json
          def handler(event, context):
              print(json.dumps({{"_aws": {{"Timestamp": 0, "CloudWatchMetrics": [{{"Namespace": "Ours", "Dimensions":
                  [["state"], ["state", "dataset"]], "Metrics": [{{"Name": "Uploads", "Unit": "Count"}}]}}]}},
                  "state": "PARTIAL", "dataset": "prices", "Uploads": [2.0, 3.0]}}))
              print('{{"_aws": "nonsense"}}')
              if event.get("Records") and event["Records"][0].get("body") == "fail":
                  raise ValueError("as told")
              return {{"statusCode": 503 if event.get("rawPath") == "/down" else 200}}
  Taken: {{Type: AWS::SQS::Queue}}
  Waiting: {{Type: AWS::SQS::Queue}}
  Quiet: {{Type: AWS::SQS::Queue}}
  Stream: {{Type: AWS::Kinesis::Stream, Properties: {{ShardCount: 1}}}}
  TakenMapping: {{Type: AWS::Lambda::EventSourceMapping, Properties: {{EventSourceArn: !GetAtt Taken.Arn,
    FunctionName: !Ref Function, BatchSize: 1}}}}
  StreamMapping: {{Type: AWS::Lambda::EventSourceMapping, Properties: {{EventSourceArn: !GetAtt Stream.Arn,
    FunctionName: !Ref Function, StartingPosition: TRIM_HORIZON}}}}
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: api, ProtocolType: HTTP}}}}
  Stage: {{Type: AWS::ApiGatewayV2::Stage, Properties: {{ApiId: !Ref Api, StageName: $default, AutoDeploy: true}}}}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {{ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt Function.Arn,
      PayloadFormatVersion: '2.0'}}
  Default: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: $default,
    AuthorizationType: NONE, Target: !Sub 'integrations/${{Integration}}'}}}}
  Topic: {{Type: AWS::SNS::Topic}}
  Told: {{Type: AWS::SQS::Queue}}
  Admits:
    Type: AWS::SQS::QueuePolicy
    Properties: {{Queues: [!Ref Told], PolicyDocument: {{Version: '2012-10-17', Statement: [
      {{Effect: Allow, Principal: {{Service: sns.amazonaws.com}}, Action: 'sqs:SendMessage',
        Resource: !GetAtt Told.Arn}}]}}}}
  Subscription: {{Type: AWS::SNS::Subscription, Properties: {{TopicArn: !Ref Topic, Protocol: sqs,
    Endpoint: !GetAtt Told.Arn}}}}
  Letters:
    Type: AWS::CloudWatch::Alarm
    Properties: {{Namespace: AWS/SQS, MetricName: ApproximateNumberOfMessagesVisible, Statistic: Maximum, Period: 4,
      Dimensions: [{{Name: QueueName, Value: !GetAtt Waiting.QueueName}}], EvaluationPeriods: 1, Threshold: 0,
      ComparisonOperator: GreaterThanThreshold, TreatMissingData: notBreaching}}
  OfAnother:
    Type: AWS::CloudWatch::Alarm
    Properties: {{Namespace: AWS/SQS, MetricName: ApproximateNumberOfMessagesVisible, Statistic: Maximum, Period: 4,
      Dimensions: [{{Name: QueueName, Value: !GetAtt Quiet.QueueName}}], EvaluationPeriods: 1, Threshold: 0,
      ComparisonOperator: GreaterThanThreshold, TreatMissingData: notBreaching}}
"""
COMPOSITE = """
  Any: {Type: AWS::CloudWatch::CompositeAlarm, Properties: {AlarmRule: !Sub 'ALARM(${Letters}) OR ALARM(${OfAnother})',
    AlarmDescription: !Ref Text, AlarmActions: [!Ref Topic], OKActions: [!Ref Topic]}}
Parameters: {Text: {Type: String, Default: one of them}}
"""
OUTPUTS = """
Outputs:
  Function: {Value: !Ref Function}
  Taken: {Value: !Ref Taken}
  Waiting: {Value: !Ref Waiting}
  WaitingName: {Value: !GetAtt Waiting.QueueName}
  Stream: {Value: !Ref Stream}
  Api: {Value: !Ref Api}
  Endpoint: {Value: !GetAtt Api.ApiEndpoint}
  Told: {Value: !Ref Told}
  Letters: {Value: !Ref Letters}
  OfAnother: {Value: !Ref OfAnother}
"""


@dataclass
class Deployed:
    """The template above in a cloud."""

    cloud: Cloud
    stack: str
    outputs: dict[str, str]

    def values(self, namespace: str, metric: str, statistic: str = "Sum", **dimensions: str) -> list[float]:
        """The statistic of a metric in each minute that has values."""
        now = datetime.now(UTC)
        query = {
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        }
        [found] = self.cloud.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "a", "MetricStat": {"Metric": query, "Period": 3600, "Stat": statistic}}],
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1))["MetricDataResults"]
        return found["Values"]

    def of_function(self, metric: str, statistic: str = "Sum") -> float:
        return sum(self.values("AWS/Lambda", metric, statistic, FunctionName=self.outputs["Function"]))

    def state(self, output: str) -> str:
        name = self.outputs.get(output, output)
        found = self.cloud.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        [alarm] = [*found["MetricAlarms"], *found["CompositeAlarms"]]
        return alarm["StateValue"]


@contextlib.contextmanager
def deployed(without: set[str]) -> Iterator[Deployed]:
    with start(_without=without) as cloud:
        stack = unique("metrics")
        template = TEMPLATE + OUTPUTS if without else TEMPLATE + COMPOSITE + OUTPUTS
        yield Deployed(cloud, stack, deploy(cloud, template, stack)["Outputs"])


@pytest.fixture(scope="module")
def patched() -> Iterator[Deployed]:
    with deployed(set()) as found:
        yield found


@pytest.fixture(scope="module")
def stock() -> Iterator[Deployed]:
    with deployed(PATCHES) as found:
        yield found


def embedded_metrics(at: Deployed) -> None:
    before = at.values("Ours", "Uploads", state="PARTIAL", dataset="prices")
    at.cloud.client("lambda").invoke(FunctionName=at.outputs["Function"], Payload=b"{}")
    assert sum(at.values("Ours", "Uploads", state="PARTIAL", dataset="prices")) == sum(before) + 5
    assert at.values("Ours", "Uploads", state="PARTIAL") and not at.values("Ours", "Uploads", dataset="prices")


def function_metrics(at: Deployed) -> None:
    before = {name: at.of_function(name) for name in ("Invocations", "Errors")}
    at.cloud.client("sqs").send_message(QueueUrl=at.outputs["Taken"], MessageBody="fail")
    eventually(lambda: at.of_function("Errors") > before["Errors"])
    assert at.of_function("Invocations") > before["Invocations"]
    assert at.of_function("Duration", "Maximum") > 0
    assert at.of_function("ConcurrentExecutions", "Maximum") >= 1
    at.cloud.client("kinesis").put_record(StreamName=at.outputs["Stream"], Data=b"{}", PartitionKey="a")
    eventually(lambda: at.values("AWS/Lambda", "IteratorAge", FunctionName=at.outputs["Function"]))
    before = at.of_function("Invocations")
    at.cloud.client("lambda").invoke(FunctionName=at.outputs["Function"], Payload=b"{}")
    assert at.of_function("Invocations") - before in (1, 2), "not twice; the message above may come back meanwhile"


def api_metrics(at: Deployed) -> None:
    for path in ("/up", "/down"):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(
                f"{at.cloud.endpoint}{path}", headers={"Host": at.outputs["Endpoint"].partition("://")[2]}))
    counted = {metric: sum(at.values("AWS/ApiGateway", metric, ApiId=at.outputs["Api"]))
               for metric in ("Count", "4xx", "5xx")}
    assert counted == {"Count": 2, "4xx": 0, "5xx": 1}
    assert at.values("AWS/ApiGateway", "Latency", "p95", ApiId=at.outputs["Api"])[0] > 0


def queue_metrics(at: Deployed) -> None:
    name = at.outputs["WaitingName"]
    at.cloud.client("sqs").send_message(QueueUrl=at.outputs["Waiting"], MessageBody="waits")
    eventually(lambda: max(at.values("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QueueName=name),
                           default=0) == 1)
    eventually(lambda: at.values("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", QueueName=name)[0] > 1)


def alarm_states(at: Deployed) -> None:
    sqs = at.cloud.client("sqs")
    sqs.send_message(QueueUrl=at.outputs["Waiting"], MessageBody="waits")
    eventually(lambda: at.state("Letters") == "ALARM")
    assert at.state("OfAnother") == "OK"
    sqs.purge_queue(QueueUrl=at.outputs["Waiting"])
    eventually(lambda: at.state("Letters") == "OK")


def metric_search(at: Deployed) -> None:
    cloudwatch = at.cloud.client("cloudwatch")
    for name, value in (("sluice-one", 5), ("sluice-one", 6), ("sluice-two", 7), ("other", 8)):
        data = {"MetricName": "Ended", "Dimensions": [{"Name": "Name", "Value": name}], "Value": value}
        cloudwatch.put_metric_data(Namespace="Search", MetricData=[data])
    cloudwatch.put_metric_data(Namespace="Search", MetricData=[{"MetricName": "Ended", "Value": 9}])

    now = datetime.now(UTC)
    expression = """SEARCH('{Search,Name} MetricName="Ended" sluice', 'Sum', 3600)"""
    found = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "a", "Expression": expression, "Label": "ended"}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1))["MetricDataResults"]
    assert sorted((one["Id"], one["Label"], sum(one["Values"])) for one in found) == [
        ("a", "ended", 7), ("a", "ended", 11)]


def composite_alarm(at: Deployed) -> None:
    sqs, cloudwatch = at.cloud.client("sqs"), at.cloud.client("cloudwatch")

    def named() -> dict:
        return cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]

    def told() -> list[str]:
        found = sqs.receive_message(QueueUrl=at.outputs["Told"], MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=at.outputs["Told"], ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(json.loads(one["Body"])["Message"])["NewStateValue"] for one in found]

    deploy(at.cloud, TEMPLATE + COMPOSITE + OUTPUTS, at.stack, Text="some text")
    eventually(lambda: named()["StateValue"] == "OK")
    told()
    sqs.send_message(QueueUrl=at.outputs["Waiting"], MessageBody="waits")
    eventually(lambda: named()["StateValue"] == "ALARM")
    assert eventually(told) == ["ALARM"]
    sqs.purge_queue(QueueUrl=at.outputs["Waiting"])
    eventually(lambda: named()["StateValue"] == "OK")
    assert eventually(told) == ["OK"]
    deploy(at.cloud, TEMPLATE + COMPOSITE + OUTPUTS, at.stack, Text="another text")
    assert (named()["AlarmDescription"], named()["StateValue"]) == ("another text", "OK")
    deploy(at.cloud, TEMPLATE + OUTPUTS, at.stack)
    assert cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"] == []


CHECKS = {check.__name__: check for check in (
    embedded_metrics, function_metrics, api_metrics, queue_metrics, alarm_states, metric_search, composite_alarm)}


@pytest.mark.parametrize("name", CHECKS)
def test_patch(patched, name):
    CHECKS[name](patched)


@pytest.mark.parametrize("name", CHECKS)
def test_patch_is_needed(stock, name, monkeypatch):
    """Red when a newer ministack does by itself what the patch is for."""
    monkeypatch.setattr(sys.modules[__name__], "eventually", functools.partial(eventually, seconds=4))
    with pytest.raises((AssertionError, ClientError, LookupError, pytest.fail.Exception)):
        CHECKS[name](stock)


def test_every_patch_has_a_check():
    assert set(CHECKS) == PATCHES
