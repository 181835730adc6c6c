//! Building property sets.

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_int},
    sync::Arc,
};

use parking_lot::RwLock;

use super::{Property, PropertySet, Store, Values, c_text, key};
use crate::host::journal::Journal;
use crate::host::registry::Handle;

/// Builds a set before the plug-in can see it.
#[must_use]
pub struct Builder {
    pub(super) owner: String,
    pub(super) journal: Arc<Journal>,
    pub(super) writable: bool,
    pub(super) missing: &'static [&'static CStr],
    pub(super) properties: BTreeMap<String, Property>,
}

impl Builder {
    /// The plug-in may only read.
    pub fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }

    /// Names to leave out, whatever is added.
    pub fn missing(mut self, names: &'static [&'static CStr]) -> Self {
        self.missing = names;
        for name in names {
            self.properties.remove(key(name));
        }
        self
    }

    fn add(mut self, name: &CStr, values: Values, dimension: usize, writable: bool) -> Self {
        if !self.missing.contains(&name) {
            let property =
                Property { initial: values.clone(), values, dimension, writable, touched: false };
            self.properties.insert(key(name).to_owned(), property);
        }
        self
    }

    /// A fixed number of integers.
    pub fn ints(self, name: &CStr, values: &[c_int]) -> Self {
        self.add(name, Values::Int(values.to_vec()), values.len(), true)
    }

    /// A fixed number of real numbers.
    pub fn doubles(self, name: &CStr, values: &[f64]) -> Self {
        self.add(name, Values::Double(values.to_vec()), values.len(), true)
    }

    /// One text.
    pub fn text(self, name: &CStr, value: &str) -> Self {
        self.add(name, Values::Text(vec![c_text(value)]), 1, true)
    }

    /// A list of texts of any length.
    pub fn list<S: AsRef<str>>(self, name: &CStr, values: &[S]) -> Self {
        let values = values.iter().map(|s| c_text(s.as_ref())).collect();
        self.add(name, Values::Text(values), 0, true)
    }

    /// A list of any length and, until the first value is set, of any type.
    pub fn open_list(self, name: &CStr) -> Self {
        self.add(name, Values::Int(Vec::new()), 0, true)
    }

    /// A list of numbers of any length.
    pub fn number_list(self, name: &CStr) -> Self {
        self.add(name, Values::Double(Vec::new()), 0, true)
    }

    /// One address.
    pub fn pointer(self, name: &CStr, value: usize) -> Self {
        self.add(name, Values::Pointer(vec![value]), 1, true)
    }

    /// From now on only the host may write the listed properties.
    pub fn lock(mut self, names: &[&CStr]) -> Self {
        for name in names {
            if let Some(property) = self.properties.get_mut(key(name)) {
                property.writable = false;
            }
        }
        self
    }

    /// Creates the set and its handle.
    pub fn build(mut self) -> Arc<PropertySet> {
        for property in self.properties.values_mut() {
            property.initial = property.values.clone();
        }
        let set = Arc::new(PropertySet {
            handle: Handle::reserve(),
            owner: self.owner,
            journal: self.journal,
            writable: self.writable,
            missing: self.missing,
            store: RwLock::new(Store {
                properties: self.properties,
                replaced: Vec::new(),
                refused: Vec::new(),
            }),
        });
        set.handle.publish(&set);
        set
    }
}
