"""Golden values from PyTorch for the tests in crates/refrain/tests/golden.

    pip install torch==2.15.0 safetensors numpy
    python scripts/golden/make_goldens.py [cells] [linear_ce] [language_model]

Without a name, all are made. Two runs write the same bytes.

All random values are drawn in float32, so that a float32 program starts from exactly these numbers. All computation is
in float64 on the CPU; results are rounded once, to float32, when they are stored. The gradient of `a` is named `d_a`.
The same computation is repeated in float32. The script prints the distance of PyTorch's own float32 results from the
goldens, a lower bound for every tolerance.

Shapes: B batch, T time, C input features, H hidden, V vocabulary, L layers, D directions.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FOLDER = Path(__file__).resolve().parents[2] / "crates" / "refrain" / "tests" / "golden"


def save(name: str, tensors: dict[str, torch.Tensor]) -> None:
    """Write `name`.safetensors: floats as float32, integers as int64."""
    stored = {
        key: (value.detach().float() if value.is_floating_point() else value).contiguous().clone()
        for key, value in tensors.items()
    }
    path = FOLDER / f"{name}.safetensors"
    save_file(stored, path, metadata={"made_by": f"make_goldens.py, torch {torch.__version__}"})
    print(f"{path.name}: {len(stored)} tensors, {path.stat().st_size} bytes")


def furthest(golden: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest |a - b| / max(1, |b|) over all float tensors."""
    return max(
        ((other[key].double() - value.double()).abs() / value.double().abs().clamp(min=1)).max().item()
        for key, value in golden.items()
        if value.is_floating_point()
    )


# Recurrent layers -----------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """One recurrent layer and one batch; without padding if `lengths` is None."""

    name: str
    cell: str
    bidirectional: bool = False
    layers: int = 1
    batch: int = 3
    time: int = 5
    inputs: int = 4
    hidden: int = 6
    lengths: list[int] | None = None

    def module(self) -> nn.Module:
        options = {"num_layers": self.layers, "bidirectional": self.bidirectional, "batch_first": True}
        match self.cell:
            case "lstm":
                return nn.LSTM(self.inputs, self.hidden, **options)
            case "gru":
                return nn.GRU(self.inputs, self.hidden, **options)
            case _:
                return nn.RNN(self.inputs, self.hidden, nonlinearity=self.cell.removeprefix("rnn_"), **options)


RAGGED = [5, 2, 4]
CASES = [
    Case(f"{cell}_{'bi' if bidirectional else 'uni'}_l{layers}", cell, bidirectional, layers)
    for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru")
    for bidirectional in (False, True)
    for layers in (1, 2)
] + [
    Case("lstm_h17_c9", "lstm", inputs=9, hidden=17),
    Case("gru_h17_c9", "gru", inputs=9, hidden=17),
    Case("lstm_uni_l1_ragged", "lstm", lengths=RAGGED),
    Case("rnn_tanh_bi_l2_ragged", "rnn_tanh", True, 2, lengths=RAGGED),
    Case("lstm_bi_l2_ragged", "lstm", True, 2, lengths=RAGGED),
    Case("gru_bi_l2_ragged", "gru", True, 2, lengths=RAGGED),
]


def draw_case(case: Case) -> dict[str, torch.Tensor]:
    """Weights, input `x` [B,T,C], states `h0`, `c0` [L*D,B,H], and the loss's factors `gy` [B,T,D*H], `gh`, `gc`."""
    directions = 2 if case.bidirectional else 1
    state = (case.layers * directions, case.batch, case.hidden)
    drawn = {name: weight.detach() for name, weight in case.module().named_parameters()}
    drawn["x"] = torch.randn(case.batch, case.time, case.inputs)
    drawn["h0"] = torch.randn(state)
    drawn["gy"] = torch.randn(case.batch, case.time, directions * case.hidden)
    drawn["gh"] = torch.randn(state)
    if case.cell == "lstm":
        drawn["c0"] = torch.randn(state)
        drawn["gc"] = torch.randn(state)
    drawn["lengths"] = torch.tensor(case.lengths or [case.time] * case.batch)
    return drawn


