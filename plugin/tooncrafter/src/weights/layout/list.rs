//! A list of tensors under construction.

use super::{Part, TensorSpec};

/// A growing list of tensors, with the prefix for the next ones.
#[derive(Default)]
pub(super) struct List {
    pub(super) wanted: Vec<TensorSpec>,
    path: String,
    part: Option<Part>,
    unneeded: bool,
}

impl List {
    pub(super) fn part(&mut self, part: Part, fill: impl FnOnce(&mut Self)) {
        self.part = Some(part);
        part.prefix().clone_into(&mut self.path);
        fill(self);
        self.path.clear();
        self.part = None;
    }

    /// Puts what `fill` adds under `name`.
    pub(super) fn at(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        fill(self);
        self.path.truncate(length);
    }

    /// Marks what `fill` adds as present in the file but read by no network.
    pub(super) fn unneeded(&mut self, fill: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.unneeded, true);
        fill(self);
        self.unneeded = before;
    }

    pub(super) fn tensor(&mut self, name: &str, shape: &[usize]) {
        self.wanted.push(TensorSpec {
            name: format!("{}{name}", self.path),
            shape: shape.to_vec(),
            part: self.part,
            needed: !self.unneeded,
        });
    }

    pub(super) fn weight_and_bias(&mut self, name: &str, shape: &[usize]) {
        self.tensor(&format!("{name}.weight"), shape);
        self.tensor(&format!("{name}.bias"), &shape[..1]);
    }

    pub(super) fn norm(&mut self, name: &str, width: usize) {
        self.weight_and_bias(name, &[width]);
    }

    pub(super) fn linear(&mut self, name: &str, from: usize, to: usize) {
        self.weight_and_bias(name, &[to, from]);
    }

    pub(super) fn linear_no_bias(&mut self, name: &str, from: usize, to: usize) {
        self.tensor(&format!("{name}.weight"), &[to, from]);
    }

    pub(super) fn conv(&mut self, name: &str, from: usize, to: usize, kernel: usize) {
        self.weight_and_bias(name, &[to, from, kernel, kernel]);
    }

    /// A convolution over time, with kernel 3 x 1 x 1.
    pub(super) fn conv_time(&mut self, name: &str, width: usize) {
        self.weight_and_bias(name, &[width, width, 3, 1, 1]);
    }
}
