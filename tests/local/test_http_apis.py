"""HTTP APIs: a check of each patch, run with the patches and without them, and of what is relied on without any."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.cloud import Cloud, start
from support.cloud import ACCOUNT_ROOT, TRUST_LAMBDA, deploy, eventually, role, unique

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
class Api:
    """An API in the local cloud, and somebody with a token for it."""

    cloud: Cloud
    name: str
    parameters: dict[str, str]
    outputs: dict[str, str]
    token: str

    @property
    def host(self) -> str:
        return self.outputs["Endpoint"].removeprefix("http://")

    @property
    def domain(self) -> str:
        return self.parameters["Domain"]

    def call(self, path: str, host: str = "", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], dict]:
        """Status, headers and body of an answer; the host is named in the header only, as no such name is known."""
        request = urllib.request.Request(self.cloud.endpoint + path, method=method, headers={
            "host": host or self.host, **{name.replace("_", "-"): value for name, value in headers.items()}})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers), json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.loads(error.read() or "null")

    def signed(self, credentials: dict, path: str, host: str = "") -> int:
        request = AWSRequest("GET", f"http://{host or self.host}{path}")
        SigV4Auth(Credentials(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]),
                  "execute-api", self.cloud.region).add_auth(request)
        return self.call(path, host, **dict(request.headers))[0]

    def update(self, **parameters: str) -> None:
        deploy(self.cloud, TEMPLATE, self.name, **self.parameters, **parameters)


def an_api(cloud: Cloud) -> Api:
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="app", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"])["UserPoolClient"]
    cognito.admin_create_user(UserPoolId=pool, Username="ann", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password="Open-Sesame-1", Permanent=True)
    tokens = cognito.admin_initiate_auth(
        UserPoolId=pool, ClientId=client["ClientId"], AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": "Open-Sesame-1"})["AuthenticationResult"]
    name = unique("api")
    parameters = {"Issuer": f"https://cognito-idp.{cloud.region}.amazonaws.com/{pool}", "Audience": client["ClientId"],
                  "Domain": f"{name}.example.org"}
    stack = deploy(cloud, TEMPLATE, name, **parameters)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return Api(cloud, name, parameters, stack["Outputs"], tokens["IdToken"])


def cross_origin(api: Api) -> None:
    preflight = {"method": "OPTIONS", "access_control_request_method": "GET"}
    status, headers, _ = api.call("/jwt", origin="https://page.example", **preflight)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "https://page.example")
    assert headers["Access-Control-Allow-Methods"] == "GET,POST"
    assert api.call("/open/1", origin="https://page.example")[1]["Access-Control-Allow-Origin"]
    assert "Access-Control-Allow-Origin" not in api.call("/open/1", origin="https://other.example")[1]
    api.update(Origin="https://other.example")
    assert api.call("/jwt", origin="https://other.example", **preflight)[0] == 204


def access_logs(api: Api) -> None:
    _, headers, _ = api.call("/open/1")
    api.call("/jwt")
    found = eventually(lambda: api.cloud.client("logs").filter_log_events(
        logGroupName=api.outputs["Logs"])["events"][1:], seconds=2)
    assert json.loads(found[-1]["message"]) | {"id": ""} == {
        "id": "", "route": "GET /jwt", "status": "401", "bytes": "27", "none": "-"}
    lines = api.cloud.client("logs").filter_log_events(logGroupName=api.outputs["Logs"])["events"]
    [line] = [json.loads(one["message"]) for one in lines if headers["apigw-requestid"] in one["message"]]
    assert (line["route"], line["status"]) == ("GET /open/{id}", "201")


def disabled_endpoint(api: Api) -> None:
    api.update(Disabled="true")
    try:
        assert api.call("/open/1")[0] == 404
        assert api.call(f"/_aws/execute-api/{api.outputs['Api']}/$default/open/1", host="localhost")[0] == 404
        assert api.call("/open/1", host=api.domain)[0] == 201
    finally:
        api.update(Disabled="false")
    assert api.call("/open/1")[0] == 201


CHECKS = (cross_origin, access_logs, disabled_endpoint)


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Iterator[Api]:
    yield an_api(cloud)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_patch(api: Api, check: Callable[[Api], None]):
    check(api)


def test_patches_are_needed():
    """Red when a newer ministack does by itself what a patch is for."""
    with start(_without={check.__name__ for check in CHECKS}) as stock:
        api = an_api(stock)
        for check in CHECKS:
            with pytest.raises((AssertionError, KeyError)):
                check(api)


def test_a_function_is_told_of_the_request_in_the_newer_format(api):
    _, _, event = api.call("/open/a%20b?x=1&x=2", x_own="value")

    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /open/{id}", "/open/a b")
    assert event["pathParameters"] == {"id": "a b"} and event["rawQueryString"] == "x=1&x=2"
    assert event["queryStringParameters"] == {"x": "1,2"} and event["headers"]["x-own"] == "value"
    assert event["requestContext"]["http"]["method"] == "GET"


def test_what_no_route_is_for_goes_to_the_default_route(api):
    status, _, event = api.call("/no/such/thing", method="DELETE")

    assert (status, event["routeKey"], event["rawPath"]) == (201, "$default", "/no/such/thing")


def test_a_token_is_checked(api):
    _, _, event = api.call("/jwt", authorization=f"Bearer {api.token}")
    head, claims, _ = api.token.split(".")

    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:username"] == "ann"
    assert api.call("/jwt")[0] == 401
    assert api.call("/jwt", authorization=f"Bearer {head}.{claims}.{'A' * 342}")[0] == 401


def test_a_signature_and_its_rights_are_checked(api):
    trust = {"Principal": {"AWS": ACCOUNT_ROOT}}
    route = f"arn:aws:execute-api:us-east-1:{api.cloud.account}:{api.outputs['Api']}/$default/GET/iam"
    allowed = api.cloud.assume(role(api.cloud, trust, {"Action": "execute-api:Invoke", "Resource": route}), "tester")
    stranger = api.cloud.assume(role(api.cloud, trust), "tester")

    assert api.signed(allowed, "/iam") == 201
    assert api.signed(allowed, "/iam", host=api.domain) == 201
    assert api.signed({**allowed, "SecretAccessKey": "another"}, "/iam") == 403
    assert api.signed(stranger, "/iam") == 403
    assert api.call("/iam")[0] == 403
