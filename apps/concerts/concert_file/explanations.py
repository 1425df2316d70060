"""Pydantic's errors in plain words."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from apps.concerts.concert_file.problems import Place, Problem, describe_value


class _GivenTwice:
    """Stands for the value of a field that its object has twice."""


GIVEN_TWICE = _GivenTwice()

# What each of pydantic's errors means in plain words; `{…}` are the fields of its context.
_SHOULD = {
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "finite_number": "should be a finite number",
    "string_type": "should be a text",
    "bool_type": "should be true or false",
    "list_type": "should be a list",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "greater_than_equal": "should be {ge:,} or more",
    "less_than_equal": "should be {le:,} or less",
    "string_too_short": "should not be empty",
    "string_too_long": "should have at most {max_length:,} characters",
    "too_short": "should have {min_length} or more entries",
    "too_long": "should have at most {max_length:,} entries",
    "string_pattern_mismatch": "should have only letters a to z, digits, “-” and “_”",
    "value_error": "{error}",
}


def explain_error(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    """Return in plain words what pydantic found wrong with a file that should be a `model`."""
    place, value = details["loc"], details["input"]
    if value is GIVEN_TWICE:
        message = "is given twice"
    elif details["type"] == "missing":
        message = "is missing"
    elif details["type"] == "extra_forbidden":
        message = _explain_unknown(str(place[-1]), _find_model(model, place[:-1]))
    elif details["type"] == "string_unicode":
        message = "should be a text of whole characters, has half of a surrogate pair"
    else:
        context = {
            # Limits are whole numbers, those of coordinates too.
            name: int(limit) if isinstance(limit, float) else limit
            for name, limit in details.get("ctx", {}).items()
        }
        should = _SHOULD[details["type"]].format(**context)
        message = f"{should}, is {describe_value(value)}"
    return Problem(place=place, message=message)


def _explain_unknown(name: str, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(name, model.model_fields, n=1)
    if close:
        return f"is no field of the concert file; did you mean “{close[0]}”?"
    return f"is no field of the concert file; there are {', '.join(model.model_fields)}"


def _find_model(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """Return the model of the object at `place`."""
    for part in place:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            while get_args(annotation) and not isinstance(annotation, type):
                annotation = get_args(annotation)[0]
            model = next(iter(get_args(annotation)), annotation)
    return model
