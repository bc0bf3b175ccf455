"""The house stands as it is drawn: arrows down, fences up, rooms small."""

import ast
import re
import statistics
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "immune_nb"
FLOORS = {
    "errors": 1,
    "addresses": 2,
    "allowances": 2,
    "challenges": 2,
    "hints": 2,
    "profiles": 2,
    "settings": 2,
    "frames": 2,
    "auth": 3,
    "fetch": 3,
    "catalog": 3,
    "answers": 4,
    "anywhere": 4,
    "queries": 4,
    "writes": 4,
    "deliveries": 4,
    "replies": 4,
    "webhooks": 4,
    "status": 4,
    "plans": 4,
    "outlook": 4,
    "session": 5,
    "connecting": 5,
    "sessions": 5,
    "pending": 5,
    "notebook": 6,
    "__main__": 6,
    "__init__": 6,
}
BESIDE = {
    ("profiles", "hints"),
    ("anywhere", "answers"),
    ("queries", "answers"),
    ("plans", "answers"),
    ("plans", "queries"),
    ("outlook", "queries"),
    ("outlook", "plans"),
    ("writes", "queries"),
    ("writes", "deliveries"),
    ("writes", "replies"),
    ("writes", "webhooks"),
    ("webhooks", "replies"),
    ("queries", "anywhere"),
    ("connecting", "session"),
    ("pending", "session"),
    ("sessions", "session"),
    ("frames", "errors"),
    ("profiles", "addresses"),
    ("profiles", "settings"),
    ("settings", "addresses"),
    ("settings", "hints"),
    ("__init__", "notebook"),
    ("__main__", "notebook"),
}  # on one floor, in this direction
FENCES = {
    "httptools": {"auth"},
    "httpcore": {"auth"},
    "httpx": {"auth", "fetch", "sandbox"},
    "authlib": {"auth", "sandbox"},
    "keyring": {"auth"},
    "tenacity": {"fetch"},
    "filelock": {"auth", "frames"},
    "platformdirs": {"auth", "profiles"},
    "pyarrow": {"frames"},
    "pandas": {"frames", "notebook"},
    "IPython": {"notebook"},
    "ipywidgets": {"notebook"},
    "anywidget": {"notebook"},
    "traitlets": {"notebook"},
    "tqdm": {"notebook"},
    "nbclient": {"notebook"},
    "nbconvert": {"notebook"},
    "starlette": {"sandbox"},
    "uvicorn": {"sandbox"},
    "sqlite3": {"sandbox", "notebook"},
    "detect_secrets": {"notebook"},
    "yaml": {"catalog", "notebook"},
    "plotly": {"notebook"},
    "tsdownsample": {"notebook"},
    "matplotlib": {"notebook"},
}
LONGEST_MODULE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 300, 40, 10


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name below the package, and its tree."""

    name: str
    text: str

    @property
    def room(self):
        return self.name.partition(".")[0]

    @cached_property
    def tree(self):
        return ast.parse(self.text)

    @cached_property
    def nodes(self):
        return list(ast.walk(self.tree))

    def imports(self, *, typing_too=True):
        """Every absolute module name imported anywhere in the file, function bodies included."""
        skipped = set() if typing_too else {id(n) for block in self.typing_blocks() for n in ast.walk(block)}
        for node in self.nodes:
            if id(node) in skipped:
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self.absolute(node)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if is_module(f"{base}.{alias.name}"))

    def typing_blocks(self):
        return [n for n in self.nodes if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING"]

    def absolute(self, node):
        if not node.level:
            return node.module
        parents = ["immune_nb", *self.name.split(".")][: -node.level]
        return ".".join([*parents, node.module] if node.module else parents)

    def functions(self):
        return [n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@cache
def is_module(dotted):
    path = PACKAGE.parent.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def modules():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, path.read_text(encoding="utf-8")))
    return found


MODULES = modules()


def ours(name):
    """The part of an import below the package; None for somebody else's."""
    head, _, rest = name.partition(".")
    return (rest or "__init__") if head == "immune_nb" else None


def arrows_up(module):
    """Imports of the house that do not point down."""
    wrong = []
    for name in module.imports():
        target = ours(name)
        room = target.partition(".")[0] if target else None
        if room is None or room == module.room or (module.room, room) in BESIDE:
            continue
        if "sandbox" in (room, module.room) or FLOORS[room] >= FLOORS[module.room]:
            wrong.append(f"{module.name} -> {target}")
    return wrong


def fence_jumps(module):
    """Imports, at run time, of a fenced library outside its room."""
    heads = {name.partition(".")[0] for name in module.imports(typing_too=False)}
    return [f"{module.name} imports {head}" for head in heads & FENCES.keys() if module.room not in FENCES[head]]


def length(function):
    doc = ast.get_docstring(function, clean=False)
    return function.end_lineno - function.lineno + 1 - (doc.count("\n") + 1 if doc else 0)


