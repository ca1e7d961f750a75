//! Edit distance, and the error rates made of it.

use serde::{Deserialize, Serialize};

/// One step of an alignment of a hypothesis with its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edit {
    /// The next item of both, and they are equal.
    Equal,
    /// The next item of both, and they differ.
    Substitution,
    /// An item of the reference that the hypothesis lacks.
    Deletion,
    /// An item of the hypothesis that the reference lacks.
    Insertion,
}

/// How many there are of each [`Edit`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditCounts {
    /// Items that are equal.
    pub equal: u64,
    /// Items that were replaced.
    pub substitutions: u64,
    /// Items of the reference that were left out.
    pub deletions: u64,
    /// Items that the reference does not have.
    pub insertions: u64,
}

impl EditCounts {
    /// Substitutions, deletions and insertions.
    pub fn edits(&self) -> u64 {
        self.substitutions + self.deletions + self.insertions
    }

    /// Length of the reference.
    pub fn reference(&self) -> u64 {
        self.equal + self.substitutions + self.deletions
    }

    /// Length of the hypothesis.
    pub fn hypothesis(&self) -> u64 {
        self.equal + self.substitutions + self.insertions
    }

    /// Counts one more.
    fn count(&mut self, edit: Edit) {
        match edit {
            Edit::Equal => self.equal += 1,
            Edit::Substitution => self.substitutions += 1,
            Edit::Deletion => self.deletions += 1,
            Edit::Insertion => self.insertions += 1,
        }
    }

    fn add(&mut self, other: &EditCounts) {
        self.equal += other.equal;
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
    }
}

/// The least number of substitutions, deletions and insertions that turn `reference` into `hypothesis` (Levenshtein
/// 1966).
///
/// Time O(n·m), memory O(m).
pub fn distance<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> usize {
    let (reference, hypothesis, _) = trim(reference, hypothesis);
    let mut row: Vec<usize> = (0..=hypothesis.len()).collect();
    for (i, r) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, h) in hypothesis.iter().enumerate() {
            let (up, left) = (row[j + 1], row[j]);
            row[j + 1] = choose(r == h, diagonal, up, left).0;
            diagonal = up;
        }
    }
    row[hypothesis.len()]
}

/// The counts of the alignment that [`alignment`] gives, without holding it: time O(n·m), memory O(m).
pub fn counts<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> EditCounts {
    let (reference, hypothesis, same) = trim(reference, hypothesis);
    let inserted = |n| EditCounts {
        insertions: n as u64,
        ..EditCounts::default()
    };
    let mut row: Vec<_> = (0..=hypothesis.len()).map(|j| (j, inserted(j))).collect();
    for (i, r) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0].0 = i + 1;
        row[0].1.count(Edit::Deletion);
        for (j, h) in hypothesis.iter().enumerate() {
            let (up, left) = (row[j + 1], row[j]);
            let (cost, edit) = choose(r == h, diagonal.0, up.0, left.0);
            let mut counts = match edit {
                Edit::Deletion => up.1,
                Edit::Insertion => left.1,
                Edit::Equal | Edit::Substitution => diagonal.1,
            };
            counts.count(edit);
            row[j + 1] = (cost, counts);
            diagonal = up;
        }
    }
    let mut counts = row[hypothesis.len()].1;
    counts.equal += same as u64;
    counts
}

/// An alignment with the least number of edits. Of several, the one that prefers, from the end, equal or replaced items
/// to deletions to insertions.
///
/// Time O(n·m), memory n·m bytes, where n and m do not count equal beginnings and ends.
pub fn alignment<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Vec<Edit> {
    let begin = common(reference.iter(), hypothesis.iter());
    let (reference, hypothesis, same) = trim(reference, hypothesis);
    let (n, m) = (reference.len(), hypothesis.len());
    let mut taken = vec![Edit::Insertion; (n + 1) * (m + 1)];
    let mut row: Vec<usize> = (0..=m).collect();
    for (i, r) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        let taken = &mut taken[(i + 1) * (m + 1)..][..m + 1];
        taken[0] = Edit::Deletion;
        for (j, h) in hypothesis.iter().enumerate() {
            let (up, left) = (row[j + 1], row[j]);
            (row[j + 1], taken[j + 1]) = choose(r == h, diagonal, up, left);
            diagonal = up;
        }
    }
    let mut edits = vec![Edit::Equal; same - begin];
    let (mut i, mut j) = (n, m);
    while i > 0 || j > 0 {
        let edit = taken[i * (m + 1) + j];
        edits.push(edit);
        i -= usize::from(edit != Edit::Insertion);
        j -= usize::from(edit != Edit::Deletion);
    }
    edits.extend(std::iter::repeat_n(Edit::Equal, begin));
    edits.reverse();
    edits
}

