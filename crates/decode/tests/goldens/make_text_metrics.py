"""Golden values of the metrics of text: writes text_metrics.json beside this file.

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4
    python crates/decode/tests/goldens/make_text_metrics.py

The sentences are our own. Random lines come from Python's generator with a fixed seed. The paired bootstrap runs
sacreBLEU's own code on the lines that our generator (SplitMix64) draws. Two runs write the same bytes.
"""

import json
import math
import random
from pathlib import Path
from unittest import mock

import nltk
import numpy as np
import sacrebleu
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

assert sacrebleu.__version__ == "2.6.0" and nltk.__version__ == "3.10.4"

MASK = (1 << 64) - 1

# (name, [(reference, hypothesis), ...])
PARTS = [
    ("english", [
        ("The old bridge was closed for repairs last winter.", "The old bridge was shut for repairs during the winter."),
        ("She didn't say whether she'd come back on Monday.", "She did not say if she would come back Monday."),
        ("Nobody in the village remembers the name of the well.", "Nobody in the village remembers the well's name."),
        ("\"Wait for me,\" he said, \"I'll only be a minute!\"", "\"Wait for me\", he said, \"I will be only a minute.\""),
        ("We planted beans, peas and a row of sunflowers.", "We planted beans, peas and a row of sunflowers."),
        ("The the the report is, in short, wrong.", "the the the the the the report"),
        ("A state-of-the-art pump moves water up-hill.", "A state of the art pump moves water uphill."),
        ("Don't touch the rock 'n' roll records.", "Do n't touch the rock ' n ' roll records ."),
        ("He paid (far too much) for it; she laughed.", "He paid far too much for it: she laughed."),
        ("Is this seat taken?", "Is that chair free?"),
    ]),
    ("german", [
        ("Der Zug nach München fährt heute leider nicht.", "Der Zug nach München fällt heute leider aus."),
        ("Die Straßenbahn hält vor dem großen Kaufhaus.", "Die Strassenbahn hält vor dem grossen Kaufhaus."),
        ("Übermorgen öffnet die Bäckerei erst um halb neun.", "Die Bäckerei öffnet übermorgen erst um halb neun."),
        ("„Komm doch mit“, rief sie, „es wird schön!“", "\"Komm doch mit\", rief sie, \"es wird schön!\""),
        ("Das Donaudampfschiff legte pünktlich an.", "Das Dampfschiff auf der Donau kam pünktlich an."),
        ("ÄPFEL UND NÜSSE LIEGEN IM KORB.", "Äpfel und Nüsse liegen im Korb."),
        ("Er las das Buch, das sie ihm geschenkt hatte, zweimal.", "Er las zweimal das Buch, das sie ihm schenkte."),
    ]),
    ("french", [
        ("L'été dernier, nous avons marché jusqu'à la mer.", "L’été dernier nous avons marché jusqu’à la mer."),
        ("Où as-tu rangé les clés de la cave ?", "Où as-tu mis les clefs de la cave?"),
        ("« Ce n'est rien », répondit-elle en souriant.", "\"Ce n'est rien\", a-t-elle répondu en souriant."),
        ("Le garçon a mangé trois crêpes à la confiture.", "Le garçon a mangé trois crêpes avec de la confiture."),
        ("Il pleut ; prends ton parapluie !", "Il pleut, prends ton parapluie !"),
        ("Aujourd'hui, c'est l'anniversaire de ma sœur.", "C'est l'anniversaire de ma soeur aujourd'hui."),
    ]),
    ("japanese", [
        ("昨日は友だちと川へ釣りに行きました。", "昨日、友達と川に釣りに行った。"),
        ("このパンは朝に焼いたばかりです。", "このパンは今朝焼いたばかりです。"),
        ("駅まで歩いて十五分かかります。", "駅まで歩いて１５分かかります。"),
        ("「静かにして」と先生が言った。", "先生は「静かに」と言いました。"),
        ("私 は 毎朝 犬 と 散歩 し ます 。", "私 は 毎朝 犬 と 公園 を 散歩 する 。"),
        ("雪　が　ふる　夜", "雪　が　降る　夜"),
    ]),
    ("other scripts", [
        ("Сегодня вечером мы поём старые песни.", "Сегодня мы поём вечером старые песни."),
        ("내일은 비가 올 것 같아요.", "내일 비가 올 것 같습니다."),
        ("ΟΔΟΣ ΤΩΝ ΣΟΦΩΝ", "οδος των σοφων"),
        ("İstanbul'da kış ılık geçti.", "Istanbul'da kış ilik geçti."),
        ("Tối nay trời sẽ mưa to.", "Tối nay trời mưa rất to."),
        ("مرحبا بكم في مدينتنا.", "مرحبا بك في مدينتنا."),
    ]),
    ("symbols", [
        ("Tom &amp; Jerry said &quot;no&quot; &lt;twice&gt;.", "Tom & Jerry said \"no\" <twice>."),
        ("Write &amp;lt; for a smaller sign &amp; &#39; for a quote.", "Write &lt; for a smaller sign & ' for a quote."),
        ("The <skipped> part is <b>bold</b>.", "The part is <b>bold</b>."),
        ("It cost 1,234.56 euros, not 1.234,56.", "It cost 1,234.56 euro, not 1234.56."),
        ("Version 2.0.1 came out on 3.4.2019, at 10:45.", "Version 2.0.1 came out on 3.4.2019 at 10.45."),
        ("Between 1990-1995 about 3-4% left; -5 degrees.", "From 1990 to 1995 some 3-4 % left; -5 degrees."),
        ("Room B-12, block 7-A, e-mail: ann@home.example/x_y", "Room B-12, block 7-A, mail ann@home.example/x_y"),
        ("Wait... what?! No!!! (Really?)", "Wait… what? No! (Really?)"),
        (".5 litres, 5. floor, 5,. 6.,7 ,8", ".5 litres , 5 . floor, 5,. 6.,7 , 8"),
        ("a – b — c ‐ d − e “f” ‘g’ …", "a - b -- c - d - e \"f\" 'g' ..."),
        ("100%*[x]^{2}|~`y`\\z#$+=_", "100 % * [ x ] ^ { 2 } | ~ ` y ` \\ z # $ + = _"),
        ("tab\there and\u00a0there\u2003and\u3000everywhere\u200b!", "tab here and there and everywhere!"),
        ("separators\u001cof\u001dfour\u001ekinds\u001fend\u0085now", "separators of four kinds end now"),
        ("e\u0301te\u0301 is not \u00e9t\u00e9 \U0001f44d\U0001f3fd 👩‍🚀", "\u00e9t\u00e9 is not e\u0301te\u0301 👍🏽 👩‍🚀"),
        ("\u212a is kelvin, \u017f is long s", "k is kelvin, s is long s"),
    ]),
    ("short", [
        ("Yes.", "Yes."), ("No", "Yes"), ("Good night", "Good night"), ("Thank you very much", "Thank you much"),
        (".", "."), ("-", "--"), ("42", "42."), ("one two three", "one two three"), ("a", "a a a a a"),
    ]),
    ("empty", [
        ("", ""), ("", "something out of nothing"), ("nothing came out of this line", ""), ("   ", "\u3000"), ("...", ""),
    ]),
    ("long", [
        ("A short answer.", " ".join(f"word{i % 17}, and" for i in range(120)) + " a short answer."),
        (" ".join(f"item {i};" for i in range(90)), "item 1; item 2; item 3;"),
        ("the cat sat on the mat " * 20, "the cat sat on a mat " * 19),
    ]),
    ("identical", [
        ("Every word of this line is right.", "Every word of this line is right."),
        ("Auch diese Zeile stimmt, Wort für Wort.", "Auch diese Zeile stimmt, Wort für Wort."),
    ]),
]


