"""Runs one engine in its own process. Answers the line protocol of `refrain bench --worker` on standard streams.

    python engines.py {torch|torch-bf16|onnxruntime|openvino|openvino-bf16|jax} THREADS
"""

import json
import os
import sys
import tempfile
import time

from configs import CELLS


class Unsupported(Exception):
    """The engine does not support this kind of work."""


def weights(config):
    """Per layer and direction: W_ih, W_hh, b_ih, b_hh in PyTorch's gate order."""
    import numpy as np

    random = np.random.RandomState(1)
    rows, bound = CELLS[config["cell"]] * config["H"], config["H"] ** -0.5
    directions, features, layers = 2 if config["bi"] else 1, config["I"], []

    def draw(*shape):
        return random.uniform(-bound, bound, shape).astype("float32")

    for _ in range(config["L"]):
        layers.append([(draw(rows, features), draw(rows, config["H"]), draw(rows), draw(rows)) for _ in range(directions)])
        features = directions * config["H"]
    return layers


def inputs(config):
    """[T,B,C]: time first, the fastest layout of every engine here."""
    import numpy as np

    return np.random.RandomState(2).randn(config["T"], config["B"], config["I"]).astype("float32")


def torch_engine(config, threads, bf16=False):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    if config["task"] == "lm":
        return torch_language_model(torch, config)
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[config["cell"]]
    model = layer(config["I"], config["H"], config["L"], bidirectional=config["bi"])
    x = torch.from_numpy(inputs(config))
    if bf16:
        model, x = model.bfloat16(), x.bfloat16()
    if config["task"] == "stream":
        state = None

        def stream():
            nonlocal state
            with torch.inference_mode():
                for _ in range(config["inner"]):
                    _, state = model(x, state)

        return stream
    if config["mode"] == "fwd":
        model.eval()

        def forward():
            with torch.inference_mode():
                model(x)

        return forward
    x.requires_grad_(True)
    leaves = [*model.parameters(), x]

    def train():
        for leaf in leaves:
            leaf.grad = None
        model(x)[0].sum().backward()

    return train


