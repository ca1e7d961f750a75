//! The best `K` of many candidates: the choice that every beam search makes in a step.

/// Keeps the `K` candidates of the highest scores. Equal scores rank in the order in which they were pushed, so that a
/// search that visits its candidates in a fixed order has one answer.
///
/// Holds at most 2·`K` candidates; a push costs constant time on average.
#[derive(Debug, Clone)]
pub struct TopK<T> {
    capacity: usize,
    /// (score, number of the push, candidate)
    items: Vec<(f64, u64, T)>,
    pushed: u64,
    /// No candidate with a score of this or less can still be among the best.
    floor: Option<f64>,
}

impl<T> TopK<T> {
    /// Room for `capacity` = `K` candidates.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: Vec::new(),
            pushed: 0,
            floor: None,
        }
    }

    /// Offers a candidate; false if it is certainly not among the best. A score of −∞ or NaN never is.
    pub fn push(&mut self, score: f64, item: T) -> bool {
        let low = self.floor.is_some_and(|floor| score <= floor);
        if low || self.capacity == 0 || score.is_nan() || score == f64::NEG_INFINITY {
            return false;
        }
        self.items.push((score, self.pushed, item));
        self.pushed += 1;
        if self.items.len() >= self.capacity.saturating_mul(2) {
            self.cut();
        }
        true
    }

    /// A score of this or less is certainly not among the best; `None` if any still may be.
    pub fn floor(&self) -> Option<f64> {
        self.floor
    }

    /// Takes out the best, best first, without those that lie more than `margin` below the best (∞ keeps all). Nothing
    /// is left then.
    pub fn take(&mut self, margin: f64) -> Vec<(f64, T)> {
        let mut items = std::mem::take(&mut self.items);
        (self.pushed, self.floor) = (0, None);
        items.sort_unstable_by(order);
        items.truncate(self.capacity);
        let least = items.first().map_or(0.0, |best| best.0 - margin);
        items.retain(|item| item.0 >= least);
        items
            .into_iter()
            .map(|(score, _, item)| (score, item))
            .collect()
    }

    /// Drops all but the best `K`; there are more.
    fn cut(&mut self) {
        let last = self.capacity - 1;
        if last < self.items.len() {
            self.items.select_nth_unstable_by(last, order);
            self.items.truncate(self.capacity);
            self.floor = Some(self.items[last].0);
        }
    }
}

/// Higher scores first, then earlier pushes.
fn order<T>(a: &(f64, u64, T), b: &(f64, u64, T)) -> std::cmp::Ordering {
    // Not `total_cmp`: −0 and 0 are the same score. NaN never gets in.
    let by_score = b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal);
    by_score.then(a.1.cmp(&b.1))
}
