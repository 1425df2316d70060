"""Venues with their plans, concerts, performances and seats in the admin."""

from apps.concerts.admin.concerts import ConcertAdmin
from apps.concerts.admin.performances import PerformanceAdmin, SeatAdmin
from apps.concerts.admin.plans import SeatingPlanAdmin
from apps.concerts.admin.prices import ConcertPriceAdmin
from apps.concerts.admin.venues import VenueAdmin

__all__ = [
    "ConcertAdmin",
    "ConcertPriceAdmin",
    "PerformanceAdmin",
    "SeatAdmin",
    "SeatingPlanAdmin",
    "VenueAdmin",
]