/// The cheapest way into a cell from its three neighbours; one order of preference for all functions here.
fn choose(equal: bool, diagonal: usize, up: usize, left: usize) -> (usize, Edit) {
    let across = diagonal + usize::from(!equal);
    if across <= up + 1 && across <= left + 1 {
        let edit = if equal {
            Edit::Equal
        } else {
            Edit::Substitution
        };
        (across, edit)
    } else if up <= left {
        (up + 1, Edit::Deletion)
    } else {
        (left + 1, Edit::Insertion)
    }
}

/// Both without their common beginning and end, and how many items these have. A least alignment may always begin and
/// end so.
fn trim<'a, T: PartialEq>(a: &'a [T], b: &'a [T]) -> (&'a [T], &'a [T], usize) {
    let begin = common(a.iter(), b.iter());
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = common(a.iter().rev(), b.iter().rev());
    (&a[..a.len() - end], &b[..b.len() - end], begin + end)
}

fn common<'a, T: PartialEq + 'a>(
    a: impl Iterator<Item = &'a T>,
    b: impl Iterator<Item = &'a T>,
) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Edits over a corpus: the word error rate (WER) if words are added, the character error rate (CER) if characters are.
///
/// The rate is the sum of all edits over the sum of the reference lengths, not a mean of sentences' rates. It can
/// exceed 1. Case, punctuation and spelling are compared as they stand: a caller that wants them ignored takes them out
/// first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRate {
    counts: EditCounts,
    sentences: u64,
    wrong: u64,
}

impl ErrorRate {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair of item sequences and gives its own counts.
    pub fn add<T: PartialEq>(&mut self, reference: &[T], hypothesis: &[T]) -> EditCounts {
        let counts = counts(reference, hypothesis);
        self.counts.add(&counts);
        self.sentences += 1;
        self.wrong += u64::from(counts.edits() > 0);
        counts
    }

    /// Adds the words of both texts, split at white space: for the WER.
    pub fn add_words(&mut self, reference: &str, hypothesis: &str) -> EditCounts {
        let words = |text| -> Vec<&str> { str::split_whitespace(text).collect() };
        self.add(&words(reference), &words(hypothesis))
    }

    /// Adds the characters (Unicode scalar values, spaces included) of both texts: for the CER.
    pub fn add_characters(&mut self, reference: &str, hypothesis: &str) -> EditCounts {
        let characters = |text| -> Vec<char> { str::chars(text).collect() };
        self.add(&characters(reference), &characters(hypothesis))
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &ErrorRate) {
        self.counts.add(&other.counts);
        self.sentences += other.sentences;
        self.wrong += other.wrong;
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> EditCounts {
        self.counts
    }

    /// Number of pairs added.
    pub fn sentences(&self) -> u64 {
        self.sentences
    }

    /// Edits per item of the references. `None` while these have no items at all: a hypothesis for an empty reference
    /// has no rate of its own, but its insertions count in that of a corpus.
    pub fn rate(&self) -> Option<f64> {
        let reference = self.counts.reference();
        (reference > 0).then(|| self.counts.edits() as f64 / reference as f64)
    }

    /// Share of pairs that are not equal (sentence error rate); `None` before the first.
    pub fn sentence_rate(&self) -> Option<f64> {
        (self.sentences > 0).then(|| self.wrong as f64 / self.sentences as f64)
    }
}
