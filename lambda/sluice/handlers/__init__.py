"""Entry points, one module a Lambda function: each parses its event and orchestrates."""
