//! Property sets: the typed store behind our host's property suite.
//!
//! A set has a fixed list of properties. Reading or setting any other is an error, as in strict
//! hosts. Whether it is also a broken rule depends on whether OpenFX defines the name at all (see
//! [`known`](crate::host::known)).

mod builder;

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char, c_int, c_void},
    sync::Arc,
};

use parking_lot::RwLock;

use crate::{
    host::journal::{Journal, Rule},
    host::known,
    host::registry::Handle,
    host::sys::*,
};

pub use builder::Builder;

/// Values of one property.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// C `int`.
    Int(Vec<c_int>),
    /// C `double`.
    Double(Vec<f64>),
    /// Text, owned by the host.
    Text(Vec<CString>),
    /// Addresses of the plug-in or of pixels, as numbers.
    Pointer(Vec<usize>),
}

impl Values {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(v) => v.len(),
            Self::Double(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Pointer(v) => v.len(),
        }
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Pointer(_) => "pointer",
        }
    }
}

/// Text without inner NULs, as the API requires.
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).expect("NULs were removed")
}

/// A property in a set: its current values, its initial values for a reset, and who may write it.
#[derive(Clone, Debug)]
struct Property {
    values: Values,
    initial: Values,
    /// 0 means that it grows as needed.
    dimension: usize,
    writable: bool,
    /// Whether the plug-in wrote to it.
    touched: bool,
}

/// A value type of the property suite.
pub(crate) trait Scalar: Sized + Clone {
    const NAME: &'static str;
    const TYPE: known::Types;
    fn filler() -> Self;
    fn wrap(values: Vec<Self>) -> Values;
    fn of(values: &Values) -> Option<&Vec<Self>>;
    fn of_mut(values: &mut Values) -> Option<&mut Vec<Self>>;
}

macro_rules! scalar {
    ($type:ty, $variant:ident, $name:literal, $bit:ident, $filler:expr) => {
        impl Scalar for $type {
            const NAME: &'static str = $name;
            const TYPE: known::Types = known::$bit;
            fn filler() -> Self {
                $filler
            }
            fn wrap(values: Vec<Self>) -> Values {
                Values::$variant(values)
            }
            fn of(values: &Values) -> Option<&Vec<Self>> {
                match values {
                    Values::$variant(v) => Some(v),
                    _ => None,
                }
            }
            fn of_mut(values: &mut Values) -> Option<&mut Vec<Self>> {
                match values {
                    Values::$variant(v) => Some(v),
                    _ => None,
                }
            }
        }
    };
}
scalar!(c_int, Int, "int", INT, 0);
scalar!(f64, Double, "double", DOUBLE, 0.0);
scalar!(CString, Text, "string", TEXT, CString::default());
scalar!(usize, Pointer, "pointer", POINTER, 0);

struct Store {
    properties: BTreeMap<String, Property>,
    /// Replaced texts, whose addresses the plug-in may still be reading.
    replaced: Vec<CString>,
    /// Values that the plug-in set although this host lacks the property.
    refused: Vec<(String, Values)>,
}

/// The properties of one object.
pub struct PropertySet {
    handle: Handle,
    /// The owner of the set, for reports: "parameter seed", "clip Source".
    owner: String,
    journal: Arc<Journal>,
    /// False if a plug-in may only read (in-arguments, images).
    writable: bool,
    /// Names in the standard that this host leaves out.
    missing: &'static [&'static CStr],
    store: RwLock<Store>,
}

impl PropertySet {
    /// An empty set that the plug-in may write to.
    pub fn of(owner: impl Into<String>, journal: &Arc<Journal>) -> Builder {
        Builder {
            owner: owner.into(),
            journal: Arc::clone(journal),
            writable: true,
            missing: &[],
            properties: BTreeMap::new(),
        }
    }

    /// Handle for the plug-in.
    pub fn raw(&self) -> OfxPropertySetHandle {
        self.handle.raw()
    }

