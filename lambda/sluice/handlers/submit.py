"""Gives out forms by which one file of a dataset can be uploaded, without any right of one's own.

Event: a request to the HTTP API, payload format 2.0: `POST /api/v1/uploads`, `{"dataset": "people", "key": ...}`
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
Answer: 201 with a presigned POST, good for one key, a size and 15 minutes (api/openapi.json).
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_HTTP
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.api.application import Application, respond
from sluice.api.body import Body
from sluice.api.forms import SECONDS, NewUpload
from sluice.clients import make_signer
from sluice.datasets import Catalogue
from sluice.processors import NEEDS

logger = Logger(log_uncaught_exceptions=True)
app = Application(logger)
catalogue = Catalogue(Path(__file__).parents[2] / "datasets", NEEDS)
signer = make_signer()


@logger.inject_lambda_context(correlation_id_path=API_GATEWAY_HTTP)
def handler(event: dict, context: LambdaContext) -> dict:
    """Answers one request."""
    return app.resolve(event, context)


@app.post("/api/v1/uploads")
def create_upload() -> Response:
    upload = NewUpload.read(Body(app.current_event), catalogue)
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=SECONDS)
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    form = signer.generate_presigned_post(
        os.environ["UPLOADS_BUCKET"],
        upload.key,
        # An empty file would be rejected.
        Conditions=[["content-length-range", 1, upload.limit]],
        ExpiresIn=SECONDS,
    )
    logger.info("form given out", key=upload.key, limit=upload.limit)
    return respond({**form, "key": upload.key, "expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}, 201)
