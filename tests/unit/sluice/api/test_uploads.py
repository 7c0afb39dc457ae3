"""Uploads over HTTP: which of them, page by page, and what became of one, with links that end."""

import dataclasses
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sluice.api import uploads
from sluice.api.parameters import Parameters
from sluice.api.problems import Problem
from sluice.history import Mark
from sluice.upload import Loaded, Outcome, Stored, Upload
from support.http import NOW

PATH = "/api/v1/uploads"
RESULT = Stored("results", "prices/LSE/Ä b.csv.parquet", "v 1", "ab" * 32, 1234)
REPORT = Stored("lake", "rejects/temperature/1.jsonl", "v2", "cd" * 32, 56)


@pytest.fixture
def ledger(aws):
    """Writes uploads into the ledger, a minute after each other, the last one a minute before NOW."""
    ended: list[Upload] = []

    def write(*keys_and_states: tuple[str, str], **outcome) -> list[Upload]:
        aws.clock.now = NOW.timestamp() - 60 * len(keys_and_states)
        for number, (key, state) in enumerate(keys_and_states):
            upload = Upload("uploads", key, str(number), 7, "0A")
            claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
            if state != "PROCESSING":
                dataset = key.split("/")[0] if "/" in key else None
                aws.ledger.finish(upload, claim.attempt, Outcome(state, "because", dataset, **outcome))
            ended.append(upload)
            aws.clock.now += 60
        return ended

    return write


def keys(answer) -> list[str]:
    return [one["key"] for one in answer.document["uploads"]]


def test_uploads_are_listed_newest_first_with_what_became_of_them(ask, ledger):
    written = ledger(("prices/LSE/a.csv", "SUCCEEDED"), ("unknown.bin", "IGNORED"), ("people/é.csv", "PROCESSING"))

    answer = ask(PATH)

    assert answer.status == 200 and answer.document["next"] is None
    assert keys(answer) == ["people/é.csv", "unknown.bin", "prices/LSE/a.csv"]
    processing, ignored, succeeded = answer.document["uploads"]
    # The ledger knows the dataset once it has ended; until then the key says it.
    assert (processing["state"], processing["dataset"], processing["finished"]) == ("PROCESSING", "people", None)
    assert processing["first_seen"] == "2026-11-28T10:04:30Z"
    assert (ignored["dataset"], ignored["reason"]) == (None, "because")
    assert succeeded["upload_id"] == written[0].id
    assert succeeded["finished"] == "2026-11-28T10:02:30Z"


FOUND = {
    "state=FAILED": ["prices/LSE/b.csv", "people/d.csv"],
    "state=PROCESSING": ["prices/LSE/c.csv"],
    "dataset=prices": ["prices/LSE/c.csv", "prices/LSE/b.csv", "prices/LSE/a.csv"],
    "dataset=none": ["e"],
    "dataset=people&state=SUCCEEDED": [],
    "until=2026-11-28T10:02:30Z": ["people/d.csv", "e"],
    "since=2026-11-28T10:03:30Z": ["prices/LSE/c.csv", "prices/LSE/b.csv"],
    "since=2026-11-28T10:02:30Z&until=2026-11-28T10:03:30Z": ["prices/LSE/a.csv"],
    "until=2026-12-20T00:00:00Z": [],
}


def test_filters_are_state_dataset_and_time(ask, ledger):
    ledger(
        ("e", "IGNORED"),
        ("people/d.csv", "FAILED"),
        ("prices/LSE/a.csv", "SUCCEEDED"),
        ("prices/LSE/b.csv", "FAILED"),
        ("prices/LSE/c.csv", "PROCESSING"),
    )

    assert {query: keys(ask(f"{PATH}?{query}")) for query in FOUND} == FOUND


def test_pages_follow_each_other_and_stay_with_the_time_they_began_in(ask, ledger):
    ledger(*[(f"prices/LSE/{number}.csv", "SUCCEEDED") for number in range(5)])

    first = ask(f"{PATH}?limit=2&dataset=prices")
    second = ask(f"{PATH}?limit=2&dataset=prices&page={first.document['next']}")
    third = ask(f"{PATH}?dataset=prices&page={second.document['next']}")

    assert [one["key"][11] for page in (first, second, third) for one in page.document["uploads"]] == list("43210")
    assert third.document["next"] is None
    assert set(first.document["next"]) < set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_page_of_another_question_is_refused(ask, ledger):
    ledger(*[(f"prices/LSE/{number}.csv", "SUCCEEDED") for number in range(3)])
    token = ask(f"{PATH}?limit=1&dataset=prices").document["next"]

    for query in ("", "&dataset=people", "&dataset=prices&state=FAILED", "&dataset=prices&since=2026-11-27T00:00:00Z"):
        assert ask(f"{PATH}?page={token}{query}").errors.keys() == {"page"}


