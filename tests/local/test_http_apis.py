"""HTTP APIs: a check of each patch, run with the patches and without them, and of what is relied on without any."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from local.calls import Answer, Api
from local.cloud import Cloud, start
from support.cloud import ACCOUNT_ROOT, TRUST_LAMBDA, deploy, eventually, role, signed_in, unique

TEMPLATE = f"""
Parameters: {{Issuer: {{Type: String}}, Audience: {{Type: String}}, Domain: {{Type: String}},
  Disabled: {{Type: String, Default: 'false'}}, Origin: {{Type: String, Default: 'https://page.example'}}}}
Conditions: {{IsDisabled: !Equals [!Ref Disabled, 'true']}}
Resources:
  Role: {{Type: AWS::IAM::Role, Properties: {{AssumeRolePolicyDocument: {TRUST_LAMBDA}}}}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import json
          def handler(event, context): return {{"statusCode": 201, "body": json.dumps(event)}}
  Logs: {{Type: AWS::Logs::LogGroup}}
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: api
      ProtocolType: HTTP
      DisableExecuteApiEndpoint: !If [IsDisabled, true, false]
      CorsConfiguration:
        {{AllowOrigins: [!Ref Origin], AllowMethods: [GET, POST], AllowHeaders: [authorization], MaxAge: 3600}}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties:
      ApiId: !Ref Api
      StageName: $default
      AutoDeploy: true
      AccessLogSettings:
        DestinationArn: !GetAtt Logs.Arn
        Format: '{{"id":"$context.requestId","route":"$context.routeKey","status":"$context.status",
          "bytes":"$context.responseLength","none":"$context.authorizer.error"}}'
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: {{ApiId: !Ref Api, Name: jwt, AuthorizerType: JWT, IdentitySource: [$request.header.Authorization],
      JwtConfiguration: {{Issuer: !Ref Issuer, Audience: [!Ref Audience]}}}}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {{ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !GetAtt Function.Arn,
      PayloadFormatVersion: '2.0'}}
  Open: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: 'GET /open/{{id}}',
    AuthorizationType: NONE, Target: !Sub 'integrations/${{Integration}}'}}}}
  Jwt: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: GET /jwt, AuthorizationType: JWT,
    AuthorizerId: !Ref Authorizer, Target: !Sub 'integrations/${{Integration}}'}}}}
  Iam: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: GET /iam,
    AuthorizationType: AWS_IAM, Target: !Sub 'integrations/${{Integration}}'}}}}
  Default: {{Type: AWS::ApiGatewayV2::Route, Properties: {{ApiId: !Ref Api, RouteKey: $default,
    AuthorizationType: NONE, Target: !Sub 'integrations/${{Integration}}'}}}}
  Zone: {{Type: AWS::Route53::HostedZone, Properties: {{Name: !Ref Domain}}}}
  Certificate: {{Type: AWS::CertificateManager::Certificate, Properties: {{DomainName: !Ref Domain,
    ValidationMethod: DNS, DomainValidationOptions: [{{DomainName: !Ref Domain, HostedZoneId: !Ref Zone}}]}}}}
  DomainName: {{Type: AWS::ApiGatewayV2::DomainName, Properties: {{DomainName: !Ref Domain, DomainNameConfigurations: [
    {{CertificateArn: !Ref Certificate, EndpointType: REGIONAL, SecurityPolicy: TLS_1_2}}]}}}}
  Mapping: {{Type: AWS::ApiGatewayV2::ApiMapping, DependsOn: Stage, Properties: {{DomainName: !Ref DomainName,
    ApiId: !Ref Api, Stage: $default}}}}
  Record: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: !Ref Domain, Type: A,
    AliasTarget: {{DNSName: !GetAtt DomainName.RegionalDomainName,
      HostedZoneId: !GetAtt DomainName.RegionalHostedZoneId}}}}}}
