#!/usr/bin/env python3
"""Line images with their texts, and the answers of Tesseract for them.

    python tesseract_lines.py archive DATA/uw3_500/lines OUT --lang eng
    python tesseract_lines.py receipts DATA/sroie/val OUT --lang eng --psm 7 --fold
    python tesseract_lines.py words WORDS OUT --lang deu --fonts FONT... [--lines 200] [--seed 1]

The first form takes an archive NAME.tar with NAME.tsv (file, text); the second a folder of pages with NAME.csv (eight
coordinates and the text of each line); the third draws lines of random words of a text file and degrades them mildly
(size, blur, contrast, noise, JPEG). Needs Pillow and NumPy (made with Pillow 13.0.0 and NumPy 2.4.6). All write
OUT/NNNN.png for Tesseract, the same pixels as OUT/NNNN.pgm (grey, on white), and the table OUT/lines.tsv: file, text,
answer of `tesseract --oem 1` (5.3.0). They print the share of wrong characters and of right lines, and the seconds of
one process with one thread (OMP_THREAD_LIMIT=1) for all lines and for the first one alone: their difference is the
steady state. Quotation marks and dashes are compared in their plain forms; with --fold, capitals are small letters.
`cargo run --release -p refrain-tesseract --example lines` reads OUT.
"""

import argparse
import io
import os
import random
import subprocess
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def grey(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("L")


def archive(name):
    texts = dict(line.split("\t") for line in Path(f"{name}.tsv").read_text("utf-8").splitlines())
    with tarfile.open(f"{name}.tar") as members:
        for member in members:
            image = Image.open(io.BytesIO(members.extractfile(member).read()))
            yield grey(image), texts[member.name]


def receipts(folder):
    for table in sorted(folder.glob("*.csv")):
        page = grey(Image.open(table.with_suffix(".jpg")))
        for line in table.read_text("utf-8").splitlines():
            *places, text = line.split(",", 8)
            if len(places) == 8 and text.strip():
                x, y = [int(float(p)) for p in places[0::2]], [int(float(p)) for p in places[1::2]]
                yield page.crop((max(min(x), 0), max(min(y), 0), max(x), max(y))), text


def words(file, fonts, count, seed):
    draw = random.Random(seed)
    noise = np.random.default_rng(seed)
    vocabulary = sorted(set(file.read_text("utf-8").split()))
    for _ in range(count):
        parts = [draw.choice(vocabulary) for _ in range(draw.randint(3, 7))]
        for i in range(len(parts)):
            if parts[i][-1].isalpha() and draw.random() < 0.15:
                parts[i] += draw.choice(",.;:!?")
            if draw.random() < 0.05:
                parts[i] = str(draw.randint(1, 2100))
        text = " ".join(parts)
        font = ImageFont.truetype(draw.choice(fonts), draw.randint(22, 48))
        left, top, right, bottom = font.getbbox(text)
        pad = [draw.randint(3, 9) for _ in range(4)]
        size = (right - left + pad[0] + pad[2], bottom - top + pad[1] + pad[3])
        paper, ink = draw.randint(215, 255), draw.randint(0, 90)
        image = Image.new("L", size, paper)
        ImageDraw.Draw(image).text((pad[0] - left, pad[1] - top), text, font=font, fill=ink)
        image = image.filter(ImageFilter.GaussianBlur(draw.uniform(0, 1.0)))
        pixels = np.asarray(image, np.float32) + noise.normal(0, draw.uniform(0, 12), image.size[::-1])
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=draw.randint(40, 95))
        yield Image.open(packed).convert("L"), text


def tesseract(files, lang, psm):
    listing = files[0].parent / "list.txt"
    listing.write_text("".join(f"{file}\n" for file in files))
    command = ["tesseract", str(listing), "-", "-l", lang, "--psm", psm, "--oem", "1"]
    start = time.monotonic()
    run = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_THREAD_LIMIT": "1"}
    )
    seconds = time.monotonic() - start
    answers = [page.replace("\n", " ").replace("\t", " ").strip() for page in run.stdout.split("\f")[: len(files)]]
    return answers, seconds


MARKS = str.maketrans({**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’‚`´", "'"), **dict.fromkeys("–—‐−", "-")})


def compared(text, fold):
    text = " ".join(text.translate(MARKS).replace("''", '"').split())
    return text.upper() if fold else text


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["archive", "receipts", "words"])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--fonts", nargs="+")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--psm", default="13", help="page mode: 7 is a line, 8 a word, 13 a line as it is")
    parser.add_argument("--fold", action="store_true", help="capitals and small letters are the same")
    args = parser.parse_args()
    if args.kind == "words":
        lines = words(args.source, args.fonts, args.lines, args.seed)
    else:
        lines = {"archive": archive, "receipts": receipts}[args.kind](args.source)
    args.out.mkdir(parents=True, exist_ok=True)
    files, texts = [], []
    for number, (image, text) in enumerate(lines):
        file = args.out / f"{number:04}.png"
        image.save(file)
        image.save(file.with_suffix(".pgm"))
        files.append(file)
        texts.append(text)
    _, first = tesseract(files[:1], args.lang, args.psm)
    answers, seconds = tesseract(files, args.lang, args.psm)
    with open(args.out / "lines.tsv", "w", encoding="utf-8") as table:
        for file, text, answer in zip(files, texts, answers, strict=True):
            table.write(f"{file.with_suffix('.pgm').name}\t{text}\t{answer}\n")
    pairs = [(compared(text, args.fold), compared(answer, args.fold)) for text, answer in zip(texts, answers)]
    wrong = sum(distance(a, b) for a, b in pairs) / sum(len(a) for a, _ in pairs)
    right = sum(a == b for a, b in pairs) / len(pairs)
    print(f"psm {args.psm}: {100 * wrong:.2f}% of the characters wrong, {100 * right:.1f}% of the lines right")
    print(f"{len(files)} lines in {seconds:.2f} s, the first alone in {first:.2f} s")


if __name__ == "__main__":
    main()
