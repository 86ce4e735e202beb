"""The floors of the design: an import goes to the same floor or to one below, and each edge has its owner."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import etl
from tests.cases import cases

PACKAGE = Path(etl.__file__).parent

FLOORS = (
    ("etl.units", "etl.times", "etl.suggest"),
    ("etl.report",),
    ("etl.errors",),
    ("etl.template", "etl.limits", "etl.registry", "etl.rate", "etl.shards"),
    ("etl.plan", "etl.options"),
    ("etl.encode", "etl.source", "etl.output"),
    ("etl.sink",),
    ("etl.worker", "etl.job", "etl.dedupe"),
    ("etl.run",),
    ("etl.pipeline",),
    ("etl.verbs", "etl.testing"),
    ("etl",),
    ("etl.cli",),
    ("etl.__main__",),
)
"""The rooms, from the lowest floor to the highest: see ``etl/__init__.py``."""

OWNERS = {
    "redis": ("etl.sink",),
    "hiredis": ("etl.sink", "etl.testing"),
    "ssl": ("etl.sink",),
    # inputs waits for standard input where another program has made it non-blocking.
    "select": ("etl.sink", "etl.source.storage.stdin"),
    # embedded talks to a server that is starting or ending; signals and feed have a pair each to end a wait;
    # presence has a name in the kernel; ray asks whether anybody listens at an address.
    "socket": (
        "etl.sink",
        "etl.run.signals",
        "etl.run.process.feed",
        "etl.run.runners.ray",
        "etl.job.presence",
    ),
    "tqdm": ("etl.output.bar",),
    # embedded only names SIGTERM, for the server that it starts; stop, as what the flag is the same as.
    # A pager's Ctrl-C is its own.
    "signal": ("etl.run", "etl.sink.embedded.server", "etl.job.stop", "etl.cli.pager"),
    "multiprocessing": ("etl.run",),
    # watcher starts the process that puts a server back when this one is killed.
    "subprocess": ("etl.sink.embedded", "etl.cli.pager", "etl.sink.replication.watcher"),
    "ray": ("etl.run.runners.ray",),
    "argparse": ("etl.cli", "etl.options", "etl.__init__"),
    "json": (
        "etl.cli.output",
        "etl.output.reject_file",
        "etl.output.differences",
        "etl.pipeline.plan_file",
        "etl.source",
        "etl.encode.verify.json",
        "etl.testing.source",
    ),
    "csv": ("etl.source.csv.format",),
    "bz2": ("etl.source.storage.compression",),
    "lzma": ("etl.source.storage.compression",),
    "pytest": ("etl.testing",),
    "anycrc": ("etl.encode.rdb.crc64",),
    "fsspec": ("etl.source.storage.stores.fsspec",),
    "aiohttp": ("etl.source.storage.stores.fsspec",),
    "duckdb": ("etl.source.query.databases.duckdb",),
    "adbc_driver_manager": ("etl.source.query",),
    "adbc_driver_sqlite": ("etl.source.query.databases.sqlite",),
    "adbc_driver_postgresql": ("etl.source.query.databases.postgresql",),
    # What is given as an object is asked for Arrow's interface; nobody's library is imported for that.
    "pandas": (),
    "polars": (),
    "numpy": (),
    # That a member travels to another process is part of its contract.
    "pickle": ("etl.testing",),
    "logging": (),
}

CATCHING = {
    "etl.cli.main": "the process ends there",
    "etl.run.process.worker_main": "a worker process ends there",
    "etl.run.process.feed": "a thread ends there, and the supervisor raises what it met",
    "etl.source.table.input": "a step in somebody else's library",
    "etl.source.storage.remote": "a step in somebody else's library",
    "etl.source.objects.values": "somebody else's __repr__",
    "etl.sink.rdb_file.upload": "a step in somebody else's library",
}
"""Who may catch every exception, and why."""

PURE = ("etl.units", "etl.rate", "etl.report", "etl.template", "etl.plan", "etl.encode")
IMPURE = {"os", "sys", "io", "time", "datetime", "random", "pathlib", "threading", "contextlib", "tempfile"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))


def belongs(module: str, owners: tuple[str, ...]) -> bool:
    return any(module == owner or module.startswith(owner + ".") for owner in owners)


def floor_of(module: str) -> int | None:
    module = module.removesuffix(".__init__")
    exact = [floor for floor, rooms in enumerate(FLOORS) if module in rooms]
    inside = [floor for floor, rooms in enumerate(FLOORS) if rooms != ("etl",) and belongs(module, rooms)]
    return next(iter([*exact, *inside]), None)


@cache
def imports(module: str) -> tuple[str, ...]:
    """Return what a module imports, anywhere in it, also what only the type checker sees."""
    names: list[str] = []
    for node in nodes(module):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                known = submodule in MODULES or f"{submodule}.__init__" in MODULES
                names.append(submodule if known else node.module)
    return tuple(names)


@cache
def edges(module: str) -> frozenset[str]:
    """Return the modules of the package that a module imports."""
    names = (name if name in MODULES else f"{name}.__init__" for name in imports(module))
    return frozenset(name for name in names if name in MODULES and name != module)


def circle(graph: dict[str, frozenset[str]]) -> list[str]:
    """Return modules of which each imports the next and the last one the first; empty: there are none."""
    left = dict(graph)
    while ends := [module for module, below in left.items() if not below & left.keys()]:
        for module in ends:
            del left[module]
    path: list[str] = []
    if not left:
        return path
    module = next(iter(left))
    while module not in path:
        path.append(module)
        module = next(iter(left[module] & left.keys()))
    return path[path.index(module) :]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle({module: edges(module) for module in MODULES}) == []


def test_a_circle_is_found_wherever_it_is() -> None:
    knot = {"a": frozenset({"b"}), "b": frozenset({"c", "d"}), "c": frozenset({"b"}), "d": frozenset[str]()}
    assert sorted(circle(knot)) == ["b", "c"]
    assert circle({**knot, "c": frozenset()}) == []


@cases("module", MODULES)
def test_a_module_has_a_floor_and_imports_nothing_from_above(module: str) -> None:
    floor = floor_of(module)
    assert floor is not None, f"{module} stands on no floor of DESIGN section 5"
    for imported in imports(module):
        if imported == "etl" or imported.startswith("etl."):
            below = floor_of(imported)
            assert below is not None
            assert below <= floor, f"{module} (floor {floor}) imports {imported} (floor {below})"


def shelves_in(module: str) -> list[str]:
    """Return the packages that a module names as shelves: ``Shelf("etl.source.formats", "format")``."""
    made = [
        node for node in nodes(module) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Shelf"
    ]
    return [ast.literal_eval(node.args[0]) for node in made if isinstance(node.args[0], ast.Constant)]


def test_a_shelf_above_is_named_in_one_place_only_and_is_there() -> None:
    # A name is no import: what only lists a folder (the choices of an option) needs nothing of what is in it,
    # and a member is imported while the program runs, by who stands above both.
    named = {(module, package) for module in MODULES for package in shelves_in(module)}
    assert ("etl.options.shelves", "etl.source.formats") in named
    for module, package in named:
        assert f"{package}.__init__" in MODULES
        floor, above = floor_of(module), floor_of(package)
        assert floor is not None
        assert above is not None
        assert above <= floor or module == "etl.options.shelves", f"{module} names {package}, from above"


@cases("module", MODULES)
def test_a_library_is_imported_by_its_owner_only(module: str) -> None:
    for imported in imports(module):
        owners = OWNERS.get(imported.split(".")[0])
        assert owners is None or belongs(module, owners), f"{module} imports {imported}"


@cases("module", [module for module in MODULES if belongs(module, PURE)])
def test_what_is_pure_has_no_hands_and_no_clock(module: str) -> None:
    roots = {imported.split(".")[0] for imported in imports(module)}
    assert not roots & IMPURE
    assert "open" not in calls(module)


@cache
def calls(module: str) -> set[str]:
    return {ast.unparse(node.func) for node in nodes(module) if isinstance(node, ast.Call)}


@cases("module", MODULES)
def test_only_the_command_line_prints_and_only_main_exits(module: str) -> None:
    names = calls(module)
    assert module == "etl.cli.output" or not names & {"print", "sys.stdout.write"}
    assert module == "etl.__main__" or not names & {"sys.exit", "exit", "quit"}


@cases("module", MODULES)
def test_no_option_is_read_by_a_text_that_a_type_checker_cannot_follow(module: str) -> None:
    for node in nodes(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "isinstance"):
            subject, what = map(ast.unparse, node.args[:2])
            about_options = subject.split(".")[-1] == "options" and module != "etl.options.declare"
            assert not about_options or what == "name", f"{module}: {ast.unparse(node)}"


@cases("module", MODULES)
def test_no_module_evaluates_text_or_unpickles(module: str) -> None:
    harmful = calls(module) & {"eval", "exec", "pickle.loads", "pickle.load", "os.system"}
    assert not harmful or (harmful == {"pickle.loads"} and belongs(module, ("etl.testing",)))


@cases("module", MODULES)
def test_every_exception_is_caught_only_where_a_process_ends_or_a_foreign_library_begins(
    module: str,
) -> None:
    for handler in nodes(module):
        if not isinstance(handler, ast.ExceptHandler):
            continue
        caught = ast.unparse(handler.type) if handler.type else "everything"
        assert caught != "everything"
        assert caught != "Exception" or module in CATCHING
        if caught == "BaseException":  # to tidy up
            assert any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_every_owner_and_every_floor_that_is_there_is_found_by_these_tests() -> None:
    assert len(MODULES) > 30
    assert "redis" in {imported.split(".")[0] for imported in imports("etl.sink.session.connect")}
    assert "etl.report" in imports("etl.plan.plan")
    assert set(CATCHING) <= set(MODULES)
    owners = {owner for several in OWNERS.values() for owner in several}
    assert all(any(belongs(module, (owner,)) for module in MODULES) for owner in owners)
    assert "etl.report" in imports("etl.errors")  # what only the type checker sees counts
    assert floor_of("etl.report.reject_limit") == 1
    assert floor_of("etl.source.formats.lines") == floor_of("etl.output.reject_file") == 5
    assert floor_of("etl.__init__") == 11
    assert floor_of("etl.elsewhere") is None
