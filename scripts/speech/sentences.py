#!/usr/bin/env python3
"""Writes English sentences for the shipped speech models: everyday statements, questions, commands, numbers, times,
dates and spelled words.

    python3 scripts/speech/sentences.py 1000 --seed 1 > sentences.txt

Every word list and pattern here was written for this project. A tenth of the sentences are words in random order, so
that a model cannot rely on the patterns alone.
"""

import argparse
import random

NOUNS = """
account address afternoon airplane airport animal answer apartment apple arm army artist aunt baby back bag ball banana band bank basket bath beach bean
bear beauty bed bedroom bee bell belt bench bicycle bill bird birthday blanket blood board boat body bone book boot border boss bottle bowl box boy
brain branch bread breakfast bridge brother brush bucket building bus bush business button cable cake camera camp candle captain car card carpet carrot
castle cat cattle cave ceiling center chair chance change chapter cheese chicken child chin church cinema circle city class clerk clock cloth cloud club
coach coast coat coffee coin college color comb company computer concert cook cookie copper corn corner cottage cotton country couple course court cousin
cow cream crowd crown cup cupboard curtain customer dad damage dance danger daughter day deal deer desert desk dinner dirt dish doctor dog doll dollar
door dream dress drink driver drum duck dust ear earth east edge egg elbow elephant engine evening event exam example eye face fact factory fall family
farm farmer father feather fence field figure film finger fire fish flag flame flight floor flower fly food foot forest fork fox frame friend frog fruit
furniture future game garage garden gate gift giraffe girl glass glove goal goat gold goose grandfather grandmother grape grass group guard guest guide
guitar gun hair half hall hammer hand harbor hat head heart heat hill history hole holiday home honey horse hospital hotel hour house hunter husband ice
idea insect island jacket jam job joke journey judge juice jungle key king kitchen kite knee knife lady lake lamp land language law lawyer leader leaf
leather leg lemon lesson letter library light line lion lip list lock lunch machine magazine man map market mask match meal meat medicine meeting member
message metal middle milk mind minute mirror moment money monkey month moon morning mother mountain mouse mouth movie museum music nail name nation neck
needle neighbor nest net news newspaper night noise north nose note number nurse ocean office oil onion orange oven owl owner page pain painter pair
pan paper parent park part partner party passenger path pen pencil people pepper person phone photo piano picture pie piece pig pillow pilot pipe place
plane plan plant plate player pocket poem point police pond pool potato prince princess prize problem program purse question queen rabbit radio railway
rain rainbow rat reason record restaurant rice ring river road robot rock roof room root rope rose rule sailor salad salt sand sandwich scarf school
science scientist scissors screen sea season seat second secret seed shadow sheep shelf shell ship shirt shoe shop shoulder shower side sign silver singer
sister size skin skirt sky sleep smile smoke snake snow soap soccer sock soldier son song soup south space spider spoon sport spring square stage stair
stamp star start station steak stick stomach stone store storm story stranger street student sugar suit summer sun surprise sweater table tail tea teacher
team telephone television tent theater thief thing thumb ticket tiger time toe tomato tongue tool tooth top tower town toy track train tree trip trouble
truck turtle uncle uniform university valley vegetable village violin visitor voice wall wallet war watch water wave way weather wedding week west whale
wheel wife wind window wine wing winter wolf woman wood wool word work worker world worm writer yard year zebra zoo
""".split()

