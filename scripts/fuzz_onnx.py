"""Random RNN, GRU and LSTM models, run by ONNX Runtime and by `refrain onnx run`, and compared.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy
    python scripts/fuzz_onnx.py --refrain target/release/refrain --cases 1000

Each case draws an operator, sizes and options: direction, activations with alpha and beta, clip, input_forget,
peepholes, linear_before_reset, sequence lengths, initial states, bias, opset. The error of a case is the largest
difference over all outputs, divided by the largest value of the output, or by 1 if that is smaller. Exits with 1 if a
case is above --tolerance.

ONNX Runtime does not run `layout = 1`. Such a case runs with layout 0, and NumPy transposes its arrays.
Some functions are unbounded. States that grow without limit (above 100) multiply every rounding error: such cases are
counted, not compared.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
# Name, whether it takes alpha and beta.
ACTIVATIONS = {
    "Relu": "",
    "Tanh": "",
    "Sigmoid": "",
    "Softsign": "",
    "Softplus": "",
    "Affine": "ab",
    "LeakyRelu": "a",
    "ThresholdedRelu": "a",
    "ScaledTanh": "ab",
    "HardSigmoid": "ab",
    "Elu": "a",
}
IR_VERSIONS = {7: 3, 14: 7, 22: 10}


@dataclass
class Case:
    """One node with its arrays, time-major."""

    op: str
    opset: int
    layout: int
    arrays: dict[str, np.ndarray]
    attributes: dict
    hidden: int
    options: list[str] = field(default_factory=list)

    def model(self, layout: int) -> onnx.ModelProto:
        """The node with all its arrays as inputs of the graph."""
        order = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
        names = [name if name in self.arrays else "" for name in order]
        while not names[-1]:
            names.pop()
        outputs = ["Y", "Y_h"] + (["Y_c"] if self.op == "LSTM" else [])
        attributes = dict(self.attributes, hidden_size=self.hidden)
        if layout:
            attributes["layout"] = layout
        node = helper.make_node(self.op, names, outputs, **attributes)

        def info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
            kind = TensorProto.INT32 if array.dtype == np.int32 else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, array.shape)

        inputs = [info(name, array) for name, array in self.inputs(layout).items()]
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph([node], "fuzz", inputs, made)
        opset = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSIONS[self.opset])

    def inputs(self, layout: int) -> dict[str, np.ndarray]:
        turned = ("X", "initial_h", "initial_c")
        if not layout:
            return self.arrays
        return {k: np.ascontiguousarray(v.swapaxes(0, 1)) if k in turned else v for k, v in self.arrays.items()}

    def expected(self) -> dict[str, np.ndarray]:
        """The outputs of ONNX Runtime, in the layout of the case."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            self.model(0).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(None, self.arrays)))
        if self.layout:
            # [T,D,B,H] to [B,T,D,H], and [D,B,H] to [B,D,H].
            outputs = {k: v.transpose(2, 0, 1, 3) if k == "Y" else v.swapaxes(0, 1) for k, v in outputs.items()}
        return {k: np.ascontiguousarray(v) for k, v in outputs.items()}


def size(rng: np.random.Generator, largest: int) -> int:
    """Draws small sizes and edges of vectors more often than large ones."""
    edges = [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65]
    if rng.random() < 0.7:
        return int(min(rng.choice(edges), largest))
    return int(rng.integers(1, largest + 1))


