"""The API: a sample for a partner's account, an upload by form, a report by link, all under a domain of its own."""

import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from delivery.artifact import ROOT
from local.calls import Answer, Api, fetch
from local.cloud import Cloud
from local.demonstrations import Shown
from local.demonstrations.files import samples
from local.deployment import Deployment, DeploymentError

SETTINGS = {"EnableApi": "true"}
PARTNER = "444455556666"
# Under localhost, where every name leads a browser to this machine.
ZONE, DOMAIN = "sluice.localhost", "api.sluice.localhost"
SAMPLE = {"dataset": "people", "rows": 5, "seed": 7}
# A file of which some rows break the contract, so that there is a report.
FILE, KEY = "prices/NYSE/IBM.csv", "prices/NYSE/by-form.csv"
_PATIENCE_SECONDS = 60


def show(cloud: Cloud, deployment: Deployment, say: Callable[[str], None]) -> Shown:
    """Wires a partner's account and a domain, and shows what the API does."""
    say(f"account {PARTNER} deploys templates/partner-bucket.yaml for the generator's role")
    partner = cloud.of(PARTNER)
    bucket, key = deploy_partner(partner, deployment.outputs()["GenerateRoleArn"])
    say(f"telling the deployment of that bucket, and to answer as {DOMAIN}")
    deployment.change(SampleBucket=bucket, SampleKeyArn=key, **domain(cloud))
    api = Api(cloud, deployment.outputs()["ApiUrl"], credentials=cloud.root)
    shown = Shown({"api": deployment.outputs()["ApiUrl"], "partner": {"account": PARTNER, "bucket": bucket}})
    authorization = deployment.parameters()["ApiAuthorization"]
    shown.say("", f"the API, called as {DOMAIN}, with TLS (ApiAuthorization: {authorization})")
    _show_sample(api, partner, shown)
    _show_upload(api, shown, say)
    return shown


def deploy_partner(partner: Cloud, role: str) -> tuple[str, str]:
    """Deploys a bucket for samples in the partner's account, which admits the role; its name and its key's ARN."""
    cloudformation, name = partner.client("cloudformation"), "partner-samples"
    parameters = {"GenerateAccount": role.split(":")[4], "GenerateRoleArn": role}
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "templates" / "partner-bucket.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    while True:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
            return outputs["SampleBucket"], outputs["SampleKeyArn"]
        if stack["StackStatus"] != "CREATE_IN_PROGRESS":
            raise DeploymentError(f"the partner's bucket could not be deployed: {stack.get('StackStatusReason')}")
        time.sleep(0.2)


def domain(cloud: Cloud) -> dict[str, str]:
    """A hosted zone, made for it, and the domain in it, as parameters of the root template."""
    zone = cloud.client("route53").create_hosted_zone(Name=ZONE, CallerReference=uuid4().hex)["HostedZone"]["Id"]
    return {"ApiDomainName": DOMAIN, "ApiHostedZoneId": zone.rpartition("/")[2]}


def submit(form: Mapping, file: bytes) -> Answer:
    """Sends a file by a presigned form, as a browser does."""
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in form["fields"].items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'.encode()
    body = b"".join([*parts, head, file, f"\r\n--{boundary}--\r\n".encode()])
    return fetch(form["url"], "POST", body, {"content-type": f"multipart/form-data; boundary={boundary}"})


def find(api: Api, key: str) -> dict | None:
    """What the API lists of the newest upload with a key that has ended; None where there is none in time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for upload in api.get("/api/v1/uploads", limit=100).document["uploads"]:
            if upload["key"] == key and upload["finished"]:
                return upload
        time.sleep(0.5)
    return None


def _show_sample(api: Api, partner: Cloud, shown: Shown) -> None:
    answer = api.post("/api/v1/samples", SAMPLE)
    shown.document["sample"] = answer.document
    shown.say("", f"POST /api/v1/samples {SAMPLE}: {answer.status} {answer.document}")
    if answer.status != 201:
        shown.wrong.append(f"the sample was answered with {answer.status}")
        return
    found = partner.client("s3").get_object(Bucket=answer.document["bucket"], Key=answer.document["key"])
    text = found["Body"].read().decode()
    shown.document["sample_text"] = text
    shown.say(f"as account {PARTNER} reads it:", *(f"  {line}" for line in text.splitlines()))


def _show_upload(api: Api, shown: Shown, say: Callable[[str], None]) -> None:
    form = api.post("/api/v1/uploads", {"dataset": "prices", "key": KEY})
    sent = submit(form.document, samples([FILE])[FILE]) if form.status == 201 else form
    shown.say("", f"POST /api/v1/uploads for {KEY}: {form.status}, and the file sent by that form: {sent.status}")
    if sent.status not in (200, 204):
        shown.wrong.append(f"the upload by form was answered with {sent.status}")
        return
    say(f"waiting for {KEY}")
    if not (found := find(api, KEY)):
        shown.wrong.append(f"{KEY}: no such upload has ended")
        return
    listed = api.get("/api/v1/uploads", limit=10).document["uploads"]
    names = ("key", "dataset", "state", "rows_good", "rows_rejected", "reason")
    shown.tell("listed", [{name: upload[name] for name in names} for upload in listed], "GET /api/v1/uploads")
    upload = api.get(f"/api/v1/uploads/{found['upload_id']}").document
    report = fetch(upload["error_report"]["url"])
    shown.document["upload"] = upload
    shown.document["report"] = report.body.decode().splitlines()
    shown.say("", f"its error report, by the link of GET /api/v1/uploads/{found['upload_id']}: {report.status}")
    shown.say(*(f"  {line}" for line in shown.document["report"]))
    if report.status != 200:
        shown.wrong.append(f"the link to the report was answered with {report.status}")
