"""The findings in words, with their numbers."""

from typing import Any

from config.rehearsal.knee import ERRORS_MAX, GAIN_MIN, HEADROOM, SLOWER, Fit, Knee, Proposal
from config.rehearsal.processors import DATABASE, GENERATOR, WEB

# A player who waits longer than this share of an answer's time for a thread is measured, not served.
LATE_SHARE = 0.2
# Players that take less than this share of a machine are no matter.
PLAYERS_SHARE = 0.1

ENDS = {
    "limit": (
        f"A step that gained less than {GAIN_MIN:.0%} of throughput and took {SLOWER:.0%} longer, or in "
        f"which more than {ERRORS_MAX:.0%} of the requests failed, was the last of the climb; then the "
        "steps beside the best one were measured."
    ),
    "last step": (
        "The last step that was asked for had not shown the limit: give more --steps to climb on."
    ),
    "nobody left": (
        "All customers had bought before the limit showed: give more --customers to climb on."
    ),
    "interrupted": "It was stopped before the limit showed.",
}


def describe_knee(knee: Knee, stay_s: float) -> list[str]:
    """Return what the knee is and how it was found."""
    found = {
        Fit.PARABOLA: "the vertex of the parabola through the logarithms of people and of power, of the "
        f"steps {', '.join(map(str, knee.steps))}",
        Fit.LAST: "the last step without too many errors, so the true knee may be higher",
        Fit.FIRST: "the first step, so the true knee may be lower",
    }[knee.fit]
    return [
        "The knee is where throughput divided by latency (Kleinrock's power) is greatest: with fewer "
        "inside, the installation has time to spare; with more, they only wait for each other.",
        f"It is at {knee.people:.0f} people inside: {knee.per_second:.1f} purchases a second, whose "
        f"answers take {knee.latency_s * 1_000:.0f} ms together. Found as {found}.",
        f"A player, who does not think, was inside for {stay_s:.2f} s there, from being let in to having "
        "paid: that includes learning of it by the next poll.",
    ]


def describe_proposal(proposal: Proposal) -> list[str]:
    """Return how the proposal follows."""
    rate = proposal.admit_per_minute
    stay_s = proposal.think_s + proposal.service_s
    return [
        f"Entries a minute: {proposal.purchases_per_second:.1f} purchases a second × {HEADROOM} × 60 = "
        f"{rate:,}. The rest is headroom for what a rehearsal does not know: longer lines, other sales, "
        "staff, a slower neighbour.",
        f"Capacity: {rate:,} a minute × ({proposal.think_s:.0f} s that people think + "
        f"{proposal.service_s:.1f} s that a player takes) ÷ 60 = {rate / 60 * stay_s:,.1f}, so "
        f"{proposal.capacity:,}: by Little's law as many are inside as enter in the time that one stays.",
    ]


def list_warnings(report: dict[str, Any]) -> list[str]:
    """Return what makes the figures less than they seem, or what went wrong."""
    warnings = []
    steps = report["steps"]
    limited = sum(_count(step, "429 ") for step in steps)
    if limited:
        warnings.append(
            f"{limited:,} requests were refused by rate limits (429): the server does not know the "
            "rehearsal's pass (another SECRET_KEY?), or a proxy limits too. The figures are of the limit."
        )
    silent = sum(_count(step, "none") for step in steps)
    if silent:
        warnings.append(f"{silent:,} requests were not answered at all.")
    failed = sum(_count(step, "5") for step in steps)
    if failed:
        warnings.append(f"{failed:,} requests were answered with an error of the server's (5xx).")
    warnings += _describe_lateness(steps)
    warnings += _describe_generator(report)
    return warnings


def _count(step: dict[str, Any], beginning: str) -> int:
    return sum(
        count
        for kind in step["kinds"]
        for outcome, count in kind["outcomes"].items()
        if outcome.startswith(beginning)
    )


def _describe_lateness(steps: list[dict[str, Any]]) -> list[str]:
    late = [
        step["people"]
        for step in steps
        if step["waited_for_a_thread_p95_ms"] > LATE_SHARE * step["latency"].get("p95_ms", 0.0) > 0
    ]
    if not late:
        return []
    people = ", ".join(map(str, late))
    return [
        f"With {people} people inside, requests waited for a free thread of the players for more than "
        f"{LATE_SHARE:.0%} of the time that they took (95th percentiles); their latency contains it."
    ]


def _describe_generator(report: dict[str, Any]) -> list[str]:
    """Return that the players took processor time from the server, where they share a machine."""
    shares = [step["processors"] for step in report["steps"]]
    busy = [share for share in shares if WEB in share or DATABASE in share]
    if not busy:
        return []
    most = max(sum(share.get(GENERATOR, {}).values()) for share in busy)
    if most < PLAYERS_SHARE * report["machine"]["processors"]:
        return []
    return [
        f"The players ran on the same machine as the server and took up to {most:.2f} of its "
        f"{report['machine']['processors']} processors: from elsewhere the knee would be higher."
    ]