def draw(rng: np.random.Generator, largest: int) -> Case:
    """A random case with sizes up to `largest`."""
    op = str(rng.choice(list(GATES)))
    time, batch = size(rng, min(largest, 40)), size(rng, min(largest, 12))
    features, hidden = size(rng, largest), size(rng, largest)
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    d, rows = (2 if direction == "bidirectional" else 1), GATES[op] * hidden
    attributes, options = {"direction": direction}, [op, direction]

    def uniform(*shape: int, bound: float = 1.0) -> np.ndarray:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    bound = 1 / np.sqrt(hidden)
    arrays = {
        "X": uniform(time, batch, features),
        "W": uniform(d, rows, features, bound=1 / np.sqrt(features)),
        "R": uniform(d, rows, hidden, bound=bound),
    }

    def maybe(name: str, p: float) -> bool:
        chosen = bool(rng.random() < p)
        options.extend([name] if chosen else [])
        return chosen

    if maybe("bias", 0.7):
        arrays["B"] = uniform(d, 2 * rows, bound=0.5)
    if maybe("sequence_lens", 0.4):
        arrays["sequence_lens"] = rng.integers(1, time + 1, batch).astype(np.int32)
    if maybe("initial_h", 0.5):
        arrays["initial_h"] = uniform(d, batch, hidden)
    if op == "LSTM":
        if maybe("initial_c", 0.5):
            arrays["initial_c"] = uniform(d, batch, hidden)
        if maybe("peepholes", 0.4):
            arrays["P"] = uniform(d, 3 * hidden)
        if maybe("input_forget", 0.3):
            attributes["input_forget"] = 1
    if op == "GRU" and maybe("linear_before_reset", 0.6):
        attributes["linear_before_reset"] = 1
    if maybe("clip", 0.3):
        attributes["clip"] = float(np.float32(rng.uniform(0.1, 2)))
    if maybe("activations", 0.5):
        names, alpha, beta = [], [], []
        for _ in range(FUNCTIONS[op] * d):
            name = str(rng.choice(list(ACTIVATIONS)))
            names.append(name)
            takes = ACTIVATIONS[name]
            # A step of height alpha at alpha would turn rounding into a large difference. A small alpha makes this
            # rare.
            low, high = (0.001, 0.01) if name == "ThresholdedRelu" else (0.1, 0.6)
            alpha.extend([float(np.float32(rng.uniform(low, high)))] if "a" in takes else [])
            beta.extend([float(np.float32(rng.uniform(0.1, 0.6)))] if "b" in takes else [])
        attributes["activations"] = names
        options.extend(names)
        if alpha:
            attributes["activation_alpha"] = alpha
        if beta:
            attributes["activation_beta"] = beta
    opset = int(rng.choice(list(IR_VERSIONS)))
    layout = int(opset >= 14 and maybe("layout", 0.25))
    return Case(op, opset, layout, arrays, attributes, hidden, options)


def bounded(outputs: dict[str, np.ndarray]) -> bool:
    """Whether all values of a case are bounded."""
    return all(np.isfinite(value).all() and np.abs(value).max(initial=0) <= 100 for value in outputs.values())


def error(expected: np.ndarray, got: np.ndarray) -> float:
    """Largest difference over the largest value; infinite if shapes differ."""
    if expected.shape != got.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    if not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(expected - got).max() / max(1.0, np.abs(expected).max()))


def run(refrain: str, case: Case, folder: Path) -> dict[str, np.ndarray]:
    """The outputs of the binary."""
    model, source, target = folder / "model.onnx", folder / "in.npz", folder / "out.npz"
    model.write_bytes(case.model(case.layout).SerializeToString())
    np.savez(source, **case.inputs(case.layout))
    command = [refrain, "onnx", "run", model, "--input", source, "--output", target, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    with np.load(target) as arrays:
        return dict(arrays)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refrain", default="target/release/refrain", help="the binary")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=300, help="largest C and H")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()
    worst, bad, refused, unbounded, counts = 0.0, 0, 0, 0, Counter()
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.cases):
            case = draw(np.random.default_rng([arguments.seed, number]), arguments.largest)
            try:
                expected = case.expected()
            except Exception as reason:  # ONNX Runtime has several types of errors for refused models.
                refused += 1
                print(f"case {number}: ONNX Runtime refuses {case.options}: {str(reason).splitlines()[0][:150]}")
                continue
            if not bounded(expected):
                unbounded += 1
                continue
            got = run(arguments.refrain, case, Path(name))
            counts.update(case.options)
            largest = max(error(expected[key], got[key]) for key in expected)
            worst = max(worst, largest)
            if largest > arguments.tolerance:
                bad += 1
                sizes = case.arrays["X"].shape, case.hidden
                print(f"case {number}: error {largest:.2e} {case.options} {sizes} {case.attributes}")
    compared = arguments.cases - refused - unbounded
    print(f"{compared} cases compared, {bad} above {arguments.tolerance}")
    print(f"{unbounded} grow without end, {refused} are refused by ONNX Runtime")
    print(f"worst error {worst:.2e}")
    print("options met:", ", ".join(f"{option} {count}" for option, count in counts.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
