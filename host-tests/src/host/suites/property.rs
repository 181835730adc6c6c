//! Property suite, version 1.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    sync::Arc,
};

use super::{give, name, status};
use crate::{
    host::call,
    host::chaos,
    host::props::{PropertySet, Scalar, address, text_address},
    host::registry,
    host::sys::*,
};

pub(super) static SUITE: OfxPropertySuiteV1 = OfxPropertySuiteV1 {
    propSetPointer: Some(set_pointer),
    propSetString: Some(set_string),
    propSetDouble: Some(set_double),
    propSetInt: Some(set_int),
    propSetPointerN: Some(set_pointers),
    propSetStringN: Some(set_strings),
    propSetDoubleN: Some(set_doubles),
    propSetIntN: Some(set_ints),
    propGetPointer: Some(get_pointer),
    propGetString: Some(get_string),
    propGetDouble: Some(get_double),
    propGetInt: Some(get_int),
    propGetPointerN: Some(get_pointers),
    propGetStringN: Some(get_strings),
    propGetDoubleN: Some(get_doubles),
    propGetIntN: Some(get_ints),
    propReset: Some(reset),
    propGetDimension: Some(dimension),
};

type Set = OfxPropertySetHandle;
type Name = *const c_char;

/// Finds the set and the property's name.
///
/// # Safety
/// `property` is NULL or NUL-terminated.
unsafe fn open<'a>(
    function: &str,
    set: Set,
    property: Name,
) -> Result<(Arc<PropertySet>, &'a CStr), OfxStatus> {
    let set =
        registry::behind::<PropertySet, _>(set).ok_or_else(|| call::bad_handle(function, set))?;
    // SAFETY: passed on from the caller.
    Ok((set, unsafe { name(function, property) }?))
}

fn index_of(index: c_int) -> Result<usize, OfxStatus> {
    usize::try_from(index).map_err(|_| kOfxStatErrBadIndex)
}

/// A type on the C side, and how it is converted to a type of the store.
trait CValue: Copy {
    type Stored: Scalar;
    /// # Safety
    /// Text is NULL or NUL-terminated.
    unsafe fn store(self) -> Self::Stored;
    fn pass(stored: &Self::Stored) -> Self;
    /// A wild value to return instead, while mishaps are on.
    fn wild(_property: &CStr) -> Option<Self> {
        None
    }
}

impl CValue for c_int {
    type Stored = c_int;
    unsafe fn store(self) -> c_int {
        self
    }
    fn pass(stored: &c_int) -> Self {
        *stored
    }
    fn wild(property: &CStr) -> Option<Self> {
        chaos::int(property)
    }
}

impl CValue for f64 {
    type Stored = f64;
    unsafe fn store(self) -> f64 {
        self
    }
    fn pass(stored: &f64) -> Self {
        *stored
    }
    fn wild(_property: &CStr) -> Option<Self> {
        chaos::double()
    }
}

impl CValue for *mut c_void {
    type Stored = usize;
    unsafe fn store(self) -> usize {
        self as usize
    }
    fn pass(stored: &usize) -> Self {
        address(*stored)
    }
}

impl CValue for *mut c_char {
    type Stored = CString;
    unsafe fn store(self) -> CString {
        if self.is_null() {
            call::null("propSetString", "text");
            return CString::default();
        }
        // SAFETY: not NULL, so NUL-terminated as the caller vouches.
        unsafe { CStr::from_ptr(self) }.to_owned()
    }
    fn pass(stored: &CString) -> Self {
        text_address(stored)
    }
    fn wild(_property: &CStr) -> Option<Self> {
        Some(chaos::text()?.map_or(std::ptr::null_mut(), |text| text.as_ptr().cast_mut()))
    }
}

/// # Safety
/// Arguments are as the property suite states.
unsafe fn set<T: CValue>(
    function: &str,
    set: Set,
    property: Name,
    index: c_int,
    value: T,
) -> OfxStatus {
    call::suite(function, || {
        // SAFETY: the plug-in passes what the suite states.
        status(unsafe { open(function, set, property) }.and_then(|(set, property)| {
            // SAFETY: as above.
            Ok(set.set(property, index_of(index)?, unsafe { value.store() }))
        }))
    })
}

