"""`scripts/sluice status` and `watch`."""

import itertools
import json
from types import SimpleNamespace

import pytest

from operations import status
from operations.entries import Entries
from sluice.ledger_reader import LedgerReader

# Of the fixture `uploads`.
NEWEST_FIRST = ["prices/LSE/d.csv", "people/c.csv", "minutes.txt", "prices/LSE/b.csv", "people/a.csv"]


def keys(answer) -> list[str]:
    return [upload["key"] for upload in answer.document["uploads"]]


@pytest.fixture
def uploads(end, begin):
    end("people/a.csv", state="SUCCEEDED", rows_good=5)
    end("prices/LSE/b.csv", state="REJECTED", dataset="prices")
    end("minutes.txt", state="IGNORED", dataset=None)
    begin("people/c.csv", error="S3 was slow")
    end("prices/LSE/d.csv", state="FAILED", dataset="prices")


def test_the_last_day_is_listed_newest_first(sluice, uploads):
    assert keys(sluice("status", "--json")) == NEWEST_FIRST


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--state", "failed,REJECTED"], ["prices/LSE/d.csv", "prices/LSE/b.csv"]),
        (["--state", "PROCESSING"], ["people/c.csv"]),
        (["--dataset", "people"], ["people/c.csv", "people/a.csv"]),
        (["--dataset", "none"], ["minutes.txt"]),
        (["--dataset", "prices", "--state", "REJECTED"], ["prices/LSE/b.csv"]),
        (["--since", "10m"], []),
        (["--limit", "2"], ["prices/LSE/d.csv", "people/c.csv"]),
    ],
)
def test_options_choose(sluice, uploads, options, found):
    assert keys(sluice("status", "--json", *options)) == found


def test_a_table_shows_what_people_ask_for_and_says_that_it_is_cut(sluice, uploads):
    answer = sluice("status", "--limit", "4")

    lines = [line.split() for line in answer.out.splitlines()]
    assert lines[0] == ["state", "key", "dataset", "good", "rejected", "UTC", "reason"]
    assert lines[2][:5] == ["PROCESSING", "people/c.csv", "people", "-", "-"] and lines[2][7:] == ["S3", "was", "slow"]
    assert "only the newest 4 are shown" in answer.err and "newest" not in sluice("status").err


def test_where_there_is_nothing_it_says_how_to_find_more(sluice, uploads):
    recent = sluice("status", "--since", "1m").err
    slip = sluice("status", "--dataset", "poeple").err

    assert "--since looks further back" in recent and "no dataset" not in recent
    assert "no dataset of this tree is called poeple; these are: people, " in slip
    assert sluice("status", "--dataset", "none").err == ""


def test_a_key_has_all_its_versions_with_what_to_do(sluice, end):
    end("people/it's.csv", "old", "SUCCEEDED", sequencer="0A")
    end("people/it's.csv", "new", "FAILED", sequencer="0B")

    answer = sluice("status", "people/it's.csv")

    assert answer.out.index("new") < answer.out.index("old")
    assert """`scripts/sluice redrive --key 'people/it'"'"'s.csv'` tries it again""" in answer.out
    assert [one["version_id"] for one in sluice("status", "people/it's.csv", "--json").document["uploads"]] == [
        "new",
        "old",
    ]


def test_an_upload_is_found_by_its_id(sluice, uploads, end):
    wanted = end("people/e.csv")

    [found] = sluice("status", wanted.id, "--json").document["uploads"]

    assert (found["key"], found["upload_id"], found["state"]) == ("people/e.csv", wanted.id, "SUCCEEDED")


def test_a_batch_of_the_stream_is_found_in_the_lake(aws, sluice, stacks, end):
    stacks.outputs["LakeBucket"] = "uploads"
    stacks.outputs["UploadsBucket"] = "elsewhere"
    end("raw/temperature/x.jsonl.gz")

    assert keys(sluice("status", "raw/temperature/x.jsonl.gz", "--json")) == ["raw/temperature/x.jsonl.gz"]


