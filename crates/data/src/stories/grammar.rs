//! The grammar of the stories: words, sentences and the state of a story.
//!
//! In every list no entry is a prefix of another, and the branches of a choice start with texts of which none is a
//! prefix of another. So at most one option of each choice fits the text that follows: every text has one derivation.

use Form::{Animal as TheAnimal, He, His, Thing as TheThing};
use Piece::{Draw, Fresh, OneOf, Recall, Text};

type Words = &'static [&'static str];

/// A part of a story.
pub enum Piece {
    /// Always the same.
    Text(&'static str),
    /// A word that the story does not remember; all are equally likely.
    Fresh(Words),
    /// A word that sets the state or depends on it; all are equally likely.
    Draw(Variable),
    /// A word that follows from the state.
    Recall(Form),
    /// One of several continuations, in proportion to their weights.
    OneOf(&'static [(u32, &'static [Piece])]),
}

/// A word that is drawn once and used again.
#[derive(Clone, Copy)]
pub enum Variable {
    /// The hero; decides between she and he.
    Hero,
    /// The hero's name; depends on she or he, and is not remembered.
    Name,
    /// The hero's home: on land or by the water.
    Place,
    /// The hero's wish.
    Thing,
    /// The adversary; depends on the place, and is not remembered.
    Foe,
    /// The helper.
    Animal,
}

/// A word that follows from the state.
#[derive(Clone, Copy)]
pub enum Form {
    He,
    His,
    Thing,
    Animal,
}

/// The state of a story.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    she: bool,
    water: bool,
    thing: u8,
    animal: u8,
}

impl State {
    pub fn options(&self, variable: Variable) -> Words {
        match variable {
            Variable::Hero => HEROES,
            Variable::Name if self.she => HER_NAMES,
            Variable::Name => HIS_NAMES,
            Variable::Place => PLACES,
            Variable::Thing => THINGS,
            Variable::Foe if self.water => WATER_FOES,
            Variable::Foe => LAND_FOES,
            Variable::Animal => ANIMALS,
        }
    }

    /// The state after option `i` of `variable`. Heroes and places alternate: she and he, land and water.
    pub fn with(mut self, variable: Variable, i: usize) -> Self {
        match variable {
            Variable::Hero => self.she = i.is_multiple_of(2),
            Variable::Place => self.water = !i.is_multiple_of(2),
            Variable::Thing => self.thing = i as u8,
            Variable::Name | Variable::Foe => {}
            Variable::Animal => self.animal = i as u8,
        }
        self
    }

    pub fn recall(&self, form: Form) -> &'static str {
        match form {
            He => {
                if self.she {
                    "She"
                } else {
                    "He"
                }
            }
            His => {
                if self.she {
                    "her"
                } else {
                    "his"
                }
            }
            TheThing => THINGS[usize::from(self.thing)],
            TheAnimal => ANIMALS[usize::from(self.animal)],
        }
    }
}

