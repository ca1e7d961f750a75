#!/usr/bin/env python3
"""Times translation beside other engines: training and decoding, with BLEU and peak memory beside every speed.

    python3 -m venv peers && peers/bin/pip install -r scripts/peers/requirements-translation.txt
    python3 -m venv eole && eole/bin/pip install eole==0.6.4
    target/release/refrain train multi30k-en-de --data DATA --out runs/multi30k-en-de
    python3 scripts/peers/translation.py --prepare-eole 8000 --model runs/multi30k-en-de --data DATA \\
        --torch-python peers/bin/python --eole-python eole/bin/python
    python3 scripts/peers/translation.py --model runs/multi30k-en-de --data DATA --torch-python peers/bin/python \\
        --eole-python eole/bin/python --out times.jsonl --table table.md

Engines:
    refrain                 the binary
    torch                   translation_torch.py: the same model with the same weights, encoder over padded sequences
    torch-packed            the same, encoder over packed sequences (training only)
    torch-compile           the same with torch.compile for the step of decoding (decoding only)
    torch-present           the same, beam search that ends earlier than that of Refrain (beam search only)
    eole, eole-feed         eole's RNN without and with input feeding: encoder 2 layers of 128 a direction, decoder
                            2 layers of 256, tied vocabulary of 256 features
    eole-wide, eole-wide-feed   encoder 1 layer of 256 a direction, decoder 1 layer of 512, untied

eole has encoder and decoder of equal width and depth, so neither of its forms is that of Refrain: the first has its
decoder and projection, the second its encoder and its number of recurrent weights.

A round runs every job of every engine once, each in its own process, in turns; a figure is the median over the rounds.
All engines read the same BPE pieces. Batches in training follow one rule (1,600 target tokens with padding, pairs of
similar length); the order of the pairs differs, and eole counts the longer side. Training speed is target tokens a
second, end marks counted, padding not. Decoding is of the test sentences. PyTorch's time is taken inside its process,
from text to text, after a warm-up. Of Refrain and eole the time of a run with one sentence is subtracted, and shown as
"start". eole reads and writes pieces, so its time has no tokenisation. Peak memory is the largest resident set of the
process.

BLEU: `13a` is that of sacreBLEU, case kept. `lc tok` is of lower-cased Moses tokens, without smoothing. The models of
eole are those that --prepare-eole trains, so many steps for each of its engines.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = ["train", "greedy-1", "greedy-32", "beam5-1", "beam5-32"]
EOLE = {
    "eole": dict(hidden=256, layers=2, feed=0),
    "eole-feed": dict(hidden=256, layers=2, feed=1),
    "eole-wide": dict(hidden=512, layers=1, feed=0),
    "eole-wide-feed": dict(hidden=512, layers=1, feed=1),
}
TORCH = ["torch", "torch-packed", "torch-compile", "torch-present"]
TEST = "test_2016_flickr"


class Failed(Exception):
    """A process that did not do its work."""


class Child:
    """A process with its output, wall time and peak memory."""

    def __init__(self, command, threads, folder, log="log"):
        limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **{key: str(threads) for key in limits}, "CUDA_VISIBLE_DEVICES": ""}
        self.command, self.log = [str(part) for part in command], Path(folder) / log
        self.began = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)

    def end(self, good=(0,)):
        """Standard output, seconds, peak MiB."""
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - self.began
        if self.process.returncode not in good:
            last = self.log.read_text()[-1500:]
            raise Failed(f"{' '.join(self.command)} ended with {self.process.returncode}: {last}")
        return output, seconds, usage.ru_maxrss / 1024


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.model = options.model.resolve()
        self.starts = {}

    def run(self, command, good=(0,), log="log"):
        return Child(command, self.options.threads, self.folder, log).end(good)

    def text(self, *arguments):
        return self.run([self.options.torch_python, HERE / "translation_text.py", *arguments])[0]

    def prepare(self):
        """Pieces and test sentences; returns the number of these."""
        self.text("pieces", self.model, self.options.data, "--out", self.folder)
        for name in (f"plain.{TEST}.en", f"plain.{TEST}.de", f"{TEST}.en"):
            path = self.folder / name
            kept = path.read_text("utf-8").split("\n")[: self.options.lines]
            path.write_text("\n".join(kept).rstrip("\n") + "\n", "utf-8")
        first = self.folder / "one"
        for name in (f"plain.{TEST}.en", f"{TEST}.en"):
            first.with_suffix(f".{name}").write_text((self.folder / name).read_text("utf-8").split("\n")[0] + "\n", "utf-8")
        return len((self.folder / f"{TEST}.en").read_text().splitlines())

    def source(self, form, one=False):
        """The test sentences as text or pieces; only the first one."""
        name = f"plain.{TEST}.en" if form == "text" else f"{TEST}.en"
        return self.folder / (f"one.{name}" if one else name)

    def measure(self, engine, job):
        """Figures, or None if the engine has no such job."""
        kind, _, batch = job.partition("-")
        if engine == "refrain":
            return self.refrain_train() if kind == "train" else self.refrain_decode(kind, batch)
        if engine in TORCH:
            return self.torch(engine, kind, batch)
        return self.eole_train(engine) if kind == "train" else self.eole_decode(engine, kind, batch)

    def refrain_train(self):
        o, run = self.options, self.folder / "run"
        events = run / "train.jsonl"
        shutil.rmtree(run, ignore_errors=True)
        command = [o.refrain, "train", o.recipe, "--data", o.data, "--out", run, "--threads", o.threads, "--quiet"]
        child = Child(command + ["--set", "train.log_every=1"], o.threads, self.folder)
        steps = []
        while len(steps) < o.warm + o.steps and child.process.poll() is None:
            time.sleep(0.2)
            written = events.read_text().split("\n")[:-1] if events.exists() else []
            steps = [event for event in map(json.loads, written) if event["event"] == "step"]
        child.process.send_signal(signal.SIGINT)
        _, _, peak = child.end((0, 130))
        timed = steps[o.warm : o.warm + o.steps]
        if not timed:
            raise Failed(f"{o.refrain} took no step: {child.log.read_text()[-500:]}")
        tokens, seconds = sum(step["tokens"] for step in timed), sum(step["seconds"] for step in timed)
        return dict(tokens_per_second=tokens / seconds, peak_mib=peak)

    def refrain_decode(self, kind, batch):
        o, out = self.options, self.folder / "out"
        command = [o.refrain, "translate", "--model", self.model, "--format", "text", "--threads", o.threads]
        command += ["--beam", width(kind), "--batch", batch]
        return self.timed("refrain", lambda one: [*command, self.source("text", one), "--out", out], f"{kind}-{batch}", out)

    def timed(self, engine, command, job, out):
        """Time of all sentences less that of one."""
        _, start, _ = self.run(command(True))
        _, seconds, peak = self.run(command(False))
        spent = seconds - start
        figures = dict(sentences_per_second=(self.count - 1) / spent, start_s=start, peak_mib=peak)
        return figures | self.score(engine, job, out)

    def torch(self, engine, kind, batch):
        o, out = self.options, self.folder / "out"
        if engine != "torch" and {"torch-packed": kind != "train", "torch-compile": kind == "train"}.get(
            engine, not kind.startswith("beam")
        ):
            return None
        command = [o.torch_python, HERE / "translation_torch.py"]
        if kind == "train":
            command += ["train", self.model, o.data, "--steps", o.steps, "--warm", o.warm, "--seed", self.round + 1]
            command += ["--form", "packed" if engine == "torch-packed" else "padded"]
        else:
            command += ["decode", self.model, self.source("text"), "--beam", width(kind), "--batch", batch, "--out", out]
            command += ["--compile"] if engine == "torch-compile" else []
            command += ["--stop", "present"] if engine == "torch-present" else []
        output, _, peak = self.run([*command, "--threads", o.threads])
        answer = json.loads(output.splitlines()[-1])
        kept = {key: answer[key] for key in ("tokens_per_second", "sentences_per_second", "positions") if key in answer}
        figures = kept | dict(version=answer["version"], peak_mib=peak)
        return figures if kind == "train" else figures | self.score(engine, f"{kind}-{batch}", out)

    def eole_config(self, engine, steps, folder):
        """The configuration file of eole's training."""
        form = EOLE[engine]
        files = {side: str(self.folder / f"train.{language}") for side, language in (("src", "en"), ("tgt", "de"))}
        config = dict(
            seed=self.round + 1,
            data=dict(corpus_1=dict(path_src=files["src"], path_tgt=files["tgt"])),
            src_vocab=str(self.folder / "vocabulary.txt"),
            tgt_vocab=str(self.folder / "vocabulary.txt"),
            share_vocab=True,
            transforms=[],
            report_every=max(1, min(50, steps // 4)),
            model=dict(
                architecture="custom",
                input_feed=form["feed"],
                share_embeddings=True,
                share_decoder_embeddings=form["hidden"] == 256,
                embeddings=dict(word_vec_size=256, position_encoding_type=None),
                hidden_size=form["hidden"],
                layers=form["layers"],
                encoder=dict(encoder_type="brnn", rnn_type="LSTM"),
                decoder=dict(decoder_type="rnn", rnn_type="LSTM", global_attention="general"),
            ),
            training=dict(
                model_path=str(folder),
                world_size=1,
                gpu_ranks=[],
                compute_dtype="fp32",
                num_workers=0,
                bucket_size=29_000,
                batch_type="tokens",
                batch_size=1600,
                normalization="tokens",
                train_steps=steps,
                valid_steps=10**9,
                save_checkpoint_steps=steps,
                keep_checkpoint=1,
                optim="adamw",
                learning_rate=2e-3,
                weight_decay=0.01,
                adam_beta2=0.999,
                decay_method="cosine",
                warmup_steps=steps // 25,
                max_grad_norm=1.0,
                dropout=[0.3],
                label_smoothing=0.1,
            ),
        )
        path = self.folder / f"{engine}.yaml"
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        return path

    def eole_run(self, engine, steps, folder):
        """Target tokens a second of each report, and peak memory."""
        config = self.eole_config(engine, steps, folder)
        output, _, peak = self.run([*self.eole(), "train", "--config", config])
        said = output + (self.folder / "log").read_text()
        return [float(speed) for speed in re.findall(r"[\d.]+/ *([\d.]+) tok/s", said)], peak

    def eole(self):
        return [self.options.eole_python, "-m", "eole.bin.main"]

    def eole_train(self, engine):
        speeds, peak = self.eole_run(engine, self.options.warm + self.options.steps, self.folder / "eole-run")
        if len(speeds) < 2:
            raise Failed(f"eole told no speed: {(self.folder / 'log').read_text()[-1500:]}")
        # The first report holds the start of the data pipeline.
        return dict(tokens_per_second=statistics.harmonic_mean(speeds[1:]), peak_mib=peak)

    def eole_decode(self, engine, kind, batch):
        o, out, pieces = self.options, self.folder / "out", self.folder / "pieces"
        model = o.eole_models / engine
        if not model.exists():
            raise Failed(f"{model} is not there; --prepare-eole trains it")
        command = [*self.eole(), "predict", "--model_path", model, "--output", pieces, "--beam_size", width(kind)]
        command += ["--batch_size", batch, "--batch_type", "sents", "--max_length", 120, "--length_penalty", "avg"]
        joined = self.timed(engine, lambda one: [*command, "--src", self.source("pieces", one)], f"{kind}-{batch}", None)
        self.text("join", self.model, pieces, "--out", out)
        return joined | self.score(engine, f"{kind}-{batch}", out)

    def score(self, engine, job, out):
        if out is None:
            return {}
        shutil.copy(out, self.folder / f"hypotheses.{engine}.{job}")
        return json.loads(self.text("score", out, self.folder / f"plain.{TEST}.de"))


def width(kind):
    return 1 if kind == "greedy" else int(kind.removeprefix("beam"))


def versions(options):
    """Of every engine asked for."""
    of = "import importlib.metadata as m; print(m.version('{}'), 'torch', m.version('torch'))"
    asked = {"refrain": [options.refrain, "--version"]}
    asked |= {name: [options.torch_python, "-c", "import torch; print('torch', torch.__version__)"] for name in TORCH}
    asked |= {name: [options.eole_python, "-c", of.format("eole")] for name in EOLE}
    return {
        name: subprocess.run(asked[name], capture_output=True, text=True, check=False).stdout.strip() or "not found"
        for name in options.engines.split(",")
    }


def medians(rows):
    """By engine and job: each figure's median."""
    out = {}
    for row in rows:
        for key, value in row["figures"].items():
            if isinstance(value, (int, float)):
                out.setdefault((row["engine"], row["job"]), {}).setdefault(key, []).append(value)
    return {place: {key: statistics.median(values) for key, values in own.items()} for place, own in out.items()}


def table(rows, names, rounds, options):
    found = medians(rows)
    lines = [
        f"Medians of {rounds} rounds, {options.threads} threads.\n",
        "| engine | version | job | tokens or sentences / s | BLEU 13a | BLEU lc tok | peak MiB | start s |",
        "|---" * 8 + "|",
    ]
    for (engine, job), own in sorted(found.items(), key=lambda entry: (JOBS.index(entry[0][1]), entry[0][0] != "refrain")):
        speed = own.get("tokens_per_second", own.get("sentences_per_second"))
        cells = [f"{own[key]:.2f}" if key in own else "" for key in ("bleu", "bleu_lc_tok")]
        cells += [f"{own['peak_mib']:.0f}", f"{own['start_s']:.2f}" if "start_s" in own else ""]
        lines.append(f"| {engine} | {names[engine]} | {job} | {speed:,.4g} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def agreement(folder, engines, jobs):
    """How many translations of the engines with Refrain's weights are those of Refrain."""
    lines = []
    for engine in [engine for engine in engines if engine in TORCH]:
        for job in jobs:
            files = [folder / f"hypotheses.{name}.{job}" for name in ("refrain", engine)]
            if all(file.exists() for file in files):
                ours, theirs = (file.read_text("utf-8").split("\n")[:-1] for file in files)
                equal = sum(own == other for own, other in zip(ours, theirs, strict=True))
                lines.append(f"- {engine}, {job}: {equal} of {len(ours)} translations are equal to those of Refrain.")
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="refrain,torch,torch-packed,torch-compile,eole,eole-feed", help="comma-separated")
    parser.add_argument("--jobs", default=",".join(JOBS), help="comma-separated")
    parser.add_argument("--model", type=Path, required=True, help="a model folder of the recipe")
    parser.add_argument("--data", required=True, help="the folder with multi30k/raw")
    parser.add_argument("--recipe", default="multi30k-en-de", help="that Refrain trains by")
    parser.add_argument("--refrain", default="target/release/refrain", help="the binary")
    parser.add_argument("--torch-python", default=sys.executable, help="with requirements-translation.txt")
    parser.add_argument("--eole-python", default=sys.executable, help="with eole")
    parser.add_argument("--eole-models", type=Path, default=Path("runs/eole"), help="the folder of eole's trained models")
    parser.add_argument("--prepare-eole", type=int, metavar="STEPS", help="train eole's models by so many steps, and end")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="timed steps of training")
    parser.add_argument("--warm", type=int, default=20, help="steps before these")
    parser.add_argument("--lines", type=int, help="test sentences [default: all]")
    parser.add_argument("--out", type=Path, help="append one JSON line per measurement")
    parser.add_argument("--table", type=Path, help="write the table as Markdown")
    parser.add_argument("--keep", type=Path, help="folder for data, logs and translations [default: one that is removed]")
    return parser.parse_args()


def prepare_eole(bench, engines):
    for engine in engines:
        folder = (bench.options.eole_models / engine).resolve()
        speeds, peak = bench.eole_run(engine, bench.options.prepare_eole, folder)
        print(f"{engine}: {folder}, {statistics.median(speeds):.0f} tokens/s, {peak:.0f} MiB", flush=True)


def compare(bench, engines, jobs):
    options, rows, lost = bench.options, [], set()
    names = versions(options)
    for bench.round in range(options.rounds):
        for job in jobs:
            for engine in engines:
                if (engine, job) in lost:
                    continue
                try:
                    figures = bench.measure(engine, job)
                except Failed as error:
                    print(f"# {engine}, {job}: {error}", file=sys.stderr)
                    figures = None
                if figures is None:
                    lost.add((engine, job))
                    continue
                row = dict(engine=engine, version=names[engine], job=job, round=bench.round, threads=options.threads, figures=figures)
                rows.append(row)
                print(bench.round, engine, job, {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}, flush=True)
                if options.out:
                    with options.out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    text = table(rows, names, options.rounds, options) + agreement(bench.folder, engines, jobs)
    print("\n" + text)
    if options.table:
        options.table.write_text(text)


def main():
    options = arguments()
    engines, jobs = options.engines.split(","), options.jobs.split(",")
    unknown = [name for name in engines if name not in ["refrain", *TORCH, *EOLE]] + [job for job in jobs if job not in JOBS]
    if unknown:
        sys.exit(f"unknown: {' '.join(unknown)}")
    with tempfile.TemporaryDirectory() as folder:
        if options.keep:
            folder = options.keep.resolve()
            folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(options, folder)
        bench.round = 0
        bench.count = bench.prepare()
        if options.prepare_eole:
            prepare_eole(bench, [engine for engine in engines if engine in EOLE])
        else:
            compare(bench, engines, jobs)


if __name__ == "__main__":
    main()
