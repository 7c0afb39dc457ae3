"""Clients: how long they wait, and what they sign for others to send."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from sluice.clients import make_quick_client, make_signer
from support.checkout import ROOT

API = ("query", "submit", "generate")


def test_what_somebody_waits_for_is_given_up_while_there_is_time_to_say_so(monkeypatch):
    """Or the function is stopped, and API Gateway answers for it, with no problem document."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    template = (ROOT / "templates" / "lambda.yaml").read_text(encoding="utf-8")
    seconds = {
        int(re.search(rf"\n  {name.title()}:\n.*?\n      Timeout: (\d+)\n", template, re.DOTALL)[1]) for name in API
    }
    config = make_quick_client("s3").meta.config

    tries = config.retries["total_max_attempts"]
    # Before a try, botocore waits for 1 s, 2 s, 4 s at most.
    longest = tries * (config.connect_timeout + config.read_timeout) + 2 ** (tries - 1) - 1
    assert tries > 1 and longest < min(seconds)


@pytest.mark.parametrize("name", API)
def test_the_functions_of_the_api_have_no_clients_that_wait_for_longer(name):
    assert "make_client" not in (ROOT / "lambda" / "sluice" / "handlers" / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-3"])
def test_links_and_forms_are_signed_for_the_region_itself(monkeypatch, region):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    signer = make_signer()

    link = urlsplit(signer.generate_presigned_url("get_object", Params={"Bucket": "results", "Key": "a"}))
    form = signer.generate_presigned_post("results", "a")

    assert parse_qs(link.query)["X-Amz-Algorithm"] == [form["fields"]["x-amz-algorithm"]] == ["AWS4-HMAC-SHA256"]
    assert link.hostname == urlsplit(form["url"]).hostname == f"results.s3.{region}.amazonaws.com"