    /// The owner of the set.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Names of the properties, sorted.
    pub fn names(&self) -> Vec<String> {
        self.store.read().properties.keys().cloned().collect()
    }

    /// Values of a property.
    pub fn values(&self, name: &CStr) -> Option<Values> {
        self.store.read().properties.get(key(name)).map(|p| p.values.clone())
    }

    /// All values of a text property; empty if it does not exist.
    pub fn texts(&self, name: &CStr) -> Vec<String> {
        match self.values(name) {
            Some(Values::Text(v)) => v.iter().map(|s| s.to_string_lossy().into_owned()).collect(),
            _ => Vec::new(),
        }
    }

    /// First value of a text property.
    pub fn text(&self, name: &CStr) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// All values of a number property, integers included.
    pub fn numbers(&self, name: &CStr) -> Vec<f64> {
        match self.values(name) {
            Some(Values::Double(v)) => v,
            Some(Values::Int(v)) => v.into_iter().map(f64::from).collect(),
            _ => Vec::new(),
        }
    }

    /// First value of an int property.
    pub fn int(&self, name: &CStr) -> Option<c_int> {
        match self.values(name) {
            Some(Values::Int(v)) => v.first().copied(),
            _ => None,
        }
    }

    /// Whether the plug-in wrote to the property, even if the value did not change.
    pub fn was_set(&self, name: &CStr) -> bool {
        self.store.read().properties.get(key(name)).is_some_and(|p| p.touched)
    }

    /// Whether the plug-in set the property to that text, even if this host does not know it.
    pub fn was_told(&self, name: &CStr, text: &str) -> bool {
        let told = Values::Text(vec![c_text(text)]);
        let of_property =
            |(refused, values): &(String, Values)| refused == key(name) && *values == told;
        self.values(name).is_some_and(|values| values == told)
            || self.store.read().refused.iter().any(of_property)
    }

    /// True if the set has the property.
    pub fn has(&self, name: &CStr) -> bool {
        self.store.read().properties.contains_key(key(name))
    }

    /// Lets the host change a property, whether or not it is read-only.
    pub fn put(&self, name: &CStr, values: Values) {
        if self.missing.contains(&name) {
            return;
        }
        let mut store = self.store.write();
        let Store { properties, replaced, .. } = &mut *store;
        match properties.get_mut(key(name)) {
            Some(property) => {
                if let Values::Text(old) = std::mem::replace(&mut property.values, values) {
                    replaced.extend(old);
                }
            }
            None => {
                let property = Property {
                    initial: values.clone(),
                    dimension: 0,
                    writable: self.writable,
                    touched: false,
                    values,
                };
                properties.insert(key(name).to_owned(), property);
            }
        }
    }

    /// A copy with a new handle, as an instance gets of its descriptor's properties.
    pub fn copy(&self, owner: impl Into<String>) -> Builder {
        let store = self.store.read();
        Builder {
            owner: owner.into(),
            journal: Arc::clone(&self.journal),
            writable: self.writable,
            missing: self.missing,
            properties: store.properties.clone(),
        }
    }