def run_layer(case: Case, drawn: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """`y`, the last states, and the gradient of sum(y*gy) + sum(h_n*gh) + sum(c_n*gc) for every input and parameter.

    Steps after the end of a sequence give zeros in `y` and affect nothing, whatever the values of `x` and `gy` there.
    """
    module = case.module().to(dtype)
    module.load_state_dict({name: drawn[name] for name, _ in module.named_parameters()})
    leaves = {key: drawn[key].to(dtype, copy=True).requires_grad_() for key in ("x", "h0", "c0") if key in drawn}
    state = (leaves["h0"], leaves["c0"]) if case.cell == "lstm" else leaves["h0"]
    if case.lengths is None:
        y, last = module(leaves["x"], state)
    else:
        packed = pack_padded_sequence(leaves["x"], drawn["lengths"], batch_first=True, enforce_sorted=False)
        y, last = module(packed, state)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=case.time)
    results = {"y": y, "h_n": last[0], "c_n": last[1]} if case.cell == "lstm" else {"y": y, "h_n": last}
    factors = {"y": "gy", "h_n": "gh", "c_n": "gc"}
    sum((value * drawn[factors[key]].to(dtype)).sum() for key, value in results.items()).backward()
    leaves |= dict(module.named_parameters())
    return results | {f"d_{key}": leaf.grad for key, leaf in leaves.items()}


def make_cells() -> None:
    tensors, worst = {}, 0.0
    for seed, case in enumerate(CASES):
        torch.manual_seed(seed)
        drawn = draw_case(case)
        golden = run_layer(case, drawn, torch.float64)
        worst = max(worst, furthest(golden, run_layer(case, drawn, torch.float32)))
        tensors |= {f"{case.name}/{key}": value for key, value in (drawn | golden).items()}
    save("cells", tensors)
    print(f"  PyTorch's float32 is within {worst:.1e}")


# Linear, softmax and cross-entropy ------------------------------------------------------------------------------------


def make_linear_ce() -> None:
    """h [N,H], w [V,H], b [V], targets [N] with one ignored (-100): each row's loss, their mean, its gradients."""
    torch.manual_seed(100)
    drawn = {"h": torch.randn(7, 5), "w": torch.randn(11, 5), "b": torch.randn(11)}
    targets = torch.tensor([3, 0, 10, -100, 7, 3, 5])

    def run(dtype: torch.dtype) -> dict[str, torch.Tensor]:
        h, w, b = (value.to(dtype, copy=True).requires_grad_() for value in drawn.values())
        logits = F.linear(h, w, b)
        loss = F.cross_entropy(logits, targets, ignore_index=-100)
        loss.backward()
        rows = F.cross_entropy(logits, targets, ignore_index=-100, reduction="none")
        return {"rows": rows, "loss": loss.reshape(1), "d_h": h.grad, "d_w": w.grad, "d_b": b.grad}

    golden = run(torch.float64)
    save("linear_ce", drawn | {"targets": targets} | golden)
    print(f"  PyTorch's float32 is within {furthest(golden, run(torch.float32)):.1e}")


# Language models ------------------------------------------------------------------------------------------------------

VOCABULARY, BATCH, TIME, STEPS = 20, 4, 6, 10

