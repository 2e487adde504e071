"""One sentence for any error of a command: what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import traceback

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from gan_music.config.validate import first_line, unknown_key
from gan_music.system.errors import UserError
from gan_music.system.printable import printable


def explain(error: BaseException, schema: type) -> str:
    """The sentence for an error of a command whose settings are of this class.

    It is one line of printable characters, whatever it quotes.
    """
    return printable(" ".join(_explain(error, schema).split()))


def _explain(error: BaseException, schema: type) -> str:
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, UserError):
            return str(link)
    for link in chain:
        if isinstance(link, MarkedYAMLError) and link.problem_mark is not None:
            where = f"{link.problem_mark.name}, line {link.problem_mark.line + 1}"
            return f"{where}: {link.problem}; this is not valid YAML: correct it there."
    if str(error).startswith("Expected header format"):  # Hydra's words, of a ValueError
        return f"{first_line(error)}: begin the config file with '# @package _global_'."
    if isinstance(error, RecursionError) and not HydraConfig.initialized():
        return "the defaults of a config file lead back to itself: give it a name of its own."
    if isinstance(error, MissingConfigException):
        missing = error.missing_cfg_file or ""
        group, _, option = missing.rpartition("/")
        if group and error.options:
            return f"{group}={option} does not exist: choose one of {', '.join(error.options)}."
        return f"{missing} does not exist among the configs: see --help."
    if isinstance(error, HydraException):
        return _explain_hydra(error, chain, schema)
    if isinstance(error, OmegaConfBaseException):
        return f"{error.full_key or 'the config'}: {first_line(error)}."
    if sentence := next(filter(None, map(_explain_full, chain)), None):
        return sentence
    for link in chain:
        if isinstance(link, ModuleNotFoundError):
            what = first_line(link)
            return f"a library is missing ({what}): install it, or leave out what needs it."
    if str(error).startswith("Only one of --"):  # Hydra's words, of a ValueError
        return f"{first_line(error)}: leave the others out."
    if _is_composing(error):
        return (
            f"a config file cannot be composed ({first_line(error)}): correct its defaults list, "
            "its package, or its key hydra."
        )
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename}: {error.strerror}; name another path, or correct this one "
            "(hydra.run.dir=DIR sets a run's folder, out=DIR a command's)."
        )
    return (
        f"unexpected {type(error).__name__}: {first_line(error)}; "
        "run it again with debug=true for the traceback."
    )


def _is_composing(error: BaseException) -> bool:
    """Whether Hydra failed at what a config file holds, and does not say so by its own classes."""
    frames = traceback.walk_tb(error.__traceback__)
    where = {frame.f_globals.get("__name__") for frame, _ in frames}
    is_of_a_value = isinstance(error, ValueError | AttributeError | TypeError)
    return is_of_a_value and "hydra._internal.config_loader_impl" in where


def _explain_full(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"{error.filename or 'a file'}: {error.strerror}; make room there, or name another "
            "path (hydra.run.dir=DIR sets a run's folder, out=DIR a command's)."
        )
    text = first_line(error)
    is_full = isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )
    # torch raises a RuntimeError if the memory of the CPU is full
    if is_full or any(words in text for words in ("out of memory", "can't allocate memory")):
        return (
            f"the memory is full ({text}): choose a smaller data.batch_size, data.window or "
            "model.hidden_size, or fewer data.n_workers."
        )
    return None


def _explain_hydra(error: HydraException, chain: list[BaseException], schema: type) -> str:
    text = first_line(error)
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and "not in struct" in str(link):
            return str(unknown_key(schema, str(link.full_key or _quoted(text))))
    if text.startswith("Could not override") and "No match in the defaults list" in str(error):
        return str(unknown_key(schema, _quoted(text)))
    if text.startswith("In '"):
        cause = first_line(chain[-1]) if len(chain) > 1 else ""
        return f"{text.rstrip(':')}{f' ({cause})' if cause else ''}: correct that file."
    if not str(error):  # of a key or a value that no setting has
        return f"a config file cannot be composed ({first_line(chain[-1])}): correct that file."
    return f"{text}: see --help for the form of an override."


def _quoted(text: str) -> str:
    parts = text.split("'")
    return parts[1] if len(parts) > 2 else text
