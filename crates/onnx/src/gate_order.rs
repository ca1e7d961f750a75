//! The order of gates: ONNX has LSTM i, o, f, c and GRU z, r, h; the kernels have PyTorch's LSTM i, f, g, o and GRU r,
//! z, n.

use refrain_kernels::Cell;

/// For every gate of the kernels, its place in ONNX.
const fn places(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::RnnTanh | Cell::RnnRelu => &[0],
        Cell::Lstm => &[0, 2, 3, 1],
        Cell::Gru | Cell::GruResetBefore => &[1, 0, 2],
    }
}

/// Weights or a bias of one direction, `[G·H,·]`, from ONNX's order to the kernels'.
pub(crate) fn from_onnx(cell: Cell, gates: &[f32]) -> Vec<f32> {
    let size = gates.len() / cell.gates();
    let gate = |&place: &usize| &gates[place * size..(place + 1) * size];
    places(cell).iter().flat_map(gate).copied().collect()
}

/// From the kernels' order to ONNX's.
pub(crate) fn to_onnx(cell: Cell, gates: &[f32]) -> Vec<f32> {
    let size = gates.len() / cell.gates();
    let mut onnx = vec![0.0; size * cell.gates()];
    for (gate, place) in places(cell).iter().enumerate() {
        onnx[place * size..(place + 1) * size]
            .copy_from_slice(&gates[gate * size..(gate + 1) * size]);
    }
    onnx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let [i, o, f, c] = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(from_onnx(Cell::Lstm, &[i, o, f, c]), [i, f, c, o]);
        let [z, r, h] = [0.0, 1.0, 2.0];
        assert_eq!(
            from_onnx(Cell::Gru, &[z, z, r, r, h, h]),
            [r, r, z, z, h, h]
        );
        for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru] {
            let gates: Vec<f32> = (0..12u8).map(f32::from).collect();
            assert_eq!(from_onnx(cell, &to_onnx(cell, &gates)), gates);
        }
    }
}
