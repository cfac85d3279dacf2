"""README's table of steps is the steps that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from service.domain.recipe import Step

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_steps_is_the_steps() -> None:
    section = README.read_text(encoding="utf-8").split("## Recipes\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    written = [name for row in rows for name in re.findall("`([a-z_]+)`", row)]
    specs = get_args(get_args(Step)[0])
    steps = {get_args(spec.model_fields["step"].annotation)[0] for spec in specs}
    assert len(written) == len(set(written))
    assert set(written) == steps
