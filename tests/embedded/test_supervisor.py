"""The supervisor, with small scripts as its children."""

import io
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.embedded import supervisor as supervisor_module
from config.embedded.child import Child, Program, Timing
from config.embedded.supervisor import StopRequested, Supervisor, SupervisorError
from config.embedded.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 20.0
QUICK = Timing(first_pause_s=0.02, longest_pause_s=0.08, ready_poll_s=0.01, ready_limit_s=5.0)

SLEEPER = "print('ready', flush=True); import time; time.sleep(600)"


def script(name: str, code: str, **options: object) -> Program:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return Program(name=name, command=command, **options)  # type: ignore[arg-type]


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(screen: io.StringIO) -> Iterator[Supervisor]:
    with Supervisor(terminal=Terminal(screen), timing=QUICK) as running:
        yield running


def supervise_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    supervisor.wait_until(condition, timeout_s=DEADLINE_SECONDS, what="the test", poll_s=0.01)


def test_output_is_passed_on_under_the_name(supervisor: Supervisor, screen: io.StringIO) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.stdout.write('no end')"
    supervisor.run(script("talker", code))

    lines = screen.getvalue().splitlines()
    assert sorted(lines) == ["talker   | no end", "talker   | one", "talker   | two"]


def test_dead_child_is_restarted_after_growing_pauses_and_five_deaths_stop(
    supervisor: Supervisor, screen: io.StringIO, tmp_path: Path
) -> None:
    births = tmp_path / "births"
    code = f"""
        import sys, time
        with open({str(births)!r}, "a") as file:
            print(time.monotonic(), file=file)
        print("last words")
        sys.exit(3)
    """
    supervisor.start(script("bystander", SLEEPER))
    supervisor.start(script("crasher", code))
    with pytest.raises(SupervisorError) as caught:
        supervisor.run_forever()

    assert "crasher exited with status 3, and died 5 times within 60 s" in str(caught.value)
    assert str(caught.value).count("last words") == 5
    times = [float(line) for line in births.read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert [gap >= pause for gap, pause in zip(gaps, (0.02, 0.04, 0.08, 0.08), strict=True)]
    said = [line for line in screen.getvalue().splitlines() if "restarting" in line]
    assert len(said) == 4
    assert "crasher exited with status 3; restarting it in 0.0 s" in said[0]


def test_pauses_double_up_to_a_limit_and_start_over_after_health() -> None:
    child = Child(script("any", ""), Timing(deaths_limit=100))

    pauses = [child.plan_restart(now / 10) for now in range(6)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]

    assert child.plan_restart(60.0) == 0.5


def test_old_deaths_are_forgotten() -> None:
    child = Child(script("any", ""), Timing())

    assert None not in [child.plan_restart(now * 20.0) for now in range(20)]
    assert [child.plan_restart(1000.0) for _ in range(5)][-1] is None


def test_signal_is_named_when_a_child_is_killed(
    supervisor: Supervisor, screen: io.StringIO
) -> None:
    code = "import os, sys; os.kill(os.getpid(), 9)"
    with pytest.raises(SupervisorError, match="was killed by SIGKILL"):
        supervisor.run(script("victim", code))


def test_start_waits_for_leave_and_such_waits_are_no_deaths(supervisor: Supervisor) -> None:
    answers = iter([False] * 20)
    asked: list[bool] = []

    def may_start() -> bool:
        asked.append(next(answers, True))
        return asked[-1]

    child = script("patient", SLEEPER, may_start=may_start)
    supervisor.start(child)
    assert asked == [False]
    supervise_until(supervisor, lambda: asked[-1])
    assert len(asked) == 21


@pytest.mark.parametrize("waits_for_good", [False, True])
def test_start_without_leave_comes_in_the_end_but_for_who_waits_for_good(
    waits_for_good: bool,
) -> None:
    program = script("late", SLEEPER, may_start=lambda: False, waits_for_good=waits_for_good)
    child = Child(program, QUICK)
    assert not child.launch(1.0)
    assert not child.launch(1.0 + QUICK.ready_limit_s - 0.1)
    started = child.launch(1.0 + QUICK.ready_limit_s)
    assert started != waits_for_good
    if started:
        child.process.kill()
        child.bury()
        child.close_output()
    else:
        assert child.restart_at == 1.0 + QUICK.ready_limit_s + QUICK.ready_poll_s


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_signals_stop_the_last_started_first(
    number: signal.Signals, screen: io.StringIO, tmp_path: Path
) -> None:
    order = tmp_path / "order"
    code = """
        import signal, sys, time
        def stop(*_):
            with open({order!r}, "a") as file:
                print({name!r}, file=file)
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print({name!r}, "ready", flush=True)
        time.sleep(600)
    """
    with (  # noqa: PT012  leaving the supervisor is what is tested
        pytest.raises(StopRequested),
        Supervisor(terminal=Terminal(screen), timing=QUICK) as supervisor,
    ):
        for name in ("first", "second", "third"):
            supervisor.start(script(name, code.format(order=str(order), name=name)))
        supervise_until(supervisor, lambda: screen.getvalue().count("ready") == 3)
        os.kill(os.getpid(), number)
        supervisor.run_forever()

    assert order.read_text().split() == ["third", "second", "first"]


def test_stop_in_the_middle_of_a_command(supervisor: Supervisor, screen: io.StringIO) -> None:
    code = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(600)"
    with pytest.raises(StopRequested):
        supervisor.run(script("migrate", code))


def test_failed_command_is_reported_with_its_last_lines(supervisor: Supervisor) -> None:
    code = "import sys; [print('line', n) for n in range(100)]; sys.exit(2)"
    with pytest.raises(SupervisorError) as caught:
        supervisor.run(script("migrate", code))

    assert "migrate exited with status 2" in str(caught.value)
    assert str(caught.value).splitlines()[1:] == [f"  line {n}" for n in range(60, 100)]


def test_stubborn_child_is_forced(screen: io.StringIO) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True)"
    steps = ((signal.SIGTERM, 0.05), (signal.SIGKILL, DEADLINE_SECONDS))
    with Supervisor(terminal=Terminal(screen), timing=QUICK) as supervisor:
        supervisor.start(script("mule", f"{code}; time.sleep(600)", stop_steps=steps))
        supervise_until(supervisor, lambda: "ready" in screen.getvalue())

    assert "mule does not stop after 0 s, forcing it" in screen.getvalue()


