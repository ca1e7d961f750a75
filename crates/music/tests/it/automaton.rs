use proptest::prelude::*;
use refrain_music::Limits;
use refrain_music::abc::{Automaton, AutomatonConfig, read_tune};

/// The state after `text`, or the place of the first character that may not follow.
fn after(text: &str) -> Result<Automaton, usize> {
    let mut state = Automaton::new(AutomatonConfig::default());
    for (i, letter) in text.chars().enumerate() {
        if !state.push(letter) {
            return Err(i);
        }
    }
    Ok(state)
}

const HEAD: &str = "M:6/8\nL:1/8\nK:G\n";

fn body(text: &str) -> Result<Automaton, usize> {
    after(&format!("{HEAD}{text}")).map_err(|at| at - HEAD.len())
}

#[test]
fn usual_tunes_are_allowed() {
    for text in [
        "d|\"G\"g2g B^AB|d2d G3|GAB A2A|cBA G2:|\n",
        "|:d|g2g B2B|d2d G2:|\n|:d|g6|g3-g2:|\n",
        "G6|A6|[1B6:|[2B6||\n",
        "G6|A6|1 B6:|2 B6||\n",
        "G>A G>A GA|(3GAB (3GAB GA|[GBd]6|]\n",
        "{g}G6|.G2 ~A4|!trill!G6|]\n",
        "G6|\n|A3\nB3|c3 -c3|]\n",
        "G6|z6|G2z4|]\nP:B\nK:D\nd6|]\n",
        "G3 A3|\nM:9/8\nG9|]\n",
        "(2GA G3|G6||",
        "G/2A/B/ G3/2 ^G,,=c' __b|]\n",
    ] {
        let state =
            body(text).unwrap_or_else(|at| panic!("{:?} after {:?}", &text[at..], &text[..at]));
        assert!(state.may_end(), "{text:?}");
    }
}

#[test]
fn bars_that_cannot_be_full_are_refused_where_that_is_certain() {
    for (text, at) in [
        ("G7|", 2),
        ("G3 A4|", 5),
        ("G6 A", 3),
        ("G6|G3|", 5),
        ("G5|", 2),
        ("G5|]", 2),
        ("G6|\n||", 5),
        ("G6||G|", 5),
        ("G3\nK", 3),
        ("G>|", 2),
        ("(3GA|", 4),
        ("(G", 1),
        ("[G|", 2),
        ("G6|[2", 4),
        ("G6|[1G6:|[1", 10),
        ("G6||||", 5),
        (":|", 0),
        ("G:G", 1),
    ] {
        assert_eq!(body(text).err(), Some(at), "{text:?}");
    }
    // Both of these can still be shortened.
    assert!(body("G5G").is_ok() && body("G5 G7").is_ok_and(|state| !state.allows('|')));
}

#[test]
fn headers_lead_to_music() {
    for text in [
        "M:5/7",
        "M:6/8\nM",
        "K:I",
        "K:G\nX",
        "L:1/7",
        "Q:1/4=abc",
        "q",
        "M:\n",
        "T:\n",
        "M:3/8\nL:1/1\nK:C\nC4",
    ] {
        assert!(after(text).is_err(), "{text:?}");
    }
    for text in [
        "X:1\nT:a title\nR:jig\nM:C|\nQ:1/4=120\nK:Em\nE8|",
        "K:Bb Mixolydian\nB",
        "M:none\nK:D\nd24/2|",
        "L:1/1\nM:3/8\nK:C\nC3/8|",
    ] {
        let at = after(text).err();
        assert_eq!(at, None, "{text:?}");
    }
}

#[test]
fn a_blank_line_ends_the_tune() {
    let mut state = body("G6|]\n\n").unwrap();
    assert!(state.ended() && state.may_end() && !state.allows('\n') && !state.push('G'));
    assert!(body("\n").is_err() && body("G3\n\n").is_err());
    let free = Automaton::new(AutomatonConfig {
        bars: false,
        fields: false,
    });
    let mut state = free;
    assert!(
        "M:6/8\nK:C\nC3|C9|"
            .chars()
            .all(|letter| state.push(letter))
            && state.may_end()
    );
}

/// Beginnings of the random tunes; the last one leaves the header open.
const HEADS: [&str; 6] = [
    "M:6/8\nL:1/8\nK:G\n",
    "M:4/4\nK:Dm\n",
    "M:C|\nL:1/4\nK:none\n",
    "M:9/8\nL:1/16\nK:HP\n",
    "K:C\n",
    "",
];

/// A tune of random allowed characters, which ends when it may after `length` characters.
fn wander(choices: &[u8], length: usize) -> String {
    let alphabet: Vec<char> =
        "\n !\"#'(),-./0123456789:<=>ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~"
            .chars()
            .collect();
    let mut state = Automaton::new(AutomatonConfig::default());
    let mut text = HEADS[usize::from(choices[0]) % HEADS.len()].to_owned();
    assert!(text.chars().all(|letter| state.push(letter)));
    for i in 0..length + 20_000 {
        if i >= length && state.may_end() {
            return text;
        }
        let allowed = state.allowed(&alphabet);
        let open: Vec<char> = alphabet
            .iter()
            .zip(&allowed)
            .filter(|both| *both.1)
            .map(|both| *both.0)
            .collect();
        assert!(!open.is_empty(), "nothing may follow {text:?}");
        // Late ones choose what leads to an end.
        let closing = open.iter().copied().find(|c: &char| {
            let header = *c == 'K' && !text.contains("K:");
            i >= length && ("|]\n".contains(*c) || header)
        });
        let choice = usize::from(choices[i % choices.len()])
            .wrapping_mul(31)
            .wrapping_add(i);
        let next = closing.unwrap_or(open[choice % open.len()]);
        assert!(state.push(next));
        text.push(next);
        if state.ended() {
            return text;
        }
    }
    panic!("no end of {text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_allowed_tune_is_regular_and_without_faults(choices in prop::collection::vec(any::<u8>(), 1..200), length in 1usize..300) {
        let text = wander(&choices, length);
        let tune = read_tune(&text, &Limits::default()).unwrap();
        let odd: Vec<_> = tune.warnings.iter().map(|w| w.to_string()).collect();
        prop_assert!(odd.is_empty(), "{text:?}: {odd:?}");
        let counts = tune.bar_counts();
        prop_assert_eq!(counts.short + counts.long, 0, "{:?}: {:?}", text, counts);
    }
}
