"""A plan as a picture: an SVG that stays small for tens of thousands of seats."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # written here, never read

from django.utils.translation import gettext as _

from apps.concerts.plans.drawing import DrawnSeat

MARGIN = 1.5
# As many colours as the style sheet has; further grades begin again with the first.
COLOURS = 8
# The height of a section's name, as a share of the picture's longer side.
NAME_SHARE = 0.022
STAGE_HEIGHT = 2.0


class Grade(NamedTuple):
    """A grade of a plan, how many seats it has, and the number of its colour."""

    name: str
    seats: int
    colour: int


def list_grades(seats: Sequence[DrawnSeat]) -> list[Grade]:
    """Return the grades of a plan, in the order in which they come first."""
    counts: dict[str, int] = defaultdict(int)
    for seat in seats:
        counts[seat.grade] += 1
    return [Grade(name, count, rank % COLOURS) for rank, (name, count) in enumerate(counts.items())]


def draw_picture(seats: Sequence[DrawnSeat]) -> str:
    """Return the SVG of a plan: each grade one path of round dots, and the names of the sections.

    The style sheet `plan.css` has the colours.
    """
    if not seats:
        return ""
    left, right = min(seat.x for seat in seats), max(seat.x for seat in seats)
    top, bottom = min(seat.y for seat in seats), max(seat.y for seat in seats)
    stage_top = top - STAGE_HEIGHT - MARGIN
    width, height = right - left + 2 * MARGIN, bottom - stage_top + 2 * MARGIN
    size = max(width, height) * NAME_SHARE + 0.4
    label = _("Seating plan with %(count)s seats") % {"count": f"{len(seats):,}"}
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"{left - MARGIN:g} {stage_top - MARGIN:g} {width:g} {height:g}",
            "class": "plan-picture",
            "role": "img",
            "aria-label": label,
        },
    )
    _draw_stage(svg, middle=(left + right) / 2, top=stage_top, width=width / 3, size=size)
    grades = list_grades(seats)
    paths: dict[str, list[str]] = {grade.name: [] for grade in grades}
    for seat in seats:
        paths[seat.grade].append(f"M{seat.x:g} {seat.y:g}h0")
    for grade in grades:
        path = {"class": f"plan-seats plan-colour-{grade.colour}", "d": "".join(paths[grade.name])}
        SubElement(svg, "path", path)
    _name_sections(svg, seats, size)
    return tostring(svg, encoding="unicode")


def _draw_stage(svg: Element, *, middle: float, top: float, width: float, size: float) -> None:
    width = max(width, 4.0)
    place = {"x": f"{middle - width / 2:g}", "y": f"{top:g}", "rx": "0.4"}
    SubElement(svg, "rect", {**place, "width": f"{width:g}", "height": "2", "class": "plan-stage"})
    text = {"x": f"{middle:g}", "y": f"{top + 1:g}", "font-size": f"{min(size, 1.6):g}"}
    SubElement(svg, "text", {**text, "class": "plan-stage-name"}).text = _("Stage")


def _name_sections(svg: Element, seats: Sequence[DrawnSeat], size: float) -> None:
    members: dict[str, list[DrawnSeat]] = defaultdict(list)
    for seat in seats:
        members[seat.section].append(seat)
    for section, group in members.items():
        x = sum(seat.x for seat in group) / len(group)
        y = sum(seat.y for seat in group) / len(group)
        place = {"x": f"{x:g}", "y": f"{y:g}", "font-size": f"{size:g}"}
        SubElement(svg, "text", {**place, "class": "plan-section-name"}).text = section
