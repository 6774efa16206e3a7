"""A Slurm cluster of one node: real daemons on free ports, with all their files in one folder.

As root or not: nothing of the machine's own Slurm is read, used or changed.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

#: Where Debian keeps daemons; the path of users does not always hold it.
DAEMONS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
#: The kind of the node's GPUs.
GPU = "a100_3g.20gb"
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=5
MinJobAge=60
InactiveLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes={host} PriorityTier=10 PreemptMode=OFF
"""


@dataclass
class SlurmCluster:
    """A cluster that runs.

    Attributes:
        folder: config, state and logs of the daemons.
        environment: variables with which the commands of Slurm find it.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> str:
        """Output of a command of Slurm's."""
        done = subprocess.run(
            arguments,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """State of each Slurm job that waits, runs or is about to end, by its id."""
        lines = self.command("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def cancel_all(self) -> None:
        """End what is left of a test."""
        self.command("scancel", "--signal=KILL", f"--user={getpass.getuser()}")
        self.command("scancel", f"--user={getpass.getuser()}")


def missing() -> list[str]:
    """Programs of Slurm that this machine lacks."""
    return [name for name in NEEDED if shutil.which(name, path=DAEMONS) is None]


@contextmanager
def slurm_cluster(folder: Path, cpus: int = 4) -> Iterator[SlurmCluster]:
    """Start the daemons, and end them after the block.

    Its partition ``main`` gives way to ``urgent``. Its GPUs are two devices that are
    none, of a kind that is named as a share of one is.

    Args:
        folder: an empty folder; its path must be short enough for sockets.
        cpus: of the node, whatever the machine has.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().partition(".")[0]
    settings = {
        "host": host,
        "folder": folder,
        "user": getpass.getuser(),
        "cpus": cpus,
        "gpus": f"{GPU}:2",
    }
    shares = ("/dev/null", "/dev/zero")  # Slurm wants devices
    (folder / "gres.conf").write_text(
        "".join(f"Name=gpu Type={GPU} File={share}\n" for share in shares)
    )
    controller_port, node_port = _free_ports(2)
    (folder / "slurm.conf").write_text(
        CONFIG.format(**settings, controller_port=controller_port, node_port=node_port)
    )
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    cluster = SlurmCluster(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
    with ExitStack() as daemons:
        _start_munge(daemons, folder)
        for name in ("slurmctld", "slurmd"):
            _start(daemons, cluster, name, "-D")
        _wait(lambda: "idle" in cluster.command("sinfo", "--noheader", "--format=%t"), folder)
        yield cluster
        cluster.cancel_all()
        _wait(lambda: not cluster.jobs(), folder)


def _start_munge(daemons: ExitStack, folder: Path) -> None:
    """The daemon that signs what Slurm's programs tell each other."""
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    options = {name: folder / f"munge.{name}" for name in ("socket", "pid", "log", "seed")}
    arguments = [
        f"--socket={options['socket']}",
        f"--pid-file={options['pid']}",
        f"--log-file={options['log']}",
        f"--seed-file={options['seed']}",
        f"--key-file={key}",
    ]
    _start(daemons, SlurmCluster(folder), "munged", "--foreground", "--force", *arguments)
    _wait(options["socket"].exists, folder)


def _start(daemons: ExitStack, cluster: SlurmCluster, name: str, *arguments: str) -> None:
    path = shutil.which(name, path=DAEMONS)
    assert path is not None
    output = daemons.enter_context((cluster.folder / f"{name}.out").open("w"))
    process = subprocess.Popen(
        [path, *arguments],
        env={**os.environ, **cluster.environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
    daemons.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(n: int) -> list[int]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(closing(socket.socket())) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait(condition: Callable[[], bool], folder: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(AssertionError):  # the controller does not answer yet
            if condition():
                return
        if time.monotonic() > deadline:
            logs = [path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log")]
            logs += [path.read_text(errors="replace")[-500:] for path in folder.glob("*.out")]
            raise AssertionError("\n".join(["the Slurm cluster does not work", *logs]))
        time.sleep(0.1)