# base, third person, past, with -ing
VERBS = [entry.split() for entry in """
ask asks asked asking|bake bakes baked baking|borrow borrows borrowed borrowing|break breaks broke breaking|bring brings brought bringing
build builds built building|burn burns burned burning|buy buys bought buying|call calls called calling|carry carries carried carrying
catch catches caught catching|change changes changed changing|choose chooses chose choosing|clean cleans cleaned cleaning|climb climbs climbed climbing
close closes closed closing|cook cooks cooked cooking|count counts counted counting|cover covers covered covering|cross crosses crossed crossing
cut cuts cut cutting|describe describes described describing|destroy destroys destroyed destroying|draw draws drew drawing|drive drives drove driving
drop drops dropped dropping|eat eats ate eating|enjoy enjoys enjoyed enjoying|explain explains explained explaining|feed feeds fed feeding
fill fills filled filling|find finds found finding|fix fixes fixed fixing|follow follows followed following|forget forgets forgot forgetting
get gets got getting|give gives gave giving|grow grows grew growing|guess guesses guessed guessing|hate hates hated hating|have has had having
hear hears heard hearing|help helps helped helping|hide hides hid hiding|hit hits hit hitting|hold holds held holding|hurt hurts hurt hurting
invite invites invited inviting|join joins joined joining|jump jumps jumped jumping|keep keeps kept keeping|kick kicks kicked kicking
know knows knew knowing|learn learns learned learning|leave leaves left leaving|lift lifts lifted lifting|like likes liked liking|lose loses lost losing
love loves loved loving|make makes made making|measure measures measured measuring|meet meets met meeting|miss misses missed missing
mix mixes mixed mixing|move moves moved moving|need needs needed needing|notice notices noticed noticing|open opens opened opening|own owns owned owning
pack packs packed packing|paint paints painted painting|pass passes passed passing|pay pays paid paying|pick picks picked picking|play plays played playing
pour pours poured pouring|prepare prepares prepared preparing|protect protects protected protecting|pull pulls pulled pulling|push pushes pushed pushing
put puts put putting|reach reaches reached reaching|read reads read reading|remember remembers remembered remembering|repair repairs repaired repairing
return returns returned returning|ride rides rode riding|save saves saved saving|search searches searched searching|see sees saw seeing
sell sells sold selling|send sends sent sending|share shares shared sharing|show shows showed showing|sign signs signed signing|steal steals stole stealing
study studies studied studying|take takes took taking|taste tastes tasted tasting|teach teaches taught teaching|tell tells told telling
throw throws threw throwing|touch touches touched touching|turn turns turned turning|understand understands understood understanding|use uses used using
visit visits visited visiting|want wants wanted wanting|wash washes washed washing|watch watches watched watching|wear wears wore wearing
win wins won winning|write writes wrote writing|check checks checked checking|finish finishes finished finishing|order orders ordered ordering
start starts started starting|stop stops stopped stopping|try tries tried trying
""".strip().replace("\n", "|").split("|")]

# base, third person, past, with -ing; without an object
ALONE = [entry.split() for entry in """
arrive arrives arrived arriving|come comes came coming|cry cries cried crying|dance dances danced dancing|fall falls fell falling|fly flies flew flying
go goes went going|laugh laughs laughed laughing|listen listens listened listening|live lives lived living|look looks looked looking
rest rests rested resting|run runs ran running|shout shouts shouted shouting|sing sings sang singing|sit sits sat sitting|sleep sleeps slept sleeping
smile smiles smiled smiling|speak speaks spoke speaking|stand stands stood standing|stay stays stayed staying|swim swims swam swimming
talk talks talked talking|think thinks thought thinking|travel travels traveled traveling|wait waits waited waiting|wake wakes woke waking
walk walks walked walking|work works worked working
""".strip().replace("\n", "|").split("|")]

ADJECTIVES = """
afraid angry bad beautiful big bitter black blue bright broken brown busy careful cheap clean clear clever cold comfortable common cool crazy curious cute
dangerous dark dead deep different difficult dirty dry early easy empty excellent expensive famous fast fat favorite final fine first flat free fresh
friendly full funny gentle giant glad golden good great green gray happy hard healthy heavy high hot huge hungry important interesting kind large last late
lazy little lonely long loud lovely low lucky narrow natural nervous new nice noisy old open orange ordinary pale perfect pink plain polite poor popular
possible pretty private proud public purple quick quiet rare ready real red rich right round sad safe salty secret serious sharp short shy sick silent silly
simple slow small smooth soft sorry sour special square steep strange strong sudden sunny sweet tall terrible thick thin tidy tiny tired true ugly unusual
warm weak wet white whole wide wild wise wonderful wooden wrong yellow young
""".split()

