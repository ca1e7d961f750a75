//! A language model and its ONNX file give the same numbers.

use burn::tensor::Device;
use refrain::models::{CellKind, GeneratorScratch, LanguageModelConfig};
use refrain::tasks::language::onnx;
use refrain_onnx::{Array as Value, Data, Model};
use std::collections::BTreeMap;

const V: usize = 11;
const H: usize = 9;
const TOKENS: [i64; 6] = [3, 0, 10, 10, 7, 1];

#[test]
fn logits_of_the_file_are_those_of_the_model() {
    for cell in [CellKind::Lstm, CellKind::Gru, CellKind::Rnn] {
        for tied in [false, true] {
            let config = LanguageModelConfig {
                cell,
                tied,
                embedding: 5,
                hidden: H,
                layers: 3,
                ..LanguageModelConfig::default()
            };
            let model = config.init(V, 7, &Device::flex()).unwrap();
            let file = onnx(&model, cell.into()).unwrap();
            let file = Model::read(&file).unwrap();

            let mut inputs: BTreeMap<String, Value> = BTreeMap::new();
            for port in file.inputs().filter(|port| port.name != "tokens") {
                let hidden = if tied && port.name.ends_with('2') {
                    5
                } else {
                    H
                };
                let zeros = Value::floats(vec![1, 1, hidden], vec![0.0; hidden]).unwrap();
                inputs.insert(port.name.clone(), zeros);
            }
            let tokens = Value::new(vec![1, TOKENS.len()], Data::I64(TOKENS.to_vec()));
            inputs.insert("tokens".into(), tokens.unwrap());
            let outputs = file.run(inputs).unwrap();
            let (name, logits) = &outputs[0];
            assert_eq!((name.as_str(), logits.shape()), ("logits", &[1, 6, V][..]));

            let generator = model.generator().unwrap();
            let (mut state, mut scratch) = (generator.start(), GeneratorScratch::default());
            for (id, row) in TOKENS.iter().zip(logits.as_f32().unwrap().chunks(V)) {
                let expected = generator
                    .step(*id as u32, &mut state, &mut scratch)
                    .unwrap();
                for (e, g) in expected.iter().zip(row) {
                    assert!((e - g).abs() < 1e-5, "{cell:?} {tied}: {e} {g}");
                }
            }
        }
    }
}
