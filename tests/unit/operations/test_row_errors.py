"""`scripts/sluice errors`."""

import json

import pytest

from sluice.upload import Stored


@pytest.fixture
def reported(aws, end):
    """An upload that has ended with so many row errors."""

    def write(key: str, count: int, text: str = "x"):
        lines = [
            {"row": row, "field": "id", "error": "type-error", "message": "is not an integer", "text": text}
            for row in range(1, count + 1)
        ]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        version = aws.s3.put_object(Bucket="results", Key=f"{key}.errors.jsonl", Body=body)["VersionId"]
        report = Stored("results", f"{key}.errors.jsonl", version, "ab" * 32, len(body))
        return end(key, state="PARTIAL", rows_good=3, rows_rejected=count, error_report=report)

    return write


def test_each_error_is_a_line_with_its_text_in_quotes(sluice, reported):
    reported("people/a.csv", 2, text=" \x1b[2J\u202e")

    answer = sluice("errors", "people/a.csv")

    assert answer.out.splitlines() == [
        "PARTIAL  people/a.csv  because PARTIAL",
        "row  field  error       rule               text",
        '1    id     type-error  is not an integer  " \\u001b[2J\\u202e"',
        '2    id     type-error  is not an integer  " \\u001b[2J\\u202e"',
    ]
    assert "correct the rows, then upload it again" in answer.err


def test_a_long_report_is_cut_for_people_and_whole_for_programs(sluice, reported):
    reported("people/a.csv", 105)

    assert "5 more: --all shows them" in sluice("errors", "people/a.csv").err
    assert len(sluice("errors", "people/a.csv", "--all").out.splitlines()) == 2 + 105
    document = sluice("errors", "people/a.csv", "--json").document
    assert (len(document["errors"]), document["rows_rejected"], document["errors"][104]["row"]) == (105, 105, 105)


def test_the_report_is_the_version_that_the_ledger_names(aws, sluice, reported):
    """And not one of another version of the file, which lies at the same key."""
    reported("people/a.csv", 1, text="mine")
    aws.s3.put_object(Bucket="results", Key="people/a.csv.errors.jsonl", Body=b"{}\n")

    assert '"mine"' in sluice("errors", "people/a.csv").out


def test_an_upload_without_errors_says_how_it_ended(sluice, end, begin):
    end("people/a.csv")
    begin("people/b.csv")

    assert sluice("errors", "people/a.csv").out == "SUCCEEDED  people/a.csv  because SUCCEEDED\n"
    assert "it has not ended" in sluice("errors", "people/b.csv").err


def test_a_report_that_is_gone_is_an_error_with_what_to_do(aws, sluice, reported):
    reported("people/a b.csv", 1)
    [version] = aws.s3.list_object_versions(Bucket="results")["Versions"]
    aws.s3.delete_object(Bucket="results", Key=version["Key"], VersionId=version["VersionId"])

    assert "is gone" in (err := sluice("errors", "people/a b.csv", code=1).err)
    assert "`scripts/sluice replay --key 'people/a b.csv'` writes it anew" in err


def test_a_version_is_asked_for(sluice, end):
    end("people/a.csv", "old", "REJECTED", sequencer="0A")
    end("people/a.csv", "new", sequencer="0B")

    assert sluice("errors", "people/a.csv", "--version-id", "old").out.startswith("REJECTED")
    assert "knows new, old" in sluice("errors", "people/a.csv", "--version-id", "none", code=1).err
