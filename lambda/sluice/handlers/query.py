"""Answers questions over HTTP: temperatures, uploads, and what else may be asked.

Event: a request to the HTTP API, payload format 2.0
(https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
Answer: status, headers and body. What the deployment does not have is not found: temperatures without WINDOWS_TABLE,
uploads without LEDGER_TABLE. Routes and answers are described in api/openapi.json.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_HTTP
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.api import page, temperature, uploads
from sluice.api.application import Application, respond
from sluice.api.openapi import Document
from sluice.api.parameters import Parameters
from sluice.clients import make_quick_client, make_signer

logger = Logger(log_uncaught_exceptions=True)
windows_table, ledger_table = os.environ.get("WINDOWS_TABLE"), os.environ.get("LEDGER_TABLE")
document = Document(
    has_temperature=bool(windows_table), has_uploads=bool(ledger_table), authorization=os.environ["AUTHORIZATION"]
)
app = Application(logger, document.methods)


@logger.inject_lambda_context(correlation_id_path=API_GATEWAY_HTTP)
def handler(event: dict, context: LambdaContext) -> dict:
    """Answers one request."""
    return app.resolve(event, context)


@app.get("/", compress=True)
def show_page() -> Response:
    Parameters(_query()).check()
    return Response(200, "text/html; charset=utf-8", page.content(), page.headers())


@app.get("/openapi.json", compress=True)
def describe_api() -> Response:
    Parameters(_query()).check()
    return respond(document.content)


def _add_temperature(table: str) -> None:
    from sluice.windows import Windows

    windows = Windows(make_quick_client("dynamodb"), table)

    @app.get("/api/v1/temperature")
    def answer_average() -> Response:
        return respond(temperature.Question.read(Parameters(_query()), _now()).average(windows))

    @app.get("/api/v1/temperature/series", compress=True)
    def answer_series() -> Response:
        return respond(temperature.Question.read(Parameters(_query()), _now()).series(windows))

    @app.get("/api/v1/temperature/sensors", compress=True)
    def list_sensors() -> Response:
        return respond(temperature.sensors(Parameters(_query()), windows, _now()))


def _add_uploads(table: str) -> None:
    # A deployment that has the stream alone would pay for the contracts' engine at every cold start.
    from sluice.datasets import Catalogue
    from sluice.history import History
    from sluice.ledger_reader import LedgerReader
    from sluice.links import SECONDS, Links
    from sluice.processors import NEEDS

    catalogue = Catalogue(Path(__file__).parents[2] / "datasets", NEEDS)
    names = [dataset.name for dataset in catalogue]
    reader = LedgerReader(make_quick_client("dynamodb"), table)
    history = History(reader, names, catalogue.name_of)
    links = Links(make_signer(), os.environ["RESULTS_BUCKET"])

    @app.get("/api/v1/uploads", compress=True)
    def list_uploads() -> Response:
        return respond(uploads.Question.read(Parameters(_query()), names, _now()).answer(history))

    @app.get("/api/v1/uploads/<upload_id>")
    def describe_upload(upload_id: str) -> Response:
        Parameters(_query()).check()
        expires = _now().replace(microsecond=0) + timedelta(seconds=SECONDS)
        return respond(uploads.describe(upload_id, reader, links.to, expires))


def _query() -> str:
    """The query string as it was sent: only there is a repeated parameter told from one with a comma."""
    event: Any = app.current_event
    return event.raw_query_string


def _now() -> datetime:
    return datetime.now(UTC)


if windows_table:
    _add_temperature(windows_table)
if ledger_table:
    _add_uploads(ledger_table)
