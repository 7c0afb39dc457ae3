"""What subscribers are told of an upload: JSON for programs, a text for people, attributes to filter by."""

import json
import unicodedata
from dataclasses import asdict, dataclass

from sluice.upload import FAILED, IGNORED, PARTIAL, REJECTED, SUCCEEDED, Loaded, Outcome, Stored, Upload

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: fewer than 100 characters, no line breaks and no control
# characters. Not every mail program takes more than ASCII, which SNS itself asked for until lately.
_SUBJECT_LIMIT = 99
_CUT = "..."
# Control and format characters, lone surrogates, separators of lines and paragraphs.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
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
    source = "stream" if upload.is_of_stream else "file"
    attributes = {"state": outcome.state, "environment": environment, "source": source}
    # SNS refuses an empty attribute: an upload of no dataset carries "none".
    attributes["dataset"] = outcome.dataset or "none"
    return Announcement(
        subject=_subject(upload.key, _verdict(outcome)),
        text=_text(upload, attempt, outcome, environment),
        document=json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        attributes=attributes,
    )


def _verdict(outcome: Outcome) -> str:
    """What became of it, in a few words."""
    rows = outcome.rows_good + outcome.rows_rejected
    return {
        SUCCEEDED: f"all {rows:,} rows processed",
        PARTIAL: f"{outcome.rows_rejected:,} of {rows:,} rows rejected",
        REJECTED: "rejected, nothing of it was processed",
        FAILED: "not processed, and not by its own fault",
        IGNORED: "ignored",
    }[outcome.state]


def _subject(key: str, verdict: str) -> str:
    """The key and the verdict. Of a key that is too long for both, the end stays: it tells files apart."""
    name = "".join(map(_ascii, unicodedata.normalize("NFKD", key))).strip()
    room = _SUBJECT_LIMIT - len(f": {verdict}")
    if len(name) > room:
        name = _CUT + name[len(_CUT) - room :]
    return f"{name}: {verdict}" if name else verdict


def _text(upload: Upload, attempt: int, outcome: Outcome, environment: str) -> str:
    """A mail for somebody who has uploaded a file and knows nothing of us: what happened, what to do, then the rest."""
    advice = _STREAM_ADVICE if upload.is_of_stream else _ADVICE
    report = _uri(outcome.error_report)
    lines = [f"{upload.key}: {_verdict(outcome)}", "", advice[outcome.state]]
    if outcome.first_errors:
        lines += ["", "The first errors:"]
        lines += [
            f"  row {error.row}: {f'{error.field} ' if error.field else ''}{error.message} ({error.error})"
            for error in outcome.first_errors
        ]
    if report:
        lines += ["", "Every error, with its row and its text, is in the error report:", f"  {report}"]
    lines += [
        "",
        f"State:         {outcome.state}",
        f"Reason:        {outcome.reason}",
        f"Rows:          {outcome.rows_good:,} good, {outcome.rows_rejected:,} rejected",
        *([f"Loaded:        {_counts(outcome.loaded)}"] if outcome.loaded else []),
        f"Dataset:       {outcome.dataset or 'none'} ({environment})",
        f"Upload:        {upload.uri} (version {upload.version_id})",
        f"Result:        {_uri(outcome.result) or 'none'}",
        f"Error report:  {report or 'none'}",
        "",
        f"Upload id {upload.id}, attempt {attempt}",
    ]
    return "\n".join(map(_one_line, lines))


def _counts(loaded: Loaded) -> str:
    return f"{loaded.inserted:,} inserted, {loaded.updated:,} updated, {loaded.duplicates:,} duplicates"


def _uri(stored: Stored | None) -> str | None:
    return stored.uri if stored else None


def _ascii(character: str) -> str:
    """What stands for a character in a subject: an accent that was taken off its letter is left out."""
    if unicodedata.combining(character):
        return ""
    return character if " " <= character <= "~" else "?"


def _one_line(text: str) -> str:
    """A line of the mail: a key that has line breaks in it, or turns the text around, writes no lines of its own."""
    return "".join("?" if unicodedata.category(character) in _UNPRINTABLE else character for character in text)
