"""Independent answers to which notes a file has, for compare_readers.py.

:func:`beside_mido` pairs the events that mido reads of MIDI. :func:`compare_kern` counts the note
tokens of a Humdrum file. :func:`compare_abc` asks abc2midi (``apt install abcmidi``) for the onsets
and pitches of ABC tunes, without repeats and grace notes. The latter two return the numbers of
notes: read, of the oracle, common to both; and a (cause, example) for each tune or file that
differs.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import mido

from gan_music.io.formats.abc_book import FIELD, Tune, divided
from gan_music.io.formats.abc_music import Reader
from gan_music.io.formats.text import decoded
from gan_music.io.read import ReadError, read

Compared = tuple[int, int, int, list[tuple[str, str]]]
Note = tuple[Fraction, int]  # onset in quarter notes, pitch
# abc2midi rounds onsets to its ticks
TOLERANCE = Fraction(1, 20)

_LEFT_OUT = re.compile(r'"[^"]*"|\{[^}]*\}|![^!\s]*!|\+[^+\s]*[a-z]{3,}\+')
_ENDING = re.compile(r"\[\d[\d,.-]*")
_BAR = re.compile(r":*\[?\|[|:\]]*(\[?\d[\d,.-]*)?|::+")
_DECORATION = re.compile(r"[.~H-Wh-w]")
_OPTIONS = ("-BF", "0", "-NFER", "-NGUI", "-STFW")


def beside_mido(data: bytes, own: Counter[tuple[int, int, int]]) -> list[tuple[str, str]]:
    """(cause, example) if mido reads other notes (onset, duration, pitch in ticks) of a MIDI file.

    In a track and channel, a note-off ends the oldest open note of its pitch.
    """
    other: Counter[tuple[int, int, int]] = Counter()
    try:
        tracks = mido.MidiFile(file=io.BytesIO(data), clip=True).tracks
    except Exception as error:  # of any type
        return [("mido fails", str(error)[:80])]
    for track in tracks:
        now = 0
        begun: dict[tuple[int, int], deque[int]] = defaultdict(deque)
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            onsets = begun[message.channel, message.note]
            if message.type == "note_on" and message.velocity:
                onsets.append(now)
            elif onsets:
                onset = onsets.popleft()
                other[onset, now - onset, message.note] += 1
    missing, further = (other - own).total(), (own - other).total()
    if not missing and not further:
        return []
    return [("mido has other notes", f"{missing} that fast lacks, {further} that mido lacks")]


def compare_kern(path: Path, grid: int) -> Compared:
    try:
        n_read = sum(map(len, read(path, grid=grid)))
    except ReadError as error:
        return 0, 0, 0, [("refused", str(error))]
    n_tokens = kern(path)
    cause = "a tie ends that no note began, or notes are lost"
    differ = [] if n_read == n_tokens else [(cause, f"{n_read} notes, {n_tokens} tokens")]
    return n_read, n_tokens, min(n_read, n_tokens), differ


def compare_abc(path: Path, grid: int) -> Compared:
    program = shutil.which("abc2midi")
    if program is None:
        return 0, 0, 0, [("not compared", "abc2midi is not installed")]
    n_read = n_oracle = n_both = 0
    differ: list[tuple[str, str]] = []
    try:
        header, tunes = divided(decoded(path.read_bytes()))
    except ReadError as error:
        return 0, 0, 0, [("refused", str(error))]
    with tempfile.TemporaryDirectory() as folder:
        for tune in tunes:
            try:
                voices = Reader(header, tune).voices.values()
            except ReadError as error:
                differ.append(("a tune is refused", str(error)))
                continue
            own = [(n.onset, n.pitch) for v in voices for n in v.notes if n.duration]
            other = abc(tune, program, Path(folder))
            if other is None:
                differ.append(("abc2midi refuses the tune", f"tune {tune.number}"))
                continue
            both = n_equal(own, other)
            n_read, n_oracle, n_both = n_read + len(own), n_oracle + len(other), n_both + both
            if not both == len(own) == len(other):
                example = f"tune {tune.number}: {len(own)} notes, {len(other)}, {both} equal"
                differ.append(("a tune has other notes in abc2midi", example))
    return n_read, n_oracle, n_both, differ


def kern(path: Path) -> int:
    """The number of notes that begin in the tokens of ``**kern``: no tie ends them."""
    kinds: list[str] = []
    count = 0
    for line in re.split(r"\r\n?|\n", decoded(path.read_bytes())):
        tokens = line.split("\t")
        if line.startswith("**"):
            kinds = tokens
        elif line.startswith("*"):
            kinds = _kinds_after(kinds, tokens)
        elif line and line[0] not in "!=":
            for kind, token in zip(kinds, tokens, strict=True):
                if kind == "**kern":
                    notes = [t for t in token.split() if re.search("[a-gA-G]", t) and "r" not in t]
                    count += sum(not re.search(r"[\]_]", t) for t in notes)
    return count


def _kinds_after(kinds: list[str], tokens: list[str]) -> list[str]:
    found: list[tuple[str, str]] = []
    for kind, token in zip(kinds, tokens, strict=True):
        if token != "*v" or not found or found[-1][1] != "*v":
            found += [(kind, token)] * (2 if token == "*^" else token != "*-")
    return [kind for kind, _ in found]


def abc(tune: Tune, program: str, folder: Path) -> list[Note] | None:
    """The notes that abc2midi plays; None if it writes no file."""
    source, target = folder / "tune.abc", folder / "tune.mid"
    target.unlink(missing_ok=True)
    head = "X:1\n%%MIDI ratio 3 1\n%%MIDI gchordoff\n"
    source.write_text(head + "\n".join(_plain(tune)) + "\n", encoding="utf-8")
    command = [program, str(source), "-o", str(target), *_OPTIONS]
    subprocess.run(command, capture_output=True, timeout=60, check=False)
    if not target.exists():
        return None
    file = mido.MidiFile(target)
    notes = []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                notes.append((Fraction(now, file.ticks_per_beat), message.note))
    return notes


def _plain(tune: Tune) -> Iterable[str]:
    """The lines of a tune after ``X:``, without what abc2midi would play more than once."""
    for _, text in tune.lines[1:]:
        if found := FIELD.fullmatch(text):
            if found[1] not in "PQRwGIs":
                yield text
            elif found[1] == "I" and found[2].lower().startswith("midi nobarlines"):
                yield f"%%{found[2]}"
            continue
        music = _BAR.sub(" | ", _ENDING.sub("", _LEFT_OUT.sub("", text)))
        yield music if re.search(r"\[[A-Z]:", music) else _DECORATION.sub("", music)


def n_equal(own: Sequence[Note], other: Sequence[Note]) -> int:
    """How many notes have one pitch and onsets within ``TOLERANCE``."""
    onsets: dict[int, tuple[list[Fraction], list[Fraction]]] = defaultdict(lambda: ([], []))
    for side, notes in enumerate((own, other)):
        for onset, pitch in sorted(notes):
            onsets[pitch][side].append(onset)
    count = 0
    for first, second in onsets.values():
        i = k = 0
        while i < len(first) and k < len(second):
            if abs(first[i] - second[k]) <= TOLERANCE:
                i, k, count = i + 1, k + 1, count + 1
            elif first[i] < second[k]:
                i += 1
            else:
                k += 1
    return count


BY_SUFFIX = {".krn": compare_kern, ".abc": compare_abc}
