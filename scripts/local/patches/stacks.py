"""CloudFormation: nested stacks that update, roll back and go as they do on AWS."""

import copy
from pathlib import Path

from ministack.core.responses import get_account_id, get_region, new_uuid, now_iso, request_scope
from ministack.services import s3
from ministack.services.cloudformation import _change_sets, _stacks, changesets, engine, handlers, provisioners, stacks

from local.patches import rewrite


def _rewrite_handler(name: str, *changes: tuple[str, str]) -> None:
    """`rewrite` a resource type's handler, also where the table of handlers refers to it."""
    stock = getattr(provisioners, name)
    rewrite(stock, *changes)
    for handler in provisioners._RESOURCE_HANDLERS.values():
        handler.update({operation: getattr(provisioners, name)
                        for operation, function in handler.items() if function is stock})


def nested_attributes(folder: Path) -> None:
    """GetAtt of a resource that an update of its nested stack leaves alone.

    Stock: `_update_resource` returns no attributes for an unchanged resource unless the
    caller hands it the old ones; the nested stack does not, so a GetAtt of that resource
    fails the update with "Requested attribute Arn does not exist".
    AWS: Fn::GetAtt returns the attribute of the resource whether or not it was updated.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-getatt.html
    """
    rewrite(provisioners._cfn_nested_stack_deploy, (
        "old_tagged, new_tagged, child_name, child_logical_id,\n                    )",
        "old_tagged, new_tagged, child_name, child_logical_id,\n"
        "                        prev.get('Attributes', {}),\n                    )",
    ))


def nested_names(folder: Path) -> None:
    """Generated names in a nested stack stay the same when it is updated.

    Stock: creating a bucket without a name draws a seed that the resources created after
    it in the same nested stack have in their names as well, but it is not recorded; their
    next update computes another name and replaces them.
    AWS: a generated name belongs to the resource for its life; only a replacement gets a
    new one.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html
    """
    provisioners._provision_keeping_seed = stacks._provision_keeping_seed
    rewrite(provisioners._cfn_nested_stack_deploy, (
        "physical_id, attrs = _provision_resource(\n"
        "                    resource_type, child_logical_id, new_tagged, child_name,\n"
        "                )",
        "(physical_id, attrs), name_seed = _provision_keeping_seed(\n"
        "                    resource_type, child_logical_id, new_tagged, child_name,\n"
        "                )",
    ))


def nested_create_rollback(folder: Path) -> None:
    """A nested stack whose creation fails leaves nothing behind.

    Stock: the resources that were created before the failure stay for ever, and so does
    the child, in CREATE_FAILED or CREATE_IN_PROGRESS.
    AWS: the nested stack rolls back, and its parent deletes it.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
    """
    deploy = provisioners._cfn_nested_stack_deploy

    def deploy_or_remove(logical_id, props, parent_stack_name, *,
                         previous_physical_id=None, previous_props=None):
        before = set(_stacks)
        try:
            return deploy(logical_id, props, parent_stack_name,
                          previous_physical_id=previous_physical_id, previous_props=previous_props)
        except Exception:
            for name in set(_stacks) - before:
                if previous_physical_id is None and _stacks[name].get("_parent_stack_name") == parent_stack_name:
                    _stacks[name]["StackStatus"] = "ROLLBACK_IN_PROGRESS"
                    provisioners._cfn_nested_stack_delete(name, props)
            raise

    provisioners._cfn_nested_stack_deploy = deploy_or_remove


