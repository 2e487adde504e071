"""The rank of this process, read from environment variables. Light to import.

Training on several devices takes a process for each, started by Lightning, torchrun or Slurm.
"""

from __future__ import annotations

import os


def is_main_process() -> bool:
    """Whether this process has rank 0, and so writes the run's files."""
    if "RANK" in os.environ:  # set by torchrun: the rank among all machines
        return _number("RANK") == 0
    # set by Lightning, by the user for Lightning, and by Slurm
    return not any(_number(key) for key in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


def started_from_outside() -> bool:
    """Whether the processes of one run are started by something other than Lightning."""
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