def nltk_bleu(order, references, hypotheses):
    weights = {1: [1, 0, 0, 0], 2: [0.5, 0.5, 0, 0]}[order]
    smoothing = SmoothingFunction().method7
    scores = [
        sentence_bleu([r.split() for r in rs], h.split(), smoothing_function=smoothing, weights=weights)
        for rs, h in zip(references, hypotheses)
    ]
    return math.fsum(float(s) for s in scores) / len(scores)


def distinct(order, hypotheses):
    grams = [tuple(w[i:i + order]) for w in map(str.split, hypotheses) for i in range(len(w) - order + 1)]
    return len(set(grams)) / len(grams) if grams else None


def rouge_l(references, hypotheses):
    scorer = RougeScorer(["rougeL"])
    scores = [scorer.score_multi(rs, h)["rougeL"].fmeasure for rs, h in zip(references, hypotheses)]
    return math.fsum(scores) / len(scores)


SACRE = {
    "bleu": lambda: BLEU(),
    "bleu-lc": lambda: BLEU(lowercase=True),
    "multi-bleu": lambda: BLEU(tokenize="none", smooth_method="none", force=True),
    "multi-bleu-lc": lambda: BLEU(tokenize="none", smooth_method="none", force=True, lowercase=True),
    "chrf": lambda: CHRF(),
    "chrf++": lambda: CHRF(word_order=2),
}


