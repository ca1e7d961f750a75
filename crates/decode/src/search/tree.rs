//! The hypotheses of one sentence as back-pointers.

/// No node: the empty hypothesis.
pub(super) const NONE: u32 = u32::MAX;

/// The last token of a hypothesis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The hypothesis without it, or [`NONE`].
    before: u32,
    pub token: u32,
    pub log_prob: f32,
    /// The row of this sentence, counted over all steps, that predicted it.
    row: u32,
}

/// All hypotheses of a sentence, dead ones too. Plans limit its size (`Plan::check_bytes`).
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// `[rows,S]`, if steps need attention.
    attention: Vec<f32>,
    /// `S`
    source: usize,
    /// Rows of the steps before this one.
    rows: usize,
}

impl Tree {
    pub fn new(source: usize) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// A hypothesis with one more token, predicted by this row of the present step.
    pub fn add(&mut self, before: u32, token: u32, log_prob: f32, row: usize) -> u32 {
        let row = (self.rows + row) as u32;
        self.nodes.push(Node {
            before,
            token,
            log_prob,
            row,
        });
        (self.nodes.len() - 1) as u32
    }

    /// Takes the attention weights `[S]` of the next row.
    pub fn attend(&mut self, weights: &[f32]) {
        self.attention.extend_from_slice(weights);
    }

    /// A step with this many rows is over.
    pub fn close_step(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// The last token of a hypothesis.
    pub fn last(&self, node: u32) -> Option<&Node> {
        self.nodes.get(node as usize)
    }

    /// From the last token to the first.
    fn back(&self, node: u32) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.last(node), |node| self.last(node.before))
    }

    /// From the first token to the last.
    pub fn path(&self, node: u32) -> Vec<Node> {
        let mut path: Vec<Node> = self.back(node).copied().collect();
        path.reverse();
        path
    }

    /// Puts the tokens of a hypothesis into `tokens`.
    pub fn tokens(&self, node: u32, tokens: &mut Vec<u32>) {
        tokens.clear();
        tokens.extend(self.back(node).map(|node| node.token));
        tokens.reverse();
    }

    /// The attention weights `[S]` with which a token was predicted.
    pub fn weights(&self, node: &Node) -> &[f32] {
        let at = node.row as usize * self.source;
        &self.attention[at..at + self.source]
    }

    /// Σ_j ln min(Σ_i a_ij, 1) over source positions j and the steps i of a hypothesis; sums below `least` count as it.
    pub fn coverage(&self, node: u32, least: f64) -> f64 {
        let mut sums = vec![0.0; self.source];
        for node in self.path(node) {
            for (sum, &weight) in sums.iter_mut().zip(self.weights(&node)) {
                *sum += f64::from(weight);
            }
        }
        let log = |sum: f64| libm::log(sum.clamp(least, 1.0));
        sums.into_iter().map(log).sum()
    }
}
