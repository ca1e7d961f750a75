//! Models that are written run as the kernels run them.

use crate::tools::{error, noise};
use refrain_kernels::{Cell, Direction, Inputs, Plan, Precision, Weights, forward, softmax};
use refrain_onnx::export::{LanguageModel, Layer, language_model};
use refrain_onnx::{Array, Data, Model};
use std::collections::BTreeMap;

const B: usize = 2;
const T: usize = 5;
const V: usize = 7;
const C: usize = 4;
const SIZES: [usize; 2] = [6, 4];

fn data(shape: &[usize], seed: u64) -> Vec<f32> {
    noise(shape, seed).as_f32().unwrap().to_vec()
}

/// Weights of both layers: of the input, of the state, and two biases.
fn weights(cell: Cell) -> Vec<[Vec<f32>; 4]> {
    let layer = |(l, &hidden): (usize, &usize)| {
        let (rows, input) = (cell.gates() * hidden, if l == 0 { C } else { SIZES[l - 1] });
        let seed = 10 * l as u64;
        [
            data(&[rows, input], seed + 1),
            data(&[rows, hidden], seed + 2),
            data(&[rows], seed + 3),
            data(&[rows], seed + 4),
        ]
    };
    SIZES.iter().enumerate().map(layer).collect()
}

fn borrowed([w_ih, w_hh, b_ih, b_hh]: &[Vec<f32>; 4]) -> Weights<'_> {
    Weights {
        w_ih,
        w_hh,
        b_ih: Some(b_ih),
        b_hh: Some(b_hh),
    }
}

fn tokens(time: std::ops::Range<usize>) -> Array {
    let ids = (0..B).flat_map(|b| time.clone().map(move |t| ((3 * b + 2 * t) % V) as i64));
    Array::new(vec![B, time.len()], Data::I64(ids.collect())).unwrap()
}

/// Logits `[B,T,V]` by the kernels.
fn expected(
    cell: Cell,
    weights: &[[Vec<f32>; 4]],
    embedding: &[f32],
    output: &[f32],
    bias: &[f32],
) -> Array {
    let Data::I64(ids) = tokens(0..T).into_parts().1 else {
        unreachable!("tokens are integers")
    };
    let mut x: Vec<f32> = ids
        .iter()
        .flat_map(|&id| &embedding[id as usize * C..][..C])
        .copied()
        .collect();
    let mut input = C;
    for (layer, hidden) in weights.iter().zip(SIZES) {
        let plan = Plan {
            cell,
            batch: B,
            time: T,
            input,
            hidden,
            directions: &[Direction::Forward],
            lengths: None,
            precision: Precision::F32,
        };
        let inputs = Inputs {
            x: &x,
            weights: &[borrowed(layer)],
            h0: None,
            c0: None,
        };
        x = forward(&plan, &inputs, false).unwrap().0.y;
        input = hidden;
    }
    let logits = softmax::linear(&x, output, Some(bias), B * T, input, V).unwrap();
    Array::floats(vec![B, T, V], logits).unwrap()
}

/// Runs tokens `time` from a state, and puts the state after into it.
fn run(model: &Model, state: &mut BTreeMap<String, Array>, time: std::ops::Range<usize>) -> Array {
    let mut inputs = state.clone();
    inputs.insert("tokens".into(), tokens(time));
    let mut outputs: BTreeMap<String, Array> = model.run(inputs).unwrap().into_iter().collect();
    let logits = outputs.remove("logits").unwrap();
    *state = outputs
        .into_iter()
        .map(|(name, value)| (name.replace("_n_", "_"), value))
        .collect();
    logits
}

#[test]
fn language_models_of_every_cell() {
    for cell in [
        Cell::RnnTanh,
        Cell::RnnRelu,
        Cell::Lstm,
        Cell::Gru,
        Cell::GruResetBefore,
    ] {
        for tied in [false, true] {
            let weights = weights(cell);
            let (embedding, output, bias) =
                (data(&[V, C], 91), data(&[V, SIZES[1]], 92), data(&[V], 93));
            let projection = if tied { &embedding } else { &output };
            let layers = weights.iter().zip(SIZES).map(|(weights, hidden)| Layer {
                hidden,
                weights: borrowed(weights),
            });
            let bytes = language_model(&LanguageModel {
                cell,
                vocabulary: V,
                features: C,
                embedding: &embedding,
                layers: layers.collect(),
                output: (!tied).then_some(&output),
                bias: &bias,
            });
            let model = Model::read(&bytes.unwrap()).unwrap();
            let zeros =
                |hidden: usize| Array::floats(vec![1, B, hidden], vec![0.0; B * hidden]).unwrap();
            let ports: Vec<String> = model.inputs().map(|port| port.name.clone()).collect();
            let states = ports.iter().filter(|name| *name != "tokens");
            let start: BTreeMap<_, _> = states
                .map(|name| (name.clone(), zeros(SIZES[usize::from(name.ends_with('1'))])))
                .collect();
            let whole = run(&model, &mut start.clone(), 0..T);
            let expected = expected(cell, &weights, &embedding, projection, &bias);
            assert!(error(&expected, &whole) < 1e-6, "{cell:?} {tied}");

            // In pieces, with the state carried over.
            let mut state = start;
            let parts = [0..2, 2..3, 3..T]
                .map(|time| run(&model, &mut state, time).as_f32().unwrap().to_vec());
            let row = |b: usize| {
                [(2, 0), (1, 1), (2, 2)]
                    .map(|(time, part): (usize, usize)| {
                        &parts[part][b * time * V..(b + 1) * time * V]
                    })
                    .concat()
            };
            let pieces = Array::floats(vec![B, T, V], (0..B).flat_map(row).collect()).unwrap();
            assert!(error(&whole, &pieces) < 1e-6, "{cell:?} {tied}");
        }
    }
}
