"""What the model takes for granted of the settings."""

import pytest

from tests.stateful.sales import HOLD, LAPSES_COUNT_FOR, LAPSES_MAX


@pytest.fixture(autouse=True)
def _settings_of_the_model(settings) -> None:
    settings.HOLD_SECONDS = int(HOLD.total_seconds())
    settings.HOLD_LAPSES_MAX = LAPSES_MAX
    settings.HOLD_LAPSE_MINUTES = int(LAPSES_COUNT_FOR.total_seconds() // 60)
    settings.IDEMPOTENCY_HOURS = 24
