//! Many runs of one model: values kept between them change no bit, and sessions keep apart.

use crate::tools::{constant, floats, node, noise, read, single};
use prost::Message;
use refrain_kernels::{Cell, Weights};
use refrain_onnx::export::{LanguageModel, Layer, language_model};
use refrain_onnx::proto::ModelProto;
use refrain_onnx::{Array, Data, Model, Session};
use std::collections::BTreeMap;
use std::sync::Arc;

const V: usize = 11;
const C: usize = 20;
const H: usize = 20;

fn data(shape: &[usize], seed: u64) -> Vec<f32> {
    noise(shape, seed).as_f32().unwrap().to_vec()
}

/// The file of a tied language model of one layer.
fn file(cell: Cell) -> Vec<u8> {
    let rows = cell.gates() * H;
    let [w_ih, w_hh] = [data(&[rows, C], 1), data(&[rows, H], 2)];
    let [b_ih, b_hh] = [3, 4].map(|seed| data(&[rows], seed));
    let layer = Layer {
        hidden: H,
        weights: Weights {
            w_ih: &w_ih,
            w_hh: &w_hh,
            b_ih: Some(&b_ih),
            b_hh: Some(&b_hh),
        },
    };
    let model = LanguageModel {
        cell,
        vocabulary: V,
        features: C,
        embedding: &data(&[V, C], 5),
        layers: vec![layer],
        output: None,
        bias: &data(&[V], 6),
    };
    language_model(&model).unwrap()
}

fn token(id: i64) -> (String, Array) {
    let ids = Array::new(vec![1, 1], Data::I64(vec![id])).unwrap();
    ("tokens".into(), ids)
}

fn zeros() -> Array {
    floats(&[1, 1, H], &[0.0; H])
}

fn bits(outputs: &[(String, Array)]) -> Vec<(String, Vec<u32>)> {
    let bits = |value: &Array| {
        value
            .as_f32()
            .unwrap()
            .iter()
            .map(|x| x.to_bits())
            .collect()
    };
    outputs
        .iter()
        .map(|(name, value)| (name.clone(), bits(value)))
        .collect()
}

/// A session with the states of a language model, at their beginning.
fn begin(model: &Arc<Model>, cell: Cell) -> Session {
    let mut session = Session::new(model.clone());
    let parts: &[&str] = if cell.has_memory() {
        &["h", "c"]
    } else {
        &["h"]
    };
    for part in parts {
        session
            .carry(&format!("{part}_n_l0"), &format!("{part}_l0"))
            .unwrap();
    }
    let start = parts.iter().map(|part| (format!("{part}_l0"), zeros()));
    session.set_state(start.collect()).unwrap();
    session
}

#[test]
fn a_session_has_the_bits_of_fresh_models() {
    for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru, Cell::GruResetBefore] {
        let file = file(cell);
        let model = Arc::new(Model::read(&file).unwrap());
        let mut session = begin(&model, cell);
        let mut state = session.state().clone();
        for id in [3, 0, 10, 10, 7] {
            let mut inputs = state.clone();
            inputs.extend([token(id)]);
            let fresh = Model::read(&file).unwrap().run(inputs).unwrap();
            let got = session.run([token(id)].into()).unwrap();
            assert_eq!(bits(&got), bits(&fresh), "{cell:?}");
            state = fresh
                .into_iter()
                .filter(|(name, _)| name != "logits")
                .map(|(name, value)| (name.replace("_n_", "_"), value))
                .collect();
            assert_eq!(*session.state(), state);
        }
    }
}

#[test]
fn sessions_of_one_model_run_at_once_and_keep_apart() {
    let model = Arc::new(Model::read(&file(Cell::Gru)).unwrap());
    let speak = |mut session: Session, from: i64| -> Vec<_> {
        let ids = (from..from + 30).map(|id| id % V as i64);
        ids.map(|id| bits(&session.run([token(id)].into()).unwrap()))
            .collect()
    };
    let alone: Vec<_> = (0..4).map(|n| speak(begin(&model, Cell::Gru), n)).collect();
    let threads = (0..4).map(|n| {
        let session = begin(&model, Cell::Gru);
        std::thread::spawn(move || speak(session, n))
    });
    let threads: Vec<_> = threads.collect();
    let together: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(alone, together);
    assert_ne!(alone[0], alone[1]);
}

