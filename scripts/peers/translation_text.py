"""Sentences as the ids of a translation model of Refrain, and back; data of the comparison in `translation.py`.

    python translation_text.py pieces MODEL DATA --out FOLDER     data as BPE pieces, for engines that read files
    python translation_text.py join MODEL PIECES --out FILE       lines of pieces as text
    python translation_text.py score HYPOTHESES REFERENCES        BLEU, as JSON

Covers the forms of the recipe `multi30k-en-de`: NFC, single spaces, case marks. Where a line is to be translated,
numbers of three digits or more are placeholders. The test sentences have no other protected items, such as addresses.
"""

import argparse
import gzip
import json
import re
import tomllib
import unicodedata
from pathlib import Path

CAPITAL, CAPITALS = "\u21e7", "\u21ea"
FIRST, PLACEHOLDERS = 0xE000, 32
NUMBER = re.compile(r"(?<![\w])[0-9]{3,20}(?![\w])")
WORD = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f])+(?:['\u2019](?:[^\W\d_]|[\u0300-\u036f])+)*")
TEST = "test_2016_flickr"
APOSTROPHE = re.compile(r"(['\u2019])")


def marked(word):
    """The word in lower case behind its mark, itself if it is in lower case, or None if it has no marked form."""
    if not any(c.isupper() for c in word):
        return word
    capitals = sum(c.isupper() for c in word) >= 2 and not any(c.islower() for c in word)
    form = (CAPITALS if capitals else CAPITAL) + word.lower()
    return form if with_case(form) == word else None


def marked_parts(match):
    word = match.group()
    whole = marked(word)
    if whole is not None:
        return whole
    form = "".join(part if APOSTROPHE.fullmatch(part) else marked(part) or part for part in APOSTROPHE.split(word))
    return form if with_case(form) == word else word


def with_marks(text):
    return WORD.sub(marked_parts, text)


def with_case(text):
    out, at = [], 0
    while at < len(text):
        c = text[at]
        at += 1
        if c == CAPITAL and at < len(text) and text[at].isalpha():
            out.append(text[at].upper())
            at += 1
        elif c == CAPITALS and (word := WORD.match(text, at)):
            out.append(word.group().upper())
            at = word.end()
        elif c not in (CAPITAL, CAPITALS):
            out.append(c)
    return "".join(out)


class Text:
    """The tokenizer of a model folder, with the marks and placeholders behind its vocabulary."""

    def __init__(self, folder):
        import tokenizers

        folder = Path(folder)
        data = tomllib.loads((folder / "model.toml").read_text("utf-8"))["recipe"]["data"]
        if (data["from"], data["to"]) != ("en", "de") or not data["joint"]:
            raise SystemExit(f"{folder}: this script is for models from English to German with one vocabulary")
        self.longest = data["longest"]
        self.size = json.loads((folder / "target-vocabulary.json").read_text())["size"]
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "target-tokenizer.json"))
        self.size = min(self.size, self.tokenizer.get_vocab_size())
        self.begin, self.end = self.size, self.size + 1
        self.rows = self.size + 2 + PLACEHOLDERS

    def read(self, line, protect=True):
        """A line as ids without the end mark, and the items that its placeholders stand for."""
        items = []

        def item(match):
            if match.group() not in items:
                if len(items) == PLACEHOLDERS:
                    return match.group()
                items.append(match.group())
            return chr(FIRST + items.index(match.group()))

        line = unicodedata.normalize("NFC", line)
        form = with_marks(" ".join((NUMBER.sub(item, line) if protect else line).split()))
        ids = []
        for number, part in enumerate(re.split(f"([{chr(FIRST)}-{chr(FIRST + PLACEHOLDERS - 1)}])", " " + form)):
            if number % 2:
                ids.append(self.size + 2 + ord(part) - FIRST)
            elif part:
                ids += self.tokenizer.encode(part, add_special_tokens=False).ids
        return ids, items

    def write(self, ids, items=()):
        """The line of target ids."""
        text, run = "", []
        for id in [*ids, None]:
            if id is not None and id < self.size:
                run.append(id)
                continue
            text += self.tokenizer.decode(run, skip_special_tokens=False) if run else ""
            run = []
            if id is not None and 0 <= id - self.size - 2 < len(items):
                text += items[id - self.size - 2]
        return with_case(text.removeprefix(" "))


