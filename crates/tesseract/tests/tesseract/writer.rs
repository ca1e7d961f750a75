//! Writes small models as Tesseract writes them.

/// Numbers of entries.
pub const CONFIG: usize = 0;
pub const LEGACY: usize = 3;
pub const LSTM: usize = 17;
pub const PUNCTUATION: usize = 18;
pub const WORDS: usize = 19;
pub const NUMBERS: usize = 20;
pub const UNICHARSET: usize = 21;
pub const RECODER: usize = 22;
pub const VERSION: usize = 23;

/// A file of entries with their numbers, in rising order.
pub fn container(entries: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut offsets = [-1i64; 24];
    let mut place = 4 + 8 * 24;
    for (number, bytes) in entries {
        offsets[*number] = place;
        place += bytes.len() as i64;
    }
    let mut file = 24u32.to_le_bytes().to_vec();
    file.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
    entries.iter().for_each(|(_, bytes)| file.extend(bytes));
    file
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn integers(values: &[i32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    Int8,
    Double,
}

/// Numbers without an order, the same in every run.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From −1 to 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// A matrix with its values as they are in the file.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
    bytes: Vec<u8>,
}

impl Matrix {
    fn random(draw: &mut Draw, numbers: Numbers, rows: usize, columns: usize) -> Self {
        let size = [rows as u32, columns as u32].map(u32::to_le_bytes).concat();
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        match numbers {
            Numbers::Int8 => {
                let weights: Vec<i8> = (0..rows * columns)
                    .map(|_| (127.0 * draw.next()) as i8)
                    .collect();
                let scales: Vec<f64> = (0..rows).map(|_| (1.5 + draw.next()) / 127.0).collect();
                for (row, scale) in weights.chunks(columns).zip(&scales) {
                    values.extend(row.iter().map(|&weight| f64::from(weight) * scale));
                }
                bytes.push(1 | 4 | 128);
                bytes.extend(size);
                bytes.push(0);
                bytes.extend(weights.iter().map(|&weight| weight as u8));
                bytes.extend((rows as u32).to_le_bytes());
                bytes.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
            }
            Numbers::Double => {
                values.extend((0..rows * columns).map(|_| 1.5 * draw.next()));
                bytes.push(4 | 128);
                bytes.extend(size);
                bytes.extend(0f64.to_le_bytes());
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        Self {
            rows,
            columns,
            values,
            bytes,
        }
    }

    /// The product with (x, 1).
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len() + 1, self.columns);
        let with_one = || x.iter().copied().chain([1.0]);
        let rows = self.values.chunks(self.columns);
        rows.map(|row| row.iter().zip(with_one()).map(|(w, x)| w * x).sum())
            .collect()
    }
}

/// A network, written and kept for a reference.
#[derive(Clone, Debug)]
pub enum Net {
    Input(usize),
    /// Half sizes along x and y.
    Convolve(i32, i32, usize),
    Maxpool(i32, i32),
    Series(Vec<Net>),
    Reversed(Box<Net>),
    Transposed(Box<Net>),
    Lstm([Matrix; 4]),
    Summary([Matrix; 4]),
    Full(&'static str, Matrix),
    /// A kind with bytes after its head.
    Other(&'static str, Vec<u8>),
}

/// Makes networks of random weights.
pub struct Maker {
    pub draw: Draw,
    pub numbers: Numbers,
}

impl Maker {
    pub fn new(seed: u64, numbers: Numbers) -> Self {
        Self {
            draw: Draw::new(seed),
            numbers,
        }
    }

    pub fn gates(&mut self, inputs: usize, hidden: usize) -> [Matrix; 4] {
        [(); 4].map(|()| Matrix::random(&mut self.draw, self.numbers, hidden, inputs + hidden + 1))
    }

    pub fn lstm(&mut self, inputs: usize, hidden: usize) -> Net {
        Net::Lstm(self.gates(inputs, hidden))
    }

    pub fn summary(&mut self, inputs: usize, hidden: usize) -> Net {
        Net::Summary(self.gates(inputs, hidden))
    }

    pub fn full(&mut self, kind: &'static str, inputs: usize, outputs: usize) -> Net {
        Net::Full(
            kind,
            Matrix::random(&mut self.draw, self.numbers, outputs, inputs + 1),
        )
    }

    /// Every kind of layer: `height` rows in, `labels` out.
    pub fn network(&mut self, height: usize, labels: usize) -> Net {
        Net::Series(vec![
            Net::Input(height),
            Net::Series(vec![Net::Convolve(1, 1, 1), self.full("Tanh", 9, 4)]),
            self.full("LinTanh", 4, 3),
            Net::Series(vec![Net::Convolve(1, 0, 3), self.full("Relu", 9, 4)]),
            Net::Maxpool(3, 2),
            Net::Transposed(Box::new(self.summary(4, 5))),
            self.lstm(5, 6),
            Net::Reversed(Box::new(self.lstm(6, 4))),
            self.full("Logistic", 4, 7),
            self.full("LinLogistic", 7, 5),
            self.full("Linear", 5, 6),
            self.full("Softmax", 6, labels),
        ])
    }
}

impl Net {
    pub fn weights(&self) -> usize {
        match self {
            Self::Series(parts) => parts.iter().map(Self::weights).sum(),
            Self::Reversed(part) | Self::Transposed(part) => part.weights(),
            Self::Lstm(gates) | Self::Summary(gates) => {
                gates.iter().map(|gate| gate.values.len()).sum()
            }
            Self::Full(_, matrix) => matrix.values.len(),
            _ => 0,
        }
    }

    fn sizes(&self) -> [usize; 2] {
        match self {
            Self::Input(height) => [*height, 1],
            Self::Convolve(x, y, inputs) => {
                [*inputs, inputs * ((2 * x + 1) * (2 * y + 1)) as usize]
            }
            Self::Lstm(gates) | Self::Summary(gates) => {
                [gates[0].columns - 1 - gates[0].rows, gates[0].rows]
            }
            Self::Full(_, matrix) => [matrix.columns - 1, matrix.rows],
            Self::Reversed(part) | Self::Transposed(part) => part.sizes(),
            Self::Series(parts) => [parts[0].sizes()[0], parts[parts.len() - 1].sizes()[1]],
            _ => [1, 1],
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Input(_) => "Input",
            Self::Convolve(..) => "Convolve",
            Self::Maxpool(..) => "Maxpool",
            Self::Series(_) => "Series",
            Self::Reversed(_) => "RTLReversed",
            Self::Transposed(_) => "XYTranspose",
            Self::Lstm(_) => "LSTM",
            Self::Summary(_) => "SummLSTM",
            Self::Full(kind, _) | Self::Other(kind, _) => kind,
        }
    }

    pub fn write(&self) -> Vec<u8> {
        let [inputs, outputs] = self.sizes().map(|size| size as i32);
        // No training, gradients needed, rates of learning for each part (64) and Adam (128).
        let mut bytes = [&[0][..], &string(self.kind()), &[0, 1]].concat();
        bytes.extend(integers(&[192, inputs, outputs, self.weights() as i32]));
        bytes.extend(string("name"));
        let parts = |parts: &[Net]| {
            let mut bytes = (parts.len() as u32).to_le_bytes().to_vec();
            bytes.extend(parts.iter().flat_map(Net::write));
            bytes.extend((parts.len() as u32).to_le_bytes());
            bytes.extend(parts.iter().flat_map(|_| 0.001f32.to_le_bytes()));
            bytes
        };
        match self {
            Self::Input(height) => bytes.extend(integers(&[1, *height as i32, 0, 1, 0])),
            Self::Convolve(x, y, _) | Self::Maxpool(x, y) => bytes.extend(integers(&[*x, *y])),
            Self::Series(all) => bytes.extend(parts(all)),
            Self::Reversed(part) | Self::Transposed(part) => {
                bytes.extend(parts(std::slice::from_ref(part)))
            }
            Self::Lstm(gates) | Self::Summary(gates) => {
                bytes.extend(integers(&[gates[0].columns as i32 - 1]));
                gates.iter().for_each(|gate| bytes.extend(&gate.bytes));
            }
            Self::Full(_, matrix) => bytes.extend(&matrix.bytes),
            Self::Other(_, rest) => bytes.extend(rest),
        }
        bytes
    }
}

/// The entry of a network: with its description, flags (1: bytes, 64: a recoder), iterations, blank and rates.
pub fn lstm(net: &Net, numbers: Numbers, recoder: bool, blank: i32) -> Vec<u8> {
    let flags = i32::from(numbers == Numbers::Int8) + 64 * i32::from(recoder);
    let mut bytes = net.write();
    bytes.extend(string("[1,12,0,1 ...]"));
    bytes.extend(integers(&[flags, 1000, 1001, blank]));
    bytes.extend(
        [0.999f32, 0.001, 0.5]
            .iter()
            .flat_map(|rate| rate.to_le_bytes()),
    );
    bytes
}

/// The characters as Tesseract 4 and 5 write them; the first three are special.
pub fn unicharset(characters: &[&str]) -> Vec<u8> {
    let mut text = format!("{}\nNULL 0 Common 0\n", characters.len() + 3);
    text += "Joined 7 0,255,0,255,0,0,0,0,0,0 Latin 1 0 1 Joined\t# Joined [4a 6f ]a\n";
    text += "|Broken|0|1 f 0,255,0,255,0,0,0,0,0,0 Common 2 10 2 |Broken|0|1\t# Broken\n";
    for (id, character) in (3..).zip(characters) {
        let kind = match character.chars().next() {
            Some(c) if c.is_uppercase() => "5",
            Some(c) if c.is_lowercase() => "3",
            Some(c) if c.is_ascii_digit() => "8",
            Some(c) if c.is_alphabetic() => "1",
            _ => "10",
        };
        text += &format!(
            "{character} {kind} 0,255,0,255,0,0,0,0,0,0 Latin {id} 0 {id} {character}\t# {character}\n"
        );
    }
    text.into_bytes()
}

/// The labels of each character.
pub fn recoder(codes: &[&[i32]]) -> Vec<u8> {
    let mut bytes = (codes.len() as u32).to_le_bytes().to_vec();
    for code in codes {
        bytes.push(1);
        bytes.extend((code.len() as u32).to_le_bytes());
        bytes.extend(integers(code));
    }
    bytes
}

/// A list of words, which are numbers of characters, of a model with `characters`.
pub fn dawg(words: &[&[u64]], characters: u32) -> Vec<u8> {
    #[derive(Default)]
    struct Node(std::collections::BTreeMap<u64, (bool, usize)>);
    let mut nodes = vec![Node::default()];
    for word in words {
        let mut at = 0;
        for (index, letter) in word.iter().enumerate() {
            let is_end = index + 1 == word.len();
            let edge = nodes[at].0.entry(*letter).or_default();
            edge.0 |= is_end;
            if !is_end && edge.1 == 0 {
                let new = nodes.len();
                nodes[at].0.entry(*letter).or_default().1 = new;
                nodes.push(Node::default());
            }
            at = nodes[at].0[letter].1;
        }
    }
    let mut firsts = Vec::new();
    let mut count = 0;
    for node in &nodes {
        firsts.push(count as u64);
        count += node.0.len();
    }
    let letters = 32 - characters.leading_zeros();
    let mut bytes = 42i16.to_le_bytes().to_vec();
    bytes.extend(characters.to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    for node in &nodes {
        for (index, (letter, (end, next))) in node.0.iter().enumerate() {
            let is_last = index + 1 == node.0.len();
            let flags = u64::from(is_last) | u64::from(*end) << 2;
            let next = if *next == 0 { 0 } else { firsts[*next] };
            bytes.extend((letter | flags << letters | next << (letters + 3)).to_le_bytes());
        }
    }
    bytes
}

/// Characters of [`model`].
pub const CHARACTERS: [&str; 5] = ["a", "b", "Ä", "fi", "."];

/// A whole model with every kind of layer and entry. The label of character i + 3 is i + 1, that of the space 0, and
/// the last one the blank.
pub fn model(numbers: Numbers) -> (Vec<u8>, Net) {
    let net = Maker::new(7, numbers).network(12, 7);
    let entries = [
        (
            CONFIG,
            b"# a remark\npreserve_interword_spaces 1\n".to_vec(),
        ),
        (LSTM, lstm(&net, numbers, true, 6)),
        (PUNCTUATION, dawg(&[&[0], &[0, 7]], 8)),
        (
            WORDS,
            dawg(&[&[3], &[3, 4], &[3, 4, 4], &[5, 6], &[5, 4, 3]], 8),
        ),
        (NUMBERS, dawg(&[&[0, 7, 0]], 8)),
        (UNICHARSET, unicharset(&CHARACTERS)),
        (
            RECODER,
            recoder(&[&[0], &[6], &[6], &[1], &[2], &[3], &[4], &[5]]),
        ),
        (VERSION, b"4.00.00alpha:test".to_vec()),
    ];
    (container(&entries), net)
}

/// Three Korean syllables, three labels each, two of them with the same first two.
pub fn korean() -> Vec<u8> {
    let net = Maker::new(3, Numbers::Int8).network(12, 9);
    container(&[
        (LSTM, lstm(&net, Numbers::Int8, true, 8)),
        (UNICHARSET, unicharset(&["가", "각", "나", "7"])),
        (
            RECODER,
            recoder(&[&[0], &[8], &[8], &[1, 3, 5], &[1, 3, 6], &[2, 3, 5], &[7]]),
        ),
    ])
}
