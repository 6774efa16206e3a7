"""Hydra's own tests of launchers, on ours."""

from __future__ import annotations

import pytest
from hydra import version
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)

pytestmark = [
    # Hydra's suites compose their test configs without a version_base.
    pytest.mark.filterwarnings("ignore:\nThe version_base parameter is not specified:UserWarning"),
    # Python 3.12: pytest-xdist has threads in the process that forks workers; ours has none.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def defaults_of_old_programs(hydra_restore_singletons) -> None:
    """Hydra's suites count on them: jobs run in their folders. Our own tests ask for 1.3."""
    version.VersionBase.instance().setbase(version.__compat_version__)


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("fleet", ["hydra.launcher.jobs_per_device=2"])]
)
class TestFleetLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [("fleet", ["hydra.launcher.jobs_per_device=2", "hydra.sweeper.max_batch_size=2"])],
)
class TestFleetLauncherInBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=fleet", "hydra.launcher.jobs_per_device=2"])],
)
class TestFleetLauncherIntegration(IntegrationTestSuite):
    pass