/// y = x·(k + k) + d, where d is an input with a default.
fn model() -> ModelProto {
    let mut model = single(13, node("Mul", &["x", "twice"], &["scaled"], vec![]), &[]);
    let graph = model.graph.as_mut().unwrap();
    graph
        .node
        .insert(0, node("Add", &["k", "k"], &["twice"], vec![]));
    graph
        .node
        .push(node("Add", &["scaled", "d"], &["y"], vec![]));
    graph.input = vec![crate::tools::info("x", 1), crate::tools::info("d", 1)];
    graph.output = vec![crate::tools::info("y", 1), crate::tools::info("twice", 1)];
    graph.initializer = vec![constant("k", &[1], &[3.0]), constant("d", &[1], &[0.5])];
    model
}

#[test]
fn constants_are_computed_once_and_defaults_stay_open() {
    let model = read(&model()).unwrap();
    let run = |d: Option<f32>| {
        let mut inputs = BTreeMap::from([("x".to_string(), floats(&[1], &[2.0]))]);
        inputs.extend(d.map(|d| ("d".to_string(), floats(&[1], &[d]))));
        let outputs = model.run(inputs).unwrap();
        (outputs[0].1.clone(), outputs[1].1.clone())
    };
    let six = floats(&[1], &[6.0]);
    assert_eq!(run(None), (floats(&[1], &[12.5]), six.clone()));
    assert_eq!(run(Some(1.0)), (floats(&[1], &[13.0]), six.clone()));
    assert_eq!(run(None), (floats(&[1], &[12.5]), six));
}

/// A run with recurrent weights of its own must not use weights that another run has packed.
#[test]
fn weights_that_are_inputs_are_read_in_every_run() {
    let shapes: [(&str, &[usize]); 3] = [("X", &[2, 1, C]), ("W", &[1, H, C]), ("R", &[1, H, H])];
    let mut proto = single(14, node("RNN", &["X", "W", "R"], &["Y"], vec![]), &[]);
    let default = noise(shapes[1].1, 50);
    proto.graph.as_mut().unwrap().initializer = vec![constant(
        "W",
        &[1, H as i64, C as i64],
        default.as_f32().unwrap(),
    )];
    proto.graph.as_mut().unwrap().node[0].input = shapes.map(|(name, _)| name.into()).to_vec();
    let file = proto.encode_to_vec();
    let model = Model::read(&file).unwrap();
    for seed in [1, 2] {
        for own in [true, false] {
            let mut inputs: BTreeMap<String, Array> = shapes
                .iter()
                .zip(10 * seed..)
                .map(|((name, shape), seed)| (name.to_string(), noise(shape, seed)))
                .collect();
            if !own {
                inputs.remove("W");
            }
            let fresh = Model::read(&file).unwrap().run(inputs.clone()).unwrap();
            assert_eq!(bits(&model.run(inputs).unwrap()), bits(&fresh));
        }
    }
}

#[test]
fn carrying_is_checked() {
    let model = Arc::new(Model::read(&file(Cell::Lstm)).unwrap());
    let mut session = Session::new(model);
    let refused = |session: &mut Session, output: &str, input: &str| {
        session.carry(output, input).unwrap_err().to_string()
    };
    assert!(refused(&mut session, "h", "h_l0").contains("no output \"h\""));
    assert!(refused(&mut session, "h_n_l0", "h").contains("no input \"h\""));
    assert!(refused(&mut session, "logits", "tokens").contains("float32 and int64"));
    session.carry("h_n_l0", "h_l0").unwrap();
    assert!(refused(&mut session, "c_n_l0", "h_l0").contains("another output"));
    let foreign = BTreeMap::from([("z".to_string(), zeros())]);
    assert!(session.set_state(foreign).is_err());
    // A failed run leaves the state as it was.
    assert!(session.run([token(1)].into()).is_err());
    assert!(session.state().is_empty());
}
