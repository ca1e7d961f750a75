#!/usr/bin/env python3
"""Measures products with packed weights of another engine (oneDNN, through PyTorch) beside the best register tile.

    peers/bin/python scripts/peers/packed.py --threads 2

The limit in the tables of docs/results/ assumes a share of 0.944, measured on a Zen 5. This prints the share on this
machine, for the sizes of the layers' products, `[T·B, C]` with `[4H, C]` transposed. Product and tile take turns, one
burst each.
"""

import argparse
import os
import statistics
import time

import torch

from compare import Engine, geometric_mean
from configs import SIZES


def burst(work, seconds):
    """Seconds of each call."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refrain", default="target/release/refrain", help="the binary, for its tile")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5, help="bursts of product and tile")
    parser.add_argument("--burst", type=float, default=0.25, help="seconds of a burst")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tile = Engine("refrain", options.threads, options.refrain, {})
    print("| product M×K×N | GFLOP/s | best tile | share |\n|---|---|---|---|")
    shares = []
    for size in SIZES:
        steps, batch, features, hidden = map(int, size.split("x"))
        rows, columns = steps * batch, 4 * hidden
        x, weight = torch.randn(rows, features), torch.randn(columns, features)
        with torch.no_grad():
            packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
            product = lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")  # noqa: E731
            product()
            times, peaks = [], []
            for _ in range(options.rounds):
                peaks.append(tile.ask(op="peak", threads=options.threads)["peak"])
                times += burst(product, options.burst)
        rate, peak = 2 * rows * columns * features / statistics.median(times), statistics.median(peaks)
        shares.append(rate / peak)
        print(f"| {rows}×{features}×{columns} | {rate / 1e9:.0f} | {peak / 1e9:.0f} | {rate / peak:.3f} |", flush=True)
    print(f"| geometric mean | | | {geometric_mean(shares):.3f} |")
    tile.close()


if __name__ == "__main__":
    main()
