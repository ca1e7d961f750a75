"""Parameters to and from PyTorch by name.

    pip install torch==2.15.0 safetensors numpy onnx==1.23.2 onnxruntime==1.32.0
    python scripts/torch_exchange.py write crates/refrain/tests/golden/torch
    python scripts/torch_exchange.py read runs/stories --refrain target/release/refrain

`write` saves small modules with `safetensors.torch.save_model`, as a user of PyTorch would, and their results. Refrain's
tests load them. `read` loads a language model of `refrain train` with `safetensors.torch.load_model` (strict: no name
missing, none extra) and runs it in PyTorch. It compares the logits with those of the model's ONNX file, which must pass
ONNX's checker, run by `refrain onnx run` and by ONNX Runtime. They must agree within 1e-5 of the largest value.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import nn

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class LanguageModel(nn.Module):
    """The modules of Refrain's language model under its names; `hidden` gives the sizes of the layers, all equal."""

    def __init__(self, cell: str, vocabulary: int, features: int, hidden: int, layers: int, tied: bool):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features)
        self.rnn = CELLS[cell](features, hidden, layers, batch_first=True)
        self.output = nn.Linear(hidden, vocabulary)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.output(self.rnn(self.embedding(ids))[0])


def write(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    results: dict[str, torch.Tensor] = {}
    layers = {name: module(3, 5, 2, bidirectional=True, batch_first=True) for name, module in CELLS.items()}
    layers["lstm_projected"] = nn.LSTM(3, 5, 2, batch_first=True, proj_size=2)
    with torch.no_grad():
        for name, module in layers.items():
            save_model(module, str(folder / f"{name}.safetensors"))
            x = torch.randn(2, 4, 3)
            results |= {f"{name}/x": x, f"{name}/y": module(x)[0].contiguous()}
        for tied in (False, True):
            name = "language_model_tied" if tied else "language_model"
            model = LanguageModel("lstm", 11, 6, 6 if tied else 8, 2, tied)
            save_model(model, str(folder / f"{name}.safetensors"))
            ids = torch.randint(11, (1, 9))
            results |= {f"{name}/ids": ids.float(), f"{name}/logits": model(ids)[0].contiguous()}
    save_file(results, folder / "results.safetensors", metadata={"made_by": f"torch_exchange.py, torch {torch.__version__}"})
    print(f"{len(layers) + 2} modules in {folder}")
    return 0


def read(arguments: argparse.Namespace) -> int:
    path = Path(arguments.folder, "model.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(path).items()}
    vocabulary, features = shapes["embedding.weight"]
    rows, hidden = shapes["rnn.weight_hh_l0"]
    cell = {1: "rnn", 3: "gru", 4: "lstm"}[rows // hidden]
    layers = sum(name.startswith("rnn.weight_hh_l") for name in shapes)
    model = LanguageModel(cell, vocabulary, features, hidden, layers, "output.weight" not in shapes)
    missing, unexpected = load_model(model, path, strict=True)
    assert not missing and not unexpected
    ids = np.arange(min(vocabulary, 50), dtype=np.int64)[None]
    with torch.no_grad():
        wanted = model(torch.from_numpy(ids)).numpy()
    with tempfile.TemporaryDirectory() as name:
        source, target, onnx = Path(name, "in.npz"), Path(name, "out.npz"), Path(name, "model.onnx")
        subprocess.run([arguments.refrain, "export", arguments.folder, onnx], check=True, capture_output=True)
        states = {f"{what}_l{layer}": np.zeros((1, 1, hidden), np.float32) for layer in range(layers) for what in ("h", "c")[: 1 + (cell == "lstm")]}
        np.savez(source, tokens=ids, **states)
        subprocess.run([arguments.refrain, "onnx", "run", onnx, "--input", source, "--output", target], check=True, capture_output=True)
        with np.load(target) as arrays:
            differences = {"refrain onnx run": float(np.abs(arrays["logits"] - wanted).max())}
        differences["ONNX Runtime"] = checked(onnx, {"tokens": ids} | states, wanted)
    print(f"{len(shapes)} tensors loaded by name; logits differ from PyTorch's by", differences)
    return 0 if max(differences.values()) < 1e-5 * max(1.0, float(np.abs(wanted).max())) else 1


def checked(path: Path, inputs: dict[str, np.ndarray], wanted: np.ndarray) -> float:
    """Runs ONNX's own checker and ONNX Runtime on the exported file."""
    import onnx
    import onnxruntime

    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(["logits"], inputs)[0] - wanted).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, helps in ((write, "save modules of PyTorch"), (read, "load a model of Refrain's")):
        sub = commands.add_parser(command.__name__, help=helps)
        sub.add_argument("folder")
        sub.add_argument("--refrain", default="target/release/refrain", help="the binary")
        sub.set_defaults(run=command)
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
