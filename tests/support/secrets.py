"""Secrets Manager as far as the functions use it, with rotations that can be stopped between any two calls."""

import json
import uuid


class NotFound(Exception):
    """ResourceNotFoundException."""


class FakeSecrets:
    """Secrets of versions, each with a text, None while it is pending and has none, and its stages."""

    class exceptions:
        ResourceNotFoundException = NotFound

    def __init__(self, **secrets: dict) -> None:
        self._versions = {
            name: {"first": [json.dumps(account), {"AWSCURRENT"}]} for name, account in secrets.items()
        }
        self.reads = 0

    def start_rotation(self, name: str) -> str:
        """The token of a new version, as Secrets Manager makes one before it calls the function."""
        token = str(uuid.uuid4())
        for version in self._versions[name].values():
            version[1].discard("AWSPENDING")
        self._versions[name][token] = [None, {"AWSPENDING"}]
        return token

    def describe_secret(self, SecretId: str) -> dict:
        versions = self._versions[SecretId].items()
        return {"VersionIdsToStages": {version: sorted(stages) for version, (_, stages) in versions if stages}}

    def get_secret_value(self, SecretId: str, VersionId: str | None = None, VersionStage: str = "AWSCURRENT") -> dict:
        self.reads += 1
        for version, (text, stages) in self._versions[SecretId].items():
            if VersionStage in stages and VersionId in (None, version) and text is not None:
                return {"SecretString": text}
        raise NotFound(VersionStage)

    def put_secret_value(
        self, SecretId: str, SecretString: str, ClientRequestToken: str, VersionStages: list[str]
    ) -> None:
        version = self._versions[SecretId].setdefault(ClientRequestToken, [None, set()])
        if version[0] not in (None, SecretString):
            raise ValueError("ResourceExistsException")
        version[0] = SecretString
        version[1] |= set(VersionStages)

    def update_secret_version_stage(
        self, SecretId: str, VersionStage: str, MoveToVersionId: str, RemoveFromVersionId: str
    ) -> None:
        versions = self._versions[SecretId]
        if MoveToVersionId == RemoveFromVersionId:
            raise ValueError("InvalidParameterException")
        versions[RemoveFromVersionId][1].remove(VersionStage)
        versions[MoveToVersionId][1].add(VersionStage)
