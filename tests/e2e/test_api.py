"""The deployed API: who may call it, the ledger through it, and samples for another account."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local.calls import Api, fetch
from local.cloud import Cloud
from local.demonstrations.api import PARTNER, deploy_partner, domain, find, submit
from local.deployment import Deployment
from support.cloud import ACCOUNT_ROOT, refusal, role, signed_in
from support.deployed import GOOD, held_to_what_it_takes, resource, role_name, until

BAD_ROW = GOOD + b"broken\n"


@pytest.fixture(scope="module")
def partner(extended: Deployment) -> tuple[Cloud, str]:
    """Another account, and its bucket for samples, in which the deployment puts its own."""
    account = extended.cloud.of(PARTNER)
    bucket, key = deploy_partner(account, extended.outputs()["GenerateRoleArn"])
    extended.change(SampleBucket=bucket, SampleKeyArn=key)
    return account, bucket


@pytest.fixture(scope="module")
def api(extended: Deployment, partner: tuple[Cloud, str]) -> Api:
    return Api(extended.cloud, extended.outputs()["ApiUrl"])


@pytest.fixture(scope="module")
def ended(extended: Deployment, api: Api) -> dict[str, dict]:
    """Uploads as the API lists them, by key: one that was sent by form, two put as usual."""
    form = api.post("/api/v1/uploads", {"dataset": "prices", "key": "prices/API/form.csv"})
    assert form.status == 201, form
    assert submit(form.document, BAD_ROW).status == 204
    extended.upload("prices/API/one.csv", GOOD)
    extended.upload("people/api.csv", b"id,email\n1,a@example.org\n")
    keys = ("prices/API/form.csv", "prices/API/one.csv", "people/api.csv")
    return {key: found for key in keys if (found := find(api, key))}


@pytest.fixture
def with_iam(extended: Deployment) -> Iterator[None]:
    extended.change(ApiAuthorization="IAM")
    yield
    extended.change(ApiAuthorization="NONE")


@pytest.fixture
def token(extended: Deployment) -> Iterator[str]:
    """A token of somebody who may call, from a user pool that the API is told of."""
    issuer, audience, token = signed_in(extended.cloud)
    extended.change(ApiAuthorization="JWT", ApiJwtIssuer=issuer, ApiJwtAudience=audience)
    yield token
    extended.change(ApiAuthorization="NONE", ApiJwtIssuer="", ApiJwtAudience="")


def test_the_page_its_document_and_what_is_not_there(api):
    page, document, nothing = api.get("/"), api.get("/openapi.json"), api.get("/api/v1/nothing")

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    paths = {"/api/v1/uploads", "/api/v1/uploads/{id}", "/api/v1/samples", "/api/v1/temperature"}
    assert document.status == 200 and paths <= document.document["paths"].keys()
    assert (nothing.status, nothing.headers["content-type"]) == (404, "application/problem+json")
    assert api.get("/api/v1/temperature", sensor="no/sensor").document["errors"][0]["field"] == "sensor"


def test_uploads_are_listed_filtered_and_paged(api, ended):
    assert {key: upload["state"] for key, upload in ended.items()} == {
        "prices/API/form.csv": "PARTIAL",
        "prices/API/one.csv": "SUCCEEDED",
        "people/api.csv": "SUCCEEDED",
    }
    partial = api.get("/api/v1/uploads", dataset="prices", state="PARTIAL").document["uploads"]
    assert "prices/API/form.csv" in [upload["key"] for upload in partial]
    assert {upload["state"] for upload in partial} == {"PARTIAL"}
    listed, token = [], None
    while True:
        page = api.get("/api/v1/uploads", limit=1, page=token).document
        listed += [upload["key"] for upload in page["uploads"]]
        if not (token := page["next"]):
            break
    assert set(ended) <= set(listed) and len(listed) == len(set(listed))


def test_a_report_is_opened_by_a_link_that_needs_no_rights(api, ended):
    upload = api.get(f"/api/v1/uploads/{ended['prices/API/form.csv']['upload_id']}").document
    report = fetch(upload["error_report"]["url"])

    assert report.status == 200
    assert {json.loads(line)["row"] for line in report.body.splitlines()} == {len(BAD_ROW.splitlines())}
    plain = urlsplit(upload["error_report"]["url"])
    assert fetch(f"{plain.scheme}://{plain.netloc}{plain.path}").status == 403


def test_a_form_is_for_one_key_of_a_dataset(extended, api):
    elsewhere = api.post("/api/v1/uploads", {"dataset": "people", "key": "prices/API/other.csv"})
    form = api.post("/api/v1/uploads", {"dataset": "people", "key": "people/form.csv"}).document
    moved = {**form, "fields": {**form["fields"], "key": "people/moved.csv"}}

    assert (elsewhere.status, elsewhere.document["errors"][0]["field"]) == (400, "key")
    assert submit(moved, b"id,email\n").status == 403
    assert submit(form, b"id,email\n2,b@example.org\n").status == 204


def test_a_sample_is_a_new_object_in_the_partners_account(api, partner):
    account, bucket = partner
    first, second = (api.post("/api/v1/samples", {"dataset": "people", "rows": 3, "seed": 5}) for _ in range(2))

    assert (first.status, second.status) == (201, 201)
    assert first.document["bucket"] == second.document["bucket"] == bucket
    assert first.document["key"] != second.document["key"]
    content, again, text = (
        account.client("s3")
        .get_object(Bucket=bucket, Key=answer.document["key"], VersionId=answer.document["version_id"])["Body"]
        .read()
        for answer in (first, second, api.post("/api/v1/samples", {}))
    )
    assert content == again and len(content.splitlines()) == 4
    assert len(text) == 20
    assert api.post("/api/v1/samples", {"dataset": "people", "rows": 10**9}).status == 400


def test_only_our_generator_puts_and_only_under_the_prefix(extended, partner):
    account, bucket = partner
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    other = role(extended.cloud, trust, {"Action": "s3:*", "Resource": "*"})
    ours, generator = extended.outputs()["GenerateRoleArn"], as_function(extended, "GenerateRole")
    stranger = extended.cloud.client("s3", extended.cloud.assume(other, "stranger"))

    assert generator.put_object(Bucket=bucket, Key="samples/by-hand.txt", Body=b"x")["VersionId"]
    for call, arguments in (
        (generator.put_object, {"Key": "elsewhere.txt", "Body": b"x"}),
        (generator.get_object, {"Key": "samples/by-hand.txt"}),
        (generator.delete_object, {"Key": "samples/by-hand.txt"}),
        (generator.list_objects_v2, {}),
        (stranger.put_object, {"Key": "samples/by-stranger.txt", "Body": b"x"}),
        (stranger.get_object, {"Key": "samples/by-hand.txt"}),
    ):
        assert refusal(call, Bucket=bucket, **arguments) == "AccessDenied", (call, ours)
    [found] = account.client("s3").list_object_versions(Bucket=bucket, Prefix="samples/by-")["Versions"]
    assert found["Key"] == "samples/by-hand.txt"


def as_function(deployment: Deployment, logical_id: str):
    """S3 as a role of a function sees it: whoever is its account's root may let themselves in for a while."""
    iam, name = deployment.cloud.client("iam"), role_name(deployment, logical_id)
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    own = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ROOT}, "Action": "sts:AssumeRole"}
    opened = {**trust, "Statement": [*trust["Statement"], own]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        credentials = deployment.cloud.assume(f"arn:aws:iam::{deployment.cloud.account}:role/{name}", "tester")
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    return deployment.cloud.client("s3", credentials)


@pytest.mark.parametrize("name", ["QueryRole", "SubmitRole", "GenerateRole"])
def test_every_granted_action_is_taken_and_no_other_was_asked_for(extended, ended, name):
    """By the tests above, but for what was refused to the generator on purpose, and readings that nobody has put."""
    api = Api(extended.cloud, extended.outputs()["ApiUrl"])
    api.get("/api/v1/temperature")
    api.get("/api/v1/temperature/sensors")
    api.get("/api/v1/uploads", state="PROCESSING")
    refused = {"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"} if name == "GenerateRole" else set()

    held_to_what_it_takes(extended, name, refused)


def test_each_request_is_in_the_access_log(extended, api):
    api.get("/api/v1/uploads/never-was")
    group = resource(extended, "Logs", "Access")

    def logged() -> list[dict]:
        events = extended.cloud.client("logs").filter_log_events(logGroupName=group)["events"]
        return [line for line in (json.loads(event["message"]) for event in events) if "never-was" in line["path"]]

    [line] = until(logged)
    assert (line["method"], line["route"], line["status"]) == ("GET", "GET /api/v1/uploads/{id}", "404")


def test_with_iam_a_request_is_signed_by_somebody_who_may_call(extended, partner, with_iam):
    url, cloud = extended.outputs()["ApiUrl"], extended.cloud
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    calling = {"Action": "execute-api:Invoke", "Resource": f"arn:aws:execute-api:*:*:{urlsplit(url).netloc[:8]}/*"}
    allowed, stranger = (
        Api(cloud, url, credentials=cloud.assume(role(cloud, trust, *some), "tester")) for some in ((calling,), ())
    )

    assert allowed.get("/api/v1/uploads").status == 200
    assert allowed.post("/api/v1/samples", {}).status == 201
    assert stranger.get("/api/v1/uploads").status == 403
    unsigned = Api(cloud, url)
    assert [unsigned.get(path).status for path in ("/api/v1/uploads", "/api/v1/nothing")] == [403, 403]
    assert [unsigned.get(path).status for path in ("/", "/openapi.json")] == [200, 200]


def test_with_jwt_a_request_has_a_token_that_the_issuer_signed(extended, token):
    url, cloud = extended.outputs()["ApiUrl"], extended.cloud
    head, claims, signature = token.split(".")
    broken = f"{head}.{claims}.{'A' * len(signature)}"

    assert Api(cloud, url, token=token).get("/api/v1/uploads").status == 200
    assert Api(cloud, url, token=broken).get("/api/v1/uploads").status == 401
    assert Api(cloud, url).get("/api/v1/uploads").status == 401
    assert Api(cloud, url).get("/").status == 200


def test_under_its_own_domain_it_is_not_found_elsewhere(extended, api):
    extended.change(**domain(extended.cloud))
    own = Api(extended.cloud, extended.outputs()["ApiUrl"])

    assert extended.outputs()["ApiUrl"] == "https://api.sluice.localhost"
    assert own.get("/api/v1/uploads").status == 200
    assert api.get("/api/v1/uploads").status == 404
    extended.change(ApiDomainName="", ApiHostedZoneId="")
    with pytest.raises(ClientError):
        extended.cloud.client("apigatewayv2").get_domain_name(DomainName="api.sluice.localhost")
