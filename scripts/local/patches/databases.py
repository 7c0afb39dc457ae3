"""RDS and Secrets Manager: a cluster that answers, with the secrets it has on AWS."""

import contextlib
import contextvars
import json
import threading
from pathlib import Path

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import lambda_svc, secretsmanager
from ministack.services import rds as rds_service
from ministack.services.cloudformation import provisioners

# Beside the cloud's other records: where the server is that stands for Aurora, and its master user.
DATABASE = "database.json"

_CLUSTER = "AWS::RDS::DBCluster"


def _wrap_cluster(created=lambda cluster, properties: None, deleted=lambda cluster: None) -> None:
    """Call `created` with a new cluster's record before its attributes are told, `deleted` with it before it goes."""
    handler = provisioners._RESOURCE_HANDLERS[_CLUSTER]
    stock_create, stock_delete = handler["create"], handler["delete"]

    def create(logical_id, properties, stack_name):
        cluster_id, _ = stock_create(logical_id, properties, stack_name)
        created(rds_service._clusters[cluster_id], properties)
        return cluster_id, provisioners._rds_db_cluster_attrs(rds_service._clusters[cluster_id])

    def delete(cluster_id, properties):
        if cluster := rds_service._clusters.get(cluster_id):
            deleted(cluster)
        stock_delete(cluster_id, properties)

    handler |= {"create": create, "delete": delete}
    provisioners._rds_db_cluster_create, provisioners._rds_db_cluster_delete = create, delete


def master_secret(folder: Path) -> None:
    """A cluster with ManageMasterUserPassword has a secret with its master user's password.

    Stock: CloudFormation drops the property; GetAtt MasterUserSecret.SecretArn fails.
    AWS: RDS makes the secret, named rds!cluster-..., and deletes it with the cluster.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html
    """
    stock_attributes = provisioners._rds_db_cluster_attrs

    def attributes(cluster):
        secret = cluster.get("MasterUserSecret") or {}
        return stock_attributes(cluster) | {f"MasterUserSecret.{key}": value for key, value in secret.items()}

    def create(cluster, properties):
        if str(properties.get("ManageMasterUserPassword")).lower() == "true":
            cluster["_MasterUserPassword"] = rds_service._generate_master_user_password()
            user = {"username": cluster["MasterUsername"], "password": cluster["_MasterUserPassword"]}
            cluster["MasterUserSecret"] = {
                "SecretArn": secretsmanager.create_secret_in_process(f"rds!cluster-{new_uuid()}", json.dumps(user)),
                "SecretStatus": "active",
                "KmsKeyId": properties.get("MasterUserSecret", {}).get("KmsKeyId", ""),
            }

    def delete(cluster):
        if secret := cluster.get("MasterUserSecret"):
            secretsmanager.delete_secret_in_process(secret["SecretArn"])

    provisioners._rds_db_cluster_attrs = attributes
    _wrap_cluster(create, delete)


def database_server(folder: Path) -> None:
    """A cluster's endpoint is that of the server in <folder>/database.json, and its master user that server's.

    Stock: the endpoint has a name that nobody knows and nothing behind it.
    AWS: a database answers there.
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html
    Where the cloud was started without a database there is no such file, and this does nothing. All clusters are the
    one server, and what one leaves there the next one finds.
    """
    def create(cluster, properties):
        with contextlib.suppress(FileNotFoundError):
            server = json.loads((folder / DATABASE).read_text())
            cluster |= {"Endpoint": server["host"], "ReaderEndpoint": server["host"], "Port": server["port"]}
            if secret := cluster.get("MasterUserSecret"):
                user = {"username": server["user"], "password": server["password"]}
                secretsmanager.put_secret_value_in_process(secret["SecretArn"], json.dumps(user))

    _wrap_cluster(create)


def rotation(folder: Path) -> None:
    """RotateSecret has the function go through the four steps.

    Stock: it copies the current value to a new version, which is current at once; no function is called.
    AWS: Secrets Manager makes a version AWSPENDING, whose value cannot be had before createSecret has put one, and
    invokes the function with createSecret, setSecret, testSecret and finishSecret, after it has answered. Without
    RotateImmediately it is done at the time of the schedule; here, never.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
    """
    stock_get = secretsmanager._get_secret_value

    def get(data):
        answer = stock_get(data)
        if answer[0] == 200 and not {"SecretString", "SecretBinary"} & json.loads(answer[2]).keys():
            return error_response_json(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret value.", 400)
        return answer

    def rotate(data):
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if not secret or secret.get("DeletedDate"):
            return error_response_json(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400)
        secret |= {key: data[key] for key in ("RotationLambdaARN", "RotationRules") if data.get(key)}
        secret["RotationEnabled"] = True
        version = data.get("ClientRequestToken") or new_uuid()
        if data.get("RotateImmediately", True):
            secret["Versions"][version] = {
                "SecretString": None, "SecretBinary": None, "CreatedDate": 0, "Stages": ["AWSPENDING"]}
            context = contextvars.copy_context()  # whose account and region it is
            threading.Thread(target=context.run, args=(steps, secret, version), daemon=True).start()
        return json_response({"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": version})

    def steps(secret, version):
        record, config, _ = lambda_svc._get_func_record_for_ref(secret["RotationLambdaARN"])
        function = lambda_svc._execution_record_for_config(record, config)
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            event = {"SecretId": secret["ARN"], "ClientRequestToken": version, "Step": step}
            if lambda_svc._execute_function_with_config_scope(function, event).get("error"):
                return

    secretsmanager._get_secret_value = get
    secretsmanager._rotate_secret = rotate


PATCHES = (master_secret, database_server, rotation)
