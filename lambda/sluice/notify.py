"""Announcements to the upload topic in SNS."""

import json
from typing import Any

from sluice.announcement import Announcement


class Notifier:
    """The topic that subscribers of uploads are told by."""

    def __init__(self, sns: Any, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, announcement: Announcement) -> None:
        """Publishes the text to e-mail subscribers and the JSON document to all others."""
        self._sns.publish(
            TopicArn=self._topic_arn,
            Subject=announcement.subject,
            MessageStructure="json",
            Message=json.dumps({"default": announcement.document, "email": announcement.text}),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in announcement.attributes.items()
            },
        )
