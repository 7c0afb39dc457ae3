"""The roles of the stream's functions and of the API's, and of what starts the simulator."""

from templates.cfn import REGION
from templates.decisions import Row, may, may_not
from templates.roles.names import (
    ALERT_TOPIC,
    CHANGES,
    DISCARDED,
    INTAKE,
    LAKE,
    LEDGER,
    OTHER_KEY,
    PROCESS_LOG,
    RESULTS,
    ROLLUP_FAILURES,
    SAMPLES,
    SAMPLES_KEY,
    STACKS,
    STREAM,
    STREAM_KEY,
    UPLOAD_TOPIC,
    UPLOADS,
    VIA_KINESIS,
    VIA_S3,
    WINDOWS,
    arn,
    invokes,
    tells,
    writes,
)


def log_of(function: str) -> str:
    return STACKS["logs"].arn(function).removesuffix("*") + "log-stream:2026/11/20/[1]abc"


TABLE: dict[tuple[str, str], list[Row]] = {
    ("iam", "StreamRole"): [
        may(
            "kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetRecords kinesis:GetShardIterator "
            "kinesis:ListShards",
            STREAM,
        ),
        may_not("kinesis:GetRecords kinesis:GetShardIterator", arn("kinesis", "stream/somebody-elses")),
        may_not("kinesis:PutRecord kinesis:PutRecords kinesis:DeleteStream kinesis:UpdateShardCount", STREAM),
        may("kinesis:ListStreams", "*"),
        may("kms:Decrypt", STREAM_KEY, VIA_KINESIS),
        may_not("kms:Decrypt", OTHER_KEY, VIA_KINESIS),
        may_not("kms:Decrypt", STREAM_KEY),
        may_not("kms:GenerateDataKey", STREAM_KEY, VIA_KINESIS),
        *(
            may("s3:PutObject", f"{LAKE}/{key}")
            for key in ("raw/temperature/x", "processed/temperature/x", "rejects/temperature/x", "aws/lambda/x/y")
        ),
        may_not("s3:PutObject", f"{LAKE}/elsewhere/x"),
        may_not("s3:PutObject", f"{RESULTS}/raw/x"),
        may("s3:GetObject", f"{LAKE}/aws/lambda/x/y"),
        may_not("s3:GetObject", f"{LAKE}/raw/temperature/x"),
        may_not("s3:DeleteObject s3:DeleteObjectVersion", f"{LAKE}/raw/temperature/x"),
        may("s3:ListBucket", LAKE),
        may_not("s3:ListBucket", UPLOADS),
        may("sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage", DISCARDED),
        may_not("sqs:DeleteMessage sqs:ReceiveMessage", INTAKE),
        may_not("sqs:SendMessage sqs:PurgeQueue", DISCARDED),
        may("dynamodb:BatchGetItem dynamodb:PutItem", WINDOWS),
        may_not("dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:Scan dynamodb:Query", WINDOWS),
        may("dynamodb:BatchGetItem dynamodb:UpdateItem", LEDGER),
        may_not("dynamodb:PutItem dynamodb:DeleteItem dynamodb:Scan", LEDGER),
        may_not("dynamodb:BatchGetItem dynamodb:PutItem dynamodb:UpdateItem", arn("dynamodb", "table/somebody-elses")),
        *tells(UPLOAD_TOPIC, other=ALERT_TOPIC),
        *writes(log_of("Stream"), other=PROCESS_LOG),
    ],
    ("iam", "RollupRole"): [
        may("dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator", CHANGES),
        may_not("dynamodb:GetRecords", f"{LEDGER}/stream/2026-11-20T10:00:00.000"),
        may("dynamodb:ListStreams", "*"),
        may("sqs:SendMessage", ROLLUP_FAILURES),
        may_not("sqs:SendMessage", INTAKE),
        may_not("sqs:ReceiveMessage sqs:DeleteMessage", ROLLUP_FAILURES),
        may("dynamodb:BatchGetItem dynamodb:PutItem dynamodb:Query", WINDOWS),
        may_not("dynamodb:DeleteItem dynamodb:Scan", WINDOWS),
        may_not("dynamodb:BatchGetItem dynamodb:PutItem dynamodb:Query", LEDGER),
        *writes(log_of("Rollup"), other=PROCESS_LOG),
    ],
    ("iam", "SimulateRole"): [
        may("kinesis:PutRecords", STREAM),
        may_not("kinesis:PutRecords", arn("kinesis", "stream/somebody-elses")),
        may_not("kinesis:GetRecords kinesis:PutRecord", STREAM),
        may("kms:GenerateDataKey", STREAM_KEY, VIA_KINESIS),
        may_not("kms:GenerateDataKey", OTHER_KEY, VIA_KINESIS),
        may_not("kms:GenerateDataKey", STREAM_KEY),
        may_not("kms:Decrypt", STREAM_KEY, VIA_KINESIS),
        *writes(log_of("Simulate"), other=PROCESS_LOG),
    ],
    ("simulator", "ScheduleRole"): [
        *invokes(STACKS["lambda"].ref("SimulateAlias"), STACKS["lambda"].arn("Simulate")),
        may_not("kinesis:PutRecords", STREAM),
    ],
    ("iam", "QueryRole"): [
        may("dynamodb:BatchGetItem dynamodb:Query", WINDOWS),
        may_not("dynamodb:Scan dynamodb:PutItem", WINDOWS),
        *(may("dynamodb:Query", f"{LEDGER}/index/{index}") for index in ("ended", "open", "upload_id")),
        may_not("dynamodb:Query", f"{LEDGER}/index/another"),
        may_not("dynamodb:Scan", f"{LEDGER}/index/ended"),
        may_not("dynamodb:BatchGetItem dynamodb:Query", arn("dynamodb", "table/somebody-elses")),
        may("dynamodb:GetItem", LEDGER),
        may_not("dynamodb:GetItem", WINDOWS),
        may_not("dynamodb:Query dynamodb:Scan dynamodb:UpdateItem dynamodb:DeleteItem", LEDGER),
        may("s3:GetObjectVersion", f"{RESULTS}/people/staff.csv.parquet"),
        may_not("s3:GetObject s3:GetObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:GetObject s3:GetObjectVersion", f"{LAKE}/raw/temperature/x"),
        may_not("s3:PutObject s3:DeleteObject", f"{RESULTS}/people/staff.csv.parquet"),
        *writes(log_of("Query"), other=PROCESS_LOG),
    ],
    ("iam", "SubmitRole"): [
        may("s3:PutObject", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:PutObject", f"{RESULTS}/people/staff.csv"),
        may_not("s3:GetObject s3:GetObjectVersion s3:DeleteObject s3:DeleteObjectVersion", f"{UPLOADS}/people/x.csv"),
        may_not("dynamodb:UpdateItem dynamodb:GetItem", LEDGER),
        *writes(log_of("Submit"), other=PROCESS_LOG),
    ],
    ("iam", "GenerateRole"): [
        may("s3:PutObject", f"{SAMPLES}/samples/prices.csv"),
        may_not("s3:PutObject", f"{SAMPLES}/prices.csv"),
        may_not("s3:PutObject", f"{UPLOADS}/samples/prices.csv"),
        may_not("s3:GetObject s3:DeleteObject s3:DeleteObjectVersion", f"{SAMPLES}/samples/prices.csv"),
        *(
            may("kms:GenerateDataKey", SAMPLES_KEY, {"kms:ViaService": f"s3.{region}.amazonaws.com"})
            for region in (REGION, "eu-central-1")
        ),
        may_not("kms:GenerateDataKey", OTHER_KEY, VIA_S3),
        may_not("kms:GenerateDataKey", SAMPLES_KEY),
        may_not("kms:GenerateDataKey", SAMPLES_KEY, VIA_KINESIS),
        may_not("kms:Decrypt", SAMPLES_KEY, VIA_S3),
        *writes(log_of("Generate"), other=PROCESS_LOG),
    ],
}
