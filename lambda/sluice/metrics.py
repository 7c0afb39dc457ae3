"""Metrics of uploads in CloudWatch, by its embedded metric format: lines of the log that become metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
A metric is paid for by each combination of its dimensions, in the hours in which it has values. So what is counted has
dataset and state, and what is measured has the dataset alone; datasets are those of the catalogue, or `none`.
"""

import resource
import time
from collections.abc import Callable

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from sluice.cost import upload_cost
from sluice.upload import FAILED, REJECTED, Outcome, Upload

NAMESPACE = "Sluice"
# Whose uploads: files, and batches of readings.
PROCESS, STREAM = "process", "stream"
# Of an upload that no dataset claims: a dimension is never empty.
NO_DATASET = "none"


def peak_memory() -> float:
    """Megabytes that this process has had at most, since it started: what Lambda reports as used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Meter:
    """Counts and measures the uploads of an environment.

    `service` is `PROCESS` or `STREAM`: their uploads are not counted together. Only files have a cost of their own.
    """

    def __init__(
        self,
        environment: str,
        service: str,
        *,
        clock: Callable[[], float] = time.perf_counter,
        memory: Callable[[], float] = peak_memory,
    ) -> None:
        self._environment = environment
        self._service = service
        self._clock = clock
        self._memory = memory
        self._begun: float | None = None
        self._memory_mb = self._batch = 0

    def receive(self, memory_mb: int, batch: int) -> None:
        """An invocation with so much memory has received a batch of so many messages or records."""
        self._memory_mb, self._batch = memory_mb, batch

    def begin(self) -> None:
        """An upload begins."""
        self._begun = self._clock()

    def conclude(self, upload: Upload, outcome: Outcome) -> None:
        """An upload has ended. It is counted, and measured where it has begun here."""
        dataset = outcome.dataset or NO_DATASET
        counts = self._metrics(state=outcome.state)
        counts.add_dimensions(**counts.dimension_set, dataset=dataset)
        counts.add_metadata("upload_id", upload.id)
        counts.add_metric("Uploads", MetricUnit.Count, 1)
        counts.add_metric("RowsGood", MetricUnit.Count, outcome.rows_good)
        counts.add_metric("RowsRejected", MetricUnit.Count, outcome.rows_rejected)
        counts.flush_metrics()
        if self._begun is None:
            return
        seconds = self._clock() - self._begun
        measures = self._metrics()
        measures.add_dimensions(**measures.dimension_set, dataset=dataset)
        measures.add_metric("Duration", MetricUnit.Seconds, round(seconds, 3))
        measures.add_metric("Bytes", MetricUnit.Bytes, upload.size)
        measures.add_metric("MemoryHeadroom", MetricUnit.Megabytes, round(self._memory_mb - self._memory()))
        measures.add_metric("RejectedShare", MetricUnit.Percent, _rejected_share(outcome))
        measures.add_metric("FailedAttempts", MetricUnit.Count, outcome.state == FAILED)
        if self._service == PROCESS:
            objects = sum(stored is not None for stored in (outcome.result, outcome.error_report))
            dollars = upload_cost(seconds * self._memory_mb / 1024, objects=objects, batch=self._batch)
            # What one upload costs in millionths of a dollar, and a million of them in dollars.
            measures.add_metric("CostPerUpload", MetricUnit.NoUnit, round(dollars * 1e6, 2))
        measures.flush_metrics()

    def fail(self) -> None:
        """An attempt at an upload has failed that will be followed by another one."""
        metrics = self._metrics()
        metrics.add_metric("FailedAttempts", MetricUnit.Count, 1)
        metrics.flush_metrics()

    def overdue(self, datasets: int) -> None:
        """So many datasets are without the uploads that they expect."""
        metrics = self._metrics()
        metrics.add_metric("OverdueDatasets", MetricUnit.Count, datasets)
        metrics.flush_metrics()

    def _metrics(self, **dimensions: str) -> EphemeralMetrics:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        for name, value in {"environment": self._environment, **dimensions, "service": self._service}.items():
            metrics.add_dimension(name, value)
        return metrics


def _rejected_share(outcome: Outcome) -> float:
    """Percent of the rows that were rejected: all of them where the file was, as a whole."""
    rows = outcome.rows_good + outcome.rows_rejected
    if outcome.state == REJECTED:
        return 100.0
    return round(100 * outcome.rows_rejected / rows, 2) if rows else 0.0
