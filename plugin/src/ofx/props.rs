//! A property set of the host, read and written with Rust types.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxPropertySuite.html>

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;

use openfx::sys::generic::core::OfxPropertySetHandle;
use openfx::sys::generic::property::OfxPropertySuiteV1;

use super::call::call;
use super::status::{Error, Result, answered, check};

/// A property set, borrowed for the duration of the action that provided it.
///
/// Reading returns `None` if the host lacks the property. Hosts differ in what they set, and only
/// the caller knows how to do without it.
#[derive(Clone, Copy)]
pub(crate) struct Props<'a> {
    handle: OfxPropertySetHandle,
    suite: &'a OfxPropertySuiteV1,
}

impl<'a> Props<'a> {
    pub(super) fn new(handle: OfxPropertySetHandle, suite: &'a OfxPropertySuiteV1) -> Self {
        Self { handle, suite }
    }

    /// One integer.
    pub(crate) fn int(&self, name: &CStr) -> Option<c_int> {
        self.ints::<1>(name).map(|[value]| value)
    }

    /// `N` integers; `None` unless all are present.
    pub(crate) fn ints<const N: usize>(&self, name: &CStr) -> Option<[c_int; N]> {
        let mut values = [0; N];
        for (index, value) in values.iter_mut().enumerate() {
            let status =
                call!(self.suite, propGetInt(self.live()?, name.as_ptr(), index as c_int, value));
            answered(status)?;
        }
        Some(values)
    }

    /// One number.
    pub(crate) fn double(&self, name: &CStr) -> Option<f64> {
        self.doubles::<1>(name).map(|[value]| value)
    }

    /// `N` numbers; `None` unless all are present.
    pub(crate) fn doubles<const N: usize>(&self, name: &CStr) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (index, value) in values.iter_mut().enumerate() {
            let status = call!(
                self.suite,
                propGetDouble(self.live()?, name.as_ptr(), index as c_int, value)
            );
            answered(status)?;
        }
        Some(values)
    }

    /// A text, copied.
    pub(crate) fn string(&self, name: &CStr) -> Option<String> {
        let mut text = ptr::null_mut();
        let status = call!(self.suite, propGetString(self.live()?, name.as_ptr(), 0, &mut text));
        answered(status)?;
        if text.is_null() {
            return None;
        }
        // SAFETY: the host returned OK, so this is its NUL-terminated string, valid until the
        // property changes; it is copied before anything else is called.
        Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }

    /// A pointer; `None` when it is null.
    pub(super) fn pointer(&self, name: &CStr) -> Option<ptr::NonNull<c_void>> {
        let mut value = ptr::null_mut();
        let status = call!(self.suite, propGetPointer(self.live()?, name.as_ptr(), 0, &mut value));
        answered(status)?;
        ptr::NonNull::new(value)
    }

    /// Sets the integers of a property.
    pub(crate) fn set_ints(&self, name: &CStr, values: &[c_int]) -> Result<()> {
        values.iter().enumerate().try_for_each(|(index, &value)| {
            let index = index as c_int;
            let handle = self.live().ok_or(NULL_SET)?;
            let status = call!(self.suite, propSetInt(handle, name.as_ptr(), index, value))?;
            check(status, || format!("setting {name:?}"))
        })
    }

    /// Sets the numbers of a property.
    pub(crate) fn set_doubles(&self, name: &CStr, values: &[f64]) -> Result<()> {
        values.iter().enumerate().try_for_each(|(index, &value)| {
            let index = index as c_int;
            let handle = self.live().ok_or(NULL_SET)?;
            let status = call!(self.suite, propSetDouble(handle, name.as_ptr(), index, value))?;
            check(status, || format!("setting {name:?}"))
        })
    }

    /// Sets the texts of a property; the host copies them.
    pub(crate) fn set_strings(&self, name: &CStr, values: &[&CStr]) -> Result<()> {
        values.iter().enumerate().try_for_each(|(index, value)| {
            let index = index as c_int;
            let handle = self.live().ok_or(NULL_SET)?;
            let status =
                call!(self.suite, propSetString(handle, name.as_ptr(), index, value.as_ptr()))?;
            check(status, || format!("setting {name:?}"))
        })
    }

    /// Sets a text that was composed at run time. Anything after a NUL is dropped.
    pub(crate) fn set_text(&self, name: &CStr, value: &str) -> Result<()> {
        self.set_strings(name, &[&c_text(value)])
    }

    fn live(&self) -> Option<OfxPropertySetHandle> {
        (!self.handle.is_null()).then_some(self.handle)
    }
}

const NULL_SET: Error = Error::HostLacks("a property set (its handle is null)");

/// `text` as a C string. Anything after a NUL is dropped, which is better than losing the whole
/// text.
pub(crate) fn c_text(text: &str) -> CString {
    let visible = text.split('\0').next().unwrap_or_default();
    CString::new(visible).expect("the text was cut before its first NUL")
}

/// For values that only newer or more capable hosts know: a refusal is logged rather than an error.
pub(crate) trait IfKnown {
    /// Logs a refusal and continues.
    fn if_known(self);
}

impl IfKnown for Result<()> {
    fn if_known(self) {
        if let Err(error) = self {
            log::debug!("{error}");
        }
    }
}
