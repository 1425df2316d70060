"""Each role reaches what it may by clicking, and is refused the rest."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from tests.backoffice.rows import make_rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("roles")]

# role, what its side bar leads to, and what is refused
ROLES = [
    ("Box office", ("Concerts", "Reservations", "Wallets"), ("wallet/walletentry", "auth/group")),
    ("Promoter", ("Performances", "Payments"), ("accounts/user", "wallet/wallet")),
    ("Support", ("Places in line", "Ledger", "Staff actions"), ("concerts/concert/add",)),
    ("Operations", ("Waiting rooms", "Scheduled work"), ("payments/payment", "accounts/user")),
]


@pytest.mark.parametrize(("role", "reached", "refused"), ROLES)
def test_each_role_goes_where_it_may(open_admin, make_staff, role, reached, refused):
    make_rows(at=timezone.now())
    user = make_staff(is_superuser=False)
    user.groups.add(Group.objects.get(name=role))
    page = open_admin(user=user)
    for name in reached:
        page.locator("#nav-sidebar").get_by_role("link", name=name, exact=True).click()
        page.wait_for_load_state()
        assert page.locator("#result_list tbody tr").count() > 0, name
    for address in refused:
        answer = page.goto(f"/admin/{address}/")
        assert answer is not None
        assert answer.status == 403, address


def test_staff_without_a_role_are_told_so(open_admin, make_staff):
    page = open_admin(user=make_staff(is_superuser=False), language="ko")
    assert page.get_by_text("아직 역할이 없습니다.").is_visible()