VARIANTS = {
    "sgd": {
        "model": {"cell": "lstm", "embedding": 12, "hidden": 16, "layers": 2, "tied": False},
        "optimizer": {"kind": "sgd", "lr": 1.0},
        "clip": 0.25,
    },
    # The settings of the recipe ptb-small. Most steps are clipped; in "sgd" only one is.
    "sgd_lr20": {
        "model": {"cell": "lstm", "embedding": 12, "hidden": 16, "layers": 2, "tied": False},
        "optimizer": {"kind": "sgd", "lr": 20.0},
        "clip": 0.25,
    },
    "adamw": {
        "model": {"cell": "lstm", "embedding": 12, "hidden": 16, "layers": 2, "tied": False},
        "optimizer": {"kind": "adamw", "lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-2},
        "clip": None,
    },
    "adam_tied": {
        "model": {"cell": "gru", "embedding": 16, "hidden": 16, "layers": 2, "tied": True},
        "optimizer": {"kind": "adam", "lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 1e-3},
        "clip": None,
    },
}


class LanguageModel(nn.Module):
    """Embedding, recurrent stack, projection. Tied: the projection's weight is the embedding's, and has one name."""

    def __init__(self, cell: str, embedding: int, hidden: int, layers: int, tied: bool):
        super().__init__()
        recurrent = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.embedding = nn.Embedding(VOCABULARY, embedding)
        self.rnn = recurrent(embedding, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, VOCABULARY)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor, state):
        y, state = self.rnn(self.embedding(ids), state)
        return self.output(y), state


def draw_stream() -> torch.Tensor:
    """BATCH rows of STEPS * TIME + 1 ids, one after the other: id k is mostly followed by 3k + 1 or 3k + 2 (mod V)."""
    ids = [0]
    for _ in range(BATCH * (STEPS * TIME + 1) - 1):
        likely = (3 * ids[-1] + 1 + int(torch.randint(2, ()))) % VOCABULARY
        ids.append(likely if torch.rand(()) < 0.8 else int(torch.randint(VOCABULARY, ())))
    return torch.tensor(ids)


def make_optimizer(model: nn.Module, kind: str, **options) -> torch.optim.Optimizer:
    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return classes[kind](model.parameters(), **options)


def detach(state):
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def train(variant: dict, initial: dict[str, torch.Tensor], stream: torch.Tensor, dtype: torch.dtype):
    """Ten batches of truncated backpropagation through time, the state carried and detached.

    Returns the losses (mean over B*T, in nats), the gradient's norms before clipping, and the tensors to store.
    """
    model = LanguageModel(**variant["model"]).to(dtype)
    model.load_state_dict(initial)
    optimizer = make_optimizer(model, **variant["optimizer"])
    rows, state = stream.reshape(BATCH, -1), None
    losses, norms, tensors = [], [], {}
    for step in range(STEPS):
        inputs, targets = (rows[:, step * TIME + shift :][:, :TIME] for shift in (0, 1))
        logits, state = model(inputs, state)
        state = detach(state)
        loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            tensors |= {f"first/d_{name}": weight.grad.clone() for name, weight in model.named_parameters()}
        norms.append(nn.utils.get_total_norm([weight.grad for weight in model.parameters()]).item())
        if variant["clip"] is not None:
            nn.utils.clip_grad_norm_(model.parameters(), variant["clip"])
        optimizer.step()
        losses.append(loss.item())
    tensors |= {f"final/{name}": weight.detach() for name, weight in model.named_parameters()}
    parts = state if isinstance(state, tuple) else (state,)
    return losses, norms, tensors | {f"final/{key}": part for key, part in zip(("h_n", "c_n"), parts)}


def make_language_model() -> None:
    torch.manual_seed(200)
    stream = draw_stream()
    tensors, report = {"stream": stream}, {}
    for name, variant in VARIANTS.items():
        torch.manual_seed(0)
        initial = LanguageModel(**variant["model"]).state_dict()
        losses, norms, golden = train(variant, initial, stream, torch.float64)
        losses_f32, norms_f32, single = train(variant, initial, stream, torch.float32)
        report[name] = variant | {
            "losses": losses,
            "losses_float32": losses_f32,
            "gradient_norms": norms,
            "gradient_norms_float32": norms_f32,
        }
        kept = {key: value for key, value in initial.items() if not (variant["model"]["tied"] and key == "output.weight")}
        tensors |= {f"{name}/initial/{key}": value for key, value in kept.items()}
        tensors |= {f"{name}/{key}": value for key, value in golden.items()}
        off = max(abs(a - b) for a, b in zip(losses, losses_f32))
        print(f"{name}: loss {losses[0]:.4f} to {losses[-1]:.4f}; float32: losses within {off:.1e},", end=" ")
        print(f"tensors within {furthest(golden, single):.1e}")
    save("language_model", tensors)
    shape = {"vocabulary": VOCABULARY, "batch": BATCH, "time": TIME, "steps": STEPS}
    text = json.dumps({"torch": torch.__version__, "shape": shape, "variants": report}, indent=1)
    (FOLDER / "language_model_losses.json").write_text(text + "\n")


MAKERS = {"cells": make_cells, "linear_ce": make_linear_ce, "language_model": make_language_model}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(MAKERS)}; all when none is given")
    names = parser.parse_args().names or list(MAKERS)
    for name in names:
        if name not in MAKERS:
            parser.error(f"{name} is not one of {', '.join(MAKERS)}")
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        MAKERS[name]()


if __name__ == "__main__":
    main()
