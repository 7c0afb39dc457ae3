"""Clients that sign what others will send: good in every region, and for the bucket's own endpoint."""

from urllib.parse import parse_qs, urlsplit

import pytest

from sluice.clients import make_signer


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-3"])
def test_links_are_signed_for_the_region_itself(monkeypatch, region):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    link = urlsplit(make_signer().generate_presigned_url("get_object", Params={"Bucket": "results", "Key": "a"}))

    assert parse_qs(link.query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    # us-east-1 is where the endpoint without a region is.
    place = "s3" if region == "us-east-1" else f"s3.{region}"
    assert link.hostname == f"results.{place}.amazonaws.com"