def torch_language_model(torch, config):
    class LanguageModel(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(config["V"], config["I"])
            self.dropout = torch.nn.Dropout(config["dropout"])
            self.rnn = torch.nn.LSTM(config["I"], config["H"], config["L"], dropout=config["dropout"])
            self.output = torch.nn.Linear(config["H"], config["V"])

        def forward(self, tokens):
            y, _ = self.rnn(self.dropout(self.embedding(tokens)))
            return self.output(self.dropout(y))

    model, loss = LanguageModel(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tokens = torch.randint(0, config["V"], (config["T"], config["B"]))
    targets = torch.randint(0, config["V"], (config["T"] * config["B"],))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(tokens).view(-1, config["V"]), targets).backward()
        optimizer.step()

    return step


def onnx_model(config):
    """The layer as an ONNX file: one recurrent operator per layer; a stream has its state as inputs and outputs."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if config["mode"] != "fwd":
        raise Unsupported("inference only")
    operator = config["cell"].upper()
    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[config["cell"]]
    hidden, directions = config["H"], 2 if config["bi"] else 1

    def gates(w):
        parts = np.split(w, len(order))
        return np.concatenate([parts[k] for k in order])

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state_shape = [directions, config["B"], hidden]
    states = ["h", "c"][: 2 if operator == "LSTM" else 1] if config["task"] == "stream" else []
    graph_in, graph_out = [value("x", [config["T"], config["B"], config["I"]])], []
    constants = [numpy_helper.from_array(np.array([config["T"], config["B"], directions * hidden], "int64"), "flat")]
    nodes, current = [], "x"
    for index, layer in enumerate(weights(config)):
        for name, tensor in {
            "w": np.stack([gates(d[0]) for d in layer]),
            "r": np.stack([gates(d[1]) for d in layer]),
            "b": np.stack([np.concatenate([gates(d[2]), gates(d[3])]) for d in layer]),
        }.items():
            constants.append(numpy_helper.from_array(tensor, f"{name}{index}"))
        attributes = dict(hidden_size=hidden, direction="bidirectional" if config["bi"] else "forward")
        if operator == "GRU":
            attributes["linear_before_reset"] = 1
        names = [current, f"w{index}", f"r{index}", f"b{index}"] + ([""] + [f"{s}_in" for s in states] if states else [])
        nodes.append(helper.make_node(operator, names, [f"y{index}"] + [f"{s}_out" for s in states], **attributes))
        nodes.append(helper.make_node("Transpose", [f"y{index}"], [f"t{index}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"t{index}", "flat"], [f"z{index}"]))
        current = f"z{index}"
    graph_in += [value(f"{s}_in", state_shape) for s in states]
    graph_out = [value(current, [config["T"], config["B"], directions * hidden])] + [value(f"{s}_out", state_shape) for s in states]
    graph = helper.make_graph(nodes, "layer", graph_in, graph_out, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model, [f"{s}_in" for s in states], state_shape


def onnxruntime_engine(config, threads):
    import numpy as np
    import onnxruntime

    model, states, shape = onnx_model(config)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = inputs(config)
    if states:
        values = [np.zeros(shape, "float32") for _ in states]

        def stream():
            nonlocal values
            for _ in range(config["inner"]):
                values = session.run(None, {"x": x, **dict(zip(states, values))})[1:]

        return stream
    # Input and output are bound once, so no copy and no allocation in Python is timed.
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    output = session.get_outputs()[0]
    binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_shape_and_type(output.shape, np.float32))
    return lambda: session.run_with_iobinding(binding)


def openvino_engine(config, threads, bf16=False):
    import numpy as np
    import openvino

    model, states, shape = onnx_model(config)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(model.SerializeToString())
        file.flush()
        request = openvino.Core().compile_model(file.name, "CPU", settings).create_infer_request()
    request.set_input_tensor(0, openvino.Tensor(inputs(config)))
    for index, _ in enumerate(states, 1):
        request.set_input_tensor(index, openvino.Tensor(np.zeros(shape, "float32")))

    def run():
        for _ in range(config["inner"]):
            request.infer()
            for index, _ in enumerate(states, 1):
                request.get_input_tensor(index).data[:] = request.get_output_tensor(index).data

    return run


def jax_engine(config, threads):
    # XLA on a CPU has no option for the number of threads. It follows the affinity of the process.
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    import jax
    import jax.numpy as jnp
    from jax import lax

    if config["task"] == "lm":
        raise Unsupported("not built here")
    cell, hidden = config["cell"], config["H"]

    def direction(parameters, x, reverse, state=None):
        w_ih, w_hh, b_ih, b_hh = parameters
        zeros = jnp.zeros((x.shape[1], hidden), x.dtype)
        projected = x @ w_ih.T + b_ih

        def lstm(carry, gates):
            h, c = carry
            i, f, g, o = jnp.split(gates + h @ w_hh.T + b_hh, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        def gru(h, gates):
            (r, z, n), (r_h, z_h, n_h) = jnp.split(gates, 3, -1), jnp.split(h @ w_hh.T + b_hh, 3, -1)
            z = jax.nn.sigmoid(z + z_h)
            h = z * h + (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h)
            return h, h

        def rnn(h, gates):
            h = jnp.tanh(gates + h @ w_hh.T + b_hh)
            return h, h

        step = {"lstm": lstm, "gru": gru, "rnn": rnn}[cell]
        start = state if state is not None else ((zeros, zeros) if cell == "lstm" else zeros)
        last, y = lax.scan(step, start, projected, reverse=reverse)
        return y, last

    def network(layers, x):
        for layer in layers:
            x = jnp.concatenate([direction(d, x, bool(k))[0] for k, d in enumerate(layer)], -1)
        return x

    layers, x = jax.tree.map(jnp.asarray, weights(config)), jnp.asarray(inputs(config))
    if config["task"] == "stream":
        zeros = jnp.zeros((1, hidden))
        state = (zeros, zeros) if cell == "lstm" else zeros
        step = jax.jit(lambda parameters, x, state: direction(parameters, x, False, state)[1])

        def stream():
            nonlocal state
            for _ in range(config["inner"]):
                state = step(layers[0][0], x, state)
            jax.block_until_ready(state)

        return stream
    if config["mode"] == "fwd":
        forward = jax.jit(network)
        return lambda: jax.block_until_ready(forward(layers, x))
    gradient = jax.jit(jax.grad(lambda layers, x: network(layers, x).sum(), argnums=(0, 1)))
    return lambda: jax.block_until_ready(gradient(layers, x))


ENGINES = {
    "torch": torch_engine,
    "torch-bf16": lambda config, threads: torch_engine(config, threads, bf16=True),
    "onnxruntime": onnxruntime_engine,
    "openvino": openvino_engine,
    "openvino-bf16": lambda config, threads: openvino_engine(config, threads, bf16=True),
    "jax": jax_engine,
}


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    # Output of the libraries goes to standard error. Standard output is for the protocol only.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    clock, work, inner = time.perf_counter, None, 1
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "exit":
            break
        try:
            if message["op"] == "setup":
                work, inner = None, message["inner"]
                work = ENGINES[name](message, threads)
                work()  # compiles, in some engines
                start = clock()
                work()
                answer = {"ok": True, "first_s": (clock() - start) / inner}
            else:
                for _ in range(message["warm"]):
                    work()
                times, start = [], clock()
                while len(times) < message["min_reps"] or clock() - start < message["seconds"]:
                    began = clock()
                    work()
                    times.append((clock() - began) / inner)
                answer = {"times": times}
        except Exception as error:  # reported to the driver, which continues
            answer = {"error": f"{type(error).__name__}: {error}"[:300], "unsupported": isinstance(error, Unsupported)}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
