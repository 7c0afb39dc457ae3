"""The action providers that run here, by the name that ActionTypeId.Provider has.

An action of any other provider fails as NOT RUN LOCALLY; adding one is a function from
`actions.Job` to `actions.Outcome` and a line here.
"""

from collections.abc import Callable, Mapping

from local.actions import Job, Outcome
from local.providers import approval, build, source, stack

Provider = Callable[[Job], Outcome]

PROVIDERS: Mapping[str, Provider] = {
    "CodeStarSourceConnection": source.run,
    "CodeBuild": build.run,
    "CloudFormation": stack.run,
    "Manual": approval.run,
}
