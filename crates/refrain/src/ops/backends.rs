//! The backends that run the operations, without gradients. [`Autodiff`](burn::backend::Autodiff) wraps any of them.

use super::attention::{AttentionBackend, AttentionKernels, AttentionPrimitives, AttentionSpec};
use super::conv::{ConvBackend, ConvKernels, ConvMaxSpec, ConvOptions, ImageSizes, PoolSpec};
use super::ctc::{CtcBackend, CtcKernels, CtcTargets};
use super::dropout::{DropoutBackend, DropoutKernels, DropoutSpec};
use super::embedding::{EmbeddingBackend, EmbeddingKernels};
use super::linear::{LinearBackend, LinearKernels};
use super::loss::{LossBackend, LossKernels, LossOptions, LossParts, LossPrimitives};
use super::recurrent::{RecurrentBackend, RecurrentPrimitives, RecurrentSpec, route, untracked};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;
use std::sync::Arc;

/// Implements the dispatch of all operations for a backend by its kernels.
macro_rules! runs_on {
    ($backend:ty) => {
        impl RecurrentBackend for $backend {
            route!(untracked);
        }

        impl LossBackend for $backend {
            fn loss_op(
                h: FloatTensor<Self>,
                w: FloatTensor<Self>,
                b: FloatTensor<Self>,
                targets: Arc<[u32]>,
                options: LossOptions,
            ) -> LossPrimitives<Self> {
                let LossParts { loss, nll, .. } =
                    Self::loss_forward([h, w, b], &targets, &options, false);
                LossPrimitives { loss, nll }
            }
        }

        impl LinearBackend for $backend {
            fn linear_op(
                h: FloatTensor<Self>,
                w: FloatTensor<Self>,
                b: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::linear_forward([h, w, b])
            }
        }

        impl CtcBackend for $backend {
            fn ctc_op(logits: FloatTensor<Self>, targets: Arc<CtcTargets>) -> LossPrimitives<Self> {
                Self::ctc_forward(logits, &targets, false).0
            }
        }

        impl EmbeddingBackend for $backend {
            fn embedding_op(w: FloatTensor<Self>, ids: Arc<[u32]>) -> FloatTensor<Self> {
                Self::rows_forward(w, &ids)
            }
        }

        impl AttentionBackend for $backend {
            fn attention_op(
                queries: FloatTensor<Self>,
                keys: FloatTensor<Self>,
                values: FloatTensor<Self>,
                energy: FloatTensor<Self>,
                coverage: FloatTensor<Self>,
                spec: AttentionSpec,
            ) -> AttentionPrimitives<Self> {
                let inputs = [queries, keys, values, energy, coverage];
                let [context, weights] = Self::attention_forward(inputs, &spec);
                AttentionPrimitives { context, weights }
            }
        }

        impl ConvBackend for $backend {
            fn conv_op(
                x: FloatTensor<Self>,
                w: FloatTensor<Self>,
                b: FloatTensor<Self>,
                sizes: ImageSizes,
                options: ConvOptions,
            ) -> FloatTensor<Self> {
                Self::conv_forward([x, w, b], &sizes, &options)
            }

            fn conv_max_op(
                x: FloatTensor<Self>,
                w: FloatTensor<Self>,
                b: FloatTensor<Self>,
                spec: ConvMaxSpec,
            ) -> FloatTensor<Self> {
                Self::conv_max_forward([x, w, b], &spec).0
            }

            fn pool_op(x: FloatTensor<Self>, spec: PoolSpec) -> FloatTensor<Self> {
                Self::pool_forward(x, &spec)
            }
        }

        impl DropoutBackend for $backend {
            fn dropout_op(x: FloatTensor<Self>, spec: DropoutSpec) -> FloatTensor<Self> {
                Self::dropout_forward(x, &spec)
            }
        }
    };
}

runs_on!(Flex);

/// A backend without kernels of this project: every operation is composed of Burn's own.
#[cfg(any(feature = "ndarray", feature = "vulkan"))]
macro_rules! composed_on {
    ($backend:ty) => {
        impl super::recurrent::RecurrentKernels for $backend {
            type Reserve = ();
        }
        impl LinearKernels for $backend {}
        impl LossKernels for $backend {}
        impl AttentionKernels for $backend {}
        impl ConvKernels for $backend {}
        impl CtcKernels for $backend {}
        impl EmbeddingKernels for $backend {}
        impl DropoutKernels for $backend {}
        runs_on!($backend);
    };
}

#[cfg(feature = "ndarray")]
composed_on!(burn::backend::NdArray);

#[cfg(feature = "vulkan")]
composed_on!(burn::backend::Cube);