/// # Safety
/// Arguments are as the property suite states: `values` has `count` values.
unsafe fn set_many<T: CValue>(
    function: &str,
    set: Set,
    property: Name,
    count: c_int,
    values: *const T,
) -> OfxStatus {
    call::suite(function, || {
        // SAFETY: the plug-in passes what the suite states.
        status(unsafe { open(function, set, property) }.and_then(|(set, property)| {
            if values.is_null() && count > 0 {
                return Err(call::null(function, "values"));
            }
            for index in 0..index_of(count)? {
                // SAFETY: `values` is not NULL and has `count` values.
                let status = set.set(property, index, unsafe { values.add(index).read().store() });
                if status != kOfxStatOK {
                    return Err(status);
                }
            }
            Ok(kOfxStatOK)
        }))
    })
}

/// # Safety
/// Arguments are as the property suite states.
unsafe fn get<T: CValue>(
    function: &str,
    set: Set,
    property: Name,
    index: c_int,
    value: *mut T,
) -> OfxStatus {
    // SAFETY: one value is an array of length one.
    unsafe { get_from(function, set, property, index, 1, value) }
}

/// # Safety
/// `values` has room for `count` values.
unsafe fn get_from<T: CValue>(
    function: &str,
    set: Set,
    property: Name,
    first: c_int,
    count: c_int,
    values: *mut T,
) -> OfxStatus {
    call::suite(function, || {
        // SAFETY: the plug-in passes what the suite states.
        status(unsafe { open(function, set, property) }.and_then(|(set, property)| {
            if values.is_null() && count > 0 {
                return Err(call::null(function, "result address"));
            }
            let first = index_of(first)?;
            for index in 0..index_of(count)? {
                let status = set.get(property, first + index, |value| {
                    let value = T::wild(property).unwrap_or_else(|| T::pass(value));
                    // SAFETY: `values` is not NULL and has room for `count` values.
                    unsafe { values.add(index).write(value) }
                });
                if status != kOfxStatOK {
                    return Err(status);
                }
            }
            Ok(kOfxStatOK)
        }))
    })
}

macro_rules! functions {
    (
        $type:ty, $passed:ty, $set:ident $set_n:ident $get:ident $get_n:ident, $names:expr, $many:ty
    ) => {
        unsafe extern "C" fn $set(
            properties: Set,
            property: Name,
            index: c_int,
            value: $type,
        ) -> OfxStatus {
            // SAFETY: arguments come from the plug-in as the suite states.
            unsafe { set::<$passed>($names[0], properties, property, index, value as $passed) }
        }
        unsafe extern "C" fn $set_n(
            properties: Set,
            property: Name,
            count: c_int,
            values: $many,
        ) -> OfxStatus {
            // SAFETY: as above.
            unsafe { set_many::<$passed>($names[1], properties, property, count, values.cast()) }
        }
        unsafe extern "C" fn $get(
            properties: Set,
            property: Name,
            index: c_int,
            value: *mut $passed,
        ) -> OfxStatus {
            // SAFETY: as above.
            unsafe { get::<$passed>($names[2], properties, property, index, value) }
        }
        unsafe extern "C" fn $get_n(
            properties: Set,
            property: Name,
            count: c_int,
            value: *mut $passed,
        ) -> OfxStatus {
            // SAFETY: as above.
            unsafe { get_from::<$passed>($names[3], properties, property, 0, count, value) }
        }
    };
}

functions!(c_int, c_int, set_int set_ints get_int get_ints,
    ["propSetInt", "propSetIntN", "propGetInt", "propGetIntN"], *const c_int);
functions!(f64, f64, set_double set_doubles get_double get_doubles,
    ["propSetDouble", "propSetDoubleN", "propGetDouble", "propGetDoubleN"], *const f64);
functions!(*mut c_void, *mut c_void, set_pointer set_pointers get_pointer get_pointers,
    ["propSetPointer", "propSetPointerN", "propGetPointer", "propGetPointerN"], *const *mut c_void);
functions!(*const c_char, *mut c_char, set_string set_strings get_string get_strings,
    ["propSetString", "propSetStringN", "propGetString", "propGetStringN"], *const *const c_char);

unsafe extern "C" fn reset(set: Set, property: Name) -> OfxStatus {
    call::suite("propReset", || {
        // SAFETY: arguments come from the plug-in as the suite states.
        status(
            unsafe { open("propReset", set, property) }.map(|(set, property)| set.reset(property)),
        )
    })
}

unsafe extern "C" fn dimension(set: Set, property: Name, count: *mut c_int) -> OfxStatus {
    call::suite("propGetDimension", || {
        // SAFETY: arguments come from the plug-in as the suite states.
        status(unsafe { open("propGetDimension", set, property) }.and_then(|(set, property)| {
            let dimension = set.dimension(property)?;
            // SAFETY: as above.
            Ok(unsafe {
                give("propGetDimension", count, c_int::try_from(dimension).unwrap_or(c_int::MAX))
            })
        }))
    })
}