const HEROES: Words = &[
    "girl", "boy", "queen", "king", "witch", "monk", "nun", "page",
];
const HER_NAMES: Words = &["Ada", "Emma", "Lucy", "Nora"];
const HIS_NAMES: Words = &["Ben", "Leo", "Max", "Tom"];
const PLACES: Words = &[
    "mill", "lake", "tower", "river", "barn", "bay", "wood", "pond", "fort", "beach", "farm",
    "creek", "cave", "marsh", "hill", "sea",
];
const THINGS: Words = &["bell", "crown", "lamp", "ring"];
const LAND_FOES: Words = &[
    "giant", "dragon", "wolf", "thief", "troll", "bear", "knight", "gnome",
];
const WATER_FOES: Words = &[
    "pirate", "whale", "shark", "nixie", "crab", "sailor", "monster", "serpent",
];
const ANIMALS: Words = &["fox", "cat", "hen", "mouse"];
const KIN: Words = &[
    "mother", "father", "sister", "brother", "friend", "cousin", "child", "teacher",
];
const NEAR: Words = &[
    "near", "by", "above", "under", "past", "facing", "inside", "over",
];
const FEELS: Words = &[
    "wept",
    "sighed",
    "sang",
    "slept",
    "sat down",
    "hid",
    "ran home",
    "lay awake",
    "cried",
    "prayed",
    "waited",
    "fled",
    "fell ill",
    "got mad",
    "gave up",
    "trembled",
];
const MOVES: Words = &[
    "ran", "crept", "hopped", "jumped", "rushed", "slid", "came", "danced", "walked", "dashed",
    "flew", "limped", "trotted", "strode", "leapt", "burst",
];
const TRAVELS: Words = &[
    "rode", "flew", "ran", "sailed", "climbed", "dug", "swam", "hiked",
];
const QUALITIES: Words = &[
    "shy", "kind", "brave", "quiet", "merry", "clever", "poor", "proud", "gentle", "lonely",
    "bold", "wise", "sleepy", "happy", "sad", "calm", "red", "blue", "green", "white", "black",
    "grey", "brown", "pink", "dark", "pale", "tall", "small", "wide", "thin", "round", "bent",
    "wet", "dry", "cold", "warm", "hot", "new", "long", "tiny", "big", "fat", "lean", "loud",
    "soft", "hard", "sweet", "sour", "bitter", "young", "fine", "rich", "rude", "mad", "lost",
    "hidden", "silver", "golden", "wooden", "magic", "dusty", "muddy", "funny", "noble",
];
const SPOTS: Words = &[
    "oak", "elm", "rose", "bush", "rock", "stone", "door", "gate", "wall", "roof", "bed", "box",
    "chest", "table", "chair", "clock", "cup", "pot", "jar", "sack", "cart", "wagon", "boat",
    "ship", "bridge", "road", "path", "ditch", "well", "fence", "field", "lawn", "log", "root",
    "nest", "hole", "hive", "shed", "hut", "inn", "shop", "school", "church", "tomb", "grave",
    "statue", "throne", "stove", "oven", "ladder", "window", "mast", "net", "rope", "flag", "tent",
    "camp", "vine", "fern", "moss", "pine", "birch", "palm", "willow",
];

/// An article and a quality.
const A_QUALITY: &[Piece] = &[Text(" a "), Fresh(QUALITIES), Text(" ")];

/// A story: its sentences, each a list of runs of pieces.
pub const STORY: &[&[Piece]] = &[
    &[OneOf(&[
        (4, &[Text("Once")]),
        (2, &[Text("Long ago")]),
        (1, &[Text("Far away")]),
        (1, &[Text("In old times")]),
    ])],
    A_QUALITY,
    &[
        Draw(Variable::Hero),
        Text(" called "),
        Draw(Variable::Name),
        Text(" lived "),
        Fresh(NEAR),
    ],
    A_QUALITY,
    &[Draw(Variable::Place), Text(". "), Recall(He)],
    &[OneOf(&[
        (3, &[Text(" wanted")]),
        (1, &[Text(" looked for")]),
        (2, &[Text(" dreamed of")]),
        (2, &[Text(" needed")]),
    ])],
    A_QUALITY,
    &[Draw(Variable::Thing), Text(", but a "), Draw(Variable::Foe)],
    &[OneOf(&[
        (2, &[Text(" had")]),
        (1, &[Text(" took")]),
        (1, &[Text(" stole")]),
        (1, &[Text(" broke")]),
    ])],
    &[
        Text(" the "),
        Recall(TheThing),
        Text(". "),
        Recall(He),
        Text(" "),
        Fresh(FEELS),
        Text(" for "),
        Recall(His),
        Text(" "),
        Fresh(KIN),
        Text(". "),
    ],
    &[OneOf(&[
        (2, &[Text("Then")]),
        (2, &[Text("Soon")]),
        (1, &[Text("At dawn")]),
        (1, &[Text("Next day")]),
    ])],
    A_QUALITY,
    &[
        Draw(Variable::Animal),
        Text(" "),
        Fresh(MOVES),
        Text(" by. "),
        Recall(He),
    ],
    &[OneOf(&[
        (2, &[Text(" fed the ")]),
        (1, &[Text(" thanked the ")]),
        (1, &[Text(" kissed the ")]),
    ])],
    &[
        Recall(TheAnimal),
        Text(" and they "),
        Fresh(TRAVELS),
        Text(" past"),
    ],
    A_QUALITY,
    &[Fresh(SPOTS), Text(" and")],
    A_QUALITY,
    &[Fresh(SPOTS), Text(" "), Fresh(NEAR)],
    A_QUALITY,
    &[Fresh(SPOTS), Text(".")],
    &[OneOf(&[
        (1, &[Text("\n")]),
        (
            1,
            &[
                Text(" "),
                Recall(He),
                Text(" was "),
                Fresh(QUALITIES),
                Text(" and "),
                Fresh(QUALITIES),
                Text(".\n"),
            ],
        ),
    ])],
];
