"""CloudWatch: what runs here is measured, and alarms go by it."""

import functools
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ministack.core.responses import request_scope
from ministack.services import apigateway, cloudwatch, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from local.patches.poller import Poller

# AWS measures queues and looks at alarms every minute; who tries something here has not got that long.
LOOK_SECONDS = 2

_SEARCH = re.compile(
    r"""SEARCH\('\{(?P<schema>[^}]+)\} MetricName="(?P<metric>\w+)" (?P<start>[\w-]+)', """
    r"""'(?P<stat>\w+)', (?P<period>\d+)\)""")

_logger = logging.getLogger("local.metrics")


def embedded_metrics(folder: Path) -> None:
    """A line of a function's log in the embedded metric format becomes metrics.

    Stock: it is a line.
    AWS: each metric has its value under each of the line's sets of dimensions.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    stock = lambda_svc._emit_lambda_logs

    @functools.wraps(stock)
    def emit(func, request_id, log_text, *rest, **options):
        for line in log_text.split("\n"):
            if line.startswith("{") and '"_aws"' in line:
                _record_embedded(line)
        return stock(func, request_id, log_text, *rest, **options)

    lambda_svc._emit_lambda_logs = emit


def _record_embedded(line: str) -> None:
    try:
        values = json.loads(line)
        for directive in values["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(values[name]) for name in names}
                for metric in directive["Metrics"]:
                    found = values[metric["Name"]]
                    for value in found if isinstance(found, list) else [found]:
                        cloudwatch.record_metric(
                            directive["Namespace"], metric["Name"], value, metric.get("Unit", "None"), dimensions)
    except (ValueError, LookupError, TypeError):
        _logger.warning("no embedded metrics: %.200s", line)


def function_metrics(folder: Path) -> None:
    """Every invocation of a function is measured, as its REPORT line says it.

    Stock: only those that a client invokes are, and none that a queue, a stream or an API starts.
    AWS: Invocations, Errors, Duration and ConcurrentExecutions of each; of a stream, IteratorAge: how old the last
    record of a batch is when it is sent.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    stock, stock_metrics, stock_deliver = lambda_svc._emit_lambda_logs, lambda_svc._emit_lambda_metrics, Poller._deliver

    @functools.wraps(stock)
    def emit(func, request_id, log_text, error, duration_ms, **options):
        config = func.get("config") or func
        stock_metrics(config["FunctionName"], duration_ms, error, False)
        running = lambda_svc._inflight.get(lambda_svc._inflight_key(config), 1)
        _record_function(config["FunctionName"], "ConcurrentExecutions", running, "Count")
        return stock(func, request_id, log_text, error, duration_ms, **options)

    def only_throttles(function_name, duration_ms, error, throttle):
        if throttle:
            _record_function(function_name, "Throttles", 1, "Count")

    def deliver(self, mapping, shard, piece):
        age = time.time() - self._source.arrival(piece.records[-1])
        _record_function(mapping["FunctionName"], "IteratorAge", max(age, 0) * 1000, "Milliseconds")
        return stock_deliver(self, mapping, shard, piece)

    lambda_svc._emit_lambda_logs, lambda_svc._emit_lambda_metrics, Poller._deliver = emit, only_throttles, deliver


def _record_function(name: str, metric: str, value: float, unit: str) -> None:
    cloudwatch.record_metric("AWS/Lambda", metric, value, unit, {"FunctionName": name})


def api_metrics(folder: Path) -> None:
    """The requests to an HTTP API are measured.

    Stock: they are not.
    AWS: Count, 4xx, 5xx and Latency.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    Here, without the requests that IAM refuses.
    """
    stock = apigateway._handle_execute_in_scope

    async def handle_execute(api_id, *rest, **options):
        began = time.time()
        status, headers, body = await stock(api_id, *rest, **options)
        for metric, value, unit in (
                ("Count", 1, "Count"), ("4xx", 400 <= status < 500, "Count"), ("5xx", status >= 500, "Count"),
                ("Latency", (time.time() - began) * 1000, "Milliseconds")):
            cloudwatch.record_metric("AWS/ApiGateway", metric, value, unit, {"ApiId": api_id})
        return status, headers, body

    apigateway._handle_execute_in_scope = handle_execute


