"""A new password for the user of a secret: the four steps of Secrets Manager's rotation, each of which may be repeated.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

import json
import secrets as random
from typing import Any

from sluice.database import DENIED, Connection, DatabaseError, read_secret

_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"


class Rotation:
    """One rotation of a secret, whose new version is `token`; `master_id` is the secret of who may change passwords.

    Raises ValueError where the secret is not being rotated to that version, DatabaseError where the database is not
    reached or refuses.
    """

    def __init__(self, secrets: Any, secret_id: str, master_id: str, token: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._master_id = master_id
        self._token = token

    def step(self, name: str) -> None:
        """Does one of the steps; nothing where the version is the current one already."""
        stages = self._versions().get(self._token, [])
        if _CURRENT in stages:
            return
        if _PENDING not in stages:
            raise ValueError(f"version {self._token} is not pending")
        steps = {"createSecret": self._create, "setSecret": self._set, "testSecret": self._test}
        (steps | {"finishSecret": self._finish})[name]()

    def _create(self) -> None:
        try:
            self._pending()
        except self._secrets.exceptions.ResourceNotFoundException:
            account = read_secret(self._secrets, self._secret_id) | {"password": random.token_urlsafe(24)}
            self._secrets.put_secret_value(
                SecretId=self._secret_id,
                ClientRequestToken=self._token,
                SecretString=json.dumps(account),
                VersionStages=[_PENDING],
            )

    def _set(self) -> None:
        account = self._pending()
        try:
            Connection(account).close()
            return
        except DatabaseError as error:
            if error.code not in DENIED:
                raise
        master = read_secret(self._secrets, self._master_id)
        connection = Connection({**account, **master, "dbname": None})
        try:
            connection.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", account["username"], account["password"])
        finally:
            connection.close()

    def _test(self) -> None:
        Connection(self._pending()).close()

    def _finish(self) -> None:
        # A migration meanwhile has given the user the current password back: then begin again.
        self._test()
        [current] = [version for version, stages in self._versions().items() if _CURRENT in stages]
        self._secrets.update_secret_version_stage(
            SecretId=self._secret_id,
            VersionStage=_CURRENT,
            MoveToVersionId=self._token,
            RemoveFromVersionId=current,
        )

    def _versions(self) -> dict[str, list[str]]:
        return self._secrets.describe_secret(SecretId=self._secret_id)["VersionIdsToStages"]

    def _pending(self) -> dict:
        return read_secret(self._secrets, self._secret_id, VersionId=self._token, VersionStage=_PENDING)
