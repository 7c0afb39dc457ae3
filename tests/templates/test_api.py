"""The API: its routes, who may call them, how it is throttled and logged, and its domain."""

import json

import pytest
from ministack.services.cloudformation import engine

from templates.cfn import ACCOUNT, DOMAIN, REGION, Stack, deployment, load

UPLOADS = {
    "GET /api/v1/uploads": "Query",
    "GET /api/v1/uploads/{id}": "Query",
    "POST /api/v1/uploads": "Submit",
    "POST /api/v1/samples": "Generate",
}
READINGS = dict.fromkeys(
    ["GET /api/v1/temperature", "GET /api/v1/temperature/series", "GET /api/v1/temperature/sensors"], "Query"
)
ALWAYS = {"GET /": "Query", "GET /openapi.json": "Query", "$default": "Query"}
FOR_EVERYBODY = {"GET /", "GET /openapi.json"}
JWT = {"ApiAuthorization": "JWT", "ApiJwtIssuer": "https://id.example.org/pool", "ApiJwtAudience": "sluice,other"}


def with_both(**settings: str) -> dict[str, Stack]:
    return deployment(EnableStream="true", EnableApi="true", **settings)


def routes(stacks: dict[str, Stack]) -> dict[str, dict]:
    found = (one for one in stacks["api"].resources.values() if one["Type"] == "AWS::ApiGatewayV2::Route")
    return {one["Properties"]["RouteKey"]: one["Properties"] for one in found}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"EnableStream": "true"}, ALWAYS | READINGS),
        ({"EnableApi": "true"}, ALWAYS | UPLOADS),
        ({"EnableStream": "true", "EnableApi": "true"}, ALWAYS | READINGS | UPLOADS),
    ],
)
def test_each_route_leads_to_its_function(settings: dict, expected: dict) -> None:
    stacks = deployment(**settings)
    api, functions = stacks["api"], stacks["lambda"]
    targets = {f"integrations/{api.ref(name)}": name for name in set(expected.values())}
    assert {key: targets[route["Target"]] for key, route in routes(stacks).items()} == expected
    for name in targets.values():
        alias = functions.ref(f"{name}Alias")
        assert api.properties(name) == {
            "ApiId": api.ref("Api"),
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": alias,
            "PayloadFormatVersion": "2.0",
        }
        # This API alone, by any of its routes, and what is released alone.
        assert api.properties(f"{name}Permission") == {
            "FunctionName": alias,
            "Principal": "apigateway.amazonaws.com",
            "Action": "lambda:InvokeFunction",
            "SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.ref('Api')}/*",
        }
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
        assert functions.properties(name)["Timeout"] < 30
    kinds = [one["Type"] for one in api.resources.values()]
    assert kinds.count("AWS::Lambda::Permission") == kinds.count("AWS::ApiGatewayV2::Integration") == len(targets)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({}, "AWS_IAM"), ({"ApiAuthorization": "IAM"}, "AWS_IAM"), (JWT, "JWT"), ({"ApiAuthorization": "NONE"}, "NONE")],
)
def test_only_the_page_and_the_document_are_for_everybody(settings: dict, kind: str) -> None:
    stacks = with_both(**settings)
    for key, route in routes(stacks).items():
        assert route["AuthorizationType"] == ("NONE" if key in FOR_EVERYBODY else kind), key
        authorizer = stacks["api"].ref("Authorizer") if kind == "JWT" and key not in FOR_EVERYBODY else None
        assert route.get("AuthorizerId") == authorizer
    assert stacks["lambda"].properties("Query")["Environment"]["Variables"]["AUTHORIZATION"] == (
        settings.get("ApiAuthorization", "IAM")
    )


def test_tokens_are_of_the_owners_issuer() -> None:
    stacks = with_both(**JWT)
    assert stacks["api"].properties("Authorizer") == {
        "ApiId": stacks["api"].ref("Api"),
        "Name": "jwt",
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": "https://id.example.org/pool", "Audience": ["sluice", "other"]},
    }
    assert "Authorizer" not in with_both()["api"].resources


