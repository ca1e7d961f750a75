//! A TrueType font without ink, for invisible text.

/// Units of the em square.
const EM: u16 = 1000;
/// Width of the glyph, units.
pub(super) const ADVANCE: u16 = 500;
/// Top of the text above the baseline, and its bottom, units.
pub(super) const ASCENT: i16 = 800;
/// See [`ASCENT`].
pub(super) const DESCENT: i16 = -200;

/// The font file: `.notdef` and one glyph, both empty, as the OpenType specification lays out the tables `glyf`,
/// `head`, `hhea`, `hmtx`, `loca` and `maxp`. A PDF needs no others.
pub(super) fn font() -> Vec<u8> {
    let words = |words: &[u16]| {
        words
            .iter()
            .flat_map(|w| w.to_be_bytes())
            .collect::<Vec<_>>()
    };
    let (top, bottom) = (ASCENT as u16, DESCENT as u16);
    let mut head = words(&[1, 0, 1, 0, 0, 0, 0x5f0f, 0x3cf5, 0, EM]);
    // Two dates, 64 bits each, are zero. Then come the box of all glyphs, style, least size and direction, and the form
    // of `loca`: 16 bits.
    head.extend(words(&[0; 8]));
    head.extend(words(&[0, bottom, ADVANCE, top, 0, 8, 2, 0, 0]));
    let mut hhea = words(&[1, 0, top, bottom, 0, ADVANCE, 0, 0, 0, 1]);
    // The last word is the number of widths in `hmtx`.
    hhea.extend(words(&[0, 0, 0, 0, 0, 0, 0, 2]));
    let hmtx = words(&[ADVANCE, 0, ADVANCE, 0]);
    let mut maxp = words(&[1, 0, 2]);
    maxp.extend(words(&[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]));
    let tables: [(&[u8; 4], Vec<u8>); 6] = [
        (b"glyf", vec![0; 4]),
        (b"head", head),
        (b"hhea", hhea),
        (b"hmtx", hmtx),
        (b"loca", words(&[0, 0, 0])),
        (b"maxp", maxp),
    ];
    // Version; number of tables; 16 × the largest power of two below it, its logarithm, and the rest.
    let mut file = words(&[1, 0, 6, 64, 2, 32]);
    let mut offset = file.len() + 16 * tables.len();
    let mut head_at = 0;
    for (tag, table) in &tables {
        if *tag == b"head" {
            head_at = offset;
        }
        file.extend(*tag);
        for number in [checksum(table), offset as u32, table.len() as u32] {
            file.extend(number.to_be_bytes());
        }
        offset += table.len().next_multiple_of(4);
    }
    for (_, table) in &tables {
        file.extend(table);
        file.resize(file.len().next_multiple_of(4), 0);
    }
    let adjustment = 0xb1b0_afba_u32.wrapping_sub(checksum(&file));
    file[head_at + 8..head_at + 12].copy_from_slice(&adjustment.to_be_bytes());
    file
}

/// Sum of 32-bit words, the last one filled with zeros.
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        u32::from_be_bytes(word)
    });
    words.fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_sizes_of_tables() {
        let font = font();
        assert_eq!(checksum(&font), 0xb1b0_afba);
        let sizes = [
            (b"glyf", 4),
            (b"head", 54),
            (b"hhea", 36),
            (b"hmtx", 8),
            (b"loca", 6),
            (b"maxp", 32),
        ];
        for (i, (tag, size)) in sizes.into_iter().enumerate() {
            let record = &font[12 + 16 * i..][..16];
            assert_eq!(&record[..4], tag);
            let number = |at: usize| u32::from_be_bytes(record[at..at + 4].try_into().unwrap());
            assert_eq!(number(12), size);
            let mut table = font[number(8) as usize..][..size as usize].to_vec();
            if tag == b"head" {
                table[8..12].fill(0);
            }
            assert_eq!(checksum(&table), number(4));
        }
    }
}
