#!/usr/bin/env python3
"""Times the convolutions of the recogniser of text lines in training beside PyTorch: forward and backward, in turns.

    cargo build --release -p refrain-bench
    python3 scripts/peers/conv.py --threads 2

Needs torch (scripts/peers/requirements.txt). The images are 36 pixels high; stages are those of the default model, each
with its rectifier and maximum. Two batches: 32 images of one width, and 32 images of many widths, which PyTorch pads to
the widest (and masks nothing). PyTorch runs in both memory formats; the faster one counts.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGES = [(1, 16, (3, 3), (3, 3)), (16, 32, (3, 3), (1, 1)), (32, 64, (3, 3), (2, 1)), (64, 96, (3, 3), (2, 1)),
          (96, 160, (3, 1), (1, 1))]
BATCHES = {
    "32 of 400": [400] * 32,
    "32 of 60 to 680": [60 + 20 * i for i in range(32)],
}


class Torch:
    """The stages one by one on random values, with gradients of weights, and of the image behind the first."""

    def __init__(self, widths, channels_last, dtype):
        self.stages = []
        height, width = 36, max(widths)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for number, (inputs, outputs, kernel, pool) in enumerate(STAGES):
            last = number + 1 == len(STAGES)
            padding = 0 if last else tuple(taps // 2 for taps in kernel)
            conv = nn.Conv2d(inputs, outputs, kernel, padding=padding).to(memory_format=layout)
            x = torch.rand(len(widths), inputs, height, width).to(memory_format=layout)
            self.stages.append((conv, pool, x.requires_grad_(number > 0)))
            height, width = (height - (kernel[0] - 1 if last else 0)) // pool[0], width // pool[1]
        self.dtype = dtype

    def run(self, chosen):
        began = time.perf_counter()
        for number in chosen:
            conv, pool, x = self.stages[number]
            conv.zero_grad()
            x.grad = None
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.dtype == "bf16"):
                y = torch.relu(conv(x))
                if pool != (1, 1):
                    y = nn.functional.max_pool2d(y, pool)
            y.backward(y.detach())
        return time.perf_counter() - began


class Refrain:
    def __init__(self, binary, widths, threads, dtype):
        arguments = [binary, ",".join(map(str, widths)), str(threads), dtype]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, chosen):
        name = "all" if len(chosen) > 1 else str(chosen[0])
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--binary", default=os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) +
                        "/release/conv_time")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    works = [[number] for number in range(len(STAGES))] + [list(range(len(STAGES)))]
    rows = []
    for name, widths in BATCHES.items():
        for dtype in ["f32", "bf16"]:
            engines = {
                "refrain": Refrain(args.binary, widths, args.threads, dtype),
                "torch": Torch(widths, False, dtype),
                "torch channels last": Torch(widths, True, dtype),
            }
            for work in works:
                times = {engine: [] for engine in engines}
                for _ in range(args.rounds + 2):
                    for engine, own in engines.items():
                        # Threads of the engine before spin for a while; they would take a core from the next one.
                        time.sleep(0.25)
                        times[engine].append(own.run(work))
                middle = {engine: statistics.median(own[2:]) for engine, own in times.items()}
                ours = middle.pop("refrain")
                rows.append({
                    "batch": name, "precision": dtype, "stage": "all" if len(work) > 1 else str(work[0]),
                    "refrain_ms": 1000 * ours, "torch_ms": 1000 * min(middle.values()),
                    "times": min(middle.values()) / ours,
                })
            engines["refrain"].process.stdin.close()
            engines["refrain"].process.wait()
    if args.json:
        print(json.dumps({"torch": torch.__version__, "threads": args.threads, "rows": rows}, indent=1))
        return
    print(f"torch {torch.__version__}, {args.threads} threads, medians of {args.rounds} rounds\n")
    print("| batch | precision | stage | Refrain ms | PyTorch ms | times |\n|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['batch']} | {row['precision']} | {row['stage']} | {row['refrain_ms']:.1f} | "
              f"{row['torch_ms']:.1f} | {row['times']:.2f} |")


if __name__ == "__main__":
    main()
