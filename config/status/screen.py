"""The picture of a reading: for 80 columns and more, what is wrong before everything else."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from apps.core.money import format_money
from config.status.readings import ConcertReading, Reading, RoomReading, WorkReading

BAD, WARN, GOOD, QUIET = "bold red", "yellow", "green", "dim"
STATE_STYLES = {"open": GOOD, "draining": WARN, "paused": WARN, "closed": BAD}


def draw(reading: Reading) -> RenderableType:
    """Return what a terminal shows of a reading."""
    parts: list[RenderableType] = [_draw_time(reading.at), *_list_troubles(reading)]
    parts.append(_draw_rooms(reading))
    if reading.seats_at is None:
        parts.append(Text("the seats are too many to be counted at the moment", style=WARN))
    elif any(concert.total for concert in reading.concerts):
        parts += ["", _draw_concerts(reading)]
    return Group(*parts, "", _draw_minute(reading), _draw_work(reading.work))


def draw_silence(at: datetime, reason: str) -> RenderableType:
    """Return what a terminal shows while the database does not answer."""
    return Group(_draw_time(at), Text(reason, style=BAD))


def _draw_time(at: datetime) -> Text:
    return Text(timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z"), style="bold")


def _list_troubles(reading: Reading) -> Iterator[Text]:
    for stopped in reading.stopped:
        yield Text(f"SALE STOPPED  {stopped.slug}: {stopped.reason}", style=BAD)
    for invariant, count in reading.broken.items():
        yield Text(f"BROKEN  invariant {invariant}: {count:,} rows (check_integrity)", style=BAD)
    for work in reading.work:
        if work.state == "late":
            yield Text(f"LATE  {work.name}: {_ran(work)}", style=BAD)


def _make_table() -> Table:
    return Table(box=None, padding=(0, 1), pad_edge=False, header_style=QUIET)


def _add_name(table: Table, heading: str) -> None:
    # The one column that gives way. Slugs have no spaces, so they are cut and not wrapped.
    table.add_column(heading, overflow="ellipsis", min_width=8)


def _draw_rooms(reading: Reading) -> RenderableType:
    table = _make_table()
    _add_name(table, "ROOM")
    table.add_column("STATE", no_wrap=True)
    for heading in ("WAITING", "INSIDE", "LAST MIN", "LONGEST", "NEW WAIT", "EMPTY IN"):
        table.add_column(heading, justify="right", no_wrap=True)
    for room in reading.rooms:
        table.add_row(*_draw_room(room, at=reading.at))
    return Group(table, *_more(reading.rooms_more, "rooms"))


def _draw_room(room: RoomReading, *, at: datetime) -> Iterator[RenderableType]:
    yield room.slug
    if room.opens_at is not None:
        yield Text(f"in {_time(room.opens_at - at)}", style=WARN)
    else:
        yield Text(room.state, style=STATE_STYLES[room.state])
    yield f"{room.waiting:,}"
    full = room.inside >= room.capacity and room.waiting > 0
    yield Text(f"{room.inside}/{room.capacity}", style=WARN if full else "")
    limit = f"/{room.admit_per_minute}" if room.admit_per_minute else ""
    yield f"{room.admitted_last_minute}{limit}"
    yield _seconds(room.longest_wait_seconds)
    yield _seconds(room.new_wait_seconds)
    at_most = "" if room.known or not room.line_empty_after_seconds else "<"
    yield f"{at_most}{_seconds(room.line_empty_after_seconds)}"


def _draw_concerts(reading: Reading) -> RenderableType:
    table = _make_table()
    _add_name(table, "CONCERT")
    for heading in ("FREE", "HELD", "RESERVED", "SOLD", "BLOCKED", "SEATS"):
        table.add_column(heading, justify="right", no_wrap=True)
    for concert in reading.concerts:
        if concert.total:
            table.add_row(*_draw_concert(concert))
    parts: list[RenderableType] = [table, *_more(reading.concerts_more, "concerts")]
    if reading.seats_at is not None and reading.seats_at != reading.at:
        parts.append(Text(f"seats as of {_time(reading.at - reading.seats_at)} ago", style=QUIET))
    return Group(*parts)


def _draw_concert(concert: ConcertReading) -> Iterator[RenderableType]:
    yield Text(concert.slug, style=BAD if concert.stopped else "")
    yield Text(f"{concert.free:,}", style=WARN if concert.free == 0 else "")
    for count in (concert.held, concert.reserved, concert.sold, concert.blocked, concert.total):
        yield f"{count:,}"


def _draw_minute(reading: Reading) -> Text:
    paid = ", ".join(
        f"{paid.payments:,} payments of {format_money(paid.amount, paid.currency)}"
        for paid in reading.paid_last_minute
    )
    lapsed = f"{reading.holds_lapsed_last_minute:,} holds lapsed"
    return Text(f"last minute: {paid or 'no payments'}; {lapsed}")


def _draw_work(work: Sequence[WorkReading]) -> Text:
    """Return the sweeps in a line or two, each with how long ago it ran."""
    text = Text("sweeps: ")
    for number, row in enumerate(work):
        if number:
            text.append(", ")
        style = {"late": BAD, "off": WARN}.get(row.state, "")
        ran = "switched off" if row.state == "off" else _ran(row)
        text.append(f"{row.name} {ran}", style=style)
        if row.failures:
            text.append(f" ({row.failures:,} failed)", style=WARN)
    return text


def _more(count: int, what: str) -> Iterator[Text]:
    if count:
        yield Text(f"and {count:,} more {what}", style=QUIET)


def _ran(work: WorkReading) -> str:
    ago = work.ran_seconds_ago
    return "never" if ago is None else f"{_time(timedelta(seconds=ago))} ago"


def _seconds(seconds: int | None) -> str:
    """Return a time, and a dash for what nobody knows."""
    return "–" if seconds is None else _time(timedelta(seconds=seconds))


def _time(time: timedelta) -> str:
    """Return a time in six characters or fewer."""
    minutes, rest = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24}d"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
