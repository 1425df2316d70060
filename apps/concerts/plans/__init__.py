"""Seating plans: drawn from a few numbers for each section, or read from a file; and their picture."""

from apps.concerts.plans.drawing import DrawnSeat, SectionShape, draw_sections, find_overlaps
from apps.concerts.plans.picture import Grade, draw_picture, list_grades
from apps.concerts.plans.reading import read_plan_file

__all__ = [
    "DrawnSeat",
    "Grade",
    "SectionShape",
    "draw_picture",
    "draw_sections",
    "find_overlaps",
    "list_grades",
    "read_plan_file",
]
