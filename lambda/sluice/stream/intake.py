"""One batch of the stream from its records to its conclusion.

Nothing here is claimed, since nothing has to be: raw objects are written again as they were, windows know what they
hold (stream/applied.py), a processed object says how windows stand, and the ledger takes one final state.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from sluice.announcement import announce
from sluice.contract.check import verdict
from sluice.contract.descriptor import Dataset
from sluice.errors import TransientError, cause
from sluice.lake import Lake
from sluice.ledger import Ledger
from sluice.notify import Notifier
from sluice.stream.applied import Run, WindowFullError
from sluice.stream.readings import Reading, check_reading, full_window_error
from sluice.stream.records import Record, batch_name, compressed, raw_lines
from sluice.stream.windows import Statistics, Window, exact_text
from sluice.upload import FAILED, STREAM_VERSION, Outcome, RowError, Upload
from sluice.windows import Windows

FIRST_ERRORS = 5
# How often a window is read again because another invocation has written it meanwhile: each time, one of them is done.
_TRIES = 20
_GZIP, _JSON_LINES = "application/gzip", "application/jsonl; charset=utf-8"
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Checked:
    """A record, and the reading that it is or the rules that it violates.

    `failure` is why our code could not tell, which is no fault of the record: it must be tried again.
    """

    record: Record
    reading: Reading | None = None
    errors: list[RowError] = field(default_factory=list)
    failure: Exception | None = None


class StreamIntake:
    """Takes batches of the stream in.

    `check` makes a reading of a record, or finds the rules that it violates (stream/readings.py). `count` is called for
    each batch that has ended.
    """

    def __init__(
        self,
        *,
        dataset: Dataset,
        lake: Lake,
        windows: Windows,
        ledger: Ledger,
        notifier: Notifier,
        environment: str,
        count: Callable[[Upload, Outcome], None],
        check: Callable[[Record, Dataset, int], tuple[Reading | None, list[RowError]]] = check_reading,
    ) -> None:
        self._dataset = dataset
        self._lake = lake
        self._windows = windows
        self._ledger = ledger
        self._notifier = notifier
        self._environment = environment
        self._count = count
        self._check = check

    def accept(self, records: Sequence[Record]) -> Checked | None:
        """Completes a batch, or what of it comes before a record that could not be checked, which is returned.

        Lambda goes on from that one: a batch is a piece of its shard without gaps, and so is what is left of it.
        """
        checked = self._check_all(records)
        before = list(takewhile(lambda each: not each.failure, checked))
        if before:
            self._conclude(records[: len(before)], self._complete(before))
        return checked[len(before)] if len(before) < len(checked) else None

    def accept_discarded(self, records: Sequence[Record]) -> None:
        """Completes a batch that Lambda has let go of.

        Where records could not be checked, all others count, and why the first of them could not be is raised: the
        batch has not ended.
        """
        checked = self._check_all(records)
        outcome = self._complete(checked)
        for each in checked:
            if each.failure:
                raise each.failure
        self._conclude(records, outcome)

    def give_up(self, records: Sequence[Record], error: Exception) -> None:
        """Concludes a batch as `FAILED`, unless it has ended well: only a redrive of its message tries it again."""
        reason = f"gave up on a batch that Lambda had let go of: {cause(error)}"
        self._conclude(records, Outcome(FAILED, reason, self._dataset.name))

    def _check_all(self, records: Sequence[Record]) -> list[Checked]:
        checked = []
        for row, record in enumerate(records, 1):
            try:
                checked.append(Checked(record, *self._check(record, self._dataset, row)))
            except Exception as error:  # noqa: BLE001 - told of by its failure; one record must not take its batch with it
                checked.append(Checked(record, failure=error))
        return checked

    def _complete(self, checked: Sequence[Checked]) -> Outcome:
        """Writes what came and what it adds up to; each time that this is done, the same comes out."""
        records = [each.record for each in checked]
        name = batch_name(self._dataset.name, records)
        self._lake.put(_raw_key(name), raw_lines(records), _GZIP)
        windows, full = self._add(checked)
        for row, each in enumerate(checked, 1):
            if each.reading and each.reading.window in full:
                each.errors.append(full_window_error(each.record, row))
        bad = [each for each in checked if each.errors]
        good = len(checked) - len(bad)
        outcome = Outcome(*verdict(good, len(bad)), self._dataset.name, good, len(bad))
        outcome.first_errors = [error for each in bad for error in each.errors][:FIRST_ERRORS]
        if windows:
            outcome.result = self._lake.put(f"processed/{name}.jsonl.gz", _snapshot(windows), _GZIP)
        if bad:
            outcome.error_report = self._lake.put(f"rejects/{name}.jsonl", _rejects(bad), _JSON_LINES)
        return outcome

    def _add(self, checked: Sequence[Checked]) -> tuple[dict[Window, Statistics], set[Window]]:
        """Adds readings to their windows, one write each: how these stand now, and which of them could take no more."""
        runs = _runs(checked)
        states, full = self._windows.states(runs), set()
        for window in runs:
            for _ in range(_TRIES):
                try:
                    added = states[window].add(runs[window])
                except WindowFullError:
                    full.add(window)
                    break
                if added is None:
                    break
                if self._windows.replace(window, added):
                    states[window] = added
                    break
                states |= self._windows.states([window])
            else:
                raise TransientError(f"a window was written by others {_TRIES} times while it was added to")
        return {window: state.statistics for window, state in states.items() if state.statistics}, full

    def _conclude(self, records: Sequence[Record], outcome: Outcome) -> None:
        """Announces, then records, as all uploads are; not again where the batch has ended."""
        key = _raw_key(batch_name(self._dataset.name, records))
        upload = Upload(self._lake.bucket, key, STREAM_VERSION, sum(len(record.data) for record in records))
        standing = self._ledger.standings([upload]).get(upload)
        if standing and standing.state != FAILED:
            return
        attempt = (standing.attempt if standing else 0) + 1
        if outcome.state == FAILED:
            # An attempt before may have announced its outcome and been killed: what follows is another one.
            attempt += 1
        self._notifier.publish(announce(upload, attempt, outcome, self._environment))
        if self._ledger.record(upload, attempt, outcome):
            self._count(upload, outcome)


def _raw_key(name: str) -> str:
    return f"raw/{name}.jsonl.gz"


def _runs(checked: Sequence[Checked]) -> dict[Window, list[Run]]:
    """What each window gets, source by source. A record that could not be checked parts what is before and after it."""
    pieces: Counter[str] = Counter()
    found: dict[Window, dict[tuple[str, int], Run]] = {}
    for each in checked:
        source = each.record.source
        if each.failure:
            pieces[source] += 1
        elif each.reading:
            runs = found.setdefault(each.reading.window, {})
            run = runs.setdefault((source, pieces[source]), Run(source, []))
            run.readings.append((each.record.number, each.reading.temperature))
    return {window: list(runs.values()) for window, runs in found.items()}


def _snapshot(windows: dict[Window, Statistics]) -> bytes:
    """How windows stand, a JSON object a line. Of lines on one window, that with the greatest count holds."""
    lines = []
    for window, statistics in sorted(windows.items(), key=lambda item: (item[0].start, item[0].sensor)):
        numbers = {"sum": statistics.total, "min": statistics.minimum, "max": statistics.maximum}
        members = [f'"sensor":{_to_json(window.sensor)}', f'"minute":"{window.start:%Y-%m-%dT%H:%MZ}"']
        members += [f'"count":{statistics.count}']
        members += [f'"{name}":{exact_text(number)}' for name, number in numbers.items()]
        lines.append(f"{{{','.join(members)}}}")
    return compressed(lines)


def _rejects(bad: Iterable[Checked]) -> bytes:
    """The rules that records violate, a JSON object a line; `row` is the record's line in the raw object."""
    lines = [
        _to_json({"source": each.record.source, "sequence": each.record.sequence, **error.as_dict()})
        for each in bad
        for error in each.errors
    ]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
