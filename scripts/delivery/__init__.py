"""Delivery: from a source tree to what CloudFormation deploys."""
