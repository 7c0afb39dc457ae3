"""Streams that functions read: a check of what Lambda does with each setting, run with the patches and without them."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.cloud import Cloud, start
from support.cloud import TRUST_LAMBDA, deploy, eventually, unique

STREAM_PATCHES = {"kinesis_mappings", "dynamodb_mappings", "starting_timestamp", "sequence_numbers"}

# A record says what is to become of it: it fails the call, is reported as failed, or takes its time.
CONSUMER = """
import base64, json, os, time
def record(one):
    if "kinesis" in one:
        return {**json.loads(base64.b64decode(one["kinesis"]["data"])), "sequence": one["kinesis"]["sequenceNumber"]}
    return {"id": one["dynamodb"]["Keys"]["id"]["S"], "sequence": one["dynamodb"]["SequenceNumber"],
            **{name: True for name in one["dynamodb"]["Keys"]["id"]["S"].split("-")[1:]}}
def handler(event, context):
    records = [record(one) for one in event["Records"]]
    line = {"ids": [one["id"] for one in records], "at": time.time(), "arn": context.invoked_function_arn,
            "version": context.function_version}
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(line) + chr(10))
    time.sleep(sum(one.get("sleep", 0) for one in records))
    if any(one.get("fail") for one in records):
        raise ValueError("poison")
    if report := next((one["report"] for one in records if one.get("report", True) is not True), None):
        return report
    return {"batchItemFailures": [{"itemIdentifier": one["sequence"]} for one in records if one.get("report")]}
