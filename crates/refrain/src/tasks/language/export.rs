//! A language model as an ONNX file, for other engines.

use crate::error::Error;
use crate::models::LanguageModel;
use crate::params::{self, NamedTensor};
use refrain_kernels::{Cell, Weights};
use refrain_onnx::export;
use std::collections::BTreeMap;

/// A language model as the bytes of an ONNX file, its state as inputs and outputs; [`export::language_model`] says
/// which.
/// Numbers are `f32`, whatever the precision of the training.
///
/// # Errors
/// A model over 2 GiB, or one whose layers ONNX's operators cannot say.
pub fn onnx(model: &LanguageModel, cell: Cell) -> Result<Vec<u8>, Error> {
    if model.variant().changes_inference() {
        return Err(Error::Config(
            "ONNX's LSTM, GRU and RNN have no projection, layer norm or zoneout; \
             train without [model.variant] to export"
                .into(),
        ));
    }
    let tensors = params::by_name(params::export(model));
    let embedding = find(&tensors, "embedding.weight")?;
    let output = tensors.get("output.weight");
    let layers = (0..).map_while(|l| layer(&tensors, l));
    let plain = export::LanguageModel {
        cell,
        vocabulary: embedding.shape[0],
        features: embedding.shape[1],
        embedding: &embedding.data,
        layers: layers.collect(),
        output: output.map(|tensor| &tensor.data[..]),
        bias: &find(&tensors, "output.bias")?.data,
    };
    Ok(export::language_model(&plain)?)
}

/// Layer `l`, if there is one.
fn layer(tensors: &BTreeMap<String, NamedTensor>, l: usize) -> Option<export::Layer<'_>> {
    let part = |name: &str| tensors.get(&format!("rnn.{name}_l{l}"));
    let w_hh = part("weight_hh")?;
    Some(export::Layer {
        hidden: w_hh.shape[1],
        weights: Weights {
            w_ih: &part("weight_ih")?.data,
            w_hh: &w_hh.data,
            b_ih: part("bias_ih").map(|bias| &bias.data[..]),
            b_hh: part("bias_hh").map(|bias| &bias.data[..]),
        },
    })
}

fn find<'a>(
    tensors: &'a BTreeMap<String, NamedTensor>,
    name: &str,
) -> Result<&'a NamedTensor, Error> {
    tensors
        .get(name)
        .ok_or_else(|| Error::MissingTensor { name: name.into() })
}
