//! Damaged and forged files: an error or an answer, never a panic, never memory without bound.

use crate::changes::{cases, changed, changes};
use crate::tools::goldens;
use proptest::prelude::*;
use refrain_data::npz;
use refrain_onnx::Model;
use std::sync::LazyLock;

/// Bytes that a run may hold here.
const LIMIT: usize = 1 << 18;

/// Every golden's model and archive of inputs.
static FILES: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let all = ["node", "runtime", "operators", "more"]
        .into_iter()
        .flat_map(goldens);
    let small = all.filter(|golden| golden.model.len() < 20_000);
    small
        .map(|golden| {
            let inputs: Vec<_> = golden.inputs.into_iter().collect();
            (golden.model, npz::write(&inputs).unwrap())
        })
        .collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn models_with_changed_bytes_do_not_panic(which in 0..1000usize, changes in changes()) {
        let (model, inputs) = &FILES[which % FILES.len()];
        let bytes = changed(model.clone(), &changes);
        // A file that can be read has no findings.
        let clean = Model::check(&bytes).is_ok_and(|found| found.is_empty());
        prop_assert_eq!(clean, Model::read(&bytes).is_ok());
        if let Ok(model) = Model::read(&bytes) {
            let inputs = npz::read(inputs).unwrap();
            let _ = model.with_limit(LIMIT).with_iterations(1000).run(inputs);
        }
    }

    #[test]
    fn archives_with_changed_bytes_do_not_panic(which in 0..1000usize, changes in changes()) {
        let (_, inputs) = &FILES[which % FILES.len()];
        let _ = npz::read(&changed(inputs.clone(), &changes));
    }

    #[test]
    fn bytes_at_random_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Model::read(&bytes);
        let _ = Model::check(&bytes);
        let _ = npz::read(&bytes);
    }
}
