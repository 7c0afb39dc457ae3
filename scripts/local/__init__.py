"""The local stand-ins for AWS that the demo and the tests run against."""
