"""Slots of the fleet: GPUs and cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.devices import available_cores, make_slots, visible_gpus


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Callable[..., None]:
    """Make this a machine of so many GPUs, as nvidia-smi shows them."""

    def have(n_gpus: int | None, visible: str | None = None) -> None:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "bin").mkdir()
        if n_gpus is not None:
            lines = [f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: GPU-{i})" for i in range(n_gpus)]
            script = tmp_path / "bin" / "nvidia-smi"
            text = "\n".join(lines) or "No devices were found"
            script.write_text(f'#!/bin/sh\nwhile read l; do echo "$l"; done <<X\n{text}\nX\n')
            script.chmod(0o755)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return have


@pytest.mark.parametrize(
    ("n_gpus", "visible", "expected"),
    [
        (None, None, []),
        (0, None, []),
        (3, None, ["0", "1", "2"]),
        (3, "2,0", ["2", "0"]),
        (3, "GPU-1", ["GPU-1"]),
        (3, "", []),
        (3, "-1", []),
        (None, "1", ["1"]),
    ],
)
def test_gpus_that_this_process_may_use(machine, n_gpus, visible, expected):
    machine(n_gpus, visible)
    assert visible_gpus() == expected


@pytest.mark.parametrize("devices", ["auto", "cpu"])
def test_jobs_of_the_cpu_share_its_cores_and_see_no_gpu(machine, monkeypatch, devices):
    machine(2)
    monkeypatch.setattr("scyan_exp.fleet.engines.devices.available_cores", lambda: 7)
    slots = make_slots(devices, None, None, jobs_want_gpu=False)
    assert [slot.name for slot in slots] == [f"cpu:{i}" for i in range(7)]
    assert {slot.n_threads for slot in slots} == {1}
    assert all(slot.environment == {"CUDA_VISIBLE_DEVICES": ""} for slot in slots)
    assert len(make_slots(devices, None, 3, jobs_want_gpu=False)) == 2
    assert len(make_slots(devices, None, 100, jobs_want_gpu=False)) == 1
    assert len(make_slots(devices, 9, 3, jobs_want_gpu=False)) == 9


def test_each_gpu_is_a_slot_that_sees_its_own_alone(machine, monkeypatch):
    machine(4, "3,1,0")
    monkeypatch.setattr("scyan_exp.fleet.engines.devices.available_cores", lambda: 12)
    slots = make_slots("auto", None, None, jobs_want_gpu=True)
    assert [slot.name for slot in slots] == ["gpu:0", "gpu:1", "gpu:2"]
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["3", "1", "0"]
    assert {slot.n_threads for slot in slots} == {4}


def test_several_jobs_a_gpu_spread_over_the_gpus_first(machine, monkeypatch):
    machine(4)
    monkeypatch.setattr("scyan_exp.fleet.engines.devices.available_cores", lambda: 12)
    slots = make_slots([2, 0], 3, None, jobs_want_gpu=True)
    assert [slot.name for slot in slots[:3]] == ["gpu:2.0", "gpu:0.0", "gpu:2.1"]
    assert len({slot.name for slot in slots}) == len(slots) == 6
    assert {slot.n_threads for slot in slots} == {2}
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in slots] == ["2", "0"] * 3


def test_more_slots_than_cores_still_have_a_thread_each(machine, monkeypatch):
    machine(4)
    monkeypatch.setattr("scyan_exp.fleet.engines.devices.available_cores", lambda: 2)
    assert {s.n_threads for s in make_slots("auto", None, None, jobs_want_gpu=True)} == {1}


@pytest.mark.parametrize(
    ("n_gpus", "devices", "message"),
    [
        (None, [0], "no GPU"),
        (0, "auto", "no GPU"),
        (2, [0, 2], "GPUs 0 to 1"),
        (2, [], "other numbers"),
    ],
)
def test_a_gpu_that_is_not_there(machine, n_gpus, devices, message):
    machine(n_gpus)
    with pytest.raises(InputError, match=message) as refused:
        make_slots(devices, None, None, jobs_want_gpu=True)
    assert "hydra.launcher.devices" in str(refused.value)


def test_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert available_cores() == len(before)