def read(token: str) -> uploads.Question:
    return uploads.Question.read(Parameters(urlencode({"page": token})), ["prices"], NOW)


ASKED = uploads.Question.read(Parameters(""), ["prices"], NOW).asked
TOKEN = uploads._to_token(NOW, Mark(NOW, "0" * 32), ASKED)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("ABCghi019-_"))
def test_a_page_that_was_tampered_with_is_refused(place, character):
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed == TOKEN:
        assert read(changed).after == Mark(NOW, "0" * 32)
        return
    for token in (changed, TOKEN[:place]):
        with pytest.raises(Problem) as problem:
            read(token)
        assert [field for field, _ in problem.value.errors] == ["page"]


@pytest.mark.parametrize("text", ["", "1.2", f"{10**18}.1.{'0' * 32}", "-1.1.", "1.1.x", "1_0.1.", "٣.1."])
def test_a_page_that_was_made_up_is_refused_or_a_place_to_go_on_from(text):
    token = uploads._encode(f"{text}.{uploads._checksum(text, ASKED)}".encode())

    with pytest.raises(Problem):
        read(token)


def test_every_parameter_that_is_wrong_is_named(ask):
    answer = ask(f"{PATH}?state=failed&dataset=x&since=1&until=2&limit=101&page=!&order=asc")

    assert answer.status == 400
    assert answer.errors.keys() == {"state", "dataset", "since", "until", "limit", "page", "order"}
    assert ask(f"{PATH}?since=2026-11-28T10:00:00Z&until=2026-11-28T10:00:00Z").errors.keys() == {"since"}


def test_an_upload_is_told_whole_with_links_that_end(ask, aws, ledger):
    loaded = Loaded(3, 2, 1)
    more = {"rows_good": 6, "rows_rejected": 1, "rows_blank": 2, "result": RESULT, "error_report": REPORT}
    [upload] = ledger(("prices/LSE/Ä b.csv", "PARTIAL"), loaded=loaded, **more)

    told = ask(f"{PATH}/{upload.id}").document

    assert (told["upload_id"], told["state"], told["dataset"], told["attempt"]) == (upload.id, "PARTIAL", "prices", 1)
    assert (told["size_bytes"], told["rows_blank"], told["loaded"]) == (7, 2, dataclasses.asdict(loaded))
    assert told["first_seen"] == told["finished"] == "2026-11-28T10:04:30Z"
    result = told["result"]
    assert (result["uri"], result["bytes"], result["expires"]) == (RESULT.uri, 1234, "2026-11-28T10:10:30Z")
    url = urlsplit(result["url"])
    query = parse_qs(url.query)
    assert url.path.endswith(quote(RESULT.key))
    assert query["versionId"] == ["v 1"] and query["X-Amz-Expires"] == ["300"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    # What lies in another bucket has no link: this function may not read it.
    assert (told["error_report"]["uri"], told["error_report"]["url"]) == (REPORT.uri, None)


def test_a_link_gives_the_object_of_this_very_upload(ask, aws, ledger):
    version = aws.s3.put_object(Bucket="results", Key="k", Body=b"this one")["VersionId"]
    aws.s3.put_object(Bucket="results", Key="k", Body=b"a newer one")
    [upload] = ledger(("prices/LSE/a.csv", "SUCCEEDED"), result=Stored("results", "k", version, "", 8))

    url = ask(f"{PATH}/{upload.id}").document["result"]["url"]

    assert requests.get(url, timeout=5).content == b"this one"


def test_an_upload_at_work_has_no_results(ask, ledger):
    [upload] = ledger(("prices/LSE/a.csv", "PROCESSING"))

    told = ask(f"{PATH}/{upload.id}").document

    assert (told["state"], told["result"], told["loaded"], told["rows_good"]) == ("PROCESSING", None, None, None)


@pytest.mark.parametrize("upload_id", ["0" * 32, "0" * 31, "x", "0" * 33, "%00", "..%2F", "A" * 32])
def test_an_id_of_no_upload_is_not_found(ask, upload_id):
    answer = ask(f"{PATH}/{upload_id}")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
