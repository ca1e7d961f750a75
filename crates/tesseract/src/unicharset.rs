//! The characters of a model with their properties (`unicharset.cpp`): a text, one character a line.

use crate::bytes::Bytes;
use crate::error::TesseractError;

const ALPHABETIC: u32 = 1;
const LOWER: u32 = 2;
const UPPER: u32 = 4;
const DIGIT: u32 = 8;
const PUNCTUATION: u32 = 16;

/// Classes of direction of the Unicode bidirectional algorithm, as ICU numbers them.
const LEFT_TO_RIGHT: u32 = 0;
const RIGHT_TO_LEFT: [u32; 2] = [1, 13];
const LAST_DIRECTION: u32 = 22;

/// Most characters: more than Unicode has.
const MOST: usize = 1 << 21;

/// A character of a model: one or several code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unichar {
    /// Its text. The special characters `Joined` and `|Broken|0|1` have names that are no text.
    pub text: String,
    /// A letter.
    pub alphabetic: bool,
    /// A small letter.
    pub lower: bool,
    /// A capital letter.
    pub upper: bool,
    /// A digit.
    pub digit: bool,
    /// A mark of punctuation.
    pub punctuation: bool,
    /// Name of its script.
    pub script: String,
    /// The same letter in the other case, or itself.
    pub other_case: Option<usize>,
    /// Its class of direction, numbered as in ICU: 0 left to right, 1 and 13 right to left.
    pub direction: u32,
    /// Its mirror image, or itself.
    pub mirror: Option<usize>,
    /// Its text in normal form.
    pub normed: String,
}

/// Reads all characters.
pub(crate) fn read(mut bytes: Bytes) -> Result<Vec<Unichar>, TesseractError> {
    let head = bytes.line("the number of characters")?;
    let count = head
        .trim()
        .parse::<usize>()
        .ok()
        .filter(|count| (1..=MOST).contains(count));
    let Some(count) = count else {
        return Err(bytes.damaged(format!("the number of characters is {head:?}")));
    };
    // A character takes a few bytes of file at least, so that the list cannot be larger than the file by much.
    let mut unichars = Vec::new();
    for id in 0..count {
        let text = bytes.line("a character")?;
        match unichar(text, id, count) {
            Ok(unichar) => unichars.push(unichar),
            Err(problem) => {
                return Err(bytes.damaged(format!("character {id} of {count}: {problem}")));
            }
        }
    }
    bytes.end()?;
    let of = |directions: &[u32]| {
        let all = unichars
            .iter()
            .filter(|unichar| directions.contains(&unichar.direction));
        all.count()
    };
    if of(&RIGHT_TO_LEFT) > of(&[LEFT_TO_RIGHT]) {
        let hint = "its lines would come out in the wrong order; use a model of a script from left to right";
        return Err(bytes.unsupported("a script from right to left", hint));
    }
    Ok(unichars)
}

/// A character: text, properties in hexadecimal, sizes with commas (optional), script, other case, direction, mirror,
/// normal form. All behind the script may be missing, and a remark may follow a tab.
fn unichar(line: &str, id: usize, count: usize) -> Result<Unichar, String> {
    let (fields, remark) = line.split_once('\t').unwrap_or((line, "# "));
    if !remark.starts_with('#') {
        return Err(format!("{remark:?} follows the fields"));
    }
    let mut fields = fields.split_ascii_whitespace().peekable();
    let text = fields.next().ok_or("the line is empty")?;
    let text = if text == "NULL" { " " } else { text };
    let bits = fields.next().ok_or("the properties are missing")?;
    let bits = u32::from_str_radix(bits, 16).map_err(|_| format!("the properties are {bits:?}"))?;
    if bits > 31 {
        return Err(format!("the properties are {bits:#x}"));
    }
    if let Some(sizes) = fields.next_if(|field| field.contains(',') && field.len() > 1) {
        let known = [4, 10].contains(&sizes.split(',').count());
        if !known || sizes.split(',').any(|size| size.parse::<f32>().is_err()) {
            return Err(format!("the sizes are {sizes:?}"));
        }
    }
    let script = fields.next().unwrap_or("NULL").to_owned();
    let mut number = |what: &str, most: usize, none: usize| match fields.next() {
        None => Ok(none),
        Some(field) => {
            let number = field.parse::<usize>().ok().filter(|&number| number <= most);
            number.ok_or_else(|| format!("{what} is {field:?}"))
        }
    };
    let other_case = number("the other case", count, count)?;
    let direction = number("the direction", LAST_DIRECTION as usize, 0)? as u32;
    let mirror = number("the mirror image", count, count)?;
    let normed = fields.next().unwrap_or(text).to_owned();
    if let Some(more) = fields.next() {
        return Err(format!("{more:?} follows the last field of {id}"));
    }
    let id = |id: usize| (id < count).then_some(id);
    Ok(Unichar {
        text: text.to_owned(),
        alphabetic: bits & ALPHABETIC != 0,
        lower: bits & LOWER != 0,
        upper: bits & UPPER != 0,
        digit: bits & DIGIT != 0,
        punctuation: bits & PUNCTUATION != 0,
        script,
        other_case: id(other_case),
        direction,
        mirror: id(mirror),
        normed,
    })
}
