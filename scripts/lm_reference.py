"""The small language model of Zaremba, Sutskever & Vinyals 2014 (arXiv 1409.2329) in PyTorch, timed on the CPU.

    pip install torch==2.15.0
    python scripts/lm_reference.py --threads 2 --steps 100

Gives the reference speed for `refrain train ptb-small`. The training step is the paper's small model: two LSTM layers
of 200 units, no dropout, no tying, every parameter uniform in +-0.1; 20 sequences of 20 steps, the state carried from
batch to batch without its gradient; the loss summed over the steps and averaged over the sequences; the gradient's
global norm clipped to 5; plain SGD with rate 1. The rate stays constant here. The paper halves it after each epoch past
the fourth; halving takes no time. The ids are random and uniform, so the loss is not that of a language.

Use it on an idle machine. With builds running on the same two cores, two threads reached only 190 tokens/s where one
reached 5000. Such a figure is not PyTorch's speed.

Prints one JSON object: tokens per second and milliseconds per step (median, quartiles, fastest), and the settings.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


class LanguageModel(nn.Module):
    """Embedding [V,H], LSTM of L layers, projection [V,H] with bias; all uniform in +-0.1."""

    def __init__(self, vocabulary: int, hidden: int, layers: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.rnn = nn.LSTM(hidden, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, inputs, state):
        y, state = self.rnn(self.embedding(inputs), state)
        return self.output(y), state


def step(model, optimizer, inputs, targets, state, clip):
    """One update from inputs and targets [B,T]; returns the mean loss per token in nats, and the state to carry on."""
    logits, (h, c) = model(inputs, state)
    mean = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    (mean * inputs.shape[1]).backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return mean.item(), (h.detach(), c.detach())


def measure(arguments) -> dict:
    torch.manual_seed(arguments.seed)
    model = LanguageModel(arguments.vocab, arguments.hidden, arguments.layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    total = arguments.warm + arguments.steps
    rows = torch.randint(arguments.vocab, (arguments.batch, total * arguments.time + 1))
    state = tuple(torch.zeros(arguments.layers, arguments.batch, arguments.hidden) for _ in "hc")
    seconds, losses = [], []
    for at in range(0, total * arguments.time, arguments.time):
        inputs, targets = (rows[:, at + shift : at + shift + arguments.time] for shift in (0, 1))
        start = time.perf_counter()
        loss, state = step(model, optimizer, inputs, targets, state, clip=5.0)
        seconds.append(time.perf_counter() - start)
        losses.append(loss)
    return report(arguments, seconds[arguments.warm :], losses, sum(p.numel() for p in model.parameters()))


def report(arguments, seconds: list[float], losses: list[float], parameters: int) -> dict:
    tokens = arguments.batch * arguments.time
    quartiles = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else seconds * 3
    names = ("lower_quartile", "median", "upper_quartile")
    return {
        "tokens_per_second": round(tokens / statistics.median(seconds)),
        "tokens_per_second_mean": round(tokens * len(seconds) / sum(seconds)),
        "step_ms": {name: round(1e3 * value, 3) for name, value in zip(names, quartiles)}
        | {"fastest": round(1e3 * min(seconds), 3)},
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "parameters": parameters,
        "torch": torch.__version__,
        **vars(arguments),
    }


def at_least(lowest: int):
    def parse(text: str) -> int:
        value = int(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{value} is not at least {lowest}")
        return value

    parse.__name__ = "whole number"
    return parse


def main() -> None:
    positive = at_least(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=positive, default=200, help="units of a layer, and size of an embedding (200)")
    parser.add_argument("--layers", type=positive, default=2, help="LSTM layers (2)")
    parser.add_argument("--batch", type=positive, default=20, help="sequences side by side (20)")
    parser.add_argument("--time", type=positive, default=20, help="steps of a batch (20)")
    parser.add_argument("--vocab", type=positive, default=10_000, help="vocabulary (10000)")
    parser.add_argument("--steps", type=positive, default=100, help="timed updates (100)")
    parser.add_argument("--warm", type=at_least(0), default=10, help="updates before the timed ones (10)")
    parser.add_argument("--threads", type=positive, default=2, help="CPU threads (2)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and ids (0)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