def nested_retain(folder: Path) -> None:
    """DeletionPolicy counts in a nested stack that is deleted.

    Stock: deleting a nested stack deletes every resource in it.
    AWS: Retain keeps the resource; RetainExceptOnCreate too, except when the operation
    that created it is rolled back.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    def retains(child: dict, logical_id: str) -> bool:
        template = child.get("_template") or {}
        policy = stacks._resource_policy(
            template.get("Resources", {}).get(logical_id), "DeletionPolicy", child["_resources"],
            child.get("_resolved_params", {}), child.get("_conditions", {}),
            template.get("Mappings", {}), child["StackName"], child["StackId"])
        family = [child]
        while (parent := family[-1].get("_parent_stack_name")) in _stacks:
            family.append(_stacks[parent])
        rolls_back = any("ROLLBACK" in stack["StackStatus"] for stack in family)
        if policy != "Retain" and not (policy == "RetainExceptOnCreate" and not rolls_back):
            return False
        resource = child["_resources"][logical_id]
        stacks._add_event(child["StackId"], child["StackName"], logical_id, resource["ResourceType"],
                          "DELETE_SKIPPED", physical_id=resource["PhysicalResourceId"])
        return True

    provisioners._nested_retains = retains
    _rewrite_handler("_cfn_nested_stack_delete", (
        "        if not res:\n            continue\n",
        "        if not res or _nested_retains(child_stack, child_logical_id):\n            continue\n",
    ))


def missing_code(folder: Path) -> None:
    """A function whose code is not in the bucket is not created.

    Stock: it is created without code and answers every call with a mock response.
    AWS: CreateFunction fails with the S3 error, and so does the stack.
    https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    """
    _rewrite_handler("_lambda_create", (
        "    code_size = len(code_zip) if code_zip else 0\n",
        "    if code_zip is None and code.get('S3Key'):\n"
        "        raise ValueError('Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error '\n"
        "                         f\"Message: The specified key does not exist: {code['S3Key']}\")\n"
        "    code_size = len(code_zip) if code_zip else 0\n",
    ))


def deleted_function_ends(folder: Path) -> None:
    """A function that its stack deletes stops running.

    Stock: its environments stay, processes that nobody calls any more.
    AWS: deleting a function ends its environments.
    https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html
    """
    _rewrite_handler("_lambda_delete", (
        "    _lambda_svc._functions.pop(physical_id, None)\n",
        "    _lambda_svc._functions.pop(physical_id, None)\n"
        "    _lambda_svc.invalidate_worker(physical_id, account=get_account_id(), region=get_region())\n",
    ))


def nested_change_sets(folder: Path) -> None:
    """A change set with IncludeNestedStacks has one of each nested stack that an update modifies.

    Stock: IncludeNestedStacks is ignored; the change set lists the nested stacks as such.
    AWS: the change of a nested stack has the ChangeSetId of a change set of its own.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/change-sets-for-nested-stacks.html
    Here the values that a nested stack takes from others are those that they put out now; where there is none yet, a
    placeholder, as on AWS (scripts/delivery/templates.py).

    Stock also lists what a condition takes away, or lets in, as a change of the resource; AWS, as Remove and Add.
    """
    create = changesets._create_change_set

    def create_nested(params):
        before = set(_change_sets)
        answer = create(params)
        for made in (_change_sets[key] for key in set(_change_sets) - before):
            _heed_conditions(made)
            if changesets._p(params, "IncludeNestedStacks") == "true":
                _preview_nested(made)
        return answer

    handlers._ACTION_HANDLERS["CreateChangeSet"] = create_nested
    rewrite(changesets._describe_change_set, (
        '            f"{physical_xml}"\n',
        '            f"{physical_xml}"\n'
        "            + (f\"<ChangeSetId>{rc['ChangeSetId']}</ChangeSetId>\" if 'ChangeSetId' in rc else '') +\n",
    ))
    handlers._ACTION_HANDLERS["DescribeChangeSet"] = changesets._describe_change_set


def _heed_conditions(change_set: dict) -> None:
    """List as removed what is there and has a condition that does not hold, and as added what is not there yet."""
    stack = _stacks[change_set["StackName"]]
    wanted = _resolved(change_set["_template"], stack, change_set["_resolved_params"])
    there = {name: one for name, one in stack.get("_resources", {}).items() if one.get("PhysicalResourceId")}
    changes = {one["ResourceChange"]["LogicalResourceId"]: one for one in change_set["Changes"]}
    for name in there.keys() - wanted.keys():
        changes[name] = {"ResourceChange": {
            "Action": "Remove", "LogicalResourceId": name, "ResourceType": there[name]["ResourceType"],
            "PhysicalResourceId": there[name]["PhysicalResourceId"]}}
    for name in wanted.keys() - there.keys():
        changes[name] = {"ResourceChange": {
            "Action": "Add", "LogicalResourceId": name, "ResourceType": wanted[name]["Type"]}}
    change_set["Changes"] = [one for name, one in changes.items() if name in wanted or name in there]


def _preview_nested(change_set: dict) -> None:
    """Make a change set of each nested stack that `change_set` modifies, and name it there."""
    for change in (one["ResourceChange"] for one in change_set["Changes"]):
        if change["ResourceType"] != "AWS::CloudFormation::Stack" or change["Action"] != "Modify":
            continue
        parent = _stacks[change_set["StackName"]]
        child = _stacks[provisioners._nested_stack_lookup_name(change["PhysicalResourceId"])]
        properties = _resolved(change_set["_template"], parent, change_set["_resolved_params"])[
            change["LogicalResourceId"]]["Properties"]
        body, error = changesets._resolve_template({"TemplateURL": [properties["TemplateURL"]]})
        if error:
            raise ValueError(f"there is no template at {properties['TemplateURL']}")
        template = engine._parse_template(body)
        given = [{"Key": key, "Value": str(value)} for key, value in properties.get("Parameters", {}).items()]
        values = engine._resolve_parameters(template, given)
        tags = [tag for tag in properties.get("Tags", []) if not tag["Key"].startswith("aws:")]
        changes = stacks._diff_resources(
            {"Resources": _resolved(child["_template"], child, child["_resolved_params"])},
            {"Resources": _resolved(template, child, values)},
            child["_resources"], template,
            {key for key, value in values.items()
             if child["_resolved_params"].get(key, {}).get("Value") != value["Value"]},
            child["_resources"] if stacks._stack_tags_changed(child, tags, True) else ())
        name = f"{child['StackName']}-{new_uuid()[:12]}"
        change["ChangeSetId"] = (
            f"arn:aws:cloudformation:{get_region()}:{get_account_id()}:changeSet/{name}/{new_uuid()}")
        _change_sets[change["ChangeSetId"]] = {
            "ChangeSetId": change["ChangeSetId"], "ChangeSetName": name, "StackId": child["StackId"],
            "StackName": child["StackName"], "Status": "CREATE_COMPLETE" if changes else "FAILED",
            # It is executed, and deleted, with its root.
            "ExecutionStatus": "UNAVAILABLE",
            "StatusReason": "" if changes else "The submitted information didn't contain changes.",
            "CreationTime": now_iso(), "ChangeSetType": "UPDATE", "Changes": changes}


def _resolved(template: dict, stack: dict, values: dict) -> dict[str, dict]:
    """The template's resources with their properties as they would be with these parameters.

    What cannot be told before it exists stays as the template has it; a parameter of a nested stack is a placeholder.
    """
    conditions = engine._evaluate_conditions(template, values)
    found = {}
    there = {name: one for name, one in stack["_resources"].items() if one.get("PhysicalResourceId")}
    known = {name: {"Attributes": _NotYet(f"{stack['StackId']}/{name}")} for name in template["Resources"]} | there

    def resolve(value):
        return engine._resolve_refs(copy.deepcopy(value), known, values, conditions,
                                    template.get("Mappings", {}), stack["StackName"], stack["StackId"])

    for logical_id, resource in template["Resources"].items():
        if not conditions.get(resource.get("Condition"), True):
            continue
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::CloudFormation::Stack":
            # What is there, and will have an output that it has not yet.
            place = _NotYet(f"{stack['StackId']}/{logical_id}")["Outputs"]
            properties = {**properties, "Parameters": {
                name: _attempt(resolve, value, place) for name, value in properties.get("Parameters", {}).items()}}
        properties = _attempt(resolve, properties, properties)
        found[logical_id] = {**resource, "Properties": properties}
    return found


class _NotYet(dict):
    """The attributes of a resource that does not exist: a placeholder each."""

    def __init__(self, resource: str) -> None:
        self._resource = resource

    def __contains__(self, attribute: object) -> bool:
        return True

    def __getitem__(self, attribute: str) -> str:
        return f"{{{{IntrinsicFunction:{self._resource}.{attribute}/Fn::GetAtt}}}}"


def _attempt(resolve, value, otherwise):
    try:
        return resolve(value)
    except (KeyError, ValueError):
        return otherwise


def objects_of_other_accounts(folder: Path) -> None:
    """A stack's nested templates and code may be in a bucket of another account.

    Stock: CloudFormation and Lambda look into the buckets of the stack's account only.
    AWS: a bucket's name is the same in every account; who may read is decided by the bucket's policy and the stack's
    role, which the local cloud asks neither of here, as in one account.
    https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html
    """
    stock = s3._get_object_data

    def get_object_data(bucket, key, version_id=None):
        with request_scope(s3._bucket_owner_account(bucket) or get_account_id(), get_region()):
            return stock(bucket, key, version_id)

    s3._get_object_data = get_object_data


def role_boundaries(folder: Path) -> None:
    """A role that a stack makes has the permissions boundary that its template says.

    Stock: PermissionsBoundary of AWS::IAM::Role is ignored.
    AWS: it bounds the role from its creation on, and an update sets, changes or removes it.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
    """
    _rewrite_handler("_iam_role_create", (
        '        "InlinePolicies": {},\n        "Tags": [],\n',
        '        "InlinePolicies": {},\n        "Tags": [],\n'
        '        "PermissionsBoundary": props.get("PermissionsBoundary"),\n',
    ))
    _rewrite_handler("_iam_role_update", (
        '    role["Description"] =',
        '    role["PermissionsBoundary"] = new_props.get("PermissionsBoundary")\n    role["Description"] =',
    ))


PATCHES = (nested_attributes, nested_names, nested_create_rollback, nested_retain, nested_change_sets, missing_code,
           deleted_function_ends, objects_of_other_accounts, role_boundaries)
