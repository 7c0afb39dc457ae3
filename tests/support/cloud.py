"""Making things in the local cloud, and looking at them."""

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud

ACCOUNT_ROOT = "arn:aws:iam::111122223333:root"
TRUST_LAMBDA = """{Version: '2012-10-17', Statement: [
  {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]}"""



def eventually(condition: Callable, seconds: float = 20):
    """The first true value of `condition()`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)
    return value


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def deploy(cloud: Cloud, template: str, name: str, **parameters: str) -> dict:
    """Create or update the stack and wait; the stack, with its Outputs as a dict."""
    cloudformation = cloud.client("cloudformation")
    try:
        cloudformation.describe_stacks(StackName=name)
        operate = cloudformation.update_stack
    except ClientError:
        operate = cloudformation.create_stack
    operate(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()])

    def settled():
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    stack = eventually(settled)
    return {**stack, "Outputs": {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}}


def delete(cloud: Cloud, name: str) -> None:
    cloudformation = cloud.client("cloudformation")
    cloudformation.delete_stack(StackName=name)

    def gone():
        try:
            return cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "DELETE_COMPLETE"
        except ClientError:
            return True

    eventually(gone)


def put(cloud: Cloud, key: str, body: bytes | str) -> str:
    """Store an object in the bucket for templates and artifacts; the bucket's name."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key=key, Body=body)
    return "artifacts"


def nesting(cloud: Cloud, child: str, parameters: str = "{}") -> str:
    """A root template with `child` as its nested stack Child."""
    key = f"{uuid.uuid4().hex}.yaml"
    bucket = put(cloud, key, child)
    return f"""
Parameters:
  Seconds: {{Type: String, Default: '30'}}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: !Sub https://s3.${{AWS::Region}}.${{AWS::URLSuffix}}/{bucket}/{key}
      Parameters: {parameters}
Outputs:
  Child: {{Value: !Ref Child}}
"""


def resources(cloud: Cloud, stack: str) -> dict[str, str]:
    """Physical ids by logical id."""
    listed = cloud.client("cloudformation").list_stack_resources(StackName=stack)
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in listed["StackResourceSummaries"]}


def function(cloud: Cloud, source: str, properties: str = "Timeout: 10") -> tuple[str, str]:
    """A stack with one Python function; the function's and the stack's name."""
    code = "".join(f"\n          {line}" for line in source.strip().splitlines())
    stack = unique("function")
    deployed = deploy(cloud, f"""
Resources:
  Role: {{Type: AWS::IAM::Role, Properties: {{AssumeRolePolicyDocument: {TRUST_LAMBDA}}}}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      {properties}
      Code:
        ZipFile: |{code}
Outputs:
  Function: {{Value: !Ref Function}}
""", stack)
    return deployed["Outputs"]["Function"], stack


def invoke(cloud: Cloud, name: str, event: object = None) -> tuple[object, str | None]:
    """The function's answer (or its error) and FunctionError."""
    response = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(response["Payload"]), response.get("FunctionError")


def role(cloud: Cloud, trust: dict, *statements: dict) -> str:
    """A role with an inline policy; its ARN."""
    iam, name = cloud.client("iam"), unique("role")
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **trust}]}))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}))
    return created["Role"]["Arn"]


def refusal(call: Callable, **arguments: object) -> str:
    """The error code of a call that has to fail."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def alive(pid: int) -> bool:
    try:
        # A process that nobody has waited for yet is as good as gone.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def signed_in(cloud: Cloud) -> tuple[str, str, str]:
    """A user pool and somebody in it: the issuer and the audience of their token, and the token."""
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="page", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"])["UserPoolClient"]
    cognito.admin_create_user(UserPoolId=pool, Username="ann", MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password="Open-Sesame-1", Permanent=True)
    tokens = cognito.admin_initiate_auth(
        UserPoolId=pool, ClientId=client["ClientId"], AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": "Open-Sesame-1"})["AuthenticationResult"]
    issuer = f"https://cognito-idp.{cloud.region}.amazonaws.com/{pool}"
    return issuer, client["ClientId"], tokens["IdToken"]
