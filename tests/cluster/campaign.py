"""Injects faults under load, with quiet between them, and measures what buyers and sweeps get."""

import itertools
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tests.cluster.cluster import Cluster
from tests.cluster.injections import Fault
from tests.faults.buyers import Load
from tests.faults.campaign import UNDER_WAY_AT_MOST
from tests.faults.witness import Witness
from tests.running.encore import wait_until

QUIET_S = 20.0
WELL_WITHIN_S = 90.0
FIRST_PURCHASES = 10
SAMPLE_S = 0.25


@dataclass(kw_only=True)
class Episode:
    """A fault in time, by the monotonic clock: quiet until `began`, then it lasts, then all recovers."""

    fault: Fault
    quiet_since: float
    began: float
    over: float = 0.0
    well: float = 0.0
    quiet_until: float = 0.0


@dataclass
class SweepWatch:
    """Asks how long ago the sweeps ran, all the time: the silences, by when each was seen."""

    cluster: Cluster
    silences: list[tuple[float, float]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "SweepWatch":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            beat_at = self.cluster.oldest_heartbeat()
            if beat_at is not None:
                silence = datetime.now(UTC) - beat_at
                self.silences.append((time.monotonic(), silence.total_seconds()))

    def longest(self, since: float, until: float) -> float:
        """Return the longest silence that was seen between two moments."""
        return max((s for seen, s in self.silences if since <= seen <= until), default=0.0)

    def resumed_after(self, moment: float) -> float:
        """Return after how many seconds from a moment on all sweeps had run once more."""
        return next((seen - moment for seen, s in self.silences if seen - s > moment), math.inf)


@dataclass
class Campaign:
    """Faults, one at a time, on a cluster under load."""

    cluster: Cluster
    load: Load
    witness: Witness
    watch: SweepWatch
    episodes: list[Episode] = field(default_factory=list)
    ended_by_themselves: "Counter[str]" = field(default_factory=Counter)
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def warm_up(self) -> None:
        """Wait for the first purchases."""
        wait_until(
            lambda: len(self.purchases()) >= FIRST_PURCHASES,
            seconds=WELL_WITHIN_S,
            what="the first purchases",
        )

    def purchases(self) -> list[float]:
        """Return when purchases were acknowledged, in order."""
        return sorted(c.answered_at for c in self.witness.calls_of("pay", "acknowledged"))

    def strike_all(self, faults: Sequence[Fault]) -> None:
        """Inject each fault once, with quiet before and after."""
        quiet_since = time.monotonic()
        time.sleep(QUIET_S)
        for fault in faults:
            episode = Episode(fault=fault, quiet_since=quiet_since, began=time.monotonic())
            self.episodes.append(episode)
            self._strike(episode)
            quiet_since = time.monotonic()
            time.sleep(QUIET_S)
            episode.quiet_until = time.monotonic()

    def _strike(self, episode: Episode) -> None:
        self.witness.fault = episode.fault.name
        episode.fault.inject(self.cluster)
        over_at, episode.over = datetime.now(UTC), time.monotonic()
        wait_until(
            lambda: self._is_well_since(over_at, episode.over),
            seconds=WELL_WITHIN_S,
            what=f"well again after “{episode.fault.name}”, see {self.cluster.folder}",
        )
        episode.well = time.monotonic()
        self.witness.fault = "none"

    def _is_well_since(self, over_at: datetime, over: float) -> bool:
        """Say whether all is there, each node answers, and sweeps and purchases go on."""
        self._start_what_ended()
        if not self.witness.has_purchase_since(over):
            return False
        beat_at = self.cluster.oldest_heartbeat()
        if beat_at is None or beat_at - over_at < UNDER_WAY_AT_MOST:
            return False
        return all(ask(f"{address}/healthz") == 200 for address in self.load.addresses)

    def _start_what_ended(self) -> None:
        """Do what `restart: unless-stopped` does, and remember that it was needed."""
        for name in self.cluster.find_ended():
            self.ended_by_themselves[name] += 1
            self.cluster.processes[name].start(wait=False)

    def gap(self, episode: Episode) -> float:
        """Return the longest time without a purchase, from the fault's beginning to the quiet's end."""
        moments = self.purchases()
        before = [m for m in moments if m <= episode.began][-1:]
        inside = [m for m in moments if episode.began < m <= episode.quiet_until]
        line = [*(before or [episode.began]), *inside, episode.quiet_until]
        return max(later - earlier for earlier, later in itertools.pairwise(line))

    def silence(self, episode: Episode) -> float:
        """Return how long the sweeps were silent, in seconds, at the most."""
        return self.watch.longest(episode.began, episode.quiet_until)

    def resumed(self, episode: Episode) -> float:
        """Return after how many seconds from the fault's end on all sweeps had run again."""
        return self.watch.resumed_after(episode.over)

    def per_minute(self, since: float, until: float) -> float:
        """Return the purchases of a minute between two moments."""
        return 60 * sum(since < m <= until for m in self.purchases()) / max(until - since, 1.0)

    def report(self) -> dict[str, Any]:
        """Return the figures: rates in purchases a minute, times in seconds."""
        return {
            "variant": self.cluster.variant.name,
            "faults": {
                e.fault.name: {
                    "before": round(self.per_minute(e.quiet_since, e.began)),
                    "during": round(self.per_minute(e.began, e.well)),
                    "after": round(self.per_minute(e.well, e.quiet_until)),
                    "lasted_s": round(e.over - e.began, 1),
                    "well_after_s": round(e.well - e.over, 1),
                    "gap_s": round(self.gap(e), 1),
                    "sweeps_silent_s": round(self.silence(e), 1),
                    "sweeps_again_s": round(self.resumed(e), 1),
                    "errors": self._errors(e.fault.name),
                }
                for e in self.episodes
            },
            "errors_without_a_fault": self._errors("none"),
            "ended_by_themselves": dict(self.ended_by_themselves),
            "calls": {
                kind: dict(Counter(call.outcome for call in self.witness.calls_of(kind)))
                for kind in ("pay", "charge", "cancel")
            },
            "resent_and_acknowledged": sum(
                call.attempts > 1 and call.outcome == "acknowledged" for call in self.witness.calls
            ),
        }

    def _errors(self, fault: str) -> dict[str, int]:
        met = {what: n for (during, what), n in self.witness.errors.items() if during == fault}
        return dict(Counter(met).most_common())


def describe(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    head = ("fault", "before", "during", "after", "lasted", "well", "gap", "silent", "again")
    lines = [f"{report['variant']}; purchases a minute, seconds", row(*head, "errors")]
    for name, figures in report["faults"].items():
        errors = ", ".join(f"{n} × {what}" for what, n in figures.pop("errors").items()) or "none"
        lines.append(row(name, *figures.values(), errors))
    rest = {k: v for k, v in report.items() if k not in ("variant", "faults")}
    return "\n".join([*lines, json.dumps(rest, ensure_ascii=False)])


def row(name: str, *words: Any) -> str:
    *figures, errors = words
    return f"{name:<32}" + "".join(f"{figure:>8}" for figure in figures) + f"  {errors}"


def ask(url: str) -> int:
    """Return the status of an answer; 0 where there is none."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return 0
