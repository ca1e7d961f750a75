#!/usr/bin/env python3
"""Runs a command and draws its output as an animated SVG of a terminal. Needs Python's standard library only.

    python3 scripts/docs/record.py --out docs/train.svg --prompt "refrain train" -- target/release/refrain train --out runs/train-svg

The picture shows the text that the command printed, line by line in the order in which it came. Waiting is shortened, so
that the whole run takes SECONDS. A viewer without animation shows the end of the run.
"""

import argparse
import html
import re
import subprocess
import sys
import textwrap
import time

CHARACTER, LINE, MARGIN, TOP = 8.4, 19, 16, 40
STYLE = "font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def record(command):
    """Runs the command: seconds since its start and text of each line, and the exit status."""
    began, lines = time.monotonic(), []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append((time.monotonic() - began, ESCAPES.sub("", line.rstrip("\n"))))
    return lines, process.wait()


def times(lines, seconds):
    """When each line appears: long waits are shortened most, and the whole run takes `seconds`."""
    waits, before = [], 0.0
    for at, _ in lines:
        waits.append(0.05 + max(at - before, 0.0) ** 0.5)
        before = at
    scale, at, out = seconds / sum(waits), 0.0, []
    for wait in waits:
        at += wait * scale
        out.append(at)
    return out


def draw(lines, options):
    """The SVG: a window with the prompt and the lines, hidden until their time comes."""
    rows = [(0.0, f"$ {options.prompt}", "#7ee787")]
    for (_, text), at in zip(lines, times(lines, options.seconds)):
        parts = textwrap.wrap(text, options.columns, drop_whitespace=False) or [""]
        rows += [(at, part, "#e6edf3") for part in parts]
    width = round(options.columns * CHARACTER + 2 * MARGIN)
    height = TOP + len(rows) * LINE + MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{html.escape(options.prompt)}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
    ]
    out += [f'<circle cx="{20 + 18 * i}" cy="18" r="5.5" fill="{fill}"/>' for i, fill in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))]
    out.append(f'<g style="{STYLE}" xml:space="preserve">')
    for number, (at, text, fill) in enumerate(rows):
        hidden = f'<set attributeName="visibility" to="hidden" begin="0s" dur="{at:.2f}s"/>' if at else ""
        y = TOP + (number + 1) * LINE - 5
        out.append(f'<text x="{MARGIN}" y="{y}" fill="{fill}">{html.escape(text)}{hidden}</text>')
    return "\n".join([*out, "</g>", "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="FILE.svg")
    parser.add_argument("--prompt", help="the command as the picture shows it")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of the animation")
    parser.add_argument("--columns", type=int, default=100, help="width of the terminal")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command")
    options = parser.parse_args()
    command = [word for word in options.command if word != "--"]
    if not command:
        parser.error("there is no command; write it after --")
    options.prompt = options.prompt or " ".join(command)
    lines, status = record(command)
    if status != 0 or not lines:
        sys.exit(f"the command ended with {status} and {len(lines)} lines; nothing was drawn")
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(draw(lines, options))


if __name__ == "__main__":
    main()
