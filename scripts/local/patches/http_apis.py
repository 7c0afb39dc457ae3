"""API Gateway: HTTP APIs as templates describe them."""

import base64
import os
import re
import time
from pathlib import Path

from ministack import app
from ministack.core.responses import get_account_id, request_scope
from ministack.services import apigateway, cloudwatch_logs
from ministack.services.cloudformation import provisioners

_LOG_STREAM = "access"


def cross_origin(folder: Path) -> None:
    """A template's CorsConfiguration counts.

    Stock: it is kept under the names that it has in the template, and looked for under those of the API: no origin
    may ever call.
    AWS: API Gateway answers preflight requests by it, and adds its headers to the answers of functions.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    """
    handler = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    stock_create, stock_update = handler["create"], handler["update"]

    def named(properties):
        cors = provisioners._pascal_to_camel(properties.get("CorsConfiguration"))
        return {**properties, "CorsConfiguration": cors} if cors else properties

    def create(logical_id, properties, stack_name):
        return stock_create(logical_id, named(properties), stack_name)

    def update(api, old, new, stack_name, logical_id=None):
        return stock_update(api, old, named(new), stack_name, logical_id)

    handler |= {"create": create, "update": update}


def access_logs(folder: Path) -> None:
    """A stage's access log is written.

    Stock: AccessLogSettings are kept, and nothing is logged.
    AWS: a line for each request, in the stage's format; a variable without a value is "-".
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
    Here, without the requests that IAM refuses, and without the latency of the function alone.
    """
    stock = apigateway._handle_execute_in_scope

    async def handle_execute(api_id, stage, path, method, *rest, **options):
        began = time.time()
        status, headers, body = await stock(api_id, stage, path, method, *rest, **options)
        # As the stock cloud makes it, which leaves one that is there alone.
        request = headers.setdefault("apigw-requestid", base64.b64encode(os.urandom(11)).decode())
        settings = apigateway._stages.get(api_id, {}).get(stage, {}).get("accessLogSettings")
        if settings:
            route = apigateway._match_route(api_id, method, path) or {}
            _log(settings, {
                "accountId": get_account_id(), "apiId": api_id, "stage": stage, "requestId": request,
                "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(began)),
                "identity.sourceIp": "127.0.0.1", "httpMethod": method, "path": path,
                "routeKey": route.get("routeKey"), "status": status, "responseLength": len(body),
                "responseLatency": int((time.time() - began) * 1000)})
        return status, headers, body

    apigateway._handle_execute_in_scope = handle_execute


def _log(settings: dict, values: dict[str, object]) -> None:
    group = settings["destinationArn"].partition(":log-group:")[2].removesuffix(":*")
    line = re.sub(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)",
                  lambda variable: str(values.get(variable[1]) or "-"), settings["format"])
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": _LOG_STREAM})
    cloudwatch_logs._put_log_events({
        "logGroupName": group, "logStreamName": _LOG_STREAM, "logEvents": [{"message": line}]})


def disabled_endpoint(folder: Path) -> None:
    """An API with DisableExecuteApiEndpoint is called by its own domain only.

    Stock: the property is kept, and the default endpoint goes on answering.
    AWS: it does not; what is asked there is not found.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-disable-default-endpoint.html
    """
    stock = app._handle_execute_api_request

    async def handle(host, path, *rest, **options):
        api_id, *_ = app._parse_execute_api_url(host, path) or [""]
        if scope := api_id and apigateway.find_api_scope(api_id):
            with request_scope(*scope):
                if str(apigateway._apis[api_id].get("disableExecuteApiEndpoint")).lower() == "true":
                    return apigateway._http_api_not_found()
        return await stock(host, path, *rest, **options)

    app._handle_execute_api_request = handle


PATCHES = (cross_origin, access_logs, disabled_endpoint)
