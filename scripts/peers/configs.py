"""The configurations of the comparison: their names, sizes and cost.

    {rnn|lstm|gru}-{T}x{B}x{C}x{H}[-bi][-l2]-{fwd|train}   a layer over whole sequences; train = forward, and backward
                                                           of the sum of the outputs
    stream-{rnn|lstm|gru}-{H}                              one step at a time, batch 1, state carried, C = H
                                                           (time per step)
    lm-{ptb-medium|char256|char512}                        a training step of a language model: embedding, dropout,
                                                           LSTMs, linear, cross-entropy, SGD
"""

SIZES = ["35x20x200x200", "35x20x650x650", "100x32x256x256", "100x64x512x512", "200x16x128x128", "500x8x320x320", "32x256x512x512"]
CELLS = {"lstm": 4, "gru": 3, "rnn": 1}
MODELS = {
    "ptb-medium": dict(V=10000, I=650, H=650, L=2, T=35, B=20, dropout=0.5),
    "char256": dict(V=65, I=256, H=256, L=2, T=50, B=50, dropout=0.0),
    "char512": dict(V=65, I=512, H=512, L=3, T=50, B=50, dropout=0.0),
}


def groups():
    """Every group of configurations by name."""
    out = {}
    for mode in ("train", "fwd"):
        for cell in CELLS:
            for kind in ("", "-bi", "-l2"):
                out[f"{cell}{kind}-{mode}"] = [f"{cell}-{size}{kind}-{mode}" for size in SIZES]
    out["stream"] = [f"stream-{cell}-{hidden}" for cell in CELLS for hidden in (128, 256, 512, 1024)]
    out["lm"] = [f"lm-{name}" for name in MODELS]
    return out


# The claims of docs/results.md and README.md about whole groups, by the compared engines. Each number is a lower bound
# for the geometric mean of the best other engine's time over ours.
HEADLINES = {
    "torch,onnxruntime,openvino,jax,refrain": {
        "lstm-train": 1.1,
        "gru-train": 1.7,
        "rnn-train": 1.5,
        "lstm-fwd": 1.0,
        "gru-fwd": 1.1,
        "rnn-fwd": 1.2,
        "stream": 1.5,
        "lm": 1.1,
    },
    "torch-bf16,openvino-bf16,refrain,refrain-bf16": {"lstm-train": 1.3, "gru-train": 2.0, "lstm-fwd": 1.0, "gru-fwd": 1.0},
    "refrain,refrain-int8": {"stream": 2.0},
}


def parse(name):
    """The fields that the line protocol sends for a configuration."""
    parts = name.split("-")
    if parts[0] == "stream":
        cell, hidden = parts[1], int(parts[2])
        return dict(task="stream", cell=cell, T=1, B=1, I=hidden, H=hidden, L=1, bi=False, mode="fwd", inner=max(5, 20000 // hidden))
    if parts[0] == "lm":
        return dict(task="lm", cell="lstm", bi=False, mode="train", inner=1, **MODELS["-".join(parts[1:])])
    time, batch, features, hidden = map(int, parts[1].split("x"))
    layers = 2 if "l2" in parts else 1
    return dict(task="layer", cell=parts[0], T=time, B=batch, I=features, H=hidden, L=layers, bi="bi" in parts, mode=parts[-1], inner=1)


def flops(config):
    """Floating-point operations of the matrix products of one iteration; a multiply-add counts 2."""
    directions = 2 if config["bi"] else 1
    rows, features, weights = config["T"] * config["B"], config["I"], 0
    for _ in range(config["L"]):
        weights += directions * CELLS[config["cell"]] * config["H"] * (features + config["H"])
        features = directions * config["H"]
    weights += config["H"] * config.get("V", 0)
    return 2 * rows * weights * (3 if config["mode"] == "train" else 1)


def limit(config, threads, peak):
    """A modelled lower bound of the seconds, see docs/results.md. `peak` is the speed of the best register tile."""
    rate = 0.944 * peak
    directions = 2 if config["bi"] else 1
    passes = 2 if config["mode"] == "train" else 1
    activations = config["T"] * config["B"] * config["H"] * (CELLS[config["cell"]] + 1) * directions * config["L"] * passes
    return flops(config) / rate + activations * 0.25e-9 / threads
