//! Texts that do not tell capitals from small letters.

use refrain_decode::text::Labels;

/// Classes that are one letter, capital and small.
#[derive(Clone, Debug)]
pub(super) struct Folding {
    pairs: Vec<[u32; 2]>,
    /// The class that stands for each class.
    stands_for: Vec<u32>,
}

impl Folding {
    pub fn new(labels: &Labels) -> Self {
        let classes = 0..labels.vocabulary() as u32;
        let mut stands_for: Vec<u32> = classes.clone().collect();
        let mut pairs = Vec::new();
        for small in classes.clone() {
            let text = labels.text(small);
            let capital = text.to_uppercase();
            // Of two small letters of one capital, like s and ſ, the one that it becomes again.
            if capital == text || capital.to_lowercase() != text {
                continue;
            }
            if let Some(capital) = classes.clone().find(|&own| labels.text(own) == capital) {
                pairs.push([capital, small]);
                stands_for[small as usize] = capital;
            }
        }
        Self { pairs, stands_for }
    }

    /// Each a capital and its small letter.
    pub fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }

    /// Labels with small letters as capitals.
    pub fn fold(&self, labels: &mut [u32]) {
        for label in labels {
            if let Some(&own) = self.stands_for.get(*label as usize) {
                *label = own;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_folded_only_with_its_own_capital() {
        let texts = ["a", "A", "ß", "S", "s", "1", "é", "µ", ""].map(String::from);
        let folding = Folding::new(&Labels::new(texts.to_vec(), 8, None).unwrap());
        assert_eq!(folding.pairs(), [[1, 0], [3, 4]]);
        let mut labels = [0, 1, 2, 3, 4, 5, 6, 7, 8];
        folding.fold(&mut labels);
        assert_eq!(labels, [1, 1, 2, 3, 3, 5, 6, 7, 8]);
    }
}
