"""Clients that sign what others will send: good in every region, and for the bucket's own endpoint."""

from urllib.parse import parse_qs, urlsplit

import pytest

from sluice.clients import make_signer


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
