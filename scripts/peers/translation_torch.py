"""The translation model of Refrain in PyTorch, as one would write it there for speed on a CPU.

    python translation_torch.py train MODEL PIECES --steps 100         target tokens per second
    python translation_torch.py decode MODEL FILE --beam 5 --batch 32  sentences per second
    python translation_torch.py perplexity MODEL DATA                  perplexity of the validation pairs

MODEL is a folder that `refrain train` wrote, PIECES one that `translation_text.py pieces` wrote. The model's `model.safetensors` is loaded, so at equal search the translations are
equal up to rounding. Prints one JSON object. The configuration is general attention, an LSTM encoder of one layer, an
LSTM decoder of two, one tied vocabulary.

Training: `nn.LSTM` over whole sequences, batched attention, one projection of the rows that count, fused AdamW. The
encoder runs over padded sequences, once ahead and once over sequences that are reversed by their lengths (`--form
padded`), or as a bidirectional layer over packed sequences (`--form packed`). Batches follow the rule of Refrain
(sorted by length within 40 batches' worth of random pairs, at most so many target tokens with padding), but in another
random order. There are no variations (placeholders, capitals).

Decoding: sentences are sorted by length, finished ones leave the batch, and the hypotheses of a sentence share its
memory. The beam search does its bookkeeping in tensors, and ranks ended hypotheses by their mean log-probability, end
mark included. The search of a sentence ends as in Refrain: K hypotheses have ended, and no live one has a higher score
at its present length than the worst of them. A translation has at least one token, and no placeholder that its source
lacks. In one point Refrain differs: it keeps K ended hypotheses of different texts, so it goes on where two of them
read alike. Tokenisation is part of the time.
"""

import argparse
import json
import random
import resource
import time
import tomllib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from translation_text import Text, pairs, read_pieces

SORTED = 40


class Attention(nn.Module):
    def __init__(self, hidden, memory):
        super().__init__()
        self.key = nn.Parameter(torch.empty(hidden, memory))


class Output(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(rows))


class Sources:
    """Padded source ids `[B,S]`, the order that reverses each sequence within its length, and masks."""

    def __init__(self, rows, padding):
        lengths = torch.tensor([len(row) for row in rows])
        self.lengths = lengths
        self.ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, padding)
        position = torch.arange(self.ids.shape[1])
        inside = position < lengths[:, None]
        self.reverse = torch.where(inside, lengths[:, None] - 1 - position, position)
        self.mean = inside / lengths[:, None]
        self.bias = torch.zeros(inside.shape).masked_fill_(~inside, float("-inf"))[:, None]