def test_a_key_that_nobody_knows_is_an_error_with_what_to_do(sluice):
    assert "knows no upload nobody.csv: look for it with" in sluice("status", "nobody.csv", code=1).err


@pytest.mark.parametrize("options", [["a.csv", "--state", "FAILED"], ["--state", "LOST"], ["--since", "yesterday"]])
def test_a_command_line_that_means_nothing_is_refused(sluice, options):
    assert "Error: " in sluice("status", *options, code=2).err


@pytest.mark.parametrize(
    ("state", "is_there"), [({"IndexStatus": "ACTIVE"}, True), ({"IndexStatus": "CREATING"}, False), ({}, True)]
)
def test_the_index_is_used_where_it_is_whole(state, is_there):
    """The local cloud does not say how it is."""
    table = {"Table": {"GlobalSecondaryIndexes": [{"IndexName": "open", **state}]}}
    dynamodb = SimpleNamespace(describe_table=lambda TableName: table)

    assert Entries(dynamodb, "ledger", [], {}).lists_open is is_there


def test_without_the_index_what_has_not_ended_is_scanned_for(aws, sluice, stacks, uploads):
    without_index(aws, stacks)

    assert keys(sluice("status", "--json")) == NEWEST_FIRST


def without_index(aws, stacks) -> None:
    """Copies the ledger into a table as a deployment without the API has it."""
    described = aws.dynamodb.describe_table(TableName="ledger")["Table"]
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in described["GlobalSecondaryIndexes"]
        if index["IndexName"] != "open"
    ]
    used = {one["AttributeName"] for index in indexes for one in index["KeySchema"]} | {"upload_key", "version_id"}
    aws.dynamodb.create_table(
        TableName="without-api",
        KeySchema=described["KeySchema"],
        AttributeDefinitions=[one for one in described["AttributeDefinitions"] if one["AttributeName"] in used],
        GlobalSecondaryIndexes=indexes,
        BillingMode="PAY_PER_REQUEST",
    )
    for item in aws.dynamodb.scan(TableName="ledger")["Items"]:
        aws.dynamodb.put_item(TableName="without-api", Item=item)
    stacks.outputs["LedgerTable"] = "without-api"


@pytest.fixture
def looks(monkeypatch):
    """What happens between the looks of a watch, which Ctrl-C ends after the last."""

    def between(*actions) -> None:
        left = iter(actions)

        def sleep(seconds: float) -> None:
            action = next(left, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        monkeypatch.setattr(status.time, "sleep", sleep)

    return between


def test_a_watch_tells_each_state_once(sluice, begin, end, looks):
    begin("people/a.csv")
    looks(lambda: None, lambda: end("people/b.csv"), lambda: None)

    lines = [json.loads(line) for line in sluice("watch", "--json").out.splitlines()]

    assert [(one["key"], one["state"]) for one in lines] == [
        ("people/a.csv", "PROCESSING"),
        ("people/b.csv", "SUCCEEDED"),
    ]


def test_a_watch_shows_a_table_and_ctrl_c_is_its_proper_end(sluice, end, looks):
    end("people/a.csv")
    looks(lambda: None)

    out = sluice("watch").out

    assert "people/a.csv" in out and "sluice-staging" in out


def test_a_watch_does_not_scan_and_says_what_it_leaves_out(aws, sluice, stacks, begin, end, looks, monkeypatch):
    begin("people/a.csv")
    end("people/b.csv")
    without_index(aws, stacks)
    looks()

    answer = sluice("watch", "--json")

    assert [json.loads(line)["key"] for line in answer.out.splitlines()] == ["people/b.csv"]
    assert "what has not ended is not shown" in answer.err


def test_a_listing_goes_on_from_page_to_page(sluice, end, monkeypatch):
    for number in range(7):
        end(f"people/{number}.csv")
    pages = itertools.count()
    read = LedgerReader.page
    monkeypatch.setattr("operations.entries._PAGE", 2)
    monkeypatch.setattr(LedgerReader, "page", lambda *arguments: next(pages) and None or read(*arguments))

    assert keys(sluice("status", "--json")) == [f"people/{number}.csv" for number in reversed(range(7))]
    assert next(pages) > 7
