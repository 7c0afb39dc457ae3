"""Writes files of random valid rows into the sample bucket, which may be another account's.

Event: a request to the HTTP API, payload format 2.0: `POST /api/v1/samples`, `{"dataset": "people", "rows": 100}`
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
Answer: 201 with bucket, key and version of the new object (api/openapi.json).
"""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_HTTP
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.api.application import Application, respond
from sluice.api.body import Body
from sluice.api.problems import Problem
from sluice.api.samples import SEEDS, NewSample
from sluice.clients import make_quick_client
from sluice.datasets import Catalogue
from sluice.errors import TransientError
from sluice.processors import NEEDS
from sluice.sample_bucket import OccupiedError, RefusedError, SampleBucket
from sluice.samples.files import Sample

# Enough to write the object and to answer.
_SPARE_MILLISECONDS = 8_000
# Keys have 64 bits by chance: one that is taken is our own, of a request whose answer was lost.
_KEYS = 3

logger = Logger(log_uncaught_exceptions=True)
app = Application(logger)
catalogue = Catalogue(Path(__file__).parents[2] / "datasets", NEEDS)
bucket = SampleBucket(make_quick_client("s3"), os.environ["SAMPLE_BUCKET"], os.environ.get("SAMPLE_KEY"))


@logger.inject_lambda_context(correlation_id_path=API_GATEWAY_HTTP)
def handler(event: dict, context: LambdaContext) -> dict:
    """Answers one request."""
    return app.resolve(event, context)


@app.post("/api/v1/samples")
def create_sample() -> Response:
    wanted = NewSample.read(Body(app.current_event), catalogue, secrets.randbelow(SEEDS))
    sample = wanted.make(lambda: app.lambda_context.get_remaining_time_in_millis() > _SPARE_MILLISECONDS)
    key, version = _write(wanted, sample)
    logger.info("sample written", bucket=bucket.name, key=key, version_id=version, rows=sample.rows)
    document = {
        "bucket": bucket.name,
        "key": key,
        "version_id": version,
        "rows": sample.rows,
        "bytes": len(sample.data),
        "seed": wanted.seed,
    }
    return respond(document, 201, {"Location": f"s3://{bucket.name}/{key}"})


def _write(wanted: NewSample, sample: Sample) -> tuple[str, str]:
    """The key and the version of the new object."""
    for _ in range(_KEYS):
        key = wanted.key(os.environ["SAMPLE_PREFIX"], datetime.now(UTC), secrets.randbits(64), sample.suffix)
        try:
            return key, bucket.put(key, sample)
        except OccupiedError:
            logger.warning("the key is taken", key=key)
        except RefusedError as error:
            logger.error("the bucket refuses the object", bucket=bucket.name, key=key, code=error.code)
            raise Problem(
                502,
                f"The sample bucket refused the object ({error.code}). Check that the bucket exists; that its policy "
                "lets this deployment's GenerateRoleArn put objects under this prefix, as "
                "templates/partner-bucket.yaml does; and, if it has a key, that the parameter SampleKeyArn names it "
                "and that its policy lets that role call kms:GenerateDataKey.",
            ) from error
    raise TransientError("one key after another was taken")
