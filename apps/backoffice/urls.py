"""The pages of the back office that belong to no single model."""

from django.contrib.admin import AdminSite
from django.urls import URLPattern, path

from apps.backoffice.cases import views as cases
from apps.backoffice.front_page.views import answer_data
from apps.backoffice.seat_map import views as seat_map
from apps.backoffice.two_step import views as two_step


def list_pages(site: AdminSite) -> list[URLPattern]:
    """Return the pages, each for members of staff alone; which of these, each page says itself."""
    return [
        path("front-page/", site.admin_view(answer_data), name="front_page_data"),
        *list_two_step_pages(site),
        *list_seat_map_pages(site),
        *list_case_pages(site),
    ]


def list_two_step_pages(site: AdminSite) -> list[URLPattern]:
    """Return the pages of two-step sign-in: all but the last stand before the second step."""
    return [
        path("two-step/", two_step.take_step, name="two_step"),
        path("two-step/leave/", two_step.leave, name="two_step_leave"),
        path("two-step/set-up/", two_step.set_up, name="two_step_set_up"),
        path("two-step/manage/", site.admin_view(two_step.manage_page), name="two_step_manage"),
    ]


def list_seat_map_pages(site: AdminSite) -> list[URLPattern]:
    """Return the seat map of a performance, and what it asks for and sends."""
    here = "seat-map/<int:performance_id>/"
    pages = (
        ("", seat_map.show_map, "seat_map"),
        ("seats/", seat_map.list_map_seats, "seat_map_seats"),
        ("claims/<int:reservation_id>/", seat_map.show_claim, "seat_map_claim"),
        ("preview/", seat_map.preview_act, "seat_map_preview"),
        ("act/", seat_map.run_act, "seat_map_act"),
    )
    return [path(here + rest, site.admin_view(view), name=name) for rest, view, name in pages]


def list_case_pages(site: AdminSite) -> list[URLPattern]:
    """Return the pages of cases: the search, a customer's and a reservation's."""
    pages = (
        ("cases/", cases.search_cases, "cases"),
        ("cases/customer/<int:customer_id>/", cases.show_customer, "customer_case"),
        ("cases/reservation/<int:reservation_id>/", cases.show_reservation, "reservation_case"),
    )
    return [path(route, site.admin_view(view), name=name) for route, view, name in pages]
