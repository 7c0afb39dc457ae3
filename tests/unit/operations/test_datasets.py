"""`scripts/sluice dataset check`: what it says of descriptors and samples, and that it needs no AWS."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from moto import mock_aws

from operations import cli
from sluice.datasets import Catalogue
from sluice.processors import NEEDS
from support.deployment import DATASETS, PRICES, Aws, invocation

DESCRIPTOR = """\
name: orders
schema:
  fields:
    - {name: id, type: integer, constraints: {required: true}}
    - {name: note}
sluice:key: orders/{shop}.csv
sluice:processor: clean
sluice:result: clean/{shop}.csv
"""


@pytest.fixture
def check(tmp_path, capsys):
    """Runs the command on a descriptor and a sample, and returns exit code, output and errors."""

    def run(descriptor: str | bytes, sample: bytes | None = None, *options: str) -> tuple[int, str, str]:
        (tmp_path / "orders.yaml").write_bytes(descriptor.encode() if isinstance(descriptor, str) else descriptor)
        files = [str(tmp_path / "orders.yaml")]
        if sample is not None:
            (tmp_path / "sample").write_bytes(sample)
            files.append(str(tmp_path / "sample"))
        code = cli.main(["dataset", "check", *files, *options])
        out, err = capsys.readouterr()
        return code, out, err.replace(str(tmp_path), "FOLDER")

    return run


def test_a_valid_descriptor_is_summed_up(check):
    assert check(DESCRIPTOR) == (
        0,
        "dataset    orders\nkey        orders/{shop}.csv\nprocessor  clean\nresult     clean/{shop}.csv\n",
        "",
    )


def test_a_dataset_that_is_loaded_is_shown_with_its_table(check):
    load = "sluice:processor: load\nsluice:load: {table: orders, mode: append}\n"
    descriptor = DESCRIPTOR.replace("sluice:processor: clean\nsluice:result: clean/{shop}.csv\n", load)

    code, out, err = check(descriptor, b"id,note\n1,a\n1,b\n")

    assert (code, err) == (0, "")
    assert out.splitlines()[2:6] == [
        "processor  load",
        "mode       append",
        "table      CREATE TABLE `orders` (",
        "  `id` BIGINT NOT NULL,",
    ]
    assert out.splitlines()[-1] == "state      SUCCEEDED: all 2 rows are valid"


@pytest.mark.parametrize(
    ("descriptor", "error"),
    [
        (DESCRIPTOR.replace("integer", "int"), "FOLDER/orders.yaml:4: schema.fields.0: "),
        (DESCRIPTOR.replace("name: note", "name: [note"), "FOLDER/orders.yaml:5: "),
        (DESCRIPTOR.replace("note", "größe").encode("latin-1"), "FOLDER/orders.yaml:5: a descriptor is UTF-8"),
        (DESCRIPTOR.replace("note", "no\x07te"), "FOLDER/orders.yaml:5: special characters are not allowed"),
        ("", "FOLDER/orders.yaml:1: must be a mapping"),
    ],
    ids=["type", "YAML", "encoding", "control character", "empty"],
)
def test_an_invalid_descriptor_is_refused_with_its_line(check, descriptor, error):
    code, out, err = check(descriptor, b"id,note\n1,a\n")

    assert (code, out) == (1, "")
    assert err.startswith(error)
    assert err.count("\n") == 1


def test_a_sample_is_tried_row_by_row(check):
    code, out, err = check(DESCRIPTOR, "id,note\n1,a\nx,é\n\n2,b\n".encode())

    assert (code, err) == (1, "")
    assert out.splitlines()[4:] == [
        "rows       2 good, 1 rejected, 1 blank",
        "state      PARTIAL: 1 of 3 rows break the contract",
        'row 3: id is not an integer (type-error): "x"',
    ]


def test_json_is_one_object(check):
    code, out, _ = check(DESCRIPTOR, b"id,note\n1,a\n" + b"x,a\n" * 12, "--json")

    assert code == 1
    summary = json.loads(out)
    errors = summary.pop("first_errors")
    assert summary == {
        "dataset": "orders",
        "key": "orders/{shop}.csv",
        "processor": "clean",
        "result": "clean/{shop}.csv",
        "state": "PARTIAL",
        "reason": "12 of 13 rows break the contract",
        "rows_good": 1,
        "rows_rejected": 12,
        "rows_blank": 0,
    }
    assert len(errors) == 10
    assert errors[0] == {"row": 3, "field": "id", "error": "type-error", "message": "is not an integer", "text": "x"}


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("people", b"id,email\n1,a@b.example\n"),
        ("people", b"id,email\n1,a@b.example\n2,nobody\n\n"),
        ("people", b"id,mail\n1,a@b.example\n"),
        ("people", b"id,email\n"),
        ("people", b"id,email\n1,\xff@b.example\n\0"),
        ("people", b""),
        ("prices", PRICES),
        ("prices", PRICES[:50]),
        ("strict", b"id,note\n1,a\nx,b\n"),
        ("people", gzip.compress(b"id,email\n1,a@b.example\n", mtime=0)),
        ("tolerant", b"id,note\n1,a\n2,b\n3,c\nx,d\n"),
    ],
)
def test_it_ends_as_the_upload_would(tmp_path, check, monkeypatch, name, sample):
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    descriptors = {path.stem: path.read_text() for path in DATASETS.glob("*.yaml")}
    descriptors["strict"] = DESCRIPTOR.replace("orders", "strict") + "sluice:reject: 1\n"
    descriptors["tolerant"] = DESCRIPTOR.replace("orders", "tolerant") + 'sluice:reject: "26%"\n'
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    (catalogue / "one.yaml").write_text(descriptors[name])
    with mock_aws():
        aws = Aws()
        key = "prices/LSE/sample.csv" if name == "prices" else f"{name}/sample.csv"
        intake = aws.intake(catalogue=Catalogue(catalogue, NEEDS))
        outcome = intake.accept(aws.upload(key, sample), receives=1, sent=0, invocation=invocation(900.0))

    code, out, _ = check(descriptors[name], sample, "--json")

    summary = json.loads(out)
    assert (summary["state"], summary["reason"]) == (outcome.state, outcome.reason)
    counts = (summary["rows_good"], summary["rows_rejected"], summary["rows_blank"])
    assert counts == (outcome.rows_good, outcome.rows_rejected, outcome.rows_blank)
    assert [error["row"] for error in summary["first_errors"]][:5] == [error.row for error in outcome.first_errors]
    assert code == (0 if outcome.state == "SUCCEEDED" else 1)


@pytest.mark.parametrize(
    "arguments",
    [["dataset"], ["dataset", "check"], ["dataset", "check", "elsewhere.yaml"]],
    ids=["no action", "no file", "no such file"],
)
def test_a_wrong_command_line_is_2(arguments):
    try:
        code = cli.main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2


def test_it_needs_no_aws_configuration():
    script = Path(__file__).parents[3] / "scripts" / "sluice"
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "SLUICE_VENV": sys.prefix}
    done = subprocess.run(
        ["sh", script, "dataset", "check", DATASETS / "people.yaml"],
        env={**environment, "AWS_PROFILE": "there-is-none", "AWS_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
