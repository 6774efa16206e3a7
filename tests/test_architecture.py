"""The layers of the package: who may import whom, and what nobody may do."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import scyan_exp

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(scyan_exp.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if "configs" not in path.parts)

#: From the bottom to the top; a folder (or a file of the root) may import those of lower layers,
#: and itself. A new folder gets its layer here, and a line in the design: who may import it?
LAYERS = (
    {"_lazy", "errors"},
    {"documents", "files", "locks", "terminal"},
    {"config", "module"},
    {"data", "fused"},
    {"metrics"},
    {"training"},
    {"results"},
    {"run"},
    {"fleet"},
    {"search"},
    {"entries"},
    {"report"},
    {"cli"},
    {"__main__"},
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

UNSAFE_MODULES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Names of the modules that are imported anywhere in a file, for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


GRAPH = {module_name(path): set(imports_of(ast.parse(path.read_text()))) for path in FILES}


def part_of(name: str) -> str | None:
    """'scyan_exp.data.cells' to 'data'; None for what is no part of ours."""
    first, _, rest = name.partition(".")
    part = rest.split(".")[0]
    return part if first == "scyan_exp" and part in RANK else None


def parts_imported_by(name: str) -> set[str]:
    found = {part_of(imported) for imported in GRAPH[name]}
    return {part for part in found if part is not None and part != part_of(name)}


def test_every_part_of_the_package_has_a_layer():
    parts = {name.split(".")[1] for name in GRAPH if "." in name}
    assert parts <= set(RANK), f"give a layer to {parts - set(RANK)}"
    assert len(GRAPH) > 25


@pytest.mark.parametrize("name", [name for name in GRAPH if name != "scyan_exp"])
def test_nothing_imports_upward_or_sideways(name):
    upward = {part for part in parts_imported_by(name) if RANK[part] >= RANK[part_of(name)]}
    assert not upward


def test_there_is_no_cycle():
    ours = {name: {i for i in imported if i in GRAPH} - {name} for name, imported in GRAPH.items()}
    assert len(list(graphlib.TopologicalSorter(ours).static_order())) == len(GRAPH)


@pytest.mark.parametrize(
    ("part", "may_import"),
    [
        ("module", set()),
        ("config", {"errors"}),
        ("data", {"_lazy", "config", "errors", "files", "locks", "module"}),
        ("fused", {"files", "module"}),
        ("metrics", {"config", "data"}),
        ("training", {"config", "data", "errors", "files", "fused", "metrics", "module"}),
    ],
)
def test_lower_layers_know_little(part, may_import):
    names = [name for name in GRAPH if part_of(name) == part]
    assert names
    assert set().union(*map(parts_imported_by, names)) <= may_import


def test_tensor_code_knows_neither_cells_nor_configs():
    imported = set().union(*(i for name, i in GRAPH.items() if part_of(name) == "module"))
    tops = {name.split(".")[0] for name in imported}
    assert not tops & {"anndata", "pandas", "omegaconf", "hydra", "pytorch_lightning", "wandb"}


@pytest.mark.parametrize("name", GRAPH)
def test_no_module_that_unpickles_is_imported(name):
    assert not {imported.split(".")[0] for imported in GRAPH[name]} & UNSAFE_MODULES


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_call_runs_what_a_file_says(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        where = f"{path.name}:{node.lineno}"
        assert called.split("pd.")[-1] not in ("eval", "exec", "read_pickle"), where
        assert keywords.get("allow_pickle", "False") == "False", where
        if called in ("torch.load", "trainer.fit") or called.endswith("load_from_checkpoint"):
            assert keywords.get("weights_only") == "True", f"{where}: {called} unpickles"
        if called == "yaml.load":
            assert "Safe" in keywords.get("Loader", ""), where