class Translator(nn.Module):
    def __init__(self, rows, config, form="padded"):
        super().__init__()
        embedding, units, hidden = config["embedding"], config["encoder"], config["decoder"]
        memory = 2 * units
        self.form, self.hidden, self.drop = form, hidden, config["dropout"]
        self.memory_dropout = config["memory_dropout"]
        self.target = nn.Embedding(rows, embedding)
        if form == "packed":
            self.encoder = nn.LSTM(embedding, units, batch_first=True, bidirectional=True)
        else:
            self.ahead = nn.LSTM(embedding, units, batch_first=True)
            self.back = nn.LSTM(embedding, units, batch_first=True)
        self.start = nn.Linear(memory, 2 * hidden)
        self.attention = Attention(hidden, memory)
        self.lower = nn.LSTM(embedding, hidden, batch_first=True)
        self.upper = nn.LSTM(hidden + memory, hidden, batch_first=True)
        self.readout = nn.Linear(hidden + memory, embedding)
        self.output = Output(rows)

    @classmethod
    def load(cls, folder, form="padded"):
        recipe = tomllib.loads((Path(folder) / "model.toml").read_text())["recipe"]
        config, search = recipe["model"], recipe["search"]
        known = dict(cell="lstm", attention="general", encoder_layers=1, decoder_layers=2, tied=True)
        other = {key: config[key] for key, value in known.items() if config[key] != value}
        other |= {key: True for key in ("copy", "coverage", "feeding") if config[key]}
        other |= {key: search[key] for key in ("coverage_penalty", "no_repeat") if search.get(key)}
        if other or not recipe["data"]["joint"]:
            raise SystemExit(f"{folder}: this script has no form for {other or 'two vocabularies'}")
        tensors = load_file(Path(folder) / "model.safetensors")
        model = cls(len(tensors["target.weight"]), config, form)
        if form == "padded":
            for name in [name for name in tensors if name.startswith("encoder.")]:
                ending = name.removeprefix("encoder.")
                side = "back" if ending.endswith("_reverse") else "ahead"
                tensors[f"{side}.{ending.removesuffix('_reverse')}"] = tensors.pop(name)
        model.load_state_dict(tensors)
        return model, recipe

    def thin(self, x, p):
        return F.dropout(x, p, self.training)

    def encode(self, source):
        """Memory `[B,S,C]`, keys `[B,S,H]`, first h of both decoder layers `[1,B,H]`."""
        x = self.target(source.ids)
        if self.training:
            x = x * (torch.rand(*source.ids.shape, 1) >= self.drop["words"])
        x = self.thin(x, self.drop["embedding"])
        if self.form == "packed":
            packed = nn.utils.rnn.pack_padded_sequence(x, source.lengths, True, enforce_sorted=False)
            memory, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0], True)
        else:
            order = source.reverse[:, :, None]
            back, _ = self.back(x.gather(1, order.expand_as(x)))
            memory = torch.cat((self.ahead(x)[0], back.gather(1, order.expand_as(back))), 2)
        memory = self.thin(memory, self.memory_dropout)
        keys = memory @ self.attention.key.T
        mean = torch.bmm(source.mean[:, None], memory)[:, 0]
        first = self.start(mean).tanh()[None].split(self.hidden, 2)
        return memory, keys, [h.contiguous() for h in first]

    def rows(self, source, inputs, counted):
        """Logits of the positions `counted` of `[B,T]`, flat."""
        memory, keys, first = self.encode(source)
        y = self.thin(self.target(inputs), self.drop["embedding"])
        h, _ = self.lower(y, (first[0], torch.zeros_like(first[0])))
        weights = torch.baddbmm(source.bias, h, keys.transpose(1, 2)).softmax(2)
        context = torch.bmm(weights, memory)
        x = self.thin(torch.cat((h, context), 2), self.drop["hidden"])
        h, _ = self.upper(x, (first[1], torch.zeros_like(first[1])))
        joined = torch.cat((h, context), 2).flatten(0, 1)[counted]
        readout = self.thin(self.readout(joined).tanh(), self.drop["output"])
        return F.linear(readout, self.target.weight, self.output.bias)


class Batch:
    """Tensors of pairs."""

    def __init__(self, own, text):
        self.source = Sources([source for source, _ in own], text.end)
        pad = nn.utils.rnn.pad_sequence
        self.inputs = pad([torch.tensor([text.begin, *target]) for _, target in own], True, text.end)
        targets = pad([torch.tensor([*target, text.end]) for _, target in own], True, -1).flatten()
        self.counted = (targets >= 0).nonzero()[:, 0]
        self.targets = targets[self.counted]


