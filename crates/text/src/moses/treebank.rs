//! English tokens of the Penn treebank, as the Stanford tokeniser writes them, together again.

/// Joins English treebank tokens: `do n't`, `` `` `` and `''` for quotes, `-lrb-` for brackets.
///
/// Splits in the wrong place, such as `don 't`, are joined as well. `can not` stays two words: the tokens do not tell
/// whether it was one. An apostrophe that stands alone behind an `s` is a possessive.
pub fn detokenize_treebank(tokens: &str) -> String {
    let tokens: Vec<&str> = tokens.split_whitespace().collect();
    let mut out = String::with_capacity(tokens.len() * 6);
    let mut space = false;
    let mut open_double = false;
    let mut open_single = false;
    for (i, &token) in tokens.iter().enumerate() {
        let lower = token.to_lowercase();
        let before = i.checked_sub(1).map(|i| tokens[i]);
        let text = bracket(&lower).unwrap_or(token);
        let (text, cling) = match text {
            "``" => (opened("\"", &mut open_double, true), Cling::Right),
            // Some corpora write both quotes as `''`.
            "''" if !open_double && tokens[i + 1..].contains(&"''") => {
                (opened("\"", &mut open_double, true), Cling::Right)
            }
            "''" => (opened("\"", &mut open_double, false), Cling::Left),
            "\"" => {
                open_double = !open_double;
                ("\"", side(open_double))
            }
            "`" => (opened("'", &mut open_single, true), Cling::Right),
            "'" => single_quote(before, &mut open_single),
            "(" | "[" | "{" | "$" | "£" | "#" => (text, Cling::Right),
            "." | "," | "?" | "!" | ":" | ";" | ")" | "]" | "}" | "%" | "..." => {
                (text, Cling::Left)
            }
            _ if is_contraction(&lower) && before.is_some_and(ends_with_letter_or_digit) => {
                (text, Cling::Left)
            }
            _ => (text, Cling::None),
        };
        if space && cling != Cling::Left {
            out.push(' ');
        }
        out.push_str(text);
        space = cling != Cling::Right;
    }
    out
}

#[derive(PartialEq)]
enum Cling {
    None,
    Left,
    Right,
}

fn side(open: bool) -> Cling {
    if open { Cling::Right } else { Cling::Left }
}

fn opened(text: &'static str, state: &mut bool, open: bool) -> &'static str {
    *state = open;
    text
}

/// A single apostrophe closes a quote that is open, is a possessive behind `s` (`parents '`), and opens a quote else.
fn single_quote(before: Option<&str>, open: &mut bool) -> (&'static str, Cling) {
    if !*open && before.is_some_and(|word| word.ends_with(['s', 'S'])) {
        return ("'", Cling::Left);
    }
    *open = !*open;
    ("'", side(*open))
}

fn bracket(token: &str) -> Option<&'static str> {
    Some(match token {
        "-lrb-" => "(",
        "-rrb-" => ")",
        "-lsb-" => "[",
        "-rsb-" => "]",
        "-lcb-" => "{",
        "-rcb-" => "}",
        _ => return None,
    })
}

/// The part of a word that the treebank splits off, or that wrong splits leave.
fn is_contraction(token: &str) -> bool {
    let token = token.replace('\u{2019}', "'");
    matches!(
        token.as_str(),
        "n't" | "'t" | "'s" | "'m" | "'re" | "'ve" | "'ll" | "'d" | "'clock" | "'am" | "'er"
    )
}

fn ends_with_letter_or_digit(word: &str) -> bool {
    word.ends_with(|c: char| c.is_alphanumeric() || c == '.')
}