Outputs: {{Api: {{Value: !Ref Api}}, Endpoint: {{Value: !GetAtt Api.ApiEndpoint}}, Logs: {{Value: !Ref Logs}}}}
"""


@dataclass
class Deployed:
    """An API in the local cloud, and somebody with a token for it."""

    cloud: Cloud
    name: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    token: str

    @property
    def own(self) -> str:
        """Its address under its own domain."""
        return f"https://{self.parameters['Domain']}"

    def api(self, url: str = "", **who: object) -> Api:
        return Api(self.cloud, url or self.outputs["Endpoint"], **who)

    def call(self, path: str, method: str = "GET", url: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api(url).call(method, path, headers=named)

    def update(self, **parameters: str) -> None:
        deploy(self.cloud, TEMPLATE, self.name, **self.parameters, **parameters)


def deployed_in(cloud: Cloud) -> Deployed:
    issuer, audience, token = signed_in(cloud)
    name = unique("api")
    parameters = {"Issuer": issuer, "Audience": audience, "Domain": f"{name}.example.org"}
    stack = deploy(cloud, TEMPLATE, name, **parameters)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return Deployed(cloud, name, parameters, stack["Outputs"], token)


def cross_origin(api: Deployed) -> None:
    asked = {"method": "OPTIONS", "access_control_request_method": "GET"}
    preflight = api.call("/jwt", origin="https://page.example", **asked)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "https://page.example")
    assert preflight.headers["access-control-allow-methods"] == "GET,POST"
    assert api.call("/open/1", origin="https://page.example").headers["access-control-allow-origin"]
    assert "access-control-allow-origin" not in api.call("/open/1", origin="https://other.example").headers
    api.update(Origin="https://other.example")
    assert api.call("/jwt", origin="https://other.example", **asked).status == 204


def access_logs(api: Deployed) -> None:
    answer = api.call("/open/1")
    api.call("/jwt")
    logs, group = api.cloud.client("logs"), {"logGroupName": api.outputs["Logs"]}
    found = eventually(lambda: logs.filter_log_events(**group)["events"][1:], seconds=2)
    assert json.loads(found[-1]["message"]) | {"id": ""} == {
        "id": "", "route": "GET /jwt", "status": "401", "bytes": "27", "none": "-"}
    lines = [json.loads(one["message"]) for one in logs.filter_log_events(**group)["events"]]
    [line] = [line for line in lines if line["id"] == answer.headers["apigw-requestid"]]
    assert (line["route"], line["status"]) == ("GET /open/{id}", "201")


def disabled_endpoint(api: Deployed) -> None:
    api.update(Disabled="true")
    try:
        assert api.call("/open/1").status == 404
        by_path = f"/_aws/execute-api/{api.outputs['Api']}/$default/open/1"
        assert api.call(by_path, url=api.cloud.endpoint).status == 404
        assert api.call("/open/1", url=api.own).status == 201
    finally:
        api.update(Disabled="false")
    assert api.call("/open/1").status == 201


CHECKS = (cross_origin, access_logs, disabled_endpoint)


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Iterator[Deployed]:
    yield deployed_in(cloud)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_patch(api: Deployed, check: Callable[[Deployed], None]):
    check(api)


def test_patches_are_needed():
    """Red when a newer ministack does by itself what a patch is for."""
    with start(_without={check.__name__ for check in CHECKS}) as stock:
        api = deployed_in(stock)
        for check in CHECKS:
            with pytest.raises((AssertionError, KeyError)):
                check(api)


def test_a_function_is_told_of_the_request_in_the_newer_format(api):
    event = api.call("/open/a%20b?x=1&x=2", x_own="value").document

    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /open/{id}", "/open/a b")
    assert event["pathParameters"] == {"id": "a b"} and event["rawQueryString"] == "x=1&x=2"
    assert event["queryStringParameters"] == {"x": "1,2"} and event["headers"]["x-own"] == "value"
    assert event["requestContext"]["http"]["method"] == "GET"


def test_what_no_route_is_for_goes_to_the_default_route(api):
    answer = api.call("/no/such/thing", method="DELETE")

    assert (answer.status, answer.document["routeKey"], answer.document["rawPath"]) == (
        201, "$default", "/no/such/thing")


def test_a_token_is_checked(api):
    event = api.api(token=api.token).get("/jwt").document
    head, claims, _ = api.token.split(".")

    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:username"] == "ann"
    assert api.call("/jwt").status == 401
    assert api.api(token=f"{head}.{claims}.{'A' * 342}").get("/jwt").status == 401


def test_a_signature_and_its_rights_are_checked(api):
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    route = f"arn:aws:execute-api:us-east-1:{api.cloud.account}:{api.outputs['Api']}/$default/GET/iam"
    allowed = api.cloud.assume(role(api.cloud, trust, {"Action": "execute-api:Invoke", "Resource": route}), "tester")
    stranger = api.cloud.assume(role(api.cloud, trust), "tester")

    assert api.api(credentials=allowed).get("/iam").status == 201
    assert api.api(api.own, credentials=allowed).get("/iam").status == 201
    assert api.api(credentials={**allowed, "SecretAccessKey": "another"}).get("/iam").status == 403
    assert api.api(credentials=stranger).get("/iam").status == 403
    assert api.call("/iam").status == 403
