"""What the numbers were measured on, and where they are shown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import torch

README = Path(__file__).parent / "README.md"
PACKAGES = ("torch", "pytorch-lightning", "scyan", "wandb")


def machine() -> str:
    """Processor and versions, in one line."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}; "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def put(part: str, text: str) -> None:
    """Replace the text between the two markers of a part in benchmarks/README.md."""
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, _, rest = README.read_text().partition(start)
    _, _, after = rest.partition(end)
    README.write_text(f"{before}{start}\n{text}\n{end}{after}")


def slopes(exponents: dict[str, dict[str, float]]) -> str:
    """Exponents of the curves as a table in Markdown."""
    lines = [
        "| over | exponent of an epoch's time | of annotation | of memory |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {values['epoch']:.2f} | {values['annotate']:.2f} "
        f"| {values['memory_mib']:.2f} |"
        for name, values in exponents.items()
    ]
    return "\n".join(lines)
