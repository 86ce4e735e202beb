"""Scripts of other people that call ``etl.load``."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault.commands import START_METHODS, Command, start_python, write_lines
from tests.support import RealServer, data_size

UNGUARDED = """
    import json, sys
    import etl

    class Row(dict):
        pass

    print("imported", file=sys.stderr)
    options = dict(to=sys.argv[2], workers=2, start_method=sys.argv[3])
    report = etl.load(sys.argv[1], **options)
    print(json.dumps(report.as_dict()))
    rows = [Row(id=str(number)) for number in range(int(sys.argv[4]))]  # of a class that is defined here
    assert not rows or etl.load(rows, key="row:{id}", **options).records["written"] == len(rows)
"""

IN_A_THREAD = """
    import json, sys, threading
    import etl

    def load():
        report = etl.load(sys.argv[1], to=sys.argv[2], workers=2, start_method=sys.argv[3])
        print(json.dumps(report.as_dict()))

    if __name__ == "__main__":
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
"""

KEEPS_ITS_HANDLERS = """
    import json, multiprocessing, signal, sys
    import etl

    def mine(number, frame):
        pass

    def handlers(connection):  # stands where a process's own code begins
        connection.send([
            signal.getsignal(signal.SIGTERM),
            signal.getsignal(signal.SIGINT) is signal.default_int_handler,
            not signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        ])

    def handlers_of_a_worker(connection):
        numbers = (signal.SIGINT, signal.SIGTERM)
        connection.send([signal.getsignal(number) == signal.SIG_IGN for number in numbers])

    def answer(target, name=None):
        context = multiprocessing.get_context(sys.argv[3])
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs,), name=name)
        process.start()
        answered = ours.recv()
        process.join()
        return answered

    if __name__ == "__main__":
        signal.signal(signal.SIGTERM, mine)
        report = etl.load(sys.argv[1], to=sys.argv[2], workers=2, start_method=sys.argv[3])
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert answer(handlers) == [signal.SIG_DFL, True, True]
        if sys.argv[3] == "forkserver":
            assert answer(handlers_of_a_worker, "redis-etl-1") == [True, True]
        print(json.dumps(report.as_dict()))
"""


NO_PANDAS = "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)"
"""Arrow would import it in the script and in each worker; that it stays there is tested elsewhere."""


def run(
    code: str, folder: Path, server: RealServer, method: str, how: str = "a file", rows: int = 0
) -> tuple[int, str, str]:
    """Run a script in one of HOWS, which has ``rows`` of its own; give its exit code, stdout and stderr."""
    script = folder / "script.py"
    (folder / "without").mkdir()
    (folder / "without" / "pandas.py").write_text(NO_PANDAS)
    script.write_text(textwrap.dedent(code))
    file = write_lines(folder / "some.txt", 3_000_000)
    with open(script) as stdin:
        process = start_python(
            *HOWS[how](script),
            *(os.fspath(file), server.url, method, str(rows)),
            stdin=stdin,
            cwd=folder,
            path=folder / "without",
        )
        command = Command(process)
        try:
            stdout, stderr = process.communicate(timeout=60)
        finally:
            command.clean_up()
    return process.returncode, stdout, stderr


HOWS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "a file": lambda script: (str(script),),
    "standard input": lambda script: ("-",),
    "-c": lambda script: ("-c", script.read_text()),
    "-m": lambda script: ("-m", script.stem),
    "a notebook": lambda script: ("-c", f"exec(compile(open({str(script)!r}).read(), '<cell>', 'exec'))"),
}


@pytest.mark.parametrize(
    ("how", "method"),
    [
        *((how, "forkserver") for how in HOWS),
        ("a file", "spawn"),
        ("standard input", "spawn"),
        ("-m", "fork"),
    ],
)
def test_a_script_without_a_main_guard_loads_and_is_run_once(
    tmp_path: Path, real_server: RealServer, how: str, method: str
) -> None:
    rows = 30 if (how, method) == ("a file", "forkserver") else 0
    code, stdout, stderr = run(UNGUARDED, tmp_path, real_server, method, how, rows)
    assert code == 0, stderr
    assert json.loads(stdout)["records"]["written"] == 3_000
    assert stderr.count("imported") == 1
    assert "Traceback" not in stderr
    assert data_size(real_server.client()) == 3_000 + rows


@pytest.mark.parametrize("method", START_METHODS)
def test_a_script_with_a_main_guard_loads_and_keeps_its_signals(
    tmp_path: Path, real_server: RealServer, method: str
) -> None:
    code, stdout, stderr = run(KEEPS_ITS_HANDLERS, tmp_path, real_server, method)
    assert code == 0, stderr
    assert "Traceback" not in stderr
    assert json.loads(stdout)["records"]["written"] == 3_000


def test_a_load_in_a_thread_works(tmp_path: Path, real_server: RealServer) -> None:
    code, stdout, stderr = run(IN_A_THREAD, tmp_path, real_server, "forkserver")
    assert code == 0, stderr
    assert json.loads(stdout)["records"]["written"] == 3_000