def mutable_state(module):
    """Module-level variables that code changes: `global` statements, and lists, dicts and sets in lower case."""
    wrong = [f"{module.name}: global {n.names}" for n in module.nodes if isinstance(n, ast.Global)]
    for node in module.tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            name = getattr(target, "id", "")
            if isinstance(node.value, ast.List | ast.Dict | ast.Set) and not name.isupper() and name != "__all__":
                wrong.append(f"{module.name}: {name}")
    return wrong


def misnamed(module):
    """Arguments that a docstring explains and the signature does not have."""
    wrong = []
    for function, doc in documented(module):
        every = function.args
        known = {a.arg for a in (*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg) if a}
        told = re.search(r"^( *)Args:\n((?:\1    .*\n|\n)*)", doc + "\n", re.MULTILINE)
        names = re.findall(rf"^{told[1]}    (\w+):", told[2], re.MULTILINE) if told else []
        wrong += [f"{module.name}.{function.name}: {name}" for name in names if name not in known]
    return wrong


def documented(module):
    """Every function with its docstring; a class that has an initializer documents that."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            yield from ((f, ast.get_docstring(node) or "") for f in node.body if getattr(f, "name", "") == "__init__")


def offences(check):
    """What a check finds wrong, in every module."""
    return [wrong for module in MODULES for wrong in check(module)]


def test_docstrings_explain_arguments_that_exist():
    """What a docstring lists under Args is in the signature."""
    assert offences(misnamed) == []


def test_arrows_point_down_and_fences_hold():
    """No import goes up, none reaches into the sandbox, and each library stays in its room."""
    assert offences(arrows_up) == []
    assert offences(fence_jumps) == []


def test_no_circles():
    """The modules can be read in an order in which everything used has been read before."""
    known = {module.name for module in MODULES}
    graph = {
        m.name: {t for t in map(ours, m.imports(typing_too=False)) if t in known and t != m.name} for m in MODULES
    }
    assert list(TopologicalSorter(graph).static_order())


def too_long(module):
    """A module beyond its lines, and functions beyond theirs."""
    lines = module.text.count("\n")
    wrong = [f"{module.name}: {lines} lines"] if lines > LONGEST_MODULE else []
    return wrong + [f"{module.name}.{f.name}" for f in module.functions() if length(f) > LONGEST_FUNCTION]


def test_modules_and_functions_are_short():
    """At most 300 lines a module, scripts for the browser included, and 40 a function, and no global state."""
    assert offences(too_long) == []
    scripts = {path.name: path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.js")}
    assert scripts
    assert {name: lines for name, lines in scripts.items() if lines > LONGEST_MODULE} == {}
    assert offences(mutable_state) == []


def test_the_usual_function_is_short():
    """The median function has fewer than ten lines."""
    assert statistics.median(length(f) for m in MODULES for f in m.functions()) < MEDIAN_FUNCTION


def nameless(module):
    """A drawer for odds and ends, or a module that does not say what it gives away."""
    drawer = {"util", "utils", "helpers", "base", "manager", "common", "misc"} & set(module.name.split("."))
    tells = module.name.endswith(("__init__", "__main__")) or "__all__" in module.text or "." not in module.name
    return [] if tells and not drawer else [module.name]


def test_modules_are_named_for_what_they_hold():
    """No drawer for odds and ends, and every module says what it gives away."""
    assert offences(nameless) == []


def test_every_test_says_what_it_proves():
    """One line at the top of each test, so that the suite reads as a specification."""
    files = [Module(path.stem, path.read_text(encoding="utf-8")) for path in Path(__file__).parent.rglob("test_*.py")]
    silent = [
        f"{m.name}.{f.name}"
        for m in files
        for f in m.functions()
        if f.name.startswith("test_") and not ast.get_docstring(f)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("room", "text", "check"),
    [
        ("errors", "from immune_nb.connecting import connect", arrows_up),
        ("frames.decode", "def f():\n    from ..fetch import client", arrows_up),
        ("notebook.magic", "import immune_nb.sandbox.app", arrows_up),
        ("sandbox.app", "from immune_nb import profiles", arrows_up),
        ("fetch.client", "from immune_nb.auth import secrets", arrows_up),
        ("session", "import httpx", fence_jumps),
        ("queries", "def f():\n    import pandas as pd", fence_jumps),
        ("fetch.client", "from authlib.oauth2 import rfc6749", fence_jumps),
        ("session", 'def f(a):\n    """Do.\n\n    Args:\n        a: One.\n        b: Two.\n    """', misnamed),
        ("session", "a = 1\n" * 301, too_long),
        ("session", "def f():\n" + "    a = 1\n" * 41, too_long),
        ("fetch.utils", "__all__ = []", nameless),
        ("fetch.client", "a = 1", nameless),
        ("session", "cache = {}", mutable_state),
        ("session", "def f():\n    global x\n    x = 1", mutable_state),
    ],
)
def test_each_check_can_fail(room, text, check):
    """Positive controls: a house built wrongly is seen to be."""
    assert check(Module(room, text)) != []


def test_a_circle_can_be_seen():
    """Positive control: two modules that need each other have no order."""
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
