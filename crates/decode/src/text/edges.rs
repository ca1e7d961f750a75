//! Edges and nodes of the tries of this folder.

/// The edges of a node, ordered by character.
#[derive(Debug, Clone, Default)]
pub(super) struct Edges(Vec<(char, u32)>);

impl Edges {
    /// The node one character on.
    pub fn get(&self, character: char) -> Option<u32> {
        let at = self.0.binary_search_by_key(&character, |edge| edge.0);
        Some(self.0[at.ok()?].1)
    }

    /// The node one character on; if there is none, `new` becomes it.
    pub fn get_or_insert(&mut self, character: char, new: u32) -> u32 {
        match self.0.binary_search_by_key(&character, |edge| edge.0) {
            Ok(at) => self.0[at].1,
            Err(at) => {
                self.0.insert(at, (character, new));
                new
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (char, u32)> + '_ {
        self.0.iter().copied()
    }
}

/// A node of a trie.
pub(super) trait TrieNode: Default {
    /// Its edges.
    fn edges(&mut self) -> &mut Edges;
}

/// The node one character on, new if there was none.
pub(super) fn grow<N: TrieNode>(nodes: &mut Vec<N>, node: usize, character: char) -> usize {
    let new = nodes.len() as u32;
    let next = nodes[node].edges().get_or_insert(character, new);
    if next == new {
        nodes.push(N::default());
    }
    next as usize
}