def batches(own, most_tokens, most_pairs, seed):
    """Index lists by the rule of Refrain."""
    draw = random.Random(seed)
    order = list(range(len(own)))
    draw.shuffle(order)
    mean = sum(len(target) + 1 for _, target in own) // len(own)
    group = max(1, min(most_tokens // mean, most_pairs)) * SORTED
    out = []
    for start in range(0, len(order), group):
        batch = []
        for number in sorted(order[start : start + group], key=lambda n: (len(own[n][1]), len(own[n][0]))):
            if batch and (len(batch) == most_pairs or (len(batch) + 1) * (len(own[number][1]) + 1) > most_tokens):
                out.append(batch)
                batch = []
            batch.append(number)
        out.append(batch)
    draw.shuffle(out)
    return out


def train(options):
    model, recipe = Translator.load(options.model, options.form)
    text = Text(options.model)
    own = read_pieces(text, options.data)
    settings = recipe["train"]
    optimizer = settings["optimizer"]
    optimizer = torch.optim.AdamW(
        model.parameters(), options.rate, optimizer["betas"], optimizer["eps"], optimizer["weight_decay"], fused=True
    )
    order = batches(own, recipe["data"]["batch_tokens"], settings["batch"], options.seed)
    tokens, loss, began = 0, 0.0, None
    for step in range(options.warm + options.steps):
        if step == options.warm:
            began = time.perf_counter()
        batch = Batch([own[number] for number in order[step % len(order)]], text)
        logits = model.rows(batch.source, batch.inputs, batch.counted)
        value = F.cross_entropy(logits, batch.targets, label_smoothing=recipe["loss"]["smoothing"])
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
        optimizer.step()
        if began:
            tokens += len(batch.targets)
            loss += value.item() * len(batch.targets)
    seconds = time.perf_counter() - began
    return dict(tokens=tokens, seconds=seconds, tokens_per_second=tokens / seconds, loss=loss / tokens)


@torch.inference_mode()
def perplexity(options):
    model, _ = Translator.load(options.model, options.form)
    text = Text(options.model)
    own = pairs(text, options.data, "val", 10**6)
    model.eval()
    nats = count = 0.0
    for start in range(0, len(own), 64):
        batch = Batch(own[start : start + 64], text)
        logits = model.rows(batch.source, batch.inputs, batch.counted)
        nats += F.cross_entropy(logits, batch.targets, reduction="sum").item()
        count += len(batch.targets)
    return dict(perplexity=torch.tensor(nats / count, dtype=torch.float64).exp().item(), tokens=int(count))


class Search:
    """Decoding, a step of all live hypotheses at a time."""

    def __init__(self, model, text, search, compiled):
        self.model, self.text, self.search = model.eval(), text, search
        self.alpha = search["length_penalty"]
        self.embedding, self.bias = model.target.weight, model.output.bias
        self.cells = [
            [getattr(own, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            for own in (model.lower, model.upper)
        ]
        self.step = torch.compile(self.plain_step, dynamic=True) if compiled else self.plain_step
        self.positions = 0

    def plain_step(self, token, state, memory, keys, bias):
        """Logits `[B·K,V]` and the state behind the tokens `[B·K]`; `memory` is of B sentences."""
        h1, c1, h2, c2 = state
        h1, c1 = torch.lstm_cell(F.embedding(token, self.embedding), (h1, c1), *self.cells[0])
        weights = torch.baddbmm(bias, h1.view(len(memory), -1, h1.shape[1]), keys).softmax(2)
        context = torch.bmm(weights, memory).flatten(0, 1)
        h2, c2 = torch.lstm_cell(torch.cat((h1, context), 1), (h2, c2), *self.cells[1])
        readout = self.model.readout(torch.cat((h2, context), 1)).tanh()
        return F.linear(readout, self.embedding, self.bias), [h1, c1, h2, c2]

    def begin(self, rows, items):
        """Length limits, the tensors of the sentences, and the first state."""
        source = Sources(rows, self.text.end)
        memory, keys, first = self.model.encode(source)
        h1, h2 = (h[0] for h in first)
        rule = source.lengths * self.search["most_per_token"] + self.search["most_beyond"]
        limit = rule.long().clamp(1, 512)
        fixed = [memory, keys.transpose(1, 2).contiguous(), source.bias, self.banned(items)]
        return limit, fixed, [h1, torch.zeros_like(h1), h2, torch.zeros_like(h2)]

    def banned(self, items):
        """0 or −∞ to add to the marks and placeholders `[B,34]`, which stand behind the pieces."""
        out = torch.zeros(len(items), self.text.rows - self.text.size)
        out[:, 0] = float("-inf")
        for row, count in zip(out, items):
            row[2 + count :] = float("-inf")
        return out

    def allowed(self, scores, banned, length):
        """The scores `[B·K,V]`, with −∞ for tokens that may not come."""
        tail = scores.view(len(banned), -1, scores.shape[1])[:, :, self.text.size :]
        tail += banned[:, None]
        if length == 1:
            tail[:, :, 1] = float("-inf")
        return scores

    def greedy(self, rows, items):
        limit, fixed, state = self.begin(rows, items)
        out = [[] for _ in rows]
        alive = torch.arange(len(rows))
        token = torch.full((len(rows),), self.text.begin)
        for length in range(1, int(limit.max()) + 1):
            self.positions += len(token)
            logits, state = self.step(token, state, *fixed[:3])
            token = self.allowed(logits, fixed[3], length).argmax(1)
            done = token == self.text.end
            for number, id in zip(alive.tolist(), token.tolist()):
                if id != self.text.end:
                    out[number].append(id)
            done |= limit == length
            if done.any():
                keep = (~done).nonzero()[:, 0]
                if not len(keep):
                    break
                token, alive, limit = token[keep], alive[keep], limit[keep]
                state, fixed = [own[keep] for own in state], [own[keep] for own in fixed]
        return out

    def beam(self, rows, items, width):
        limit, fixed, state = self.begin(rows, items)
        state = [own.repeat_interleave(width, 0) for own in state]
        out = [[] for _ in rows]
        count, most, minus = len(rows), int(limit.max()), float("-inf")
        alive = torch.arange(count)
        sums = torch.full((count, width), minus, dtype=torch.float64)
        sums[:, 0] = 0.0
        history = torch.zeros(count, width, most, dtype=torch.long)
        ended = torch.full((count, width), minus, dtype=torch.float64)
        ended_lengths, ended_history = torch.zeros(count, width, dtype=torch.long), history.clone()
        token = torch.full((count * width,), self.text.begin)
        ranks = torch.arange(2 * width)
        for length in range(1, most + 1):
            self.positions += len(token)
            count = len(alive)
            logits, state = self.step(token, state, *fixed[:3])
            logs = self.allowed(logits.log_softmax(1), fixed[3], length)
            values, tokens = logs.topk(2 * width, 1)
            scores = (values.view(count, width, -1) + sums[:, :, None]).flatten(1)
            best, place = scores.topk(2 * width, 1)
            parent = place // (2 * width)
            token = tokens.view(count, -1).gather(1, place)
            ends = token == self.text.end
            hit = ends[:, :width] & (best[:, :width] > minus)
            if hit.any():
                own = (best[:, :width] / length**self.alpha).masked_fill(~hit, minus)
                ended, chosen = torch.cat((ended, own), 1).topk(width, 1)
                lengths = torch.full_like(ended_lengths, length - 1)
                ended_lengths = torch.cat((ended_lengths, lengths), 1).gather(1, chosen)
                before = history.gather(1, parent[:, :width, None].expand(-1, -1, most))
                ended_history = torch.cat((ended_history, before), 1).gather(1, chosen[:, :, None].expand(-1, -1, most))
            # The first `width` candidates that go on, best first.
            order = (ranks + ends * 2 * width).topk(width, 1, largest=False).indices
            sums, parent, token = best.gather(1, order), parent.gather(1, order), token.gather(1, order)
            flat = (torch.arange(count)[:, None] * width + parent).flatten()
            state = [own[flat] for own in state]
            history[:, :, : length - 1] = history[:, :, : length - 1].gather(1, parent[:, :, None].expand(-1, -1, length - 1))
            history[:, :, length - 1] = token
            token = token.flatten()
            live, worst = sums.max(1).values / length**self.alpha, ended[:, -1]
            done = ((worst > minus) & (live <= worst)) | (limit == length)
            if done.any():
                for row in done.nonzero()[:, 0].tolist():
                    if ended[row, 0] > minus:
                        ids = ended_history[row, 0, : ended_lengths[row, 0]]
                    else:
                        ids = history[row, sums[row].argmax(), :length]
                    out[int(alive[row])] = ids.tolist()
                keep = (~done).nonzero()[:, 0]
                if not len(keep):
                    break
                flat = (keep[:, None] * width + torch.arange(width)).flatten()
                state, token = [own[flat] for own in state], token[flat]
                fixed = [own[keep] for own in fixed]
                alive, limit, sums, history = alive[keep], limit[keep], sums[keep], history[keep]
                ended, ended_lengths, ended_history = ended[keep], ended_lengths[keep], ended_history[keep]
        return out

    @torch.inference_mode()
    def translate(self, all_lines, width, batch):
        """Translations of lines; blank ones stay."""
        read = [self.text.read(line) for line in all_lines]
        order = sorted((n for n, (ids, _) in enumerate(read) if ids), key=lambda n: len(read[n][0]))
        out = list(all_lines)
        for start in range(0, len(order), batch):
            numbers = order[start : start + batch]
            rows = [read[n][0] + [self.text.end] for n in numbers]
            items = [len(read[n][1]) for n in numbers]
            found = self.greedy(rows, items) if width == 1 else self.beam(rows, items, width)
            for n, ids in zip(numbers, found):
                out[n] = self.text.write(ids, read[n][1])
        return out


def decode(options):
    model, recipe = Translator.load(options.model)
    text = Text(options.model)
    search = Search(model, text, recipe["search"], options.compile)
    source = Path(options.data).read_text("utf-8").removesuffix("\n").split("\n")
    warm = source if options.compile else source[: 2 * options.batch]
    search.translate(warm, options.beam, options.batch)
    search.positions = 0
    began = time.perf_counter()
    out = search.translate(source, options.beam, options.batch)
    seconds = time.perf_counter() - began
    if options.out:
        Path(options.out).write_text("".join(line + "\n" for line in out), "utf-8")
    return dict(sentences=len(source), seconds=seconds, sentences_per_second=len(source) / seconds, positions=search.positions)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["train", "decode", "perplexity"])
    parser.add_argument("model")
    parser.add_argument("data", help="train: a folder of pieces; decode: a file of plain lines; perplexity: the folder with multi30k/raw")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--form", choices=["padded", "packed"], default="padded", help="of the encoder in training")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warm", type=int, default=10, help="steps before the timed ones")
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--compile", action="store_true", help="torch.compile for the step of decoding")
    parser.add_argument("--out", help="file for the translations")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    answer = {"train": train, "decode": decode, "perplexity": perplexity}[options.job](options)
    answer |= dict(version=torch.__version__, peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
