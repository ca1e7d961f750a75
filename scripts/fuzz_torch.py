"""Random recurrent stacks and CTC losses with their gradients, run by PyTorch and by Refrain, and compared.

    pip install torch==2.15.0 safetensors numpy
    cargo build --release -p refrain-bench
    python scripts/fuzz_torch.py --cases 1000
    python scripts/fuzz_torch.py --cases 1000 --ctc

Each case draws a cell, sizes from 0 to --largest and options: layers, directions, lengths (0 too), projection, layer
normalisation, zoneout. PyTorch computes in float64 from the float32 numbers given to Refrain. `nn.RNN`, `nn.LSTM` and
`nn.GRU` do not accept a size or a length of 0, a projection that does not narrow, normalisation, or zoneout. The loop
below computes such cases. In every other case it is itself compared with PyTorch's modules.

The error is the largest difference over the largest value of the result, or over 1 if that is smaller. Exits with 1 if
an output is above 1e-5 or a gradient above 1e-4 (ten times that with layer normalisation). With `--goldens FILE`, 50
small cases (20 of CTC) are written with their results instead.

With `--ctc`: `F.ctc_loss(reduction="mean", zero_infinity=True)` on the log-softmax of random scores, in float64. Cases
have repeats, empty and impossible targets, lengths from 0, blunt and sharp scores. Loss, nats and gradient must agree
within 1e-4.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
MODULES = {"rnn_tanh": nn.RNN, "rnn_relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
Tensors = dict[str, torch.Tensor]


@dataclass
class Case:
    """`tensors`: weights by PyTorch's names, x [B,T,C], h0 [L*D,B,P], c0 [L*D,B,H], factors gy, gh, gc, lengths [B]."""

    cell: str
    layers: int
    directions: int
    hidden: int
    projection: int
    tensors: Tensors
    options: list[str] = field(default_factory=list)

    def suffixes(self) -> list[str]:
        return [f"l{layer}{way}" for layer in range(self.layers) for way in ("", "_reverse")[: self.directions]]


class Draw:
    """Random numbers of one case."""

    def __init__(self, seed: int):
        self.torch = torch.Generator().manual_seed(seed)

    def below(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self.torch))

    def chance(self, p: float) -> bool:
        return bool(torch.rand((), generator=self.torch) < p)

    def size(self, least: int, largest: int) -> int:
        """Draws edges of vectors more often than other sizes."""
        edges = [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65]
        edges = [edge for edge in edges if least <= edge <= largest]
        return edges[self.below(len(edges))] if self.chance(0.7) else least + self.below(largest - least + 1)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.torch)

    def uniform(self, bound: float, *shape: int) -> torch.Tensor:
        return (torch.rand(shape, generator=self.torch) * 2 - 1) * bound


def draw(seed: int, largest: int) -> Case:
    random = Draw(seed)
    cell = list(GATES)[random.below(4)]
    layers, directions = 1 + random.below(2), 1 + random.below(2)
    time, batch = random.size(0, min(largest, 40)), random.size(0, min(largest, 20))
    features, hidden = random.size(0, largest), random.size(0 if random.chance(0.1) else 1, largest)
    lstm = cell == "lstm"
    projection = random.size(1, hidden) if lstm and hidden > 1 and random.chance(0.25) else 0
    normed, zoned = lstm and random.chance(0.15), random.chance(0.1)
    around, rows = projection or hidden, GATES[cell] * hidden
    # Relu is unbounded. Smaller weights keep a state from growing over the steps.
    bound = (0.5 if cell == "rnn_relu" else 1.0) / max(1, hidden) ** 0.5
    tensors: Tensors = {}
    case = Case(cell, layers, directions, hidden, projection, tensors, [cell, f"{layers} layers", f"{directions} directions"])
    for index, suffix in enumerate(case.suffixes()):
        inputs = features if index < directions else around * directions
        tensors[f"weight_ih_{suffix}"] = random.uniform(bound, rows, inputs)
        tensors[f"weight_hh_{suffix}"] = random.uniform(bound, rows, around)
        tensors[f"bias_ih_{suffix}"] = random.uniform(bound, rows)
        tensors[f"bias_hh_{suffix}"] = random.uniform(bound, rows)
        if projection:
            tensors[f"weight_hr_{suffix}"] = random.uniform(bound, projection, hidden)
        if normed:
            tensors[f"norm_ih_{suffix}"] = 1 + random.uniform(0.5, rows)
            tensors[f"norm_hh_{suffix}"] = 1 + random.uniform(0.5, rows)
            tensors[f"norm_c_{suffix}"] = 1 + random.uniform(0.5, hidden)
            tensors[f"norm_c_bias_{suffix}"] = random.uniform(0.5, hidden)
    states = (layers * directions, batch)
    tensors |= {"x": random.normal(batch, time, features), "h0": random.normal(*states, around)}
    tensors |= {"gy": random.normal(batch, time, directions * around), "gh": random.normal(*states, around)}
    if lstm:
        tensors |= {"c0": random.normal(*states, hidden), "gc": random.normal(*states, hidden)}
    lengths = [time] * batch
    if random.chance(0.5):
        lengths = [random.below(time + 1) if random.chance(0.3) else 1 + random.below(max(1, time)) for _ in lengths]
        lengths = [min(length, time) for length in lengths]
        case.options.append("lengths")
    tensors["lengths"] = torch.tensor(lengths, dtype=torch.float32)
    if zoned:
        tensors["zoneout"] = torch.tensor([0.25, 0.5 if lstm else 0.0])
    named = {"projection": projection, "layer norm": normed, "zoneout": zoned, "a size of 0": 0 in (time, batch, features, hidden)}
    case.options += [name for name, on in named.items() if on]
    return case