def queue_metrics(folder: Path) -> None:
    """Queues are measured.

    Stock: they are not.
    AWS: how many messages are visible, and how old the oldest one is that nobody has deleted, every minute.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    _look(_measure_queues)


def _measure_queues() -> None:
    for (account, region, _), queue in list(sqs._queues._data.items()):
        now, messages = time.time(), list(queue["messages"])
        visible = sum(message["visible_at"] <= now for message in messages)
        age = max((now - message["sent_at"] for message in messages), default=0)
        with request_scope(account, region):
            for metric, value, unit in (("ApproximateNumberOfMessagesVisible", visible, "Count"),
                                        ("ApproximateAgeOfOldestMessage", age, "Seconds")):
                cloudwatch.record_metric("AWS/SQS", metric, value, unit, {"QueueName": queue["name"]})


def alarm_states(folder: Path) -> None:
    """An alarm's state is that of its own metric, period by period, and comes by itself.

    Stock: when somebody puts metric data, it is that of all metrics of that name, whatever their dimensions are, over
    all periods together; what is missing changes nothing.
    AWS: it follows the values under exactly the alarm's dimensions, of as many periods as it has, some of which must
    breach the threshold; TreatMissingData says what a period without a value is.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """
    cloudwatch._evaluate_alarm = _evaluate
    _look(_evaluate_everywhere)


def _evaluate_everywhere() -> None:
    for account, region in {key[:2] for key in list(cloudwatch._alarms._data)}:
        with request_scope(account, region):
            cloudwatch._evaluate_all_alarms()


def _evaluate(alarm: dict) -> None:
    datapoints = list(_datapoints(alarm))
    missing = alarm.get("TreatMissingData", "missing")
    if all(value is None for value in datapoints) and missing in ("missing", "ignore"):
        return
    breaching = sum(missing == "breaching" if value is None else _breaches(alarm, value) for value in datapoints)
    needed = alarm.get("DatapointsToAlarm") or len(datapoints)
    old, new = alarm["StateValue"], "ALARM" if breaching >= needed else "OK"
    if old != new:
        values = [value for value in datapoints if value is not None]
        reason = f"{breaching} of {len(datapoints)} datapoints {values} were over the threshold {alarm['Threshold']}"
        alarm |= {"StateValue": new, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
        cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def _datapoints(alarm: dict) -> Iterator[float | None]:
    """The alarm's statistic in each of its periods, the last one first; None where there is no value."""
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(alarm.get("Dimensions") or []))
    points = list(cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions), []))
    statistic, now = alarm.get("ExtendedStatistic") or alarm["Statistic"], time.time()
    for number in range(alarm["EvaluationPeriods"]):
        until = now - number * alarm["Period"]
        found = [point for point in points if until - alarm["Period"] < point["Timestamp"] <= until]
        yield cloudwatch._stat_value(cloudwatch._calc_stats(found), statistic, found) if found else None


def _breaches(alarm: dict, value: float) -> bool:
    threshold = alarm["Threshold"]
    return {
        "GreaterThanThreshold": value > threshold,
        "GreaterThanOrEqualToThreshold": value >= threshold,
        "LessThanThreshold": value < threshold,
        "LessThanOrEqualToThreshold": value <= threshold,
    }[alarm["ComparisonOperator"]]


def metric_search(folder: Path) -> None:
    """GetMetricData searches for metrics.

    Stock: "Expressions not implemented".
    AWS: a SEARCH gives the metrics that it finds, each as a result of its own with the query's id.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    Here a namespace, the names of all dimensions, a metric's name, and the start of a dimension's value.
    """
    stock = cloudwatch._get_metric_data

    def get(params, data, is_cbor, is_json=False):
        queries = [found for query in data.get("MetricDataQueries", []) for found in _found(query)]
        return stock(params, {**data, "MetricDataQueries": queries}, is_cbor, is_json)

    cloudwatch._get_metric_data = get


def _found(query: dict) -> Iterator[dict]:
    """The query, or one for each metric that it searches for."""
    match = _SEARCH.fullmatch(query.get("Expression", ""))
    if not match:
        yield query
        return
    namespace, *names = match["schema"].split(",")
    for of_namespace, metric, dimensions in list(cloudwatch._metrics):
        pairs = dict(pair.split("=", 1) for pair in dimensions.split("|") if pair)
        starts = any(value.startswith(match["start"]) for value in pairs.values())
        if (of_namespace, metric, sorted(pairs)) == (namespace, match["metric"], sorted(names)) and starts:
            yield {"Id": query["Id"], "Label": query.get("Label", query["Id"]), "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": [
                    {"Name": name, "Value": value} for name, value in pairs.items()]},
                "Period": int(match["period"]), "Stat": match["stat"]}}


def composite_alarm(folder: Path) -> None:
    """AWS::CloudWatch::CompositeAlarm.

    Stock: "Unsupported resource type", although the API knows composite alarms. AWS: Ref is the alarm's name.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-compositealarm.html
    """
    def put(name, properties):
        enabled = str(properties.get("ActionsEnabled", True)).lower() == "true"
        status, _, body = cloudwatch._put_composite_alarm(
            {}, {**properties, "AlarmName": name, "ActionsEnabled": enabled}, False, is_json=True)
        if status != 200:
            raise ValueError(f"AWS::CloudWatch::CompositeAlarm: {body!r}")
        return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}

    def create(logical_id, properties, stack_name):
        return put(properties.get("AlarmName") or provisioners._physical_name(
            stack_name, logical_id, max_len=255), properties)

    def update(name, old, new, stack_name, logical_id=None):
        return put(new.get("AlarmName", name), new)

    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
        "create": create, "update": update, "update_with_logical_id": True,
        "delete": lambda name, properties: cloudwatch._composite_alarms.pop(name, None)}


def _look(what: Callable[[], None]) -> None:
    """Does it again and again, in a thread of its own."""
    def run():
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                what()
            except Exception:
                _logger.exception("%s", what.__name__)

    threading.Thread(target=run, name=f"local-{what.__name__}", daemon=True).start()


PATCHES = (
    embedded_metrics, function_metrics, api_metrics, queue_metrics, alarm_states, metric_search, composite_alarm)
