"""What the process function works with, where it runs without a deployment."""

from local.cloud import Cloud


def create(cloud: Cloud) -> dict[str, str]:
    """Create its ledger (`ledger`, without the index), topic and queue; return its environment.

    The results bucket that the environment names is left to the caller.
    """
    names = {"upload_key": "HASH", "version_id": "RANGE"}
    cloud.client("dynamodb").create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        BillingMode="PAY_PER_REQUEST",
    )
    return {
        **cloud.environment(),
        "LEDGER_TABLE": "ledger",
        "RESULTS_BUCKET": "results",
        "TOPIC_ARN": cloud.client("sns").create_topic(Name="uploads")["TopicArn"],
        "QUEUE_URL": cloud.client("sqs").create_queue(QueueName="intake")["QueueUrl"],
        "ENVIRONMENT": "staging",
        "MAX_ATTEMPTS": "1",
        "MAX_RECEIVES": "2",
        "POWERTOOLS_SERVICE_NAME": "process",
    }
