"""The house rules that no linter knows, held by reading every tracked file."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_LINES = 300
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
# Modules whose loaders run code that a file carries, and the calls that do.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}
TRAINING = Path("service/engine/training")
DOMAIN_MAY_IMPORT = {"pydantic", "pydantic_core"}


def tracked(*suffixes: str) -> list[Path]:
    """Paths, from the root, of the files that git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    return [p for p in paths if (not suffixes or p.suffix in suffixes) and (ROOT / p).is_file()]


def modules(folder: str) -> list[Path]:
    return [path for path in tracked(".py") if path.is_relative_to(folder)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[tuple[int, str, int]]:
    """Line, name and relative level of everything that a file imports, inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", node.level


def test_imports_run_one_way() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_called_by_a_name_that_says_nothing() -> None:
    vague = [p for p in modules("service") if VAGUE_NAMES & {p.stem, *p.parent.parts}]
    assert vague == []


def test_each_file_of_the_service_holds_one_idea() -> None:
    long = {
        str(path): lines
        for path in modules("service")
        if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_module_postpones_its_annotations() -> None:
    lacking = [
        str(path)
        for path in modules("service")
        if any(not isinstance(node, ast.Expr) for node in tree(path).body)
        and not any(
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
            for node in tree(path).body
        )
        and path.name != "__init__.py"
    ]
    assert lacking == []


def test_no_import_is_relative() -> None:
    relative = [
        f"{path}:{line}" for path in tracked(".py") for line, _, level in imports(path) if level > 0
    ]
    assert relative == []


def test_the_domain_imports_only_itself_pydantic_and_the_standard_library() -> None:
    foreign = [
        f"{path}:{line} {name}"
        for path in modules("service/domain")
        for line, name, _ in imports(path)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names
        and top not in DOMAIN_MAY_IMPORT
        and not name.startswith("service.domain")
    ]
    assert foreign == []


def test_nothing_is_loaded_that_could_carry_code() -> None:
    found = []
    for path in modules("service"):
        found += [
            f"{path}:{line} imports {name}"
            for line, name, _ in imports(path)
            if name.split(".")[0] in UNSAFE_MODULES
        ]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                found += [f"{path}:{node.lineno} {what}" for what in unsafe_call(node, path)]
    assert found == []


def unsafe_call(call: ast.Call, path: Path) -> Iterator[str]:
    function = call.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    # A method called `exec` is something else; the bare builtin is what is meant.
    builtin = isinstance(function, ast.Name) and name in ("eval", "exec")
    if builtin or (name == "load_model" and not path.is_relative_to(TRAINING)):
        yield name
    for keyword in call.keywords:
        if keyword.arg == "allow_pickle" and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        ):
            yield "allow_pickle"


def test_the_unsafe_calls_are_recognised() -> None:
    def findings(code: str) -> list[str]:
        call = ast.parse(code, mode="eval").body
        assert isinstance(call, ast.Call)
        return list(unsafe_call(call, Path("service/serving.py")))

    assert findings("np.load(p, allow_pickle=True)") == ["allow_pickle"]
    assert findings("np.load(p, allow_pickle=False)") == []
    assert findings("eval(text)") == ["eval"]
    assert findings("keras.models.load_model(p)") == ["load_model"]


def test_the_migrations_folder_is_no_package() -> None:
    # It would shadow the alembic library, since the root is on the path.
    assert not (ROOT / "alembic" / "__init__.py").exists()


# Written in two halves, so that this file does not find itself.
ADDRESSES = re.compile(
    r"https?://[A-Za-z0-9.:-]+/(?:simple|packages|" + r"pypi)/"
    r"|https?://(?:pypi\.|files\.python" + r"hosted|registry\.npmjs)"
    r"|--(?:extra-)?index" + r"-url|--find" + r"-links"
)
MACHINE_PATHS = re.compile(r"(?<![\w.$}~-])/(?:work|home|root|Users)/" + r"[\w.-]+")
CONSTRAINTS_COMMAND = re.compile(r"--no-emit-(?:index" + r"-url|find" + r"-links)")


def test_no_tracked_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            # The flags that keep addresses out of the constraints may be named.
            shown = CONSTRAINTS_COMMAND.sub("", line)
            if ADDRESSES.search(shown) or MACHINE_PATHS.search(shown):
                found.append(f"{path}:{number}: {line.strip()[:120]}")
    assert found == []


def test_the_api_process_starts_without_what_only_training_needs(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from service.server import serve\n"
        "from service.app import create_app\n"
        "from service.settings import Settings\n"
        "create_app(Settings())\n"
        "heavy = 'keras tensorflow jax pandas scipy sklearn matplotlib pyarrow PIL'.split()\n"
        "print(*[name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "FITPOINT_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", [p for p in tracked(".py") if p.is_relative_to("tests")], ids=str)
def test_a_test_file_has_a_name_of_its_own(path: Path) -> None:
    same = [other for other in tracked(".py") if other.name == path.name and other != path]
    assert same == [] or path.name == "conftest.py"
