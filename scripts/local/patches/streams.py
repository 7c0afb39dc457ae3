"""Lambda and Kinesis: streams that a function reads."""

import json
from pathlib import Path

from ministack.core.responses import get_region
from ministack.services import dynamodb, kinesis, lambda_svc

from local.patches.poller import Poller


def kinesis_mappings(folder: Path) -> None:
    """A Kinesis stream is read as Lambda reads it.

    Stock: a function's error stops the stream for good, whatever the mapping says of retries, age, bisection and
    destination; the records that a function reports as failed are lost; a batching window is not waited for; all
    mappings wait for each other's functions, which are told that they were invoked without a qualifier.
    AWS: batches of one shard at a time, as many at once as ParallelizationFactor says and in order for each partition
    key; a batch is sent when it is full, holds 6 MB or MaximumBatchingWindowInSeconds have passed.
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    The lowest sequence number that is reported is where the batch is tried again, and a report that names none of its
    records fails all of it. BisectBatchOnFunctionError halves what failed, or cuts it where the report says, and
    neither counts as a retry.
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    What has been retried MaximumRetryAttempts times, or is older than MaximumRecordAgeInSeconds, is discarded; the
    on-failure destination is told, and a bucket gets the event itself, as a string of JSON.
    https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
    All of it is done with the rights of the function's role, which are asked for before reading, and writes to the
    destination as anybody does: so a bucket encrypts and notifies. Streams of other accounts are not read.
    """
    lambda_svc._poll_kinesis = Poller(_Kinesis()).poll


def dynamodb_mappings(folder: Path) -> None:
    """The stream of a DynamoDB table is read as Lambda reads it.

    Stock: as with Kinesis, but for MaximumRecordAgeInSeconds with a queue or topic as destination.
    AWS: what `kinesis_mappings` says; the items of one key stay in order.
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    lambda_svc._poll_dynamodb_streams = Poller(_DynamoDB()).poll


def starting_timestamp(folder: Path) -> None:
    """A mapping can begin at a point in time.

    Stock: StartingPositionTimestamp is dropped, and AT_TIMESTAMP begins at the end of the stream.
    AWS: it begins with the first record that is not older.
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """
    stock = lambda_svc._create_esm

    def create(data):
        answer = stock(data)
        if answer[0] == 202 and "StartingPositionTimestamp" in data:
            mapping = lambda_svc._esms[json.loads(answer[2])["UUID"]]
            mapping["StartingPositionTimestamp"] = data["StartingPositionTimestamp"]
        return answer

    lambda_svc._create_esm = create


def sequence_numbers(folder: Path) -> None:
    """A sequence number is a number.

    Stock: it begins with zeros.
    AWS: 0|([1-9]\\d{0,128}), and in practice 56 digits; it may be kept as a number and written as text again.
    https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html
    """
    stock = kinesis._next_sequence_number
    kinesis._next_sequence_number = lambda: f"49{stock():0>54}"


class _Kinesis:
    """Kinesis streams; their records as they are in an event."""

    service = "kinesis"
    batch_info = "KinesisBatchInfo"
    precision = "milliseconds"
    reading = ("DescribeStream", "ListShards", "GetShardIterator", "GetRecords")

    def shards(self, arn: str) -> dict[str, list[dict]] | None:
        """The records of each shard, oldest first, as the stream keeps them; None where there is no such stream."""
        stream = kinesis._resolve_stream_by_arn(arn)
        if not stream or stream["StreamStatus"] != "ACTIVE":
            return None
        kinesis._expire_records(stream)
        return {shard: content["records"] for shard, content in stream["shards"].items()}

    def position(self, kept: dict) -> int:
        return int(kept["SequenceNumber"])

    def time(self, kept: dict) -> float:
        return kept["ApproximateArrivalTimestamp"]

    def event(self, kept: dict, shard: str, mapping: dict, config: dict) -> dict:
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": kept["PartitionKey"],
                "sequenceNumber": kept["SequenceNumber"],
                "data": kept["Data"],
                "approximateArrivalTimestamp": kept["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{kept['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": config["Role"],
            "awsRegion": get_region(),
            "eventSourceARN": mapping["EventSourceArn"],
        }

    def sequence(self, record: dict) -> str:
        return record["kinesis"]["sequenceNumber"]

    def arrival(self, record: dict) -> float:
        return record["kinesis"]["approximateArrivalTimestamp"]

    def key(self, record: dict) -> str:
        return record["kinesis"]["partitionKey"]


class _DynamoDB:
    """Streams of tables, each of one shard, which keeps the records as they are in an event."""

    service = "dynamodb"
    batch_info = "DDBStreamBatchInfo"
    precision = "seconds"
    reading = ("DescribeStream", "GetShardIterator", "GetRecords")

    def shards(self, arn: str) -> dict[str, list[dict]] | None:
        name = arn.partition("/")[2].partition("/stream/")[0]
        table = dynamodb._tables.get(name)
        if not table or table.get("LatestStreamArn") != arn:
            return None
        return {"shardId-00000000000000000000-00000000": dynamodb.stream_live_records(name)}

    def position(self, kept: dict) -> int:
        return int(self.sequence(kept))

    def time(self, kept: dict) -> float:
        return self.arrival(kept)

    def event(self, kept: dict, shard: str, mapping: dict, config: dict) -> dict:
        return kept

    def sequence(self, record: dict) -> str:
        return record["dynamodb"]["SequenceNumber"]

    def arrival(self, record: dict) -> float:
        return float(record["dynamodb"]["ApproximateCreationDateTime"])

    def key(self, record: dict) -> str:
        return json.dumps(record["dynamodb"]["Keys"], sort_keys=True)


PATCHES = (kinesis_mappings, dynamodb_mappings, starting_timestamp, sequence_numbers)
