"""Which of the processes of one run this is. Light to import: the environment alone is asked.

Several devices are trained on by a process each: Lightning starts them, or torchrun or Slurm did.
"""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this process writes what a run leaves behind: the first, or the only one."""
    if "RANK" in os.environ:  # torchrun's: of all machines
        return _number("RANK") == 0
    # Lightning's own, and a user's NODE_RANK for it; then Slurm's
    return not any(_number(key) for key in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


def started_from_outside() -> bool:
    """Whether something else than Lightning starts several processes for one run."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _number("WORLD_SIZE") > 1
    if "NODE_RANK" in os.environ and "LOCAL_RANK" not in os.environ:
        return True
    by_srun = "SLURM_STEP_ID" in os.environ and os.environ.get("SLURM_JOB_NAME") != "bash"
    return by_srun and _number("SLURM_NTASKS") > 1


def _number(key: str) -> int:
    try:
        return int(os.environ.get(key, "0"))
    except ValueError:
        return 0