def test_second_interrupt_forces_at_once(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_IMPATIENCE_SECONDS", -1.0)
    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getppid(), signal.SIGINT))
        print("ready", flush=True)
        while True:
            time.sleep(600)
    """
    steps = ((signal.SIGTERM, 600.0), (signal.SIGKILL, DEADLINE_SECONDS))
    started = time.monotonic()
    with (  # noqa: PT012  leaving the supervisor is what is tested
        pytest.raises(StopRequested),
        Supervisor(terminal=Terminal(screen), timing=QUICK) as supervisor,
    ):
        supervisor.start(script("mule", code, stop_steps=steps))
        supervise_until(supervisor, lambda: "ready" in screen.getvalue())
        os.kill(os.getpid(), signal.SIGINT)
        supervisor.run_forever()

    assert time.monotonic() - started < DEADLINE_SECONDS


def test_descendants_of_a_dead_child_go_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
        open({str(note)!r}, "w").write(str(child.pid))
    """
    supervisor.run(script("parent", code))

    wait_for(lambda: is_gone(int(note.read_text())), "the descendant's end")


def run_driver(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


GRANDPARENT = f"""
    import signal, subprocess, sys
    from config.embedded.processes import die_with_parent
    if len(sys.argv) > 1:
        die_with_parent(signal.SIGKILL)
        print("pid", __import__("os").getpid(), flush=True)
        {SLEEPER}
    print("pid", __import__("os").getpid(), flush=True)
    subprocess.run([sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2], "x"])
"""


def test_killed_supervisor_leaves_no_process_behind() -> None:
    driver = run_driver(f"""
        import sys
        from config.embedded.child import Program
        from config.embedded.supervisor import Supervisor
        from config.embedded.terminal import Terminal
        with Supervisor(terminal=Terminal(sys.stdout)) as supervisor:
            code = {textwrap.dedent(GRANDPARENT)!r}
            supervisor.start(Program(name="a", command=[sys.executable, "-c", code]))
            supervisor.start(Program(name="b", command=[sys.executable, "-c", code]))
            supervisor.run_forever()
    """)
    assert driver.stdout is not None
    pids: list[int] = []
    while len(pids) < 4:
        line = driver.stdout.readline()
        assert line, "the supervisor ended by itself"
        if "pid" in line:
            pids.append(int(line.split()[-1]))
    assert not any(is_gone(pid) for pid in pids)

    driver.kill()
    driver.wait()

    for pid in pids:
        wait_for(lambda pid=pid: is_gone(pid), f"the end of process {pid}")
    driver.stdout.close()


def test_die_with_parent_when_the_parent_is_gone_already() -> None:
    driver = run_driver("""
        import os, signal, time
        from config.embedded import processes
        read, write = os.pipe()
        if os.fork() == 0:
            original = processes.set_parent_death_signal
            def late(number):
                parent = os.getppid()
                os.kill(parent, signal.SIGKILL)
                while os.getppid() == parent:
                    time.sleep(0.01)
                original(number)
            processes.set_parent_death_signal = late
            print(os.getpid(), flush=True)
            processes.die_with_parent(signal.SIGKILL)
            print("survived", flush=True)
        else:
            signal.pause()
    """)
    output, _ = driver.communicate(timeout=DEADLINE_SECONDS)

    assert "survived" not in output
    wait_for(lambda: is_gone(int(output.split()[0])), "the child's end")
