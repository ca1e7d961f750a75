#!/usr/bin/env python3
"""Times translation beside other engines: training and decoding, with BLEU and peak memory beside every speed.

    python3 -m venv peers && peers/bin/pip install -r scripts/peers/requirements-translation.txt
    python3 -m venv eole && eole/bin/pip install eole==0.6.4 aiohttp
    target/release/refrain train multi30k-en-de --data DATA --out runs/multi30k-en-de
    compare="python3 scripts/peers/translation.py --model runs/multi30k-en-de --data DATA
        --torch-python peers/bin/python --eole-python eole/bin/python"
    $compare --prepare-eole 4000                        # once: the models that eole decodes with
    $compare --out times.jsonl --table table.md         # the comparison

Engines:
    refrain                 the binary
    torch                   translation_torch.py: the same model with the same weights, encoder over padded sequences
    torch-packed            the same, encoder over packed sequences (training only)
    torch-compile           the same with torch.compile for the step of decoding (decoding only)
    eole, eole-feed         eole's RNN without and with input feeding: encoder 2 layers, decoder 2 layers of the size
                            of the embedding, one tied vocabulary
    eole-wide, eole-wide-feed   encoder 1 layer, decoder 1 layer of twice the size of Refrain's encoder, output table
                            of its own

eole has encoder and decoder of equal width and depth, so neither of its forms is that of Refrain: in the recipe
`multi30k-en-de` the first has its decoder and projection, the second its encoder. The number of parameters is in the
table.

A round runs every job of every engine once, each in its own process, in turns, all with `--threads` threads; a figure
is the median over the rounds, and a ratio the median of the ratios within a round. The comparison is of equal work:
- All engines compute in f32, and read the same BPE pieces of the same pairs. Sizes, dropout, label smoothing, optimizer
  and limits of batches are those of the recipe in the model folder. Refrain trains by this recipe without its
  variations (BPE-dropout, placeholders, capitals), which the others do not have. It makes its vocabulary anew; the run
  fails if it differs from that of the model.
- Batches follow one rule (at most so many target tokens with padding, pairs of similar length); the order of the pairs
  differs. eole sorts by the source, and counts the longer side with both marks of the target, so its batches are
  smaller. The mean size of a batch is in the JSON lines (`batch_tokens`).
- Training speed is target tokens a second, end marks counted, padding not. It is taken over the `--steps` steps behind
  the first `--warm`: the sum of the times of the steps of Refrain, which includes making the batch; wall time of the
  loop of PyTorch; eole's reports but the first.
- Decoding is of the first `--lines` sentences of the test set, and of the first `--lines-1` of them with batches of
  one. PyTorch's time is taken inside its process, from text to text, after a warm-up. Of Refrain and eole the time of
  a run with one sentence is subtracted, taken once in a round, and shown as "start": the process starts and loads the
  model. eole reads and writes pieces, so its time has no tokenisation.
- Peak memory is the largest resident set of the process. In training it includes the training pairs, and for Refrain
  the making of the vocabulary and the checkpoint at the end.

BLEU beside a speed is of the sentences that were timed. `13a` is that of sacreBLEU, case kept. `lc tok` is of
lower-cased Moses tokens, without smoothing. PyTorch has Refrain's weights, and the last lines tell how many of its
translations are equal to those of Refrain. The models of eole are those that --prepare-eole trains, so many steps for
each of its engines.
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
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = ["train", "greedy-1", "greedy-32", "beam5-1", "beam5-32"]
EOLE = ["eole", "eole-feed", "eole-wide", "eole-wide-feed"]
TORCH = ["torch", "torch-packed", "torch-compile"]
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
        """Standard output, seconds, and figures: peak memory in MiB, seconds of all threads."""
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - self.began
        if self.process.returncode not in good:
            last = self.log.read_text()[-1500:]
            raise Failed(f"{' '.join(self.command)} ended with {self.process.returncode}: {last}")
        return output, seconds, dict(peak_mib=usage.ru_maxrss / 1024, cpu_s=usage.ru_utime + usage.ru_stime)


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.model = options.model.resolve()
        saved = tomllib.loads((self.model / "model.toml").read_text())
        self.starts = {}
        self.recipe, self.parameters = saved["recipe"], saved["figures"]["parameters"]

    def run(self, command, good=(0,), log="log"):
        return Child(command, self.options.threads, self.folder, log).end(good)

    def text(self, *arguments):
        return self.run([self.options.torch_python, HERE / "translation_text.py", *arguments])[0]

    def prepare(self):
        """Pieces and test sentences: all of them, those that are timed with batches of one, and the first one."""
        self.text("pieces", self.model, self.options.data, "--out", self.folder)
        for name in (f"plain.{TEST}.en", f"plain.{TEST}.de", f"{TEST}.en"):
            rows = (self.folder / name).read_text("utf-8").removesuffix("\n").split("\n")[: self.options.lines]
            for part, count in (("all", len(rows)), ("some", self.options.lines_1), ("one", 1)):
                (self.folder / f"{part}.{name}").write_text("".join(row + "\n" for row in rows[:count]), "utf-8")

    def part(self, batch):
        """Which test sentences are timed with batches of this size."""
        return "some" if batch == "1" else "all"

    def source(self, form, part):
        """The file of test sentences, as text or pieces."""
        return self.folder / (f"{part}.plain.{TEST}.en" if form == "text" else f"{part}.{TEST}.en")

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
        settings = {**self.recipe, "task": "translation"}
        settings["data"] = {**settings["data"], "bpe_dropout": 0.0, "placeholders": 0.0, "capitals": 0.0}
        settings["train"] = {**settings["train"], "log_every": 1}
        recipe = self.folder / "recipe.toml"
        recipe.write_text(toml(settings), "utf-8")
        command = [o.refrain, "train", recipe, "--data", o.data, "--out", run, "--threads", o.threads, "--quiet"]
        child = Child(command, o.threads, self.folder)
        steps = []
        while len(steps) < o.warm + o.steps and child.process.poll() is None:
            time.sleep(0.2)
            written = events.read_text().split("\n")[:-1] if events.exists() else []
            steps = [event for event in map(json.loads, written) if event["event"] == "step"]
        child.process.send_signal(signal.SIGINT)
        _, _, used = child.end((0, 130))
        timed = steps[o.warm : o.warm + o.steps]
        if len(timed) < o.steps:
            raise Failed(f"{o.refrain} took {len(steps)} steps: {child.log.read_text()[-500:]}")
        names = ("target-tokenizer.json", "target-vocabulary.json")
        if any((run / name).read_bytes() != (self.model / name).read_bytes() for name in names):
            raise Failed(f"{o.data} gives another vocabulary than that of {self.model}; give the data of the model")
        tokens, seconds = sum(step["tokens"] for step in timed), sum(step["seconds"] for step in timed)
        sizes = dict(batch_tokens=tokens / len(timed), parameters=self.parameters)
        return used | sizes | dict(tokens_per_second=tokens / seconds)

    def refrain_decode(self, kind, batch):
        o, out = self.options, self.folder / "out"
        command = [o.refrain, "translate", "--model", self.model, "--format", "text", "--threads", o.threads]
        command += ["--beam", width(kind), "--batch", batch, "--out", out]
        figures = self.timed("refrain", lambda part: [*command, self.source("text", part)], batch)
        return figures | self.score("refrain", kind, batch, out)

    def timed(self, engine, command, batch):
        """Figures of all sentences, less the time of one, which is taken once in a round."""
        if (engine, self.round) not in self.starts:
            self.starts[engine, self.round] = self.run(command("one"))[1]
        start = self.starts[engine, self.round]
        _, seconds, used = self.run(command(self.part(batch)))
        count = len(self.source("pieces", self.part(batch)).read_text().splitlines())
        if count < 2 or seconds <= start:
            raise Failed(f"{count} sentences took {seconds:.2f} s, and one {start:.2f} s; give more with --lines")
        return used | dict(sentences_per_second=(count - 1) / (seconds - start), start_s=start)

    def torch(self, engine, kind, batch):
        o, out = self.options, self.folder / "out"
        if (engine == "torch-packed" and kind != "train") or (engine == "torch-compile" and kind == "train"):
            return None
        command = [o.torch_python, HERE / "translation_torch.py"]
        if kind == "train":
            command += ["train", self.model, self.folder, "--steps", o.steps, "--warm", o.warm, "--seed", self.round + 1]
            command += ["--form", "packed" if engine == "torch-packed" else "padded"]
        else:
            command += ["decode", self.model, self.source("text", self.part(batch)), "--beam", width(kind), "--batch", batch, "--out", out]
            command += ["--compile"] if engine == "torch-compile" else []
        output, _, used = self.run([*command, "--threads", o.threads])
        answer = json.loads(output.splitlines()[-1])
        if kind == "train":
            sizes = dict(batch_tokens=answer["tokens"] / o.steps, parameters=self.parameters)
            return used | sizes | dict(tokens_per_second=answer["tokens_per_second"])
        figures = used | dict(sentences_per_second=answer["sentences_per_second"], positions=answer["positions"])
        return figures | self.score(engine, kind, batch, out)

    def eole_config(self, engine, steps, folder):
        """The configuration file of eole's training."""
        model, data, training = self.recipe["model"], self.recipe["data"], self.recipe["train"]
        optimizer, features = training["optimizer"], model["embedding"]
        hidden, layers = (2 * model["encoder"], 1) if "wide" in engine else (features, 2)
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
                input_feed=int(engine.endswith("feed")),
                share_embeddings=True,
                share_decoder_embeddings=hidden == features,
                embeddings=dict(word_vec_size=features, position_encoding_type=None),
                hidden_size=hidden,
                layers=layers,
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
                batch_size=data["batch_tokens"],
                normalization="tokens",
                train_steps=steps,
                valid_steps=10**9,
                save_checkpoint_steps=steps,
                keep_checkpoint=1,
                optim="adamw",
                learning_rate=optimizer["lr"],
                weight_decay=optimizer["weight_decay"],
                adam_beta2=optimizer["betas"][1],
                decay_method="cosine",
                warmup_steps=steps // 25,
                max_grad_norm=training["clip"],
                dropout=[model["dropout"]["embedding"]],
                label_smoothing=self.recipe["loss"]["smoothing"],
            ),
        )
        path = self.folder / f"{engine}.yaml"
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        return path

    def eole_run(self, engine, steps, folder):
        """Target tokens a second and in a batch, both without the first report, and other figures."""
        config = self.eole_config(engine, steps, folder)
        output, _, used = self.run([*self.eole(), "train", "--config", config])
        said = output + (self.folder / "log").read_text()
        reports = re.findall(r"bsz: *[\d.]+/ *([\d.]+)/.*?[\d.]+/ *([\d.]+) tok/s", said)
        # The first one holds the start of the data pipeline.
        reports = [(float(tokens), float(speed)) for tokens, speed in reports[1:]]
        if not reports or not all(tokens and speed for tokens, speed in reports):
            raise Failed(f"eole told no speed: {said[-1500:]}")
        tokens = sum(tokens for tokens, _ in reports)
        speed = tokens / sum(tokens / speed for tokens, speed in reports)
        sizes = dict(batch_tokens=tokens / len(reports), parameters=int(re.search(r"number of parameters: (\d+)", said)[1]))
        return used | sizes | dict(tokens_per_second=speed)

    def eole(self):
        return [self.options.eole_python, "-m", "eole.bin.main"]

    def eole_train(self, engine):
        return self.eole_run(engine, self.options.warm + self.options.steps, self.folder / "eole-run")

    def eole_decode(self, engine, kind, batch):
        o, out, pieces = self.options, self.folder / "out", self.folder / "pieces"
        model = o.eole_models / engine
        if not model.exists():
            raise Failed(f"{model} is not there; --prepare-eole trains it")
        command = [*self.eole(), "predict", "--model_path", model, "--output", pieces, "--beam_size", width(kind)]
        command += ["--batch_size", batch, "--batch_type", "sents", "--max_length", 120, "--length_penalty", "avg"]
        figures = self.timed(engine, lambda part: [*command, "--src", self.source("pieces", part)], batch)
        self.text("join", self.model, pieces, "--out", out)
        return figures | self.score(engine, kind, batch, out)

    def score(self, engine, kind, batch, out):
        """BLEU, both forms; keeps the translations."""
        shutil.copy(out, self.folder / f"hypotheses.{engine}.{kind}-{batch}")
        return json.loads(self.text("score", out, self.folder / f"{self.part(batch)}.plain.{TEST}.de"))


