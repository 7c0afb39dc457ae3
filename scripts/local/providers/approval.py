"""Approval: somebody says yes or no to what the action shows.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ManualApproval.html
The question is kept as <cloud's folder>/approvals/<execution>.json while it waits. It is answered by whoever made that
folder (`answer`), or else at the terminal that the push came from.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from local.actions import ActionFailed, Job, Outcome
from local.cloud import Cloud

_POLL_SECONDS = 0.1
_FOLDER = "approvals"


def run(job: Job) -> Outcome:
    """Wait for the answer; ActionFailed where it is no, or where there is nobody to ask."""
    job.only("CustomData", "ExternalEntityLink", "NotificationArn")
    summary = job.configuration.get("CustomData", "")
    question = {"pipeline": job.pipeline, "execution": job.execution_id, "summary": summary}
    folder = job.cloud.folder / _FOLDER
    is_approved = _by_folder(folder, question, job) if folder.is_dir() else _at_the_terminal(question)
    if not is_approved:
        raise ActionFailed("rejected")
    return Outcome(message="approved")


def _by_folder(folder: Path, question: dict, job: Job) -> bool:
    path, reply = folder / f"{job.execution_id}.json", folder / f"{job.execution_id}.answer"
    _write(path, json.dumps(question))
    job.log(f"waiting for approval: {question['summary']}")
    while not reply.exists():
        time.sleep(_POLL_SECONDS)
    return reply.read_text(encoding="utf-8") == "yes"


def _at_the_terminal(question: dict) -> bool:
    try:
        # Standard input is git's.
        with open("/dev/tty", "r+b", buffering=0) as terminal:
            terminal.write(f"\n{question['pipeline']}: {question['summary']}\nApprove (yes/no)? ".encode())
            return terminal.readline().strip() == b"yes"
    except OSError:
        raise ActionFailed("NOT RUN LOCALLY: there is no terminal to ask at") from None


def expect_questions(cloud: Cloud) -> None:
    """From now on, questions wait for `answer`."""
    (cloud.folder / _FOLDER).mkdir(exist_ok=True)


def questions(cloud: Cloud) -> Iterator[dict]:
    """{pipeline, execution, summary} of each question that waits."""
    for path in sorted((cloud.folder / _FOLDER).glob("*.json")):
        if not path.with_suffix(".answer").exists():
            yield json.loads(path.read_text(encoding="utf-8"))


def answer(cloud: Cloud, question: dict, is_approved: bool) -> None:
    """Answer a question."""
    _write(cloud.folder / _FOLDER / f"{question['execution']}.answer", "yes" if is_approved else "no")


def _write(path: Path, text: str) -> None:
    """A reader sees all of it or nothing."""
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