    /// Sets one value for the plug-in.
    pub(crate) fn set<T: Scalar>(&self, name: &CStr, index: usize, value: T) -> OfxStatus {
        let mut store = self.store.write();
        let Store { properties, replaced, refused } = &mut *store;
        let Some(property) = properties.get_mut(key(name)) else {
            refused.push((key(name).to_owned(), T::wrap(vec![value])));
            return self.absent(name, T::TYPE, "set");
        };
        if !(property.writable && self.writable) {
            self.journal.violate(
                Rule::ReadOnlyProperty,
                format!("{} of {} was set", key(name), self.owner),
            );
            return kOfxStatErrValue;
        }
        if property.values.is_empty()
            && !matches!(known::types_of(key(name)), Some(t) if t & T::TYPE == 0)
        {
            // An empty list takes the type of its first value; `OfxParamPropDefault` is an example.
            property.values = T::wrap(Vec::new());
        }
        let type_name = property.values.type_name();
        let dimension = property.dimension;
        let Some(list) = T::of_mut(&mut property.values) else {
            self.wrong_type(name, type_name, T::NAME);
            return kOfxStatErrValue;
        };
        if dimension > 0 && index >= dimension {
            let what =
                format!("{}[{index}] of {} was set, it has {dimension}", key(name), self.owner);
            self.journal.violate(Rule::PropertyType, what);
            return kOfxStatErrBadIndex;
        }
        if index >= list.len() {
            list.resize(index + 1, T::filler());
        }
        let old = std::mem::replace(&mut list[index], value);
        property.touched = true;
        if let Values::Text(mut texts) = T::wrap(vec![old]) {
            replaced.append(&mut texts);
        }
        kOfxStatOK
    }

    /// Reads one value for the plug-in; `give` receives a reference to it.
    pub(crate) fn get<T: Scalar>(
        &self,
        name: &CStr,
        index: usize,
        give: impl FnOnce(&T),
    ) -> OfxStatus {
        let store = self.store.read();
        let Some(property) = store.properties.get(key(name)) else {
            return self.absent(name, T::TYPE, "read");
        };
        let Some(list) = T::of(&property.values) else {
            if property.values.is_empty() {
                return kOfxStatErrBadIndex;
            }
            self.wrong_type(name, property.values.type_name(), T::NAME);
            return kOfxStatErrValue;
        };
        match list.get(index) {
            Some(value) => {
                give(value);
                kOfxStatOK
            }
            None => kOfxStatErrBadIndex,
        }
    }

    /// Restores the host's values.
    pub(crate) fn reset(&self, name: &CStr) -> OfxStatus {
        let mut store = self.store.write();
        let Store { properties, replaced, .. } = &mut *store;
        let Some(property) = properties.get_mut(key(name)) else {
            return self.absent(name, known::ANY, "reset");
        };
        let initial = property.initial.clone();
        if let Values::Text(old) = std::mem::replace(&mut property.values, initial) {
            replaced.extend(old);
        }
        kOfxStatOK
    }

    /// Number of values of a property.
    pub(crate) fn dimension(&self, name: &CStr) -> Result<usize, OfxStatus> {
        match self.store.read().properties.get(key(name)) {
            Some(property) => Ok(property.values.len()),
            None => Err(self.absent(name, known::ANY, "measured")),
        }
    }

    fn absent(&self, name: &CStr, types: known::Types, verb: &str) -> OfxStatus {
        match known::types_of(key(name)) {
            None => {
                let what = format!(
                    "{} is no property of OpenFX, but was {verb} on {}",
                    key(name),
                    self.owner
                );
                self.journal.violate(Rule::UnknownProperty, what);
            }
            Some(wanted) if wanted & types == 0 => {
                let what = format!(
                    "{} was {verb} as another type than it has, on {}",
                    key(name),
                    self.owner
                );
                self.journal.violate(Rule::PropertyType, what);
            }
            Some(_) => log::trace!("{} has no {}", self.owner, key(name)),
        }
        kOfxStatErrUnknown
    }

    fn wrong_type(&self, name: &CStr, is: &str, asked: &str) {
        let what = format!("{} of {} is of type {is}, not {asked}", key(name), self.owner);
        self.journal.violate(Rule::PropertyType, what);
    }
}

fn key(name: &CStr) -> &str {
    // All names that are not UTF-8 are treated as one unknown name.
    name.to_str().unwrap_or("(not UTF-8)")
}

/// Address of a text, as returned by the property suite.
pub(crate) fn text_address(text: &CString) -> *mut c_char {
    text.as_ptr().cast_mut()
}

/// Address of a pointer value.
pub(crate) fn address(value: usize) -> *mut c_void {
    value as *mut c_void
}
