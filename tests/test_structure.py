"""Rules about the code itself: what a reviewer would otherwise have to look for again and again."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import click
import grimp
import pytest

from stillopen.cli import cli
from tests.support.errors import ROOT, SRC, codes_in, documented, modules

#: file → why it may import inside a function
LATE_IMPORTS: dict[str, str] = {}

MAX_FUNCTION = 70
MAX_FILE = 600


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def late_imports(path: Path) -> list[int]:
    tree = ast.parse(path.read_text())
    return [
        node.lineno
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_no_imports_inside_functions() -> None:
    found = {str(p.relative_to(SRC)): late_imports(p) for p in modules()}
    assert {
        name: lines for name, lines in found.items() if lines and name not in LATE_IMPORTS
    } == {}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("stillopen")
    sorter = TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    sorter.prepare()  # CycleError names the modules


def test_functions_and_files_stay_short() -> None:
    long = []
    for path in modules():
        text = path.read_text()
        if text.count("\n") > MAX_FILE:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for function in functions(ast.parse(text)):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > MAX_FUNCTION:
                long.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length}")
    assert long == []


def test_every_error_code_is_documented_and_none_that_is_gone() -> None:
    used = set().union(*(codes_in(path) for path in modules()))
    known = documented()
    assert sorted(used - known.keys()) == [], "make errors"
    assert sorted(known.keys() - used) == [], "make errors"
    assert [code for code, sentence in known.items() if sentence in ("", "…")] == []


def commands(
    command: click.Command, context: click.Context, name: str
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from commands(found, context, f"{name} {child}")


def test_every_command_and_option_has_help() -> None:
    silent = []
    for name, command in commands(cli, click.Context(cli), "stillopen"):
        if not command.help:
            silent.append(name)
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.help:
                silent.append(f"{name} {parameter.opts[0]}")
    assert silent == []


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy, so that no build folder is left behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "."]
    subprocess.run([*build, "-w", str(out)], cwd=source, check=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_the_license_and_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert any(name.endswith("licenses/LICENSE") for name in names)
    files = [p for p in SRC.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert [str(p) for p in files if str(p.relative_to(SRC.parent)) not in names] == []


def test_the_lock_file_names_no_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==\S+", lock, re.M)
    assert len(pinned) > 20
    assert lock.count("--hash=sha256:") >= len(pinned)
