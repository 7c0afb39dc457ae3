"""What an operator does to a deployment: `scripts/sluice`."""
