"""What subscribers are told of an upload: JSON for programs, a text for people, attributes to filter by."""

import json
from dataclasses import asdict, dataclass

from sluice.upload import FAILED, IGNORED, PARTIAL, REJECTED, STREAM_VERSION, SUCCEEDED, Loaded, Outcome, Stored, Upload

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: a subject has fewer than 100 printable ASCII characters.
_SUBJECT_LIMIT = 99
_ADVICE = {
    SUCCEEDED: "Nothing needs doing.",
    PARTIAL: "Correct the rejected rows and upload the file again; the error report names them.",
    REJECTED: "Correct the file and upload it again.",
    FAILED: "This is not the file's fault. The operators have been alarmed and can redrive it; do not upload it again.",
    IGNORED: "If this file was meant to be processed, upload it under a key that a dataset claims.",
}
_STREAM_ADVICE = _ADVICE | {
    PARTIAL: "Correct what sends the rejected records; the error report names them.",
    REJECTED: "Correct what sends these records; the error report names what is wrong with them.",
    FAILED: "This is not the records' fault. The operators have been alarmed and can redrive the batch's dead letter.",
}


@dataclass(frozen=True)
class Announcement:
    """A notification of one attempt: receivers tell repeats apart by upload id and attempt."""

    subject: str
    text: str
    document: str
    attributes: dict[str, str]


def announce(upload: Upload, attempt: int, outcome: Outcome, environment: str) -> Announcement:
    """The announcement of an outcome. It carries no text of the file: that stays in the error report."""
    document = {
        "upload_id": upload.id,
        "attempt": attempt,
        "environment": environment,
        "bucket": upload.bucket,
        "key": upload.key,
        "version_id": upload.version_id,
        "dataset": outcome.dataset,
        "state": outcome.state,
        "reason": outcome.reason,
        "rows_good": outcome.rows_good,
        "rows_rejected": outcome.rows_rejected,
        **(asdict(outcome.loaded) if outcome.loaded else {}),
        "result": _uri(outcome.result),
        "error_report": _uri(outcome.error_report),
        "first_errors": [
            {"row": error.row, "field": error.field, "error": error.error, "message": error.message}
            for error in outcome.first_errors
        ],
    }
    # A device that sends nonsense is no file that somebody has to correct: who is mailed can tell them apart.
    source = "stream" if upload.version_id == STREAM_VERSION else "file"
    attributes = {"state": outcome.state, "environment": environment, "source": source}
    # SNS refuses an empty attribute: an upload of no dataset carries "none".
    attributes["dataset"] = outcome.dataset or "none"
    return Announcement(
        subject=_printable(_headline(upload, outcome))[:_SUBJECT_LIMIT],
        text=_text(upload, attempt, outcome, environment),
        document=json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        attributes=attributes,
    )


def _headline(upload: Upload, outcome: Outcome) -> str:
    if outcome.state == PARTIAL:
        rows = outcome.rows_good + outcome.rows_rejected
        return f"{outcome.rows_rejected:,} of {rows:,} rows rejected: {upload.key}"
    return f"{outcome.state}: {upload.key}"


def _text(upload: Upload, attempt: int, outcome: Outcome, environment: str) -> str:
    lines = [
        _shown(_headline(upload, outcome)),
        "",
        f"State:         {outcome.state}",
        f"Reason:        {outcome.reason}",
        f"Rows:          {outcome.rows_good:,} good, {outcome.rows_rejected:,} rejected",
        *([f"Loaded:        {_counts(outcome.loaded)}"] if outcome.loaded else []),
        f"Dataset:       {outcome.dataset or 'none'} ({environment})",
        f"Upload:        {_shown(upload.uri)} (version {upload.version_id})",
        f"Result:        {_shown(_uri(outcome.result) or 'none')}",
        f"Error report:  {_shown(_uri(outcome.error_report) or 'none')}",
    ]
    if outcome.first_errors:
        lines += ["", "The first errors:"]
        lines += [
            f"  row {error.row}: {f'{error.field} ' if error.field else ''}{error.message} ({error.error})"
            for error in outcome.first_errors
        ]
    advice = _STREAM_ADVICE if upload.version_id == STREAM_VERSION else _ADVICE
    lines += ["", advice[outcome.state], "", f"Upload id {upload.id}, attempt {attempt}"]
    return "\n".join(lines)


def _counts(loaded: Loaded) -> str:
    return f"{loaded.inserted:,} inserted, {loaded.updated:,} updated, {loaded.duplicates:,} duplicates"


def _uri(stored: Stored | None) -> str | None:
    return stored.uri if stored else None


def _shown(text: str) -> str:
    """A text of one line that looks like what it is: a key may hold line ends, and marks that turn the text round."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