"""

TEMPLATE = """
Parameters: {{Factor: {{Type: String, Default: '1'}}}}
Resources:
  Source: {source}
  Bucket:
    Type: AWS::S3::Bucket
    DependsOn: Policy
    Properties:
      VersioningConfiguration: {{Status: Enabled}}
      NotificationConfiguration: {{QueueConfigurations: [{{Event: 's3:ObjectCreated:*', Queue: !GetAtt Queue.Arn,
        Filter: {{S3Key: {{Rules: [{{Name: prefix, Value: aws/lambda/}}]}}}}}}]}}
  Queue: {{Type: AWS::SQS::Queue}}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties: {{Queues: [!Ref Queue], PolicyDocument: {{Version: '2012-10-17', Statement: [
      {{Effect: Allow, Principal: {{Service: s3.amazonaws.com}}, Action: 'sqs:SendMessage',
        Resource: !GetAtt Queue.Arn}}]}}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {trust}
      Policies: [{{PolicyName: all, PolicyDocument: {{Version: '2012-10-17', Statement: [
        {{Effect: Allow, Resource: '*', Action: {actions}}}]}}}}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Environment: {{Variables: {{CALLS: {calls}}}}}
      Code: {{ZipFile: {code}}}
  Version: {{Type: AWS::Lambda::Version, Properties: {{FunctionName: !Ref Function}}}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {{Name: live, FunctionName: !Ref Function, FunctionVersion: !GetAtt Version.Version}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !Ref Alias
      EventSourceArn: !GetAtt {arn}
      StartingPosition: TRIM_HORIZON
      ParallelizationFactor: !Ref Factor
      {settings}
Outputs:
  Bucket: {{Value: !Ref Bucket}}
  Queue: {{Value: !Ref Queue}}
  Mapping: {{Value: !Ref Mapping}}
  Alias: {{Value: !Ref Alias}}
  Source: {{Value: !Ref Source}}
"""
KINESIS = "{Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}"
TABLE = """{Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST,
    AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}],
    StreamSpecification: {StreamViewType: KEYS_ONLY}}}"""
BUCKET = "DestinationConfig: {OnFailure: {Destination: !GetAtt Bucket.Arn}}"
QUEUE = "DestinationConfig: {OnFailure: {Destination: !GetAtt Queue.Arn}}"
REPORT = "FunctionResponseTypes: [ReportBatchItemFailures]"
ACTIONS = "['kinesis:*', 'dynamodb:*', 's3:PutObject', 'sqs:SendMessage']"


@dataclass
class Consumer:
    """A stream, and a function that reads it and writes down what it was called with."""

    cloud: Cloud
    outputs: dict[str, str]
    calls: Path
    patience: float

    def put(self, *records: dict, key: str = "one") -> list[str]:
        """Put records on the stream; their sequence numbers."""
        answer = self.cloud.client("kinesis").put_records(StreamName=self.outputs["Source"], Records=[
            {"Data": json.dumps(record).encode(), "PartitionKey": record.get("key", key)} for record in records])
        return [record["SequenceNumber"] for record in answer["Records"]]

    def change(self, *ids: str) -> None:
        """Write items of the table."""
        for name in ids:
            self.cloud.client("dynamodb").put_item(TableName=self.outputs["Source"], Item={"id": {"S": name}})

    def called(self) -> list[dict]:
        return [json.loads(line) for line in self.calls.read_text().splitlines()] if self.calls.exists() else []

    def batches(self) -> list[list[str]]:
        return [call["ids"] for call in self.called()]

    def expect(self, *batches: list[str]) -> None:
        """These are the calls, in this order, and no other follows at once."""
        self.until(lambda: len(self.batches()) >= len(batches))
        time.sleep(0.6)
        assert self.batches() == list(batches)

    def until(self, condition: Callable):
        return eventually(condition, self.patience)

    def told(self) -> dict:
        """What the next message of the queue says."""
        sqs, found = self.cloud.client("sqs"), []

        def receive():
            found.extend(sqs.receive_message(QueueUrl=self.outputs["Queue"]).get("Messages", []))
            for message in list(found):
                sqs.delete_message(QueueUrl=self.outputs["Queue"], ReceiptHandle=message["ReceiptHandle"])
                if json.loads(message["Body"]).get("Event") == "s3:TestEvent":
                    found.remove(message)
            return found

        [message] = self.until(receive)
        return json.loads(message["Body"])


@dataclass
class Workshop:
    """Where consumers are made."""

    cloud: Cloud
    folder: Path
    patience: float

    def consumer(self, *settings: str, source: str = KINESIS, actions: str = ACTIONS, factor: int = 1) -> Consumer:
        name = unique("consumer")
        stack = deploy(self.cloud, TEMPLATE.format(
            source=source, arn="Source.Arn" if source == KINESIS else "Source.StreamArn", trust=TRUST_LAMBDA,
            actions=actions, calls=self.folder / name, code=json.dumps(CONSUMER),
            settings="\n      ".join(settings)), name, Factor=str(factor))
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return Consumer(self.cloud, stack["Outputs"], self.folder / name, self.patience)


def numbered(first: int, last: int, **more: object) -> list[dict]:
    return [{"id": str(number), **more} for number in range(first, last + 1)]


def alias_is_invoked(workshop: Workshop) -> None:
    consumer = workshop.consumer()
    consumer.put({"id": "1"})
    [call] = consumer.until(consumer.called)
    assert (call["arn"], call["version"]) == (consumer.outputs["Alias"], "1")


def batches_wait_for_their_window(workshop: Workshop) -> None:
    consumer = workshop.consumer("BatchSize: 3", "MaximumBatchingWindowInSeconds: 2")
    began = time.time()
    consumer.put({"id": "1"})
    time.sleep(1)
    consumer.put({"id": "2"})
    consumer.expect(["1", "2"])
    assert consumer.called()[0]["at"] >= began + 1.9
    # A full one goes at once.
    began = time.time()
    consumer.put(*numbered(3, 5))
    consumer.expect(["1", "2"], ["3", "4", "5"])
    assert consumer.called()[1]["at"] < began + 1.9


def events_hold_six_megabytes(workshop: Workshop) -> None:
    consumer = workshop.consumer("BatchSize: 10", "MaximumBatchingWindowInSeconds: 2")
    for first in (1, 5):
        consumer.put(*numbered(first, first + 3, filling="x" * 900_000))
    consumer.expect(["1", "2", "3", "4", "5"], ["6", "7", "8"])


def reported_failures_are_tried_again(workshop: Workshop) -> None:
    consumer = workshop.consumer(REPORT, "MaximumRetryAttempts: 1")
    consumer.put({"id": "1"}, {"id": "2", "report": True}, {"id": "3"}, {"id": "4", "report": True})
    # From the lowest that was reported; what is still reported when its retries are spent is discarded.
    consumer.expect(["1", "2", "3", "4"], ["2", "3", "4"])
    consumer.put({"id": "5"})
    consumer.expect(["1", "2", "3", "4"], ["2", "3", "4"], ["5"])


def reports_that_say_nothing_fail_the_batch(workshop: Workshop) -> None:
    for report in ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"batchItemFailures": [{"itemIdentifier": None}]},
                   {"batchItemFailures": [{"itemIdentifier": "77"}]}, {"batchItemFailures": [{"other": "1"}]}, "text"):
        consumer = workshop.consumer(REPORT, "MaximumRetryAttempts: 1")
        consumer.put({"id": "1"}, {"id": "2", "report": report})
        consumer.expect(["1", "2"], ["1", "2"])


def batches_are_bisected(workshop: Workshop) -> None:
    consumer = workshop.consumer("BisectBatchOnFunctionError: true", "MaximumRetryAttempts: 1")
    consumer.put(*numbered(1, 4), {"id": "5", "fail": True}, {"id": "6"})
    # Halving costs no retry: the one that fails alone still has its own.
    consumer.expect(["1", "2", "3", "4", "5", "6"], ["1", "2", "3"], ["4", "5", "6"], ["4"], ["5", "6"], ["5"], ["5"],
                    ["6"])


def reports_cut_what_is_bisected(workshop: Workshop) -> None:
    consumer = workshop.consumer(REPORT, "BisectBatchOnFunctionError: true", "MaximumRetryAttempts: 1")
    consumer.put(*numbered(1, 3), {"id": "4", "report": True}, {"id": "5"})
    consumer.expect(["1", "2", "3", "4", "5"], ["4", "5"], ["4"], ["4"], ["5"])


def spent_batches_go_to_a_bucket(workshop: Workshop) -> None:
    consumer = workshop.consumer("MaximumRetryAttempts: 2", BUCKET)
    key = consumer.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}  # CloudFormation drops it here
    consumer.cloud.client("s3").put_bucket_encryption(
        Bucket=consumer.outputs["Bucket"], ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": encryption}]})
    sequences = consumer.put({"id": "1", "fail": True}, {"id": "2"})
    consumer.expect(["1", "2"], ["1", "2"], ["1", "2"])
    [notice] = consumer.told()["Records"]
    place = notice["s3"]["object"]
    assert notice["eventName"] == "ObjectCreated:Put" and place["versionId"]
    folder, mapping, shard, *day, name = place["key"].removeprefix("aws/").split("/")
    assert (folder, mapping, shard) == ("lambda", consumer.outputs["Mapping"], "shardId-000000000000")
    assert time.strftime("%Y/%m/%d/%Y-%m-%dT%H.", time.gmtime()) in f"{'/'.join(day)}/{name}" and len(name) == 56
    kept = consumer.cloud.client("s3").get_object(Bucket=consumer.outputs["Bucket"], Key=place["key"])
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", key)
    told = json.load(kept["Body"])
    batch = told["KinesisBatchInfo"]
    assert (batch["shardId"], batch["batchSize"]) == (shard, 2)
    assert [batch["startSequenceNumber"], batch["endSequenceNumber"]] == sequences
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    event = json.loads(told["payload"])
    assert [record["kinesis"]["sequenceNumber"] for record in event["Records"]] == sequences
    assert event["Records"][0]["eventID"] == f"{shard}:{sequences[0]}"


def old_records_go_to_a_queue(workshop: Workshop) -> None:
    consumer = workshop.consumer("MaximumRecordAgeInSeconds: 2", QUEUE)
    consumer.put({"id": "1", "fail": True})
    time.sleep(1)
    [late] = consumer.put({"id": "2"})
    told = consumer.told()
    assert told["requestContext"]["condition"] == "RecordAgeExceeded"
    assert told["KinesisBatchInfo"]["batchSize"] == 1 and "payload" not in told and "responseContext" not in told
    consumer.until(lambda: consumer.batches()[-1] == ["2"])
    assert late not in json.dumps(told)


def keys_are_delivered_at_once_and_in_order(workshop: Workshop) -> None:
    consumer = workshop.consumer("BatchSize: 1", factor=10)
    letters = "abcdefgh"
    consumer.put(*({"id": f"{letter}{number}", "key": letter, "sleep": 0.5} for number in (1, 2) for letter in letters))
    consumer.until(lambda: len(consumer.batches()) == 16)
    order = [name for [name] in consumer.batches()]
    assert all(order.index(f"{letter}1") < order.index(f"{letter}2") for letter in letters)
    moments = [call["at"] for call in consumer.called()]
    assert sum(moment < moments[0] + 0.4 for moment in moments) > 1


def one_mapping_does_not_wait_for_another(workshop: Workshop) -> None:
    slow, quick = workshop.consumer(), workshop.consumer()
    quick.put({"id": "warm"})
    quick.until(quick.batches)
    slow.put({"id": "1", "sleep": 2})
    slow.until(slow.batches)
    quick.put({"id": "1"})
    quick.until(lambda: len(quick.batches()) == 2)
    assert quick.called()[1]["at"] < slow.called()[0]["at"] + 1.5


def the_role_has_to_read(workshop: Workshop) -> None:
    consumer = workshop.consumer(actions="['kinesis:Describe*', 'kinesis:ListShards', 'kinesis:GetShardIterator']")
    consumer.put({"id": "1"})
    mapping = {"UUID": consumer.outputs["Mapping"]}
    consumer.until(lambda: "denied" in consumer.cloud.client("lambda").get_event_source_mapping(
        **mapping)["LastProcessingResult"])
    assert not consumer.batches()


def a_disabled_mapping_keeps_its_place(workshop: Workshop) -> None:
    consumer = workshop.consumer("BatchSize: 2")
    consumer.put({"id": "1", "fail": True}, {"id": "2"}, {"id": "3"})
    consumer.until(lambda: len(consumer.batches()) > 1)
    functions, mapping = consumer.cloud.client("lambda"), consumer.outputs["Mapping"]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    time.sleep(0.5)
    seen = len(consumer.batches())
    time.sleep(0.5)
    assert len(consumer.batches()) == seen
    functions.update_event_source_mapping(UUID=mapping, Enabled=True, MaximumRetryAttempts=0)
    consumer.until(lambda: consumer.batches()[seen:] == [["1", "2"], ["3"]])


def a_mapping_begins_at_a_time(workshop: Workshop) -> None:
    consumer = workshop.consumer("Enabled: false")
    consumer.put({"id": "1"})
    time.sleep(1.1)
    since = time.time()
    consumer.put({"id": "2"})
    functions = consumer.cloud.client("lambda")
    functions.create_event_source_mapping(
        FunctionName=consumer.outputs["Alias"], StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=since,
        EventSourceArn=functions.get_event_source_mapping(UUID=consumer.outputs["Mapping"])["EventSourceArn"])
    consumer.expect(["2"])


def sequence_numbers_are_numbers(workshop: Workshop) -> None:
    consumer = workshop.consumer("Enabled: false")
    first, second = consumer.put(*numbered(1, 2))
    assert str(int(first)) == first and int(first) < int(second) and len(first) == 56


def tables_are_read_the_same_way(workshop: Workshop) -> None:
    # On a busy machine, three changes take their time.
    consumer = workshop.consumer(REPORT, "BatchSize: 4", "MaximumBatchingWindowInSeconds: 3", "MaximumRetryAttempts: 1",
                                 "BisectBatchOnFunctionError: true", QUEUE, source=TABLE)
    consumer.change("1", "2", "3-fail")
    consumer.expect(["1", "2", "3-fail"], ["1"], ["2", "3-fail"], ["2"], ["3-fail"], ["3-fail"])
    told = consumer.told()
    assert told["requestContext"] | {"requestId": ""} == {
        "requestId": "", "functionArn": consumer.outputs["Alias"], "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 4}
    assert told["DDBStreamBatchInfo"]["batchSize"] == 1
    assert told["DDBStreamBatchInfo"]["streamArn"].partition("/stream/")[0].endswith(consumer.outputs["Source"])
    consumer.change("4", "5-report", "6")
    consumer.until(lambda: consumer.batches()[6:] == [["4", "5-report", "6"], ["5-report", "6"], ["5-report"],
                                                      ["5-report"], ["6"]])


CHECKS = (
    alias_is_invoked, batches_wait_for_their_window, events_hold_six_megabytes, reported_failures_are_tried_again,
    reports_that_say_nothing_fail_the_batch, batches_are_bisected, reports_cut_what_is_bisected,
    spent_batches_go_to_a_bucket, old_records_go_to_a_queue, keys_are_delivered_at_once_and_in_order,
    one_mapping_does_not_wait_for_another, the_role_has_to_read, a_disabled_mapping_keeps_its_place,
    a_mapping_begins_at_a_time, sequence_numbers_are_numbers, tables_are_read_the_same_way)


@pytest.fixture(scope="module")
def outcomes(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """The outcome of each check, all of them made at once, as most of what they do is to wait."""
    workshop = Workshop(cloud, tmp_path_factory.mktemp("calls"), patience=60)
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        yield {check: pool.submit(check, workshop) for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_streams(outcomes, check):
    outcomes[check].result()


def test_patches_are_needed(tmp_path):
    """Red when a newer ministack does by itself what a patch is for."""
    with start(_without=STREAM_PATCHES) as stock:
        workshop = Workshop(stock, tmp_path, patience=4)
        at_once = [check for check in CHECKS if check != batches_wait_for_their_window]
        with ThreadPoolExecutor(len(at_once)) as pool:
            running = {check: pool.submit(check, workshop) for check in at_once}
        assert not [check.__name__ for check, outcome in running.items() if outcome.exception() is None]
        # Not among the others: there it would wait for their functions, which looks the same.
        with pytest.raises(AssertionError):
            batches_wait_for_their_window(workshop)
