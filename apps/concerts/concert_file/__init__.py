"""The concert file: what it may say, and what is wrong with it, each with its place.

Two passes find everything at once: the models of `entries` look at each field by itself, the cross
checks at what fields say together. The cross checks therefore read the plain document, whatever else
is wrong in it.
"""

from apps.concerts.concert_file.entries import (
    ConcertEntry,
    ConcertFile,
    PerformanceEntry,
    RoomReference,
    SectionEntry,
    VenueEntry,
    label_seat,
)
from apps.concerts.concert_file.problems import ConcertFileError, Place, Problem
from apps.concerts.concert_file.reading import parse_concert_file, read_concert_file

__all__ = [
    "ConcertEntry",
    "ConcertFile",
    "ConcertFileError",
    "PerformanceEntry",
    "Place",
    "Problem",
    "RoomReference",
    "SectionEntry",
    "VenueEntry",
    "label_seat",
    "parse_concert_file",
    "read_concert_file",
]