NAMES = """
Adam Alice Anna Arthur Barbara Ben Bella Brian Carla Charles Clara Daniel David Diana Edward Ella Emily Emma Eric Frank George Grace Hannah Harry Helen
Henry Isaac Jack Jacob James Jane Jenny John Julia Kate Kevin Laura Leo Linda Lisa Lucy Maria Mark Martin Mary Max Michael Mia Nina Noah Olivia Oscar Paul
Peter Robert Rosa Ruby Sam Sarah Simon Sofia Susan Thomas Tina Victor Walter William
""".split()

PLACES = """
Africa America Amsterdam Asia Australia Berlin Boston Brazil Canada Chicago China Denmark Dublin Egypt England Europe Finland France Germany Greece India
Ireland Italy Japan Lisbon London Madrid Mexico Moscow Norway Paris Poland Portugal Rome Russia Scotland Spain Sweden Texas Tokyo Toronto Turkey Vienna
""".split()

ADVERBS = "again already always badly carefully early easily finally gently happily here inside later loudly never now often outside quickly quietly really sadly slowly sometimes soon still suddenly there today together tomorrow tonight twice usually well yesterday".split()
PREPOSITIONS = "about above across after against around at before behind below beside between by down during for from in into near of off on onto over past through to toward under until up with without".split()
CONNECTIVES = "and but because so when while if although before after until".split()
OTHERS = "I you he she it we they me him her us them my your his our their this that these those who what where when why how which some any every no all both each few many much more most other another such same only own than too very just even yes please thanks hello goodbye maybe nothing something everything anyone someone everyone nobody".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split()
# Names of the letters in a spelled word.
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, words):
        return self.random.choice(words)

    def chance(self, p):
        return self.random.random() < p

    def number(self, limit=1_000_000):
        n = self.random.choice([10, 20, 100, 100, 1000, 10_000, limit])
        return spoken(self.random.randrange(min(n, limit)))

    def noun(self, article=True):
        noun = self.one(NOUNS)
        words = [self.one(ADJECTIVES)] if self.chance(0.35) else []
        words.append(noun)
        if not article:
            return " ".join(words)
        first = "an" if words[0][0] in "aeio" else "a"
        return " ".join([self.one(["the", "the", first, "my", "your", "his", "her", "our", "their", "this", "that", "every", "some", "no", "another"])] + words)

    def place(self):
        if self.chance(0.25):
            return "in " + self.one(PLACES)
        return self.one(PREPOSITIONS) + " " + self.noun()

    def subject(self):
        """A subject, and whether it is in the third person singular."""
        kind = self.random.random()
        if kind < 0.4:
            return self.one([("I", 0), ("you", 0), ("he", 1), ("she", 1), ("it", 1), ("we", 0), ("they", 0)])
        if kind < 0.6:
            return self.one(NAMES), 1
        if kind < 0.65:
            return f"{self.one(NAMES)} and {self.one(NAMES)}", 0
        return self.noun(), 1

    def action(self, form):
        """A verb in a form (0 base, 1 third person, 2 past, 3 with -ing) with what belongs to it."""
        if self.chance(0.25):
            words = [self.one(ALONE)[form]]
            if self.chance(0.6):
                words.append(self.place())
        else:
            words = [self.one(VERBS)[form], self.object()]
            if self.chance(0.3):
                words.append(self.place())
        if self.chance(0.15):
            words.append(self.one(ADVERBS))
        return " ".join(words)

    def object(self):
        kind = self.random.random()
        if kind < 0.15:
            return self.one("me you him her it us them something nothing everything this that".split())
        if kind < 0.22:
            return self.one(NAMES)
        if kind < 0.32:
            return f"{self.number(100)} {plural(self.one(NOUNS))}"
        if kind < 0.42:
            return f"{self.one(['many', 'some', 'all', 'these', 'those', 'the', 'few', 'more'])} {plural(self.one(NOUNS))}"
        return self.noun()

    def clause(self):
        subject, third = self.subject()
        be = {"I": ("am", "was")}.get(subject, ("is", "was") if third else ("are", "were"))
        kind = self.random.randrange(9)
        if kind < 3:
            return f"{subject} {self.action(2)}"
        if kind == 3:
            return f"{subject} {self.action(1 if third else 0)}"
        if kind == 4:
            return f"{subject} {self.one(['will', 'can', 'must', 'should', 'could', 'would', 'might', 'may', 'cannot', 'did not', 'will not'])} {self.action(0)}"
        if kind == 5:
            return f"{subject} {self.one(be)} {self.action(3)}"
        if kind == 6:
            return f"{subject} {self.one(be)} {self.one(['very ', 'too ', 'not ', 'so ', '', '', ''])}{self.one(ADJECTIVES)}"
        if kind == 7:
            return f"{subject} {self.one(be)} {self.place()}"
        return f"there {self.one(['is', 'was'])} {self.noun()} {self.place()}"

    def question(self):
        kind = self.random.randrange(6)
        person = self.one(["you", "we", "they", "I"])
        if kind == 0:
            return f"do {person} {self.action(0)}"
        if kind == 1:
            return f"{self.one(['where', 'when', 'why', 'how'])} did {self.subject()[0]} {self.action(0)}"
        if kind == 2:
            return f"{self.one(['what', 'where', 'who', 'how', 'why'])} is {self.noun()}"
        if kind == 3:
            return f"can {person} {self.action(0)}"
        if kind == 4:
            return f"how {self.one(['many', 'few'])} {plural(self.one(NOUNS))} {self.one(['are there', 'do you have', 'did they see', 'can we buy'])}"
        return f"what {self.one(['time', 'day', 'color', 'size', 'kind', 'name'])} is it"

    def command(self):
        start = self.one(["please", "", "", "now", "let us", "do not", "never", "always"])
        device = self.one(["light", "radio", "television", "music", "heat", "computer", "camera", "oven", "alarm", "machine"])
        kind = self.random.randrange(4)
        if kind == 0:
            return f"turn {self.one(['on', 'off', 'up', 'down'])} the {device} in the {self.one(['kitchen', 'bedroom', 'bathroom', 'garage', 'garden', 'hall', 'office'])}"
        if kind == 1:
            return f"set the {self.one(['alarm', 'clock', 'timer'])} for {self.time()}"
        if kind == 2:
            return f"{self.one(['call', 'send a message to', 'write to', 'remind', 'ask', 'tell'])} {self.one(NAMES)} {self.one(['now', 'today', 'tomorrow', 'again', 'at ' + self.time(), 'on ' + self.one(DAYS)])}"
        return f"{start} {self.action(0)}".strip()

    def time(self):
        hour = spoken(self.random.randrange(1, 13))
        kind = self.random.randrange(5)
        if kind == 0:
            return f"{hour} o'clock"
        if kind == 1:
            return f"{self.one(['half', 'quarter'])} past {hour}"
        if kind == 2:
            return f"quarter to {hour}"
        minute = self.random.randrange(1, 60)
        minute = f"oh {spoken(minute)}" if minute < 10 else spoken(minute)
        return f"{hour} {minute}" + self.one(["", " in the morning", " in the afternoon", " in the evening"])

    def date(self):
        day = self.random.randrange(1, 32)
        tens = {2: "twenty", 3: "thirty"}.get(day // 10)
        day = ORDINALS[day - 1] if day <= 20 else "thirtieth" if day == 30 else f"{tens} {ORDINALS[day % 10 - 1]}"
        text = f"{self.one(MONTHS)} {day}"
        if self.chance(0.3):
            text = f"{self.one(DAYS)} {text}"
        if self.chance(0.4):
            year = self.random.randrange(10, 100)
            text += f" {self.one(['nineteen', 'twenty', 'eighteen'])} {spoken(year)}"
        return text

    def figures(self):
        kind = self.random.randrange(7)
        if kind == 0:
            return " ".join(ONES[self.random.randrange(10)] for _ in range(self.random.randrange(3, 9)))
        if kind == 1:
            return self.one(["it is", "we meet at", "the train leaves at", "come at", "wake me at"]) + " " + self.time()
        if kind == 2:
            return self.one(["on", "since", "my birthday is", "today is", "until", "the party is on"]) + " " + self.date()
        if kind == 3:
            return f"{self.number(1000)} {self.one(['plus', 'minus', 'times'])} {self.number(1000)} is {self.number(10_000)}"
        if kind == 4:
            return f"{self.one(['it costs', 'we paid', 'you owe me', 'the price is'])} {self.number(10_000)} {self.one(['dollars', 'euros', 'pounds', 'cents'])}"
        if kind == 5:
            return f"{self.number()} {self.one(['people', 'miles', 'meters', 'kilometers', 'years', 'days', 'hours', 'minutes', 'percent', 'points'])}"
        return f"{self.one(['number', 'page', 'room', 'line', 'platform', 'chapter', 'house', 'flight'])} {self.number(1000)}"

    def spelled(self):
        word = self.one(NAMES + NOUNS).lower()[:7]
        if self.chance(0.3):
            word = "".join(self.one(LETTERS) for _ in range(self.random.randrange(2, 6)))
        return self.one(["", "", "my name is spelled ", "it is written "]) + " ".join(word)

    def salad(self):
        """Words in random order."""
        forms = [form for verb in VERBS + ALONE for form in verb]
        lists = [NOUNS, NOUNS, [plural(noun) for noun in NOUNS], forms, forms, ADJECTIVES, NAMES, PLACES, ADVERBS + PREPOSITIONS, OTHERS, MONTHS + DAYS + ORDINALS]
        return " ".join(self.one(self.one(lists)) for _ in range(self.random.randrange(2, 8)))

    def sentence(self):
        kind = self.random.random()
        if kind < 0.34:
            return self.clause()
        if kind < 0.46:
            return f"{self.clause()} {self.one(CONNECTIVES)} {self.clause()}"
        if kind < 0.58:
            return self.question()
        if kind < 0.7:
            return self.command()
        if kind < 0.82:
            return self.figures()
        if kind < 0.86:
            return self.spelled()
        if kind < 0.9:
            return self.one(["yes", "no", "thanks", "hello", "good morning", "good night", "good evening", "goodbye", "maybe", "of course", "I do not know", "see you later", "thank you very much", "how are you", "not today", "well done", "excuse me", "welcome home", "help me please", "what a surprise", "happy birthday"])
        return self.salad()


def plural(noun):
    irregular = {
        "man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet", "tooth": "teeth", "mouse": "mice", "goose": "geese",
        "sheep": "sheep", "deer": "deer", "fish": "fish", "leaf": "leaves", "wife": "wives", "knife": "knives", "shelf": "shelves", "wolf": "wolves",
        "thief": "thieves", "half": "halves", "people": "people", "cattle": "cattle", "news": "news", "scissors": "scissors", "police": "police",
        "potato": "potatoes", "tomato": "tomatoes", "scarf": "scarves", "furniture": "furniture",
    }
    if noun in irregular:
        return irregular[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def spoken(n):
    """A number below a million in words."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10 - 2] + (f" {ONES[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ONES[n // 100]} hundred" + (f" and {spoken(n % 100)}" if n % 100 else "")
    return f"{spoken(n // 1000)} thousand" + (f" {spoken(n % 1000)}" if n % 1000 else "")


def sentences(count, seed):
    """`count` different sentences."""
    writer, seen = Writer(seed), {}
    tries = 0
    while len(seen) < count and tries < 100 * count:
        seen[writer.sentence()] = True
        tries += 1
    return list(seen)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="number of sentences")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other sentences")
    arguments = parser.parse_args()
    for sentence in sentences(arguments.count, arguments.seed):
        print(sentence)