@dataclass
class CtcCase:
    """`tensors`: logits [B,T,V], lengths [B], labels [B,L] (-1 after the last label) and blank [1]."""

    tensors: Tensors
    options: list[str] = field(default_factory=list)
    cell: str = "ctc"


def draw_ctc(seed: int, largest: int) -> CtcCase:
    random = Draw(seed)
    batch, time, classes = 1 + random.below(4), random.size(1, largest), 2 + random.size(0, min(largest, 60))
    blank = random.below(classes)
    lengths = [time if random.chance(0.5) else random.below(time + 1) for _ in range(batch)]
    rows = []
    for length in lengths:
        count = random.below(length // (1 + random.below(4)) + 2)
        # Few classes give many repeats.
        few = 1 + random.below(classes - 1)
        rows.append([(blank + 1 + random.below(few)) % classes for _ in range(count)])
    longest = max(1, max(map(len, rows)))
    labels = torch.tensor([row + [-1] * (longest - len(row)) for row in rows], dtype=torch.float32)
    sharp = (0.1, 1.0, 5.0, 20.0)[random.below(4)]
    tensors = {
        "logits": random.normal(batch, time, classes) * sharp,
        "lengths": torch.tensor(lengths, dtype=torch.float32),
        "labels": labels,
        "blank": torch.tensor([float(blank)]),
    }
    return CtcCase(tensors, ["ctc", f"sharpness {sharp}"])


def expected_ctc(case: CtcCase) -> tuple[Tensors, bool]:
    logits = case.tensors["logits"].double().requires_grad_()
    lengths, blank = case.tensors["lengths"].long(), int(case.tensors["blank"])
    counts = (case.tensors["labels"] >= 0).sum(1)
    labels = case.tensors["labels"].long().clamp(min=0)
    scores = nn.functional.log_softmax(logits, 2).transpose(0, 1)

    def loss(**options) -> torch.Tensor:
        return nn.functional.ctc_loss(scores, labels, lengths, counts, blank=blank, **options)

    mean = loss(reduction="mean", zero_infinity=True)
    nll = loss(reduction="none").detach()
    if bool(nll.isinf().any()):
        case.options.append("impossible")
    mean.backward()
    return {"loss": mean.detach()[None], "nll": nll, "d_logits": logits.grad}, True


def loop(case: Case, leaves: Tensors) -> Tensors:
    """Computes a case step by step from the equations."""

    def normed(values: torch.Tensor, gain: str) -> torch.Tensor:
        if gain not in leaves:
            return values
        centred = values - values.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * leaves[gain]

    def step(suffix: str, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        w = {what: leaves.get(f"{what}_{suffix}") for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "norm_c_bias")}
        left = normed(x @ w["weight_ih"].T, f"norm_ih_{suffix}") + w["bias_ih"]
        right = normed(h @ w["weight_hh"].T, f"norm_hh_{suffix}") + w["bias_hh"]
        zone_h, zone_c = case.tensors["zoneout"].tolist() if "zoneout" in case.tensors else (0.0, 0.0)
        match case.cell:
            case "rnn_tanh":
                new = (left + right).tanh()
            case "rnn_relu":
                new = (left + right).relu()
            case "gru":
                (left_r, left_z, left_n), (right_r, right_z, right_n) = left.chunk(3, 1), right.chunk(3, 1)
                z = (left_z + right_z).sigmoid()
                new = z * h + (1 - z) * (left_n + (left_r + right_r).sigmoid() * right_n).tanh()
            case "lstm":
                i, f, g, o = (left + right).chunk(4, 1)
                memory = f.sigmoid() * c + i.sigmoid() * g.tanh()
                shown = memory
                if w["norm_c_bias"] is not None:
                    shown = normed(memory, f"norm_c_{suffix}") + w["norm_c_bias"]
                new = o.sigmoid() * shown.tanh()
                if w["weight_hr"] is not None:
                    new = new @ w["weight_hr"].T
                c = (1 - zone_c) * memory + zone_c * c
        return (1 - zone_h) * new + zone_h * h, c

    lengths = case.tensors["lengths"]
    x, last_h, last_c = leaves["x"], [], []
    time = x.shape[1]
    for layer in range(case.layers):
        ways = []
        for way in range(case.directions):
            index = layer * case.directions + way
            h, c = leaves["h0"][index], leaves["c0"][index] if case.cell == "lstm" else leaves["h0"][index]
            y = [torch.zeros_like(h)] * time
            for t in reversed(range(time)) if way else range(time):
                on = (lengths > t)[:, None]
                new_h, new_c = step(case.suffixes()[index], x[:, t], h, c)
                h, c = torch.where(on, new_h, h), torch.where(on, new_c, c)
                y[t] = torch.where(on, h, torch.zeros_like(h))
            ways.append(torch.stack(y, 1) if time else h.new_zeros(h.shape[0], 0, h.shape[1]))
            last_h.append(h)
            last_c.append(c)
        x = torch.cat(ways, 2)
    results = {"y": x, "h_n": torch.stack(last_h)}
    return results | ({"c_n": torch.stack(last_c)} if case.cell == "lstm" else {})


def module(case: Case, leaves: Tensors) -> Tensors | None:
    """The results of PyTorch's own module, if it accepts the case."""
    tensors = case.tensors
    lengths = tensors["lengths"].long()
    known = "zoneout" not in tensors and "norm_ih_l0" not in tensors and (case.projection == 0 or case.projection < case.hidden)
    if not known or tensors["x"].numel() == 0 or case.hidden == 0 or int(lengths.min()) == 0:
        return None
    options = {"nonlinearity": case.cell.removeprefix("rnn_")} if case.cell.startswith("rnn") else {}
    options |= {"proj_size": case.projection} if case.projection else {}
    features = tensors["x"].shape[2]
    net = MODULES[case.cell](features, case.hidden, case.layers, bidirectional=case.directions == 2, batch_first=True, **options).double()
    parameters = {name: leaves[name] for name, _ in net.named_parameters()}
    state = (leaves["h0"], leaves["c0"]) if case.cell == "lstm" else leaves["h0"]
    packed = pack_padded_sequence(leaves["x"], lengths, batch_first=True, enforce_sorted=False)
    y, last = torch.func.functional_call(net, parameters, (packed, state))
    y, _ = pad_packed_sequence(y, batch_first=True, total_length=tensors["x"].shape[1])
    last = last if case.cell == "lstm" else (last,)
    return {"y": y} | dict(zip(("h_n", "c_n"), last))


def differentiated(run, case: Case, dtype: torch.dtype = torch.float64) -> Tensors | None:
    """Results of `loop` or `module` with the gradients of their loss."""
    fixed = {"gy", "gh", "gc", "lengths", "zoneout"}
    leaves = {name: value.to(dtype, copy=True).requires_grad_() for name, value in case.tensors.items() if name not in fixed}
    results = run(case, leaves)
    if results is None:
        return None
    factors = {"y": "gy", "h_n": "gh", "c_n": "gc"}
    loss = sum((value * case.tensors[factors[key]].to(dtype)).sum() for key, value in results.items())
    loss.backward()
    gradients = {f"d_{name}": torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}
    return {name: value.detach() for name, value in (results | gradients).items()}


def expected(case: Case) -> tuple[Tensors, bool]:
    """Results and gradients in float64, and whether they are those of PyTorch's module."""
    own, theirs = differentiated(loop, case), differentiated(module, case)
    if theirs is None:
        return own, False
    worst = max(error(theirs[name], value) for name, value in own.items())
    assert worst < 1e-9, f"the loop of this script is wrong by {worst} for {case.options}"
    return theirs, True


def error(wanted: torch.Tensor, got: torch.Tensor) -> float:
    """Largest difference over the largest value; infinite if shapes differ."""
    if wanted.shape != got.shape or not bool((wanted.isfinite() == got.isfinite()).all()):
        return float("inf")
    wanted, got = (values[wanted.isfinite()] for values in (wanted, got))
    if wanted.numel() == 0:
        return 0.0
    return float((wanted - got.double()).abs().max() / wanted.abs().max().clamp(min=1))


def refrain(program: str, cases: dict[str, Case]) -> Tensors:
    """The results of the example for all cases, by `CASE/NAME`."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.safetensors"), Path(folder, "out.safetensors")
        save_file({f"{name}/{key}": value.contiguous() for name, case in cases.items() for key, value in case.tensors.items()}, source)
        subprocess.run([program, source, target], check=True)
        return load_file(target)


def fuzz(arguments: argparse.Namespace) -> int:
    worst, bad, own, counts = Counter(), 0, 0, Counter()
    limits = {"output": 1e-4 if arguments.ctc else 1e-5, "gradient": 1e-4}
    for start in range(0, arguments.cases, 50):
        numbers = range(start, min(start + 50, arguments.cases))
        make = draw_ctc if arguments.ctc else draw
        drawn = {seed: make(arguments.seed * 1_000_000 + seed, arguments.largest) for seed in numbers}
        cases = {f"{case.cell}_{seed}": case for seed, case in drawn.items()}
        results = refrain(arguments.program, cases)
        for name, case in cases.items():
            wanted, by_module = expected_ctc(case) if arguments.ctc else expected(case)
            own += not by_module
            counts.update(case.options)
            for key, value in wanted.items():
                kind = "gradient" if key.startswith("d_") else "output"
                found = error(value, results[f"{name}/{key}"])
                # Normalising nearly constant values magnifies every rounding error, in PyTorch, too.
                normed = "layer norm" in case.options
                kinds = f"{kind} with layer norm" if normed else kind
                worst[kinds] = max(worst[kinds], found)
                if found > limits[kind] * (10 if normed else 1):
                    bad += 1
                    shapes = {k: tuple(v.shape) for k, v in case.tensors.items() if k in ("x", "h0", "logits", "labels")}
                    print(f"{name} {key}: error {found:.2e}, {case.options} {shapes}")
    print(f"{arguments.cases} cases, {bad} results above {limits}; {own} of them are no case of PyTorch's modules")
    print("worst errors:", ", ".join(f"{kind} {value:.2e}" for kind, value in worst.items()))
    print("options met:", ", ".join(f"{option} {count}" for option, count in counts.most_common()))
    return 1 if bad else 0


def goldens(arguments: argparse.Namespace) -> int:
    """Cases of small sizes; results rounded once to float32."""
    stored: Tensors = {}
    for seed in range(20 if arguments.ctc else 50):
        case = (draw_ctc if arguments.ctc else draw)(arguments.seed * 1_000_000 + seed, 12 if arguments.ctc else 9)
        results, _ = expected_ctc(case) if arguments.ctc else expected(case)
        for key, value in (case.tensors | results).items():
            stored[f"{case.cell}_{seed}/{key}"] = value.float().contiguous()
    save_file(stored, arguments.goldens, metadata={"made_by": f"fuzz_torch.py, torch {torch.__version__}"})
    print(f"{len(stored)} tensors, {Path(arguments.goldens).stat().st_size} bytes")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/layer_cases", help="the tool")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=300, help="largest C and H")
    parser.add_argument("--ctc", action="store_true", help="CTC losses instead of stacks")
    parser.add_argument("--goldens", help="write goldens to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    return goldens(arguments) if arguments.goldens else fuzz(arguments)


if __name__ == "__main__":
    sys.exit(main())
