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

from scyan_exp.config.compose import configs_folder
from scyan_exp.config.plain_values import OverrideReader, Setting
from scyan_exp.errors import InputError
from scyan_exp.fleet.jobs import collect_jobs
from scyan_exp.run.job import TrainJob
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
    some = draw(st.lists(st.sampled_from(axes), min_size=1, max_size=3, unique=True))
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
        alone = [overrides]
        ours = told(lambda number=number, alone=alone: collect_jobs(grid.job, alone, number)[0])
        assert ours == told(lambda number=number, alone=alone: one.by_hydra(number, *alone))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=grids())
def test_jobs_of_a_grid_are_those_that_hydra_composes(program, tmp_path, jobs):
    with command(program, "config", tmp_path, None) as one:
        assert_same(one, jobs)


#: Of this program, with values that are wrong, and some that are wrong together.
OUR_AXES = (
    ("seed=0", "seed=5", "seed=-1", "seed=2.5"),
    ("model.prior_std=0.2", "model.prior_std=3", "model.prior_std=${model.temperature}"),
    ("model.warm_up=[0.3,4]", "model.warm_up=null", "model.warm_up=[0.3]"),
    ("flow=shallow", "flow=deep"),
    ("prior=tight", "prior=loose"),
    ("name=run-${seed}", "name=null", "name='a, b'", "name=${hydra:job.num}"),
    ("tags=[a,b]", "tags=[]", "tags=['x, y']"),
    ("objective=accuracy", "objective=loss", "objective=[loss,f1_macro]", "objective=los"),
    ("dataset.label_key=null", "dataset.label_key=population"),
    ("~callbacks.early_stopping", "callbacks=none", "+trainer.max_steps=3"),
    ("trainer=cpu", "trainer=gpu"),
)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=grids(OUR_AXES))
def test_jobs_of_this_program_are_checked_as_if_each_were_composed(tmp_path, jobs):
    with command(configs_folder(), "train", tmp_path, TrainJob()) as one:
        assert_same(one, jobs)


def composed(one: Command, jobs: list[list[str]]) -> int:
    """How often Hydra composes for these jobs, which are as they should be."""
    grid = one.grid()
    for number, overrides in enumerate(jobs):
        ours = seen(grid.job(number, overrides))
        if number in (1, len(jobs) - 1):
            assert ours == seen(one.by_hydra(number, overrides))
    return grid.n_composed


def test_a_grid_of_plain_values_and_two_groups_is_composed_once_for_each_choice(program, tmp_path):
    axes = [["db=small", "db=large"], ["section.a=1", "section.a='x'"], ["seed=0", "seed=1"]]
    jobs = [list(job) for job in itertools.product(*axes)]
    with command(program, "config", tmp_path, None) as one:
        assert composed(one, jobs) == 2


def test_what_is_no_plain_value_is_composed_for_each(program, tmp_path):
    jobs = [["section.a=${seed}"], ["section.a={x:1}"], ["section.a=1", "section={a:2}"]]
    jobs += [["seed=0", "seed=1"], ["seed=0", "seed=2"], ["+new=1"], ["+new=2"]]
    with command(program, "config", tmp_path, None) as one:
        assert composed(one, jobs) == len(jobs)


def test_folders_may_be_named_by_values(program, tmp_path):
    always = ["hydra.sweep.subdir=${hydra.job.override_dirname}/${section.a}-${hydra.job.id}"]
    jobs = [[f"section.a={a}", "text=t"] for a in (5, 6, 7)]
    with command(program, "config", tmp_path, None, always) as one:
        assert composed(one, jobs) == 1
        grid = one.grid()
        folders = [grid.job(number, given).folder for number, given in enumerate(jobs)]
    assert folders == [tmp_path / f"section.a={a},text=t" / f"{a}-{a - 5}" for a in (5, 6, 7)]


KEYS = st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z_][A-Za-z0-9_]{0,8}){0,2}", fullmatch=True
)


@settings(max_examples=40)
@given(key=KEYS, number=st.integers(-(10**17), 10**17), plus=st.sampled_from(["", "+"]))
def test_whole_numbers_are_read_as_hydra_reads_them(key, number, plus):
    text = f"{key}={plus if number >= 0 else ''}{number}"
    read = OverrideReader(lambda key: False)
    parsed = read._parsed(text)
    assert read(text) == parsed
    assert not isinstance(parsed, Setting) or type(read(text).value) is int
