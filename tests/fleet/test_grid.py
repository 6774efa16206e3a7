"""Jobs of a grid are those that Hydra composes one by one, and few are composed for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.errors import InputError
from tests.fleet.grids import Command, command, seen

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

#: A program of its own: groups, packages, interpolations, and a section under two names.
FILES = {
    "config.yaml": (
        "defaults: [_self_, db: small, net@model: deep, optional extra: null]\n"
        "seed: 0\nname: run-${seed}-${hydra:job.num}\ntext: a\nlist: [1, 2]\nnothing: null\n"
        "section: {a: 1, b: '${seed}', c: {d: x}}\nalias: ${section}\nitems: [0, '${section.a}']\n"
    ),
    "db/small.yaml": "size: 1\nname: small\n",
    "db/large.yaml": "size: 100\nname: ${name}\n",
    "net/deep.yaml": "depth: 9\nwidth: 3\n",
    "net/flat.yaml": "depth: 1\nwidth: ${seed}\n",
    "extra/one.yaml": "# @package _global_\nsection: {a: one, e: new}\n",
}
#: What may stand on a command line, by what it changes; every value also beside all others.
AXES = (
    ("seed=0", "seed=1", "seed=17", "seed=-3", "seed=1.0", "seed=true", "seed='1'"),
    ("section.a=2", "section.a=null", "section.a=[1,[2,x]]", "section.a=${seed}"),
    ("section.a='b, c'", 'section.a="it\'s"', "section.a=???", "section.a={z:1}", "section.a="),
    ("section.c.d=1", "section.c.d=2.50", "section.c.d=1e-3", "section.c.d=inf"),
    ("list=[1,2]", "list=[3]", "list=[]", "list=null", "list=[${seed},'${seed}']"),
    ("nothing=null", "nothing=[1]", "nothing=3", "nothing=a b", "nothing={a:1}"),
    ("db=small", "db=large"),
    ("net@model=deep", "net@model=flat"),
    ("model.depth=2", "model.depth=4.5"),
    ("+extra=one",),
    ("+new=1", "+new=[2]", "++new.x=3", "++section.a=5"),
    ("~section.b", "~section", "~list"),
    ("section.b=1", "section.b=${section.a}", "section.b=[${seed}]"),
    ("section={a:5}", "section.c={d:y}", "section.c=1", "section=1"),
    ("alias=3", "alias.a=7", "+alias.f=1", "items=[5]"),
    ("text=${seed}", "text=x", "text=x=y", r"text=a\,b", "text='${seed}'", r"text=\\", "text=é"),
    ("unknown=1", "db=huge"),
    ("hydra.job.name=mine", "hydra.sweep.subdir=${hydra.job.num}-${seed}-${section.a}"),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@st.composite
def grids(draw: Callable[..., Any], axes: tuple[tuple[str, ...], ...] = AXES) -> list[list[str]]:
    """The overrides of the jobs of a grid: values of several axes, in any order."""
    some = draw(st.lists(st.sampled_from(axes), min_size=1, max_size=4, unique=True))
    values = [
        draw(st.lists(st.sampled_from(axis), min_size=1, max_size=2, unique=True)) for axis in some
    ]
    return [list(job) for job in itertools.product(*values)]


def told(make: Callable[[], Any]) -> Any:
    """A job as :func:`seen`, or what is said of it."""
    try:
        return seen(make())
    except InputError as error:
        return error.problems
    except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
        return type(error).__name__


def assert_same(one: Command, jobs: list[list[str]]) -> None:
    grid = one.grid()
    for number, overrides in enumerate(jobs, start=3):
        ours = told(lambda number=number, given=overrides: grid.job(number, given))
        assert ours == told(lambda number=number, given=overrides: one.by_hydra(number, given))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=grids())
def test_jobs_of_a_grid_are_those_that_hydra_composes(program, tmp_path, jobs):
    with command(program, "config", tmp_path, None) as one:
        assert_same(one, jobs)
