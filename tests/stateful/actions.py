"""What makes a method of the machine a step that it may take."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Arguments = dict[str, Any]

# The weight of what is hardly worth while.
RARE = 2


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that may happen: how often, as against the others; what there must be to choose from;
    what makes it worth while, without which it is rare; and what to choose."""

    weight: int
    needs: str | None
    worth: str | None
    choices: st.SearchStrategy[Arguments]


ACTIONS: dict[str, Action] = {}


def action(
    weight: int,
    needs: str | None = None,
    worth: str | None = None,
    **choices: st.SearchStrategy[Any],
) -> Any:
    """Make a method of the machine a step that it may take."""

    def note(act: Any) -> Any:
        ACTIONS[act.__name__] = Action(
            weight=weight, needs=needs, worth=worth, choices=st.fixed_dictionaries(choices)
        )
        return act

    return note


def chosen(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy of what the machine's method of this name lists."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, name)()))
