#!/usr/bin/env python3
"""Computes one recurrent unit by hand, step by step, and writes it as an ONNX model.

    python3 scripts/docs/cell.py rnn                # or lstm, gru; prints every step
    python3 scripts/docs/cell.py rnn --steps 50     # the first input is 1, the other 49 are 0

Needs Python's standard library only. Writes CELL.onnx and CELL.npz as input for the program:

    refrain onnx run rnn.onnx --input rnn.npz --output out.npz
    python3 scripts/docs/cell.py rnn --check out.npz
"""

import argparse
import math
import struct
import sys
import zipfile

# For each gate: the weight of the input, the weight of the last output, the bias.
CELLS = {
    "rnn": {"h": (1.0, 0.8, 0.0)},
    "lstm": {"i": (4.0, 0.1, -2.0), "f": (0.0, 0.1, 4.0), "g": (2.0, 0.1, 0.0), "o": (0.0, 0.1, 2.0)},
    "gru": {"r": (0.0, 0.1, 1.0), "z": (-5.0, 0.1, 4.0), "n": (2.0, 0.5, 0.0)},
}
# The order in which ONNX stores the gates.
ONNX_ORDER = {"rnn": "h", "lstm": "iofg", "gru": "zrn"}


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def step(cell, x, h, c):
    """One step: the new h and c, and the values of the gates."""
    sums = {gate: w * x + u * h + b for gate, (w, u, b) in CELLS[cell].items()}
    if cell == "rnn":
        return math.tanh(sums["h"]), c, {}
    if cell == "lstm":
        gates = {gate: math.tanh(value) if gate == "g" else sigmoid(value) for gate, value in sums.items()}
        c = gates["f"] * c + gates["i"] * gates["g"]
        return gates["o"] * math.tanh(c), c, {**gates, "c": c}
    r, z = sigmoid(sums["r"]), sigmoid(sums["z"])
    w, u, b = CELLS[cell]["n"]
    n = math.tanh(w * x + b + r * (u * h))
    return (1.0 - z) * n + z * h, c, {"r": r, "z": z, "n": n}


def run(cell, inputs):
    """All steps: input, gates and output of each."""
    h, c, rows = 0.0, 0.0, []
    for x in inputs:
        h, c, gates = step(cell, x, h, c)
        rows.append({"x": x, **gates, "h": h})
    return rows


def show(rows):
    print("  t  " + "".join(f"{name:>9}" for name in rows[0]))
    for t, row in enumerate(rows, 1):
        # The middle of a long table repeats the pattern.
        if len(rows) <= 12 or t <= 4 or t > len(rows) - 2:
            print(f"{t:3}  " + "".join(f"{value:9.5f}" for value in row.values()))
        elif t == 5:
            print("  …")


def influence(cell, inputs):
    """The derivative of the last output with respect to the first input, as a difference quotient."""
    ends = [run(cell, [inputs[0] + nudge, *inputs[1:]])[-1]["h"] for nudge in (1e-4, -1e-4)]
    return (ends[0] - ends[1]) / 2e-4


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: a number, or a text or message with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def tensor(name, shape, values):
    return b"".join(field(1, size) for size in shape) + field(2, 1) + field(8, name) + field(9, floats(values))


def port(name, shape):
    """Name, type and shape of an input or output of the graph."""
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes)))


def onnx(cell, steps):
    """The unit as a file in the ONNX format."""
    gates = [CELLS[cell][gate] for gate in ONNX_ORDER[cell]]
    count = len(gates)
    node = b"".join(field(1, name) for name in "XWRB") + field(2, "Y") + field(4, cell.upper())
    node += field(5, field(1, "hidden_size") + field(3, 1) + field(20, 2))
    if cell == "gru":
        node += field(5, field(1, "linear_before_reset") + field(3, 1) + field(20, 2))
    weights = [
        tensor("W", [1, count, 1], [w for w, _, _ in gates]),
        tensor("R", [1, count, 1], [u for _, u, _ in gates]),
        tensor("B", [1, 2 * count], [b for _, _, b in gates] + [0.0] * count),
    ]
    graph = field(1, node) + field(2, cell) + b"".join(field(5, weight) for weight in weights)
    graph += field(11, port("X", [steps, 1, 1])) + field(12, port("Y", [steps, 1, 1, 1]))
    return field(1, 8) + field(7, graph) + field(8, field(2, 14))


def write_npz(path, name, shape, values):
    header = repr({"descr": "<f4", "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + floats(values)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.npy", array)


def read_npz(path, name):
    data = zipfile.ZipFile(path).read(f"{name}.npy")
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", choices=CELLS)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--check", metavar="OUT.npz", help="only compare with the program's answer")
    options = parser.parse_args()
    if options.check:
        theirs = read_npz(options.check, "Y")
        ours = [row["h"] for row in run(options.cell, [1.0] + [0.0] * (len(theirs) - 1))]
        worst = max(abs(a - b) for a, b in zip(ours, theirs))
        print("by hand:     " + "".join(f"{h:9.5f}" for h in ours[:8]))
        print("the program: " + "".join(f"{h:9.5f}" for h in theirs[:8]))
        print(f"largest difference of {len(theirs)} steps: {worst:.1e}")
        sys.exit(0 if worst < 1e-5 else 1)
    if options.steps < 1:
        parser.error("--steps is less than 1; at least one step is needed")
    inputs = [1.0] + [0.0] * (options.steps - 1)
    show(run(options.cell, inputs))
    print(f"change of the last output for a change of the first input: {influence(options.cell, inputs):.3e}")
    with open(f"{options.cell}.onnx", "wb") as file:
        file.write(onnx(options.cell, options.steps))
    write_npz(f"{options.cell}.npz", "X", [options.steps, 1, 1], inputs)
    print(f"written: {options.cell}.onnx, {options.cell}.npz")


if __name__ == "__main__":
    main()
