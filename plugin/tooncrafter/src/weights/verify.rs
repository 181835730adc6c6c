//! Checks by name, shape and type whether files hold what the networks need.

use std::collections::{BTreeMap, HashSet};

use super::error::WeightError;
use super::layout::{Part, TensorSpec};
use super::stored::{Element, TensorEntry};
use super::{NamedFile, Weights, load};

/// Something that would keep a network from loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A tensor that a network reads is missing, although others of its part are present.
    Missing {
        /// Its released name.
        key: String,
        /// The shape that is needed.
        wanted: Vec<usize>,
    },
    /// It is present with another shape.
    Shape {
        /// Its released name.
        key: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape that is needed.
        wanted: Vec<usize>,
    },
    /// It is present, but its elements have a type that is not used for weights.
    Type {
        /// Its released name.
        key: String,
        /// The type of its elements.
        found: &'static str,
    },
    /// Separate q, k and v are incomplete or do not match.
    Unjoinable {
        /// The released name of the joined tensor.
        key: String,
    },
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Parts that are present, with the number of their elements that networks read.
    pub present: BTreeMap<Part, usize>,
    /// Parts of which no file has any tensor; in a pruned file, these are the towers.
    pub absent: Vec<Part>,
    /// Problems that keep a network from loading.
    pub problems: Vec<Problem>,
    /// Tensors, by their name in the file, that the released layout does not know.
    pub unused: Vec<String>,
    /// Number of tensors that are part of the released files but read by no network.
    pub unneeded: usize,
}

impl Report {
    /// Whether the parts that are present can be loaded.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether everything can be loaded.
    pub fn is_complete(&self) -> bool {
        self.is_sound() && self.absent.is_empty()
    }
}

/// The tensors read by networks that contain NaN or infinity, as errors that name them. This reads
/// the files completely. `go_on` is called with the bytes checked so far and the total, and may
/// return false to stop.
pub fn verify_numbers(
    weights: &Weights,
    wanted: &[TensorSpec],
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Vec<WeightError> {
    let needed: HashSet<&str> =
        wanted.iter().filter(|wanted| wanted.needed).map(|wanted| wanted.name.as_str()).collect();
    let mut tensors: Vec<(&NamedFile, &String, &TensorEntry)> = Vec::new();
    for file in weights.files() {
        let read = file.names().iter().filter(|(released, _)| needed.contains(released.as_str()));
        for name in read.flat_map(|(_, source)| source.names()) {
            tensors.extend(file.file().tensors().get(name).map(|stored| (file, name, stored)));
        }
    }
    let all: u64 = tensors.iter().map(|(_, _, stored)| stored.bytes.len() as u64).sum();
    let (mut done, mut broken) = (0, Vec::new());
    for (file, name, stored) in tensors {
        // A wrong type is detected without reading the numbers.
        let finite = load::check_finite(file.file(), name, stored);
        broken.extend(finite.err().filter(|error| matches!(error, WeightError::NotFinite { .. })));
        file.file().release(stored);
        done += stored.bytes.len() as u64;
        if !go_on(done, all) {
            break;
        }
    }
    broken
}

/// Compares files, taken together as one model, with the `wanted` tensors.
pub fn verify(weights: &Weights, wanted: &[TensorSpec]) -> Report {
    let mut report = Report::default();
    let is_sketch = wanted.iter().any(|wanted| wanted.part == Some(Part::Sketch));
    let files: Vec<&NamedFile> =
        weights.files().iter().filter(|file| file.has(Part::Sketch) == is_sketch).collect();
    let parts: Vec<Part> = if is_sketch { vec![Part::Sketch] } else { Part::MAIN.to_vec() };
    let present = |part| files.iter().any(|file| file.has(part));
    report.absent = parts.iter().copied().filter(|&part| !present(part)).collect();

    for wanted in wanted {
        let Some(file) = files.iter().find(|file| file.names().contains_key(&wanted.name)) else {
            if wanted.needed && wanted.part.is_some_and(|part| !report.absent.contains(&part)) {
                let (key, wanted) = (wanted.name.clone(), wanted.shape.clone());
                report.problems.push(Problem::Missing { key, wanted });
            }
            continue;
        };
        if !wanted.needed {
            report.unneeded += 1;
            continue;
        }
        let key = wanted.name.clone();
        match file.shape(&key) {
            None => report.problems.push(Problem::Unjoinable { key }),
            Some((_, Element::Other(found, _))) => {
                report.problems.push(Problem::Type { key, found });
            }
            Some((found, _)) if found != wanted.shape => {
                let wanted = wanted.shape.clone();
                report.problems.push(Problem::Shape { key, found, wanted });
            }
            Some((shape, _)) => {
                if let Some(part) = wanted.part {
                    *report.present.entry(part).or_default() += shape.iter().product::<usize>();
                }
            }
        }
    }

    let known: HashSet<&str> = wanted.iter().map(|wanted| wanted.name.as_str()).collect();
    for file in files {
        let mut used: HashSet<&str> = HashSet::new();
        for (released, source) in file.names() {
            if known.contains(released.as_str()) {
                used.extend(source.names().iter().map(String::as_str));
            }
        }
        let names = file.file().tensors().keys();
        report.unused.extend(names.filter(|name| !used.contains(name.as_str())).cloned());
    }
    report
}