def case(name, references, hypotheses):
    """references: a list of references for each line; every line has as many."""
    streams = [list(stream) for stream in zip(*references)]
    values, details, signatures = {}, {}, {}
    for metric, make in SACRE.items():
        scorer = make()
        score = scorer.corpus_score(list(hypotheses), streams)
        values[metric] = score.score
        signatures[metric] = str(scorer.get_signature()).rsplit("|version:", 1)[0]
        if metric in ("bleu", "multi-bleu"):
            details[metric] = {
                "precisions": score.precisions, "brevity_penalty": score.bp,
                "hypothesis": score.sys_len, "reference": score.ref_len,
            }
    values["rouge-l"] = rouge_l(references, hypotheses)
    for order in (1, 2):
        values[f"dialogue-bleu-{order}"] = nltk_bleu(order, references, hypotheses)
        values[f"distinct-{order}"] = distinct(order, hypotheses)
    return {
        "name": name, "references": references, "hypotheses": list(hypotheses),
        "values": values, "details": details, "signatures": signatures,
    }


def random_lines(rng, count):
    pieces = list("aAbé9 05.,-'\"&<>!/\\ ß語。…")
    pieces += [" ", "  ", "&amp;", "&lt;", "&quot;", "<skipped>", "the", "cat", "-\n", "\n", "\t", "\u3000"]
    return ["".join(rng.choice(pieces) for _ in range(rng.randrange(0, 24))) for _ in range(count)]


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class OurDraws:
    """Stands for numpy's generator: draws the lines that `SplitMix64::below` draws."""

    def __init__(self, seed):
        self.state = mix(seed ^ 0x5265667261696E00)

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return (mix(self.state) * n) >> 64

    def choice(self, n, size, replace):
        assert replace
        return np.array([[self.below(n) for _ in range(size[1])] for _ in range(size[0])])


def paired(references, hypotheses, others, seed, resamples):
    out = {}
    for name in ("bleu", "multi-bleu", "chrf", "chrf++"):
        with mock.patch.object(np.random, "default_rng", OurDraws), \
                mock.patch.dict("os.environ", {"SACREBLEU_SEED": str(seed)}):
            test = PairedTest([("other", others), ("own", hypotheses)], {name: SACRE[name]()}, [references],
                              test_type="bs", n_samples=resamples)
            signatures, scores = test()
        (metric,) = signatures
        other, own = scores[metric]
        out[name] = {
            "signature": str(signatures[metric]).rsplit("|version:", 1)[0],
            "p": own.p_value,
            "own": [own.score, float(own.mean), float(own.ci)],
            "other": [other.score, float(other.mean), float(other.ci)],
        }
    return {"seed": seed, "resamples": resamples, "references": references, "hypotheses": hypotheses,
            "others": others, "metrics": out}


def spoiled(rng, line):
    """The line with some words left out, doubled or exchanged."""
    words = []
    for word in line.split():
        chance = rng.random()
        if chance < 0.15:
            continue
        words += [word, word] if chance < 0.22 else [word]
    if len(words) > 2 and rng.random() < 0.5:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def text(goldens):
    """JSON with a line for each entry."""
    def short(value):
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"))

    def entry(value):
        return "[\n" + ",\n".join(map(short, value)) + "\n]" if isinstance(value, list) else short(value)

    return "{\n" + ",\n".join(f"{short(key)}:{entry(value)}" for key, value in goldens.items()) + "\n}\n"


def main():
    rng = random.Random(20)
    cases = []
    everything = [pair for _, pairs in PARTS for pair in pairs]
    for name, pairs in PARTS + [("everything", everything)]:
        cases.append(case(name, [[r] for r, _ in pairs], [h for _, h in pairs]))
    # Each line as a text of its own.
    for number, (reference, hypothesis) in enumerate(everything):
        cases.append(case(f"line {number + 1}", [[reference]], [hypothesis]))
    # Several references: one more, and two more of lengths around that of the hypothesis.
    english = dict(PARTS)["english"] + dict(PARTS)["symbols"] + dict(PARTS)["short"]
    two = [[r, spoiled(rng, h)] for r, h in english]
    cases.append(case("two references", two, [h for _, h in english]))
    three = [[spoiled(rng, r), h + " and more", r] for r, h in english]
    cases.append(case("three references", three, [spoiled(rng, h) for _, h in english]))
    for size in (1, 3, 40):
        for number in range(6):
            lines = [random_lines(rng, size) for _ in range(3)]
            cases.append(case(f"random {size}.{number}", [list(rs) for rs in zip(*lines[:2])], lines[2]))

    tokens = random_lines(rng, 300) + [line for pair in everything for line in pair]
    tokenize = BLEU().tokenizer
    references = [r for r, _ in everything if r.strip()]
    goldens = {
        "made_by": "make_text_metrics.py: sacrebleu 2.6.0, rouge-score 0.1.2, nltk 3.10.4",
        "cases": cases,
        "tokens_13a": [[line, tokenize(line.rstrip())] for line in tokens],
        "paired": [
            paired(references, [spoiled(rng, r) for r in references], [h for r, h in everything if r.strip()],
                   12345, 1000),
            paired(references, [spoiled(rng, r) for r in references], [spoiled(rng, r) for r in references], 7, 300),
        ],
    }
    path = Path(__file__).with_name("text_metrics.json")
    path.write_text(text(goldens))
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
