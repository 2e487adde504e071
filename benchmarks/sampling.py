"""Notes a second that the generator writes, and what a note costs late in a long piece.

    python benchmarks/sampling.py [N_PIECES [N_NOTES [N_LONG]]]

64 (or N_PIECES) pieces side by side of 400 and of 4,000 notes, or so many, with the networks of
``experiment=lstm_lm`` and ``attention_lm``, in the precision that these train in here.
Each is compared in the same run with the plain way: the network's own modules called for one event
after another. Its attention then reads the whole window anew at each, keys and values included: a
cache of those would make the plain way faster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.config.validate import compose_run
from gan_music.decoding.sample import sample
from gan_music.models.event_model import EventModel
from gan_music.networks.features.history import initial_history
from gan_music.networks.features.lookback import Lookback, recall
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.note_events import NoteEvents
from gan_music.training.factory import build_model, write_as_trained

_PLAIN = 200  # notes that the plain way is timed on, at most; the last half: its window has filled


def main() -> None:
    """The benchmark."""
    n, n_notes, n_long = (*map(int, sys.argv[1:]), *(64, 400, 4000)[len(sys.argv) - 1 :])
    torch.manual_seed(0)
    print(f"{n} pieces side by side, {torch.get_num_threads()} threads")
    for name in ("lstm_lm", "attention_lm"):
        network = _network(name)
        short, long = _rollout(network, n, n_notes, 3), _rollout(network, n, n_long, 1)
        plain = _plain(network, n, min(_PLAIN, n_notes))
        print(
            f"{name:13}{n / short:7,.0f} notes a second at {n_notes} notes, "
            f"{n / long:7,.0f} at {n_long:,}: a step costs {long / short:.2f} times as much; "
            f"the plain way {n / plain:7,.0f}: {plain / short:.2f} times slower"
        )


def _network(name: str) -> LSTMGenerator:
    run = compose_run(f"experiment={name}", "data.root=.")  # no music is read
    model = build_model(run.model, NoteEvents(24).state())
    assert isinstance(model, EventModel)
    write_as_trained(model, run.trainer)
    return model.sampler.eval()


def _rollout(network: LSTMGenerator, n: int, length: int, repeats: int) -> float:
    """Seconds a step, from noise to pieces."""
    codec = NoteEvents(24)
    return (
        _best(lambda: sample(network, codec, n_pieces=n, n_notes=length, seed=0), repeats) / length
    )


@torch.no_grad()
def _plain(network: LSTMGenerator, n: int, length: int) -> float:
    """Seconds a step, with the window full."""
    z = network.noise(n)
    state = network.initial_state(z)
    space, heads = network.space, network.heads
    ids = torch.zeros(n, space.n_categories, dtype=torch.int64)
    start_of_bar = torch.zeros(n, dtype=torch.int64)
    context = initial_history(
        space,
        start_of_bar,
        start_of_bar,
        n_intervals=network.n_intervals,
        active_notes_span=network.active_notes_span,
        expected=network.expected(z),
    )
    past: list[Tensor] = []
    states: list[Tensor] = []
    events: list[Tensor] = []
    seconds = []
    for _ in range(length):
        start = time.perf_counter()
        parts = [e(ids[:, i]) for i, e in enumerate(network.embed)]
        if network.n_intervals:
            parts.append(network.embed_intervals(context.intervals()))
        embedded = torch.cat(parts, -1)[:, None]
        place = network.embed_bar(context.position, context.meter)[:, None]
        inputs = [embedded, place, z[:, None]]
        if network.lookback_span:
            inputs.append(_recall(network, past, [], n).echoes[:, -1:])
        if network.active_notes_span:
            inputs.append(context.joined(space)[:, None])
        hidden, state = network.lstm(torch.cat(inputs, -1), state)
        if network.attention is not None:
            # of a state, the event that came then; the last one's is not known, nor looked at
            states = [*states, hidden][-network.attention.span :]
            events = [*events, embedded][-network.attention.span :]
            came = torch.cat([*events[1:], events[0]], 1)
            hidden = network.attention(torch.cat(states, 1), came)[:, -1:]
        told = [hidden[:, 0]]
        chosen: list[Tensor] = []
        onset = context.position
        for i, (first, out) in enumerate(zip(heads.first, heads.out, strict=True)):
            scores = out(F.gelu(first(torch.cat(told, -1))))
            recalled = None
            if network.lookback_span:
                recalled = _recall(network, past, chosen, n).scores[i][:, -1]
            offset = chosen[0] if chosen else None
            logits = heads.logits(i, scores, context, onset, recalled, offset)
            chosen.append(torch.multinomial(logits.softmax(-1), 1)[:, 0])
            if i == 0:
                onset = space.advance(onset, chosen[0], context.meter)
            if i < len(heads.chain):
                told.append(heads.chain[i](chosen[-1]))
        ids = torch.stack(chosen, -1)
        context = context.after(space, ids)
        past = [*past, ids[:, None]][-network.lookback_span :]
        seconds.append(time.perf_counter() - start)
    late = seconds[length // 2 :]
    return sum(late) / len(late)


def _recall(network: LSTMGenerator, past: list[Tensor], chosen: list[Tensor], n: int) -> Lookback:
    """What is recalled for the next choice, from all events that may be."""
    space = network.space
    rows = torch.zeros(n, len(past) + 1, space.n_categories + 2, dtype=torch.int64)
    for t, ids in enumerate(past):
        rows[:, t, : space.n_categories] = ids[:, 0]
    for i, ids in enumerate(chosen):
        rows[:, -1, i] = ids
    return recall(space, rows, rows, span=network.lookback_span)


def _best(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
