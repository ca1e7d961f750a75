//! Models through the public functions of the crate. Their files are written by `writer`, but for those of `installed`.

mod charset;
mod damage;
mod files;
mod installed;
mod network;
mod refused;
mod writer;
