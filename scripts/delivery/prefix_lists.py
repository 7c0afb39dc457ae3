"""The prefix lists by which security groups know S3 and DynamoDB: their ids differ by region, and no template can look
them up.
"""

from collections.abc import Callable, Mapping
from typing import Any

from delivery.plan import PlanError

# Of which service each parameter of the root template names the list.
SERVICES = {"S3PrefixListId": "s3", "DynamoDbPrefixListId": "dynamodb"}


def completed(client: Callable[[str], Any], parameters: Mapping[str, str]) -> dict[str, str]:
    """The root template's parameters with the ids of both lists, where there is a database; ids that are given stay.

    `client` makes a boto3 client of a service, in the region that is deployed to. Only AWS can name a list
    `com.amazonaws....`. Raises PlanError where there is no such list.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeManagedPrefixLists.html
    """
    missing = [parameter for parameter in SERVICES if not parameters.get(parameter)]
    if parameters.get("EnableDatabase") != "true" or not missing:
        return dict(parameters)
    ec2 = client("ec2")
    names = {parameter: f"com.amazonaws.{ec2.meta.region_name}.{SERVICES[parameter]}" for parameter in missing}
    pages = ec2.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-name", "Values": list(names.values())}]
    )
    ids = {found["PrefixListName"]: found["PrefixListId"] for page in pages for found in page["PrefixLists"]}
    if absent := [name for name in names.values() if name not in ids]:
        raise PlanError(
            f"there is no prefix list {absent[0]}, which the network of the database needs: deploy to another region, "
            "or set EnableDatabase to false"
        )
    return {**parameters, **{parameter: ids[name] for parameter, name in names.items()}}
