//! How much the letters of a face look like letters: picture fonts without any mark of it, and display faces that only
//! their designer can read, teach a recogniser nothing.
//!
//! Every letter and digit becomes a small picture. A face is as legible as the part of its letters whose picture is
//! closest to the mean picture of the same letter, over all faces, among the means of all letters. Letters that only
//! differ by case, and lookalikes such as `0` and `O`, count as the same.

use crate::Face;
use crate::outline::{Extent, Outline, Print};

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Pixels of a picture in each direction.
const SIDE: usize = 14;
/// Letters and digits that a face must have to be judged.
const LEAST: usize = 20;

type Picture = [f32; SIDE * SIDE];

/// Letters whose capital has another shape.
const CASED: &str = "abdeghnqrt";

/// The judgement on a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Legibility {
    /// The part of its letters that can be told, 0 to 1; 1 for faces with few letters.
    pub(crate) told: f32,
    /// Whether its lower case looks like capitals, so that a picture does not tell the case.
    pub(crate) capitals: bool,
}

/// Judges all faces.
pub(crate) fn legibility<'a>(faces: impl Iterator<Item = &'a Face>) -> Vec<Legibility> {
    let pictures: Vec<Vec<Option<Picture>>> = faces.map(pictures).collect();
    let mut means = vec![[0.0; SIDE * SIDE]; LETTERS.len()];
    for face in &pictures {
        for (mean, picture) in means.iter_mut().zip(face) {
            let values = picture.iter().flatten();
            mean.iter_mut()
                .zip(values)
                .for_each(|(mean, value)| *mean += value);
        }
    }
    means.iter_mut().for_each(normalise);
    let judge = |face: &Vec<Option<Picture>>| Legibility {
        told: part_told(face, &means),
        capitals: only_capitals(face, &means),
    };
    pictures.iter().map(judge).collect()
}

fn likeness(a: &Picture, b: &Picture) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn only_capitals(face: &[Option<Picture>], means: &[Picture]) -> bool {
    let at = |c: char| LETTERS.find(c).unwrap_or(0);
    let nearer = CASED.chars().filter_map(|c| {
        let picture = face[at(c)].as_ref()?;
        let capital = likeness(&means[at(c.to_ascii_uppercase())], picture);
        Some(capital > likeness(&means[at(c)], picture))
    });
    let (capitals, letters) = nearer.fold((0, 0), |(capitals, letters), capital| {
        (capitals + usize::from(capital), letters + 1)
    });
    letters > 0 && 2 * capitals > letters
}

fn part_told(face: &[Option<Picture>], means: &[Picture]) -> f32 {
    let letters: Vec<char> = LETTERS.chars().map(class).collect();
    let known: Vec<(usize, &Picture)> = face
        .iter()
        .enumerate()
        .filter_map(|(k, picture)| Some((k, picture.as_ref()?)))
        .collect();
    if known.len() < LEAST {
        return 1.0;
    }
    let told = known.iter().filter(|(k, picture)| {
        let like = |k: usize| likeness(&means[k], picture);
        let best = (0..means.len()).max_by(|&a, &b| like(a).total_cmp(&like(b)));
        best.is_some_and(|best| letters[best] == letters[*k])
    });
    told.count() as f32 / known.len() as f32
}

/// One character for all that look alike.
fn class(c: char) -> char {
    match c.to_ascii_lowercase() {
        '0' => 'o',
        '1' | 'l' => 'i',
        '5' => 's',
        '2' => 'z',
        '6' => 'b',
        '9' => 'g',
        other => other,
    }
}

fn pictures(face: &Face) -> Vec<Option<Picture>> {
    let print = Print {
        em: 1.0,
        stretch: 1.0,
        spacing: 1.0,
        gaps: 1.0,
        wide: None,
        ligatures: false,
    };
    let draw = |c: char| {
        let outline = print.row(face, c.encode_utf8(&mut [0; 4])).outline;
        let extent = outline.extent();
        (!outline.is_empty()).then_some((outline, extent))
    };
    let drawn: Vec<Option<(Outline, Extent)>> = LETTERS.chars().map(draw).collect();
    // Condensed and wide faces get the same mean width.
    let sides = |value: fn(&Extent) -> f32| {
        drawn
            .iter()
            .flatten()
            .map(|(_, extent)| value(extent))
            .sum::<f32>()
    };
    let narrow = 0.75 * sides(Extent::height) / sides(Extent::width).max(1e-3);
    let picture = |(outline, extent): (Outline, Extent)| {
        let side = (narrow * extent.width()).max(extent.height()).max(1e-3);
        // A margin of one pixel for the blur.
        let scale = (SIDE - 2) as f32 / side;
        let middle = (
            0.5 * (extent.left + extent.right),
            0.5 * (extent.top + extent.bottom),
        );
        let half = 0.5 * SIDE as f32;
        let placed = outline.mapped(|x, y| {
            (
                (x - middle.0) * scale * narrow + half,
                (y - middle.1) * scale + half,
            )
        });
        let covered = placed.cover(0.0, 0.0, SIDE, SIDE);
        // Thin strokes that are one pixel apart are alike.
        let near = |at: usize| at.saturating_sub(1)..(at + 2).min(SIDE);
        let mut picture = [0.0; SIDE * SIDE];
        for (at, value) in picture.iter_mut().enumerate() {
            let around = near(at / SIDE).flat_map(|y| near(at % SIDE).map(move |x| y * SIDE + x));
            *value = around.map(|at| f32::from(covered[at])).sum();
        }
        normalise(&mut picture);
        picture
    };
    drawn.into_iter().map(|drawn| drawn.map(picture)).collect()
}

/// Mean 0 and length 1.
fn normalise(picture: &mut Picture) {
    let mean = picture.iter().sum::<f32>() / picture.len() as f32;
    picture.iter_mut().for_each(|value| *value -= mean);
    let length = picture
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt()
        .max(1e-6);
    picture.iter_mut().for_each(|value| *value /= length);
}