def toml(table, path=()):
    """A table of plain values, lists and tables as TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plain.items()]
    if path:
        lines.insert(0, f"[{'.'.join(map(json.dumps, path))}]\n")
    return "".join(lines) + "".join(toml(value, (*path, key)) for key, value in table.items() if key not in plain)


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
            out.setdefault((row["engine"], row["job"]), {}).setdefault(key, []).append(value)
    return {place: {key: statistics.median(values) for key, values in own.items()} for place, own in out.items()}


def speed(figures):
    return figures.get("tokens_per_second") or figures["sentences_per_second"]


def ratio(rows, engine, job):
    """How many times as fast Refrain is: median over the rounds that both did, or None."""
    by = {(row["engine"], row["round"]): speed(row["figures"]) for row in rows if row["job"] == job}
    both = [by["refrain", number] / own for (name, number), own in by.items() if name == engine and ("refrain", number) in by]
    return statistics.median(both) if both else None


def table(rows, names, options):
    lines = [
        f"Medians of {1 + max((row['round'] for row in rows), default=-1)} rounds, {options.threads} threads. Training in target tokens a second, decoding in "
        "sentences a second.\n",
        "| job | engine | version | speed | Refrain is times as fast | BLEU 13a | BLEU lc tok | peak MiB | start s | parameters |",
        "|---" * 10 + "|",
    ]

    def cell(value, form):
        return "" if value is None else format(value, form)

    found = medians(rows)
    for (engine, job), own in sorted(found.items(), key=lambda entry: (JOBS.index(entry[0][1]), entry[0][0] != "refrain")):
        cells = [job, engine, names[engine], f"{speed(own):,.4g}"]
        cells.append("" if engine == "refrain" else cell(ratio(rows, engine, job), ".2f"))
        forms = dict(bleu=".2f", bleu_lc_tok=".2f", peak_mib=".0f", start_s=".2f", parameters=",.0f")
        cells += [cell(own.get(key), form) for key, form in forms.items()]
        lines.append("| " + " | ".join(cells) + " |")
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
    parser.add_argument("--model", type=Path, required=True, help="a model folder that `refrain train` wrote")
    parser.add_argument("--data", required=True, help="the folder with multi30k/raw")
    parser.add_argument("--refrain", default="target/release/refrain", help="the binary")
    parser.add_argument("--torch-python", default=sys.executable, help="with requirements-translation.txt")
    parser.add_argument("--eole-python", default=sys.executable, help="with eole")
    parser.add_argument("--eole-models", type=Path, default=Path("runs/eole"), help="the folder of eole's trained models")
    parser.add_argument("--prepare-eole", type=int, metavar="STEPS", help="train eole's models by so many steps, and end")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60, help="begin no round that would probably end after so many")
    parser.add_argument("--steps", type=int, default=40, help="timed steps of training")
    parser.add_argument("--warm", type=int, default=10, help="steps before these")
    parser.add_argument("--lines", type=int, default=500, help="test sentences")
    parser.add_argument("--lines-1", type=int, default=100, help="test sentences of the jobs with batches of one")
    parser.add_argument("--out", type=Path, help="append one JSON line per measurement")
    parser.add_argument("--table", type=Path, help="write the table as Markdown")
    parser.add_argument("--keep", type=Path, help="folder for data, logs and translations [default: one that is removed]")
    return parser.parse_args()


def prepare_eole(bench, engines):
    for engine in engines:
        folder = (bench.options.eole_models / engine).resolve()
        began = time.perf_counter()
        figures = bench.eole_run(engine, bench.options.prepare_eole, folder)
        kept = {key: round(value) for key, value in figures.items()}
        print(f"{engine}: {folder}, {time.perf_counter() - began:.0f} s, {kept}", flush=True)


def compare(bench, engines, jobs):
    options, rows, lost = bench.options, [], set()
    names = versions(options)
    began = time.perf_counter()
    for bench.round in range(options.rounds):
        spent = (time.perf_counter() - began) / 60
        if bench.round and spent * (bench.round + 1) / bench.round > options.minutes:
            print(f"# no more rounds: {bench.round} took {spent:.1f} minutes", file=sys.stderr)
            break
        for job in jobs:
            for engine in engines:
                if (engine, job) in lost:
                    continue
                try:
                    figures = bench.measure(engine, job)
                except Failed as error:
                    # The next round tries again: the machine may have been disturbed.
                    print(f"# {engine}, {job}: {error}", file=sys.stderr)
                    continue
                if figures is None:
                    lost.add((engine, job))
                    continue
                row = dict(engine=engine, version=names[engine], job=job, round=bench.round, threads=options.threads, figures=figures)
                rows.append(row)
                print(bench.round, engine, job, {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}, flush=True)
                if options.out:
                    with options.out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    text = table(rows, names, options) + agreement(bench.folder, engines, jobs)
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
        bench.prepare()
        if options.prepare_eole:
            prepare_eole(bench, [engine for engine in engines if engine in EOLE])
        else:
            compare(bench, engines, jobs)


if __name__ == "__main__":
    main()
