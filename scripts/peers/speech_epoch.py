#!/usr/bin/env python3
"""Times an epoch of a speech recipe beside PyTorch: the same model, the same batches, in turns batch by batch.

    cargo build --release -p refrain-bench
    python3 scripts/peers/speech_epoch.py recipes/speech/kerstin-de.toml DATA --threads 1

Needs the packages of scripts/peers/requirements.txt. Augmented features are computed beforehand and in neither time.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time
import tomllib

import numpy
import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Model(nn.Module):
    def __init__(self, features, classes, config):
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.shapes = []
        for own in config["convolutions"]:
            stride = own.get("stride", 1)
            self.shapes.append((own["kernel"], stride))
            self.convolutions.append(nn.Conv1d(features, own["channels"], own["kernel"], stride))
            features = own["channels"]
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[config["cell"]]
        both = config.get("bidirectional", True)
        p = config.get("dropout", 0.1)
        self.rnn = kind(features, config["hidden"], config["layers"], batch_first=True, dropout=p, bidirectional=both)
        self.thin = nn.Dropout(p)
        self.output = nn.Linear(config["hidden"] * (1 + both), classes)

    def forward(self, x, lengths):
        x = x.transpose(1, 2)
        for convolution, (kernel, stride) in zip(self.convolutions, self.shapes):
            time = x.shape[2]
            before = -(-(kernel - stride) // 2)
            behind = (-(-time // stride) - 1) * stride + kernel - time - before
            x = torch.relu(convolution(nn.functional.pad(x, (before, max(behind, 0)))))
            lengths = -(-lengths // stride)
            x = x * (torch.arange(x.shape[2]) < lengths[:, None])[:, None]
        x = self.thin(x.transpose(1, 2))
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.output(self.thin(y)).log_softmax(2), lengths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, help="number of timed batches [default: all of the epoch]")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = tomllib.loads(pathlib.Path(arguments.recipe).read_text())
    with tempfile.TemporaryDirectory() as folder:
        dump = os.path.join(folder, "batches.npz")
        ours = subprocess.Popen(
            [ROOT / "target/release/speech_epoch", arguments.recipe, arguments.data, dump],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "THREADS": str(arguments.threads)},
        )
        count = int(ours.stdout.readline())
        arrays = numpy.load(dump)
        classes = max(int(arrays[f"labels{i}"].max()) for i in range(count)) + 2
        model = Model(arrays["x0"].shape[2], classes, config["model"])
        print("parameters:", sum(p.numel() for p in model.parameters()))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        loss_of = nn.CTCLoss(blank=classes - 1, zero_infinity=True)
        # One untimed pass: first touches of memory and compilation of primitives.
        timed = min(count, arguments.batches or count)
        times = ([], [])
        for number in range(-1, timed):
            i = max(number, 0)
            # The worker goes through the batches in order. Its first line is the untimed one, so it is one batch
            # behind.
            ours.stdin.write(f"{i}\n")
            ours.stdin.flush()
            own = float(ours.stdout.readline())
            j = (number + 1) % count
            x = torch.from_numpy(arrays[f"x{j}"])
            frames, labels, lengths = (torch.from_numpy(arrays[f"{name}{j}"]) for name in ("frames", "labels", "lengths"))
            began = time.perf_counter()
            scores, steps = model(x, frames)
            loss = loss_of(scores.transpose(0, 1), labels, steps, lengths)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config["train"]["clip"])
            optimizer.step()
            took = time.perf_counter() - began
            if number >= 0:
                times[0].append(own)
                times[1].append(took)
        ours.stdin.close()
    ratio = numpy.median([b / a for a, b in zip(*times)])
    print(f"{timed} batches, {arguments.threads} threads: Refrain {sum(times[0]):.2f} s, PyTorch {torch.__version__} {sum(times[1]):.2f} s; median ratio {ratio:.2f}")