def lines(folder, part, language):
    """The lines of a file of the data set, plain or gzip."""
    path = Path(folder) / "multi30k" / "raw" / f"{part}.{language}"
    text = path.read_text("utf-8") if path.exists() else gzip.open(f"{path}.gz", "rt", encoding="utf-8").read()
    return text.removesuffix("\n").split("\n")


def pairs(text, folder, part, longest):
    """Source ids with their end mark and target ids without, of the pairs of at most `longest` tokens a side."""
    out = []
    for source, target in zip(lines(folder, part, "en"), lines(folder, part, "de"), strict=True):
        source, target = text.read(source, protect=False)[0] + [text.end], text.read(target, protect=False)[0]
        if max(len(source), len(target)) <= longest:
            out.append((source, target))
    return out


def write_pieces(text, data, out):
    """Files of pieces `t7`, the vocabulary of pieces, and the test sentences as they are."""
    out.mkdir(parents=True, exist_ok=True)
    pieces = [f"t{id}" for id in range(text.rows) if id not in (text.begin, text.end)]
    (out / "vocabulary.txt").write_text("".join(f"{piece}\t1\n" for piece in pieces))
    rows = {language: [] for language in ("en", "de")}
    for source, target in pairs(text, data, "train", text.longest):
        rows["en"].append(source[:-1])
        rows["de"].append(target)
    for language, own in rows.items():
        write_rows(out / f"train.{language}", own)
        plain = lines(data, TEST, language)
        write_rows(out / f"{TEST}.{language}", [text.read(line, protect=False)[0] for line in plain])
        (out / f"plain.{TEST}.{language}").write_text("".join(line + "\n" for line in plain), "utf-8")


def write_rows(path, rows):
    path.write_text("".join(" ".join(f"t{id}" for id in row) + "\n" for row in rows))


def read_rows(pieces):
    """Lines of pieces as ids. Words that are no pieces are left out, such as `<unk>`."""
    return [[int(piece[1:]) for piece in line.split() if piece[1:].isdigit()] for line in pieces.split("\n")[:-1]]


def read_pieces(text, folder):
    """The training pairs that `write_pieces` wrote, as `pairs` gives them."""
    source, target = (read_rows((Path(folder) / f"train.{language}").read_text()) for language in ("en", "de"))
    return [(ids + [text.end], other) for ids, other in zip(source, target, strict=True)]


def join(text, pieces):
    """Lines of pieces as text."""
    return "".join(text.write(row) + "\n" for row in read_rows(pieces))


def score(hypotheses, references):
    """BLEU of sacreBLEU, and BLEU of lower-case Moses tokens without smoothing."""
    import sacrebleu
    from sacremoses import MosesPunctNormalizer, MosesTokenizer

    both = [Path(path).read_text("utf-8").removesuffix("\n").split("\n") for path in (hypotheses, references)]
    normal, moses = MosesPunctNormalizer("de"), MosesTokenizer("de")
    cut = [[moses.tokenize(normal.normalize(line.lower()), return_str=True, escape=False) for line in side] for side in both]
    tokens = sacrebleu.corpus_bleu(cut[0], [cut[1]], tokenize="none", smooth_method="none", force=True)
    return dict(bleu=sacrebleu.corpus_bleu(both[0], [both[1]]).score, bleu_lc_tok=tokens.score)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["pieces", "join", "score"])
    parser.add_argument("first", help="a model folder; for score, the translations")
    parser.add_argument("second", help="the folder with multi30k/raw; a file of pieces; the references")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.job == "pieces":
        write_pieces(Text(options.first), options.second, options.out)
    elif options.job == "join":
        options.out.write_text(join(Text(options.first), Path(options.second).read_text()), "utf-8")
    else:
        print(json.dumps(score(options.first, options.second)))


if __name__ == "__main__":
    main()
