#!/usr/bin/env python3
"""Times Refrain beside other engines on the same work, and writes the tables of docs/results/.

    python3 -m venv peers && peers/bin/pip install -r scripts/peers/requirements.txt
    cargo build --release
    peers/bin/python scripts/peers/compare.py lstm-train lm --threads 2 --out times.jsonl --tables tables.md

Without a name, everything is measured (about an hour and a half with one number of threads). Each engine runs in its
own process. The engines take turns, one burst each, while the others wait, so that a disturbance of the machine affects
all of them. A figure is the median over all bursts. `--list` prints the names of the groups. `--guard` measures the
groups of the project's claims, each with the engines of the claim, and exits with 1 if a claim does not hold here.
Another engine joins with `--engine NAME=COMMAND` if it speaks the protocol of `refrain bench --worker`.
"""

import argparse
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from configs import __doc__ as forms
from configs import HEADLINES, flops, groups, limit, parse

HERE = Path(__file__).resolve().parent


class Engine:
    """A worker process that answers one JSON line per line."""

    def __init__(self, name, threads, refrain, others):
        self.name, self.fields = name, {}
        if name in others:
            command = shlex.split(others[name])
        elif name.startswith("refrain"):
            command, self.fields = [refrain, "bench", "--worker"], {"dtype": name.partition("-")[2] or "f32"}
        else:
            command = [sys.executable, str(HERE / "engines.py"), name, str(threads)]
        limits = {key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **limits}
        )

    def ask(self, **message):
        """The answer, or one with `error`."""
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            return json.loads(line) if line else {"error": f"the process ended with {self.process.poll()}"}
        except (BrokenPipeError, ValueError) as error:
            return {"error": str(error)}

    def close(self):
        self.process.kill()
        self.process.wait()


def measure(name, engines, threads, options):
    """Median seconds of every engine that supports this work."""
    config, ready, times = parse(name), [], {}
    for engine in engines:
        answer = engine.ask(op="setup", threads=threads, **config, **engine.fields)
        if "error" in answer:
            if not answer.get("unsupported") and "n/a" not in answer["error"]:
                print(f"# {name}, {engine.name}: {answer['error']}", file=sys.stderr)
            continue
        ready.append((engine, answer["first_s"] * config["inner"]))
        times[engine.name] = []
    for turn in range(options.rounds):
        for engine, first in ready:
            if first > 2.0 and turn >= 2:
                continue
            answer = engine.ask(op="run", seconds=options.burst, min_reps=1 if first > 1.0 else 2, warm=0 if first > 1.0 else 1)
            times[engine.name] += answer.get("times", [])
    return {engine: statistics.median(values) for engine, values in times.items() if values}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def sides(engines):
    """The judged engine, and its opponents.

    Our `f32` is judged by other engines, and our bf16 if all others multiply bf16. Without others, the last of our
    engines is judged by the rest.
    """
    others = [engine for engine in engines if not engine.startswith("refrain")]
    if not others:
        return (engines or ["refrain"])[-1], engines[:-1]
    return "refrain-bf16" if all(engine.endswith("-bf16") for engine in others) else "refrain", others


def table(rows):
    """Markdown: one line per configuration, then the geometric means."""
    engines = list(dict.fromkeys(engine for row in rows for engine in row["median_s"]))
    unit, factor = ("µs", 1e6) if rows[0]["config"].startswith("stream") else ("ms", 1e3)
    own, others = sides(engines)
    name = own.capitalize()
    ends = [f"best other / {name}", "Refrain / limit" if own == "refrain" else f"Refrain / {name}"]
    lines = [f"| configuration, {unit} | " + " | ".join(engines + ends) + " |", "|---" * (len(engines) + 3) + "|"]
    ratios, shares = [], []
    for row in rows:
        times = row["median_s"]
        ours = times.get(own)
        best = min((times[engine] for engine in others if engine in times), default=None)
        ratio = best / ours if best and ours else None
        if own != "refrain":
            share = times["refrain"] / ours if ours and "refrain" in times else None
        else:
            share = ours / limit(parse(row["config"]), row["threads"], row["peak"]) if ours and unit == "ms" else None
        ratios += [ratio] if ratio else []
        shares += [share] if share else []
        cells = [f"{times[engine] * factor:.3g}" if engine in times else "" for engine in engines]
        lines.append(f"| {row['config']} | " + " | ".join(cells + [f"{value:.2f}" if value else "" for value in (ratio, share)]) + " |")
    means = [f"{geometric_mean(values):.2f}" if values else "" for values in (ratios, shares)]
    lines.append("| geometric mean | " + " | ".join([""] * len(engines) + means) + " |")
    peak = statistics.median(row["peak"] for row in rows)
    lines.append(f"\nBest register tile meanwhile: {peak / 1e9:.0f} GFLOP/s (median).")
    return "\n".join(lines), geometric_mean(ratios) if ratios else math.nan


def arguments():
    parser = argparse.ArgumentParser(description=__doc__ + "\n" + forms, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="groups or configurations")
    parser.add_argument("--engines", default=next(iter(HEADLINES)), help="comma-separated; also torch-bf16, openvino-bf16, refrain-bf16, refrain-int8")
    parser.add_argument("--engine", action="append", default=[], metavar="NAME=COMMAND", help="another engine")
    parser.add_argument("--refrain", default="target/release/refrain", help="the binary")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5, help="bursts per engine")
    parser.add_argument("--burst", type=float, default=0.25, help="seconds of a burst")
    parser.add_argument("--out", type=Path, help="append one JSON line per configuration")
    parser.add_argument("--tables", type=Path, help="write the tables as Markdown")
    parser.add_argument("--guard", action="store_true", help="measure the groups of the claims; fail if one does not hold")
    parser.add_argument("--list", action="store_true", help="print the groups and end")
    return parser.parse_args()


def compare(names, engines, options, tables):
    """Measures groups or configurations, and adds their tables; returns the ratio of each."""
    others = dict(item.split("=", 1) for item in options.engine)
    engines = [Engine(name, options.threads, options.refrain, others) for name in [*engines.split(","), *others]]
    ours = next((engine for engine in engines if engine.name.startswith("refrain")), None)
    for group in names:
        rows = []
        for name in groups().get(group, [group]):
            medians = measure(name, engines, options.threads, options)
            # The machine's speed drifts, so its peak is measured beside each configuration.
            peak = ours.ask(op="peak", threads=options.threads)["peak"] if ours else math.nan
            row = {"config": name, "threads": options.threads, "median_s": medians, "flops": flops(parse(name)), "peak": peak}
            rows.append(row)
            print(name, {engine: f"{seconds * 1e3:.4g} ms" for engine, seconds in medians.items()}, flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        text, ratio = table(rows)
        tables.append(f"### {group}, {options.threads} threads\n\n{text}\n")
        if options.tables:
            options.tables.write_text("\n".join(tables))
        yield group, ratio
    for engine in engines:
        engine.close()


def main():
    options = arguments()
    if options.list:
        print("\n".join(f"{name}: {' '.join(members)}" for name, members in groups().items()))
        return
    tables, failed = [], []
    if options.guard:
        for engines, claims in HEADLINES.items():
            for group, ratio in compare(claims, engines, options, tables):
                holds = ratio >= claims[group]
                failed += [] if holds else [group]
                print(f"{'ok' if holds else 'FAILED'}: {group} {ratio:.2f} times as fast; claimed {claims[group]} ({engines})", flush=True)
    else:
        for _ in compare(options.names or groups(), options.engines, options, tables):
            pass
    print("\n" + "\n".join(tables))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
