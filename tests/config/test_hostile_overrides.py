"""Whatever is typed as an override is taken or refused in words."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = st.sampled_from(["seed", "+seed", "~model", "model.lr", "dataset", "hydra.job.name", "x.y"])
SIGNS = st.text(alphabet="=,:[]{}()'\"\\$~+@./* \t\n\0\x1b\u202eaé09-", max_size=30)
HUGE = st.sampled_from(
    ["9" * 400, "1e999", "-1e400", "[" * 20, "{a:" * 20, "${" * 9, "a" * 300, "a" * 5000]
)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KEYS, SIGNS | HUGE)
def test_any_text_is_taken_or_refused(scyan_exp, key, text):
    code, output = scyan_exp("train", f"{key}={text}", "--cfg", "job")
    assert code in (0, 2), output
    assert output
    assert "Traceback" not in output


@pytest.mark.parametrize("flags", [(), ("-m",)])
@pytest.mark.parametrize("group", ["dataset", "experiment", "hydra/launcher"])
def test_names_longer_than_those_of_files_are_refused(scyan_exp, group, flags):
    code, output = scyan_exp("train", *flags, f"{group}={'a' * 5000}")
    assert code == 2
    assert "no such option" in output
    assert "Traceback" not in output


def test_files_that_cannot_be_read_are_named(scyan_exp, tmp_path):
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    (mine / "broken.yaml").symlink_to("/proc/self/mem")  # whose first byte cannot be read
    code, output = scyan_exp("train", f"--config-dir={mine.parent}", "experiment=broken")
    assert code == 2
    assert "Input/output error" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("flags", [(), ("-m",)])
@pytest.mark.parametrize("begins", ["[", "{a:"])
def test_deep_nesting_is_refused_before_it_is_parsed(scyan_exp, begins, flags):
    code, output = scyan_exp("train", *flags, f"seed={begins * 3000}")
    assert code == 2
    assert "containers are nested too deeply" in output
    assert len(output) < 300