def refused(**settings: str) -> list[str]:
    """What the root template's rules say to these settings, without what is to be done then."""
    root = load("root")
    defaults = {name: str(one.get("Default", "x")) for name, one in root["Parameters"].items()}
    values = {name: {"Value": value} for name, value in (defaults | settings).items()}

    def holds(condition: dict) -> bool:
        return engine._evaluate_conditions({"Conditions": {"It": condition}}, values)["It"]

    return [
        assertion["AssertDescription"].partition(". ")[0]
        for rule in root["Rules"].values()
        if holds(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"])
    ]


def test_what_belongs_together_is_asked_for_before_anything_is_deployed() -> None:
    issuer, audience = {"ApiJwtIssuer": "https://id.example.org"}, {"ApiJwtAudience": "sluice"}
    certificate = {"ApiCertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/x"}
    zone = {"ApiHostedZoneId": DOMAIN["ApiHostedZoneId"]}
    assert refused() == []
    assert refused(ApiAuthorization="JWT", **issuer, **audience) == []
    assert refused(ApiAuthorization="JWT", **issuer) == ["ApiAuthorization JWT needs ApiJwtAudience"]
    assert refused(ApiAuthorization="JWT", **audience) == ["ApiAuthorization JWT needs ApiJwtIssuer"]
    for given in (zone, certificate, zone | certificate):
        assert refused(ApiDomainName="api.example.org", **given) == []
    assert refused(ApiDomainName="api.example.org") == ["ApiDomainName needs ApiHostedZoneId or ApiCertificateArn"]


def test_browsers_may_call_from_the_origins_that_are_given() -> None:
    stacks = with_both(ApiAllowedOrigins="https://example.org,http://localhost:8080")
    cors = stacks["api"].properties("Api")["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://example.org", "http://localhost:8080"]
    assert cors["AllowMethods"] == ["GET", "POST"]
    assert "authorization" in cors["AllowHeaders"] and "AllowCredentials" not in cors
    # Or the route for anything else would ask a browser for a token before it may send one.
    assert routes(stacks)["OPTIONS /{proxy+}"]["AuthorizationType"] == "NONE"
    stacks = with_both()
    assert "CorsConfiguration" not in stacks["api"].properties("Api") and "OPTIONS /{proxy+}" not in routes(stacks)


def test_the_stage_throttles_and_logs() -> None:
    stacks = with_both()
    stage = stacks["api"].properties("Stage")
    assert (stage["ApiId"], stage["StageName"], stage["AutoDeploy"]) == (stacks["api"].ref("Api"), "$default", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100}
    # Without the :* that GetAtt has at its end.
    assert stage["AccessLogSettings"]["DestinationArn"] == stacks["logs"].arn("Access").removesuffix(":*")


def test_an_access_log_is_json_without_tokens() -> None:
    """A query is not logged: a link that somebody has signed for IAM has its signature there."""
    line = json.loads(with_both()["api"].properties("Stage")["AccessLogSettings"]["Format"])
    assert {"status", "route", "path", "source_ip", "request_id", "milliseconds", "error"} <= set(line)
    assert not [value for value in line.values() if "header" in value.lower() or "query" in value.lower()]
    # It has to have an id: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
    assert "$context.requestId" in line.values()


@pytest.mark.parametrize("certificate", ["", f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/theirs"])
def test_the_domain_in_a_zone(certificate: str) -> None:
    stacks = with_both(**DOMAIN, ApiCertificateArn=certificate)
    api = stacks["api"]
    assert api.properties("Api")["DisableExecuteApiEndpoint"] is True
    assert ("Certificate" in api.resources) is (not certificate)
    if not certificate:
        made = api.properties("Certificate")
        assert (made["DomainName"], made["ValidationMethod"]) == ("api.example.org", "DNS")
        assert made["DomainValidationOptions"] == [
            {"DomainName": "api.example.org", "HostedZoneId": DOMAIN["ApiHostedZoneId"]}
        ]
    domain = api.properties("Domain")
    assert domain["DomainName"] == "api.example.org"
    assert domain["DomainNameConfigurations"] == [
        {
            "EndpointType": "REGIONAL",
            "IpAddressType": "dualstack",
            "SecurityPolicy": "TLS_1_2",
            "CertificateArn": certificate or api.ref("Certificate"),
        }
    ]
    mapping = api.properties("Mapping")
    assert mapping == {"ApiId": api.ref("Api"), "DomainName": "api.example.org", "Stage": api.ref("Stage")}
    attributes = api.resources["Domain"]["Attributes"]
    for logical, kind in (("Record", "A"), ("Ipv6Record", "AAAA")):
        assert api.properties(logical) == {
            "HostedZoneId": DOMAIN["ApiHostedZoneId"],
            "Name": "api.example.org",
            "Type": kind,
            "AliasTarget": {
                "DNSName": attributes["RegionalDomainName"],
                "HostedZoneId": attributes["RegionalHostedZoneId"],
            },
        }
    assert stacks["root"].outputs["ApiUrl"] == "https://api.example.org"
    assert stacks["root"].outputs["ApiDomainTarget"] == attributes["RegionalDomainName"]


def test_a_domain_outside_of_route_53_has_no_records_of_ours() -> None:
    theirs = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/theirs"
    api = with_both(ApiDomainName="api.example.org", ApiCertificateArn=theirs)["api"]
    assert {"Domain", "Mapping"} <= set(api.resources)
    assert not {"Certificate", "Record", "Ipv6Record"} & set(api.resources)


def test_without_a_domain_the_api_has_its_own_address() -> None:
    stacks = with_both(ApiHostedZoneId=DOMAIN["ApiHostedZoneId"])
    api = stacks["api"]
    assert api.properties("Api")["DisableExecuteApiEndpoint"] is False
    assert not {"Certificate", "Domain", "Mapping", "Record", "Ipv6Record"} & set(api.resources)
    assert stacks["root"].outputs["ApiUrl"] == api.resources["Api"]["Attributes"]["ApiEndpoint"]
    assert "ApiDomainTarget" not in stacks["root"].outputs
