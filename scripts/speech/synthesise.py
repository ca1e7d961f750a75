#!/usr/bin/env python3
"""Makes the corpus of the English speech models with espeak-ng (Debian package espeak-ng; needed for nothing else).

    python3 scripts/speech/synthesise.py data/english

Writes DIR/train, DIR/val and DIR/test, each a table (.tsv: file, voice, sentence) and an archive of WAV files (.tar),
the form that `refrain train english` reads. Sentences come from sentences.py. No sentence and no voice is in two parts.
The same arguments and the same espeak-ng make the same corpus. Noise, rooms, other tempos and pitches are added during
training, see the recipe.
"""

import argparse
import io
import pathlib
import random
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor

import sentences

ACCENTS = ["en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"]
VOICES = {
    "train": """Alex Alicia Andrea Andy Annie AnxiousAndy Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Mike Nguyen RicishayMax Storm Tweaky
        adam anika announcer antonio aunty benjamin boris caleb david ed edward f1 f2 f4 f5 grandma grandpa gustave iven iven3 kaukovalta klatt klatt2
        klatt4 m1 m2 m3 m5 m6 m7 max miguel norbert pablo paul quincy rob robert sandro shelby steph steph3 travis victor""".split(),
    "val": "f3 m4 belinda michel klatt3 Gene2".split(),
    "test": "linda john steph2 m8 marcelo pedro iven2 zac".split(),
}


def say(sentence):
    """Text for espeak-ng: the letters of a spelled word by their names, the article "a" as a word."""
    words = sentence.split()
    single = [len(word) == 1 and word != "I" for word in words]
    for i, word in enumerate(words):
        beside = single[max(i - 1, 0) : i] + single[i + 1 : i + 2]
        if single[i] and word == "a" and any(beside):
            words[i] = "[[eI]]"
    return " ".join(words)


def synthesise(job):
    sentence, voice, speed, pitch, loudness = job
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-a", str(loudness), "--stdout", say(sentence)]
    sound = subprocess.run(command, check=True, capture_output=True).stdout
    # espeak-ng writes the header to a pipe before it knows the length.
    size = len(sound)
    return sound[:4] + (size - 8).to_bytes(4, "little") + sound[8:40] + (size - 44).to_bytes(4, "little") + sound[44:]


def write(folder, part, lines, seed, threads):
    chosen = random.Random(seed)
    jobs = []
    for line in lines:
        voice = chosen.choice(VOICES[part])
        jobs.append((line, f"{chosen.choice(ACCENTS)}+{voice}", chosen.randrange(110, 201), chosen.randrange(20, 81), chosen.randrange(40, 121)))
    seconds = 0.0
    with tarfile.open(folder / f"{part}.tar", "w", format=tarfile.USTAR_FORMAT) as archive, ThreadPoolExecutor(threads) as pool:
        with open(folder / f"{part}.tsv", "w", encoding="utf-8") as table:
            for number, (job, sound) in enumerate(zip(jobs, pool.map(synthesise, jobs))):
                entry = tarfile.TarInfo(f"{number:05}.wav")
                entry.size = len(sound)
                archive.addfile(entry, io.BytesIO(sound))
                table.write(f"{entry.name}\t{job[1]}\t{job[0]}\n")
                seconds += (len(sound) - 44) / 2 / 22_050
    print(f"{part}: {len(jobs)} sentences, {seconds / 60:.1f} minutes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="folder to make")
    parser.add_argument("--sentences", type=int, default=8000, help="sentences of the training part [default: 8000]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sizes = {"train": arguments.sentences, "val": 200, "test": 300}
    everything = sentences.sentences(sum(sizes.values()), arguments.seed)
    random.Random(arguments.seed).shuffle(everything)
    for number, (part, size) in enumerate(sizes.items()):
        lines, everything = everything[:size], everything[size:]
        write(arguments.folder, part, lines, arguments.seed * 10 + number, arguments.threads)
