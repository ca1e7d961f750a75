//! Words that a hypothesis must contain.

/// Forced words, and how far a hypothesis is with each of them: one matcher of Knuth, Morris and Pratt (1977) a word,
/// so that overlaps are seen.
#[derive(Debug, Clone)]
pub(super) struct Words {
    words: Vec<Word>,
    /// All tokens of the words, each once, ascending.
    alphabet: Vec<u32>,
    tokens: usize,
}

#[derive(Debug, Clone)]
struct Word {
    tokens: Vec<u32>,
    /// `borders[n]`: length of the longest proper suffix of the first n + 1 tokens that the word begins with.
    borders: Vec<usize>,
}

/// How many tokens of each word the end of a hypothesis matches; all of them for good once the word is there.
pub(super) type Progress = Vec<u32>;

impl Words {
    /// Words of at least one token each.
    pub fn new(mut words: Vec<Vec<u32>>) -> Self {
        words.sort();
        words.dedup();
        let mut alphabet = words.concat();
        let tokens = alphabet.len();
        alphabet.sort_unstable();
        alphabet.dedup();
        Self {
            words: words.into_iter().map(Word::new).collect(),
            alphabet,
            tokens,
        }
    }

    /// Tokens of all words.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    pub fn alphabet(&self) -> &[u32] {
        &self.alphabet
    }

    /// Bytes of a [`Progress`].
    pub fn bytes(&self) -> usize {
        self.words.len() * size_of::<u32>()
    }

    pub fn start(&self) -> Progress {
        vec![0; self.words.len()]
    }

    /// The progress after one more token.
    pub fn step(&self, progress: &[u32], token: u32) -> Progress {
        self.after(progress, token).collect()
    }

    fn after(&self, progress: &[u32], token: u32) -> impl Iterator<Item = u32> {
        let both = self.words.iter().zip(progress);
        both.map(move |(word, &at)| word.step(at as usize, token) as u32)
    }

    /// Whether the token brings a word that is not there yet one token further.
    pub fn wants(&self, progress: &[u32], token: u32) -> bool {
        let mut both = self.words.iter().zip(progress);
        both.any(|(word, &at)| word.tokens.get(at as usize) == Some(&token))
    }

    /// Tokens of the words that are there.
    pub fn settled(&self, progress: &[u32]) -> usize {
        self.count(progress.iter().copied()).0
    }

    /// The bank after one more token: tokens of the words that are then there, and of the word that is furthest on its
    /// way.
    pub fn bank(&self, progress: &[u32], token: u32) -> usize {
        let (settled, on_way) = self.count(self.after(progress, token));
        settled + on_way
    }

    /// Whether all words are there.
    pub fn complete(&self, progress: &[u32]) -> bool {
        self.settled(progress) == self.tokens
    }

    /// Tokens of the words that are there, and most tokens of another.
    fn count(&self, progress: impl Iterator<Item = u32>) -> (usize, usize) {
        let (mut settled, mut on_way) = (0, 0);
        for (word, at) in self.words.iter().zip(progress) {
            let (at, len) = (at as usize, word.tokens.len());
            match at == len {
                true => settled += len,
                false => on_way = on_way.max(at),
            }
        }
        (settled, on_way)
    }
}

impl Word {
    fn new(tokens: Vec<u32>) -> Self {
        let mut word = Self {
            borders: vec![0],
            tokens,
        };
        for n in 1..word.tokens.len() {
            let border = word.follow(word.borders[n - 1], word.tokens[n]);
            word.borders.push(border);
        }
        word
    }

    fn step(&self, at: usize, token: u32) -> usize {
        match at == self.tokens.len() {
            true => at,
            false => self.follow(at, token),
        }
    }

    /// The matched length after `at` < length tokens matched and `token` follows.
    fn follow(&self, mut at: usize, token: u32) -> usize {
        while at > 0 && self.tokens[at] != token {
            at = self.borders[at - 1];
        }
        at + usize::from(self.tokens[at] == token)
    }
}
