//! The surroundings of a run: data folder, device, seed and threads, as one value.

use crate::error::Error;
use burn::tensor::Device;
use refrain_kernels::{Precision, Threads};
use std::path::{Path, PathBuf};

/// Data folder, device, seed and threads of a run.
#[derive(Clone, Debug)]
pub struct Site {
    /// Folder of the files that recipes name.
    pub data: PathBuf,
    /// Device of the tensors.
    pub device: DeviceName,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Number of threads; `None`: all cores. Results do not depend on it.
    pub threads: Option<usize>,
    /// Product precision of a loaded model; `None`: that of its recipe.
    pub precision: Option<Precision>,
}

impl Default for Site {
    /// The current folder, the CPU with this project's kernels, all cores.
    fn default() -> Self {
        Self {
            data: PathBuf::from("."),
            device: DeviceName::default(),
            seed: 0,
            threads: None,
            precision: None,
        }
    }
}

impl Site {
    /// Replaces the data folder.
    pub fn with_data(mut self, data: impl AsRef<Path>) -> Self {
        self.data = data.as_ref().to_path_buf();
        self
    }

    /// The device of tensors without gradients.
    pub fn device(&self) -> Device {
        self.device.device()
    }

    /// The device of tensors with gradients.
    pub fn training_device(&self) -> Device {
        self.device.device().autodiff()
    }

    /// Runs `work` with the threads of this site.
    pub fn compute<T>(&self, work: impl FnOnce() -> T) -> T {
        Threads::new(self.threads.unwrap_or(0)).install(work)
    }
}

/// A device by its name. Only devices of this build exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The CPU, with this project's kernels on Burn's Flex backend.
    #[default]
    Cpu,
    /// Burn's NdArray backend, layers composed of its operations (feature `ndarray`).
    #[cfg(feature = "ndarray")]
    NdArray,
    /// A GPU through Vulkan (feature `vulkan`).
    #[cfg(feature = "vulkan")]
    Vulkan,
}

/// All known devices, each with the feature that builds it.
const NAMES: [(&str, &str); 3] = [("cpu", ""), ("ndarray", "ndarray"), ("vulkan", "vulkan")];

impl DeviceName {
    /// The device with this name: `cpu`, `ndarray` or `vulkan`.
    ///
    /// # Errors
    /// A name that is unknown, or a device that is not part of this build.
    pub fn find(name: &str) -> Result<Self, Error> {
        let problem = match name {
            "cpu" => return Ok(Self::Cpu),
            #[cfg(feature = "ndarray")]
            "ndarray" => return Ok(Self::NdArray),
            #[cfg(feature = "vulkan")]
            "vulkan" => return Ok(Self::Vulkan),
            _ => match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, feature)) => format!(
                    "this build does not have it; build with `cargo build --release --features {feature}`"
                ),
                None => format!("there is none of this name; known are: {}", known()),
            },
        };
        Err(Error::Device {
            name: name.to_string(),
            problem,
        })
    }

    #[allow(
        deprecated,
        reason = "NdArray is the one other backend that runs without a GPU or a system library"
    )]
    fn device(self) -> Device {
        match self {
            Self::Cpu => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::NdArray => Device::ndarray(),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Device::vulkan(burn::tensor::DeviceKind::default()),
        }
    }
}

fn known() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}
