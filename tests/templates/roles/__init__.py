"""The table of what each role may and may not do; test_policies.py compares it with the templates."""

from templates.decisions import Row
from templates.roles import cloudformation, drift, functions, optional, others, pipeline, target

TABLE: dict[tuple[str, str], list[Row]] = {
    role: rows
    for module in (functions, optional, drift, pipeline, target, cloudformation, others)
    for role, rows in module.TABLE.items()
}
