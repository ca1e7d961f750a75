//! Parameters of any Burn module, by PyTorch name, in visiting order.

use crate::error::Error;
pub use crate::files::tensors::NamedTensor;
use crate::ops::{Values, floats, floats_mut};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use refrain_kernels::KernelError;
use std::collections::BTreeMap;

/// Gradient of one parameter.
pub struct Gradient {
    /// The parameter's name.
    pub name: String,
    values: Values,
}

impl Gradient {
    /// Row-major, the parameter's shape.
    pub fn as_slice(&self) -> &[f32] {
        self.values.as_slice()
    }
}

/// Tensors by their names.
pub(crate) fn by_name(tensors: Vec<NamedTensor>) -> BTreeMap<String, NamedTensor> {
    tensors
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect()
}

/// All parameters.
pub fn export<M: Module>(model: &M) -> Vec<NamedTensor> {
    struct Export(Vec<String>, Vec<NamedTensor>);
    impl ModuleVisitor for Export {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push(NamedTensor {
                name: self.0.join("."),
                shape: param.dims().to_vec(),
                data: floats(param.val()),
            });
        }
    }
    let mut visitor = Export(Vec::new(), Vec::new());
    model.visit(&mut visitor);
    visitor.1
}

/// The model with its parameters replaced.
///
/// # Errors
/// A parameter that is missing or has another shape, or a tensor without a parameter in the model; the message names
/// it.
pub fn import<M: Module>(model: M, tensors: &BTreeMap<String, NamedTensor>) -> Result<M, Error> {
    let expected = export_shapes(&model);
    for (name, shape) in &expected {
        match tensors.get(name) {
            None => return Err(Error::MissingTensor { name: name.clone() }),
            Some(found) if found.shape != *shape => {
                return Err(Error::TensorShape {
                    name: name.clone(),
                    expected: shape.clone(),
                    got: found.shape.clone(),
                });
            }
            Some(_) => {}
        }
    }
    if let Some(name) = tensors.keys().find(|name| !expected.contains_key(*name)) {
        return Err(Error::ForeignTensor { name: name.clone() });
    }

    struct Import<'a>(Vec<String>, &'a BTreeMap<String, NamedTensor>);
    impl ModuleMapper for Import<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let found = &self.1[&self.0.join(".")];
            param.map(|old| {
                let data = TensorData::new(found.data.clone(), found.shape.clone());
                let new = Tensor::from_data(data, &old.device());
                new.set_require_grad(old.is_require_grad())
            })
        }
    }
    Ok(model.map(&mut Import(Vec::new(), tensors)))
}

/// Copies every tensor whose name and shape match a parameter; returns the model and `[copied, parameters]`.
///
/// # Errors
/// As [`import`]; none is expected, because every tensor fits.
pub(crate) fn import_fitting<M: Module>(
    model: M,
    tensors: &BTreeMap<String, NamedTensor>,
) -> Result<(M, [usize; 2]), Error> {
    let (mut all, mut fit) = (BTreeMap::new(), 0);
    for own in export(&model) {
        let found = tensors.get(&own.name);
        let found = found.filter(|found| found.shape == own.shape);
        fit += usize::from(found.is_some());
        let taken = found.cloned().unwrap_or(own);
        all.insert(taken.name.clone(), taken);
    }
    let count = [fit, all.len()];
    Ok((import(model, &all)?, count))
}

fn export_shapes<M: Module>(model: &M) -> BTreeMap<String, Vec<usize>> {
    struct Shapes(Vec<String>, BTreeMap<String, Vec<usize>>);
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.dims().to_vec());
        }
    }
    let mut visitor = Shapes(Vec::new(), BTreeMap::new());
    model.visit(&mut visitor);
    visitor.1
}

/// Runs the backward pass of `loss` (of its sum if it has several elements), and takes out the gradient of every
/// parameter that `loss` depends on.
pub fn gradients<M: Module, const D: usize>(model: &M, loss: &Tensor<D>) -> Vec<Gradient> {
    struct Take(Vec<String>, Gradients, Vec<Gradient>);
    impl ModuleVisitor for Take {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad_remove(&mut self.1) {
                self.2.push(Gradient {
                    name: self.0.join("."),
                    values: Values::new(gradient),
                });
            }
        }
    }
    let mut visitor = Take(Vec::new(), loss.backward(), Vec::new());
    model.visit(&mut visitor);
    visitor.2
}

/// Calls `f(name, parameter, gradient)`, which may change the parameter in place, for every parameter with a gradient.
///
/// # Errors
/// The first error of `f`; parameters not yet visited are unchanged.
pub fn update<M: Module>(
    model: M,
    gradients: Vec<Gradient>,
    f: impl FnMut(&str, &mut [f32], &[f32]) -> Result<(), KernelError>,
) -> Result<M, KernelError> {
    struct Update<F>(
        Vec<String>,
        std::vec::IntoIter<Gradient>,
        Option<Gradient>,
        F,
        Result<(), KernelError>,
    );
    impl<F: FnMut(&str, &mut [f32], &[f32]) -> Result<(), KernelError>> ModuleMapper for Update<F> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = self.0.join(".");
            if self.2.is_none() {
                self.2 = self.1.next();
            }
            let Some(gradient) = self.2.take_if(|gradient| gradient.name == name) else {
                return param;
            };
            param.map(|tensor| {
                let require_grad = tensor.is_require_grad();
                let change = |values: &mut [f32]| {
                    if self.4.is_ok() {
                        self.4 = self.3(&name, values, gradient.as_slice());
                    }
                };
                let plain = floats_mut(tensor.inner(), change);
                Tensor::from_inner(plain).set_require_grad(require_grad)
            })
        }
    }
    let mut update = Update(Vec::new(), gradients.into_iter(), None, f, Ok(()));
    let model = model.map(&mut update);
    update.4.map(|()| model)
}
