//! Parameter suite, version 1. The variadic functions are in the C shim, which calls back here with
//! arrays.

use std::{
    ffi::{CStr, c_char, c_double, c_int, c_uint, c_void},
    sync::Arc,
};

use super::{give, name, status};
use crate::{
    host::call,
    host::chaos,
    host::journal::Rule,
    host::param::{Param, ParamSet, ParamType, Slot, Value},
    host::registry,
    host::sys::*,
};

// Defined in shim/variadic.c.
unsafe extern "C" {
    fn ofx_host_paramGetValue(param: OfxParamHandle, ...) -> OfxStatus;
    fn ofx_host_paramGetValueAtTime(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
    fn ofx_host_paramSetValue(param: OfxParamHandle, ...) -> OfxStatus;
    fn ofx_host_paramSetValueAtTime(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
    fn ofx_host_paramGetDerivative(param: OfxParamHandle, time: OfxTime, ...) -> OfxStatus;
    fn ofx_host_paramGetIntegral(
        param: OfxParamHandle,
        from: OfxTime,
        to: OfxTime,
        ...
    ) -> OfxStatus;
}

pub(super) static SUITE: OfxParameterSuiteV1 = OfxParameterSuiteV1 {
    paramDefine: Some(define),
    paramGetHandle: Some(get_handle),
    paramSetGetPropertySet: Some(set_get_property_set),
    paramGetPropertySet: Some(get_property_set),
    paramGetValue: Some(ofx_host_paramGetValue),
    paramGetValueAtTime: Some(ofx_host_paramGetValueAtTime),
    paramGetDerivative: Some(ofx_host_paramGetDerivative),
    paramGetIntegral: Some(ofx_host_paramGetIntegral),
    paramSetValue: Some(ofx_host_paramSetValue),
    paramSetValueAtTime: Some(ofx_host_paramSetValueAtTime),
    paramGetNumKeys: Some(get_num_keys),
    paramGetKeyTime: Some(get_key_time),
    paramGetKeyIndex: Some(get_key_index),
    paramDeleteKey: Some(delete_key),
    paramDeleteAllKeys: Some(delete_all_keys),
    paramCopy: Some(copy),
    paramEditBegin: Some(edit_begin),
    paramEditEnd: Some(edit_end),
};

fn set(function: &str, handle: OfxParamSetHandle) -> Result<Arc<ParamSet>, OfxStatus> {
    registry::behind::<ParamSet, _>(handle).ok_or_else(|| call::bad_handle(function, handle))
}

fn param(function: &str, handle: OfxParamHandle) -> Result<Arc<Param>, OfxStatus> {
    registry::behind::<Param, _>(handle).ok_or_else(|| call::bad_handle(function, handle))
}

unsafe extern "C" fn define(
    handle: OfxParamSetHandle,
    kind: *const c_char,
    id: *const c_char,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("paramDefine", || {
        status(set("paramDefine", handle).and_then(|set| {
            // SAFETY: the plug-in passes NUL-terminated text.
            let kind = unsafe { name("paramDefine", kind) }?;
            // SAFETY: as above.
            let id = unsafe { name("paramDefine", id) }?.to_string_lossy();
            if !set.open {
                call::violate(
                    Rule::Definition,
                    format!("parameter {id} was defined on an instance"),
                );
                return Err(kOfxStatErrBadHandle);
            }
            let known = ParamType::from_name(kind).filter(|kind| *kind != ParamType::Parametric);
            let Some(kind) = known else {
                log::debug!("no parameters of type {} here", kind.to_string_lossy());
                return Err(kOfxStatErrUnsupported);
            };
            let Some(param) = set.define(kind, &id) else {
                call::violate(Rule::Definition, format!("parameter {id} was defined twice"));
                return Err(kOfxStatErrExists);
            };
            if !out.is_null() {
                // SAFETY: not NULL; the plug-in passes an address for the result.
                unsafe { out.write(param.props.raw()) };
            }
            Ok(kOfxStatOK)
        }))
    })
}

unsafe extern "C" fn get_handle(
    handle: OfxParamSetHandle,
    id: *const c_char,
    out: *mut OfxParamHandle,
    props: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("paramGetHandle", || {
        status(set("paramGetHandle", handle).and_then(|set| {
            // SAFETY: the plug-in passes NUL-terminated text.
            let id = unsafe { name("paramGetHandle", id) }?.to_string_lossy();
            let param = set.find(&id).ok_or(kOfxStatErrUnknown)?;
            if !props.is_null() {
                // SAFETY: not NULL; the plug-in passes an address for the result.
                unsafe { props.write(param.props.raw()) };
            }
            // SAFETY: as above.
            Ok(unsafe { give("paramGetHandle", out, param.raw()) })
        }))
    })
}

unsafe extern "C" fn set_get_property_set(
    handle: OfxParamSetHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("paramSetGetPropertySet", || {
        let found = set("paramSetGetPropertySet", handle);
        // SAFETY: `out` comes from the plug-in as the suite states.
        status(found.map(|set| unsafe { give("paramSetGetPropertySet", out, set.props.raw()) }))
    })
}

unsafe extern "C" fn get_property_set(
    handle: OfxParamHandle,
    out: *mut OfxPropertySetHandle,
) -> OfxStatus {
    call::suite("paramGetPropertySet", || {
        let found = param("paramGetPropertySet", handle);
        // SAFETY: `out` comes from the plug-in as the suite states.
        status(found.map(|param| unsafe { give("paramGetPropertySet", out, param.props.raw()) }))
    })
}

unsafe extern "C" fn get_num_keys(handle: OfxParamHandle, out: *mut c_uint) -> OfxStatus {
    call::suite("paramGetNumKeys", || {
        status(param("paramGetNumKeys", handle).map(|param| {
            let keys = c_uint::try_from(param.key_times().len()).unwrap_or(c_uint::MAX);
            // SAFETY: `out` comes from the plug-in as the suite states.
            unsafe { give("paramGetNumKeys", out, keys) }
        }))
    })
}

unsafe extern "C" fn get_key_time(
    handle: OfxParamHandle,
    nth: c_uint,
    out: *mut OfxTime,
) -> OfxStatus {
    call::suite("paramGetKeyTime", || {
        status(param("paramGetKeyTime", handle).and_then(|param| {
            let time = param.key_times().get(nth as usize).copied().ok_or(kOfxStatErrBadIndex)?;
            // SAFETY: `out` comes from the plug-in as the suite states.
            Ok(unsafe { give("paramGetKeyTime", out, time) })
        }))
    })
}

unsafe extern "C" fn get_key_index(
    handle: OfxParamHandle,
    time: OfxTime,
    direction: c_int,
    out: *mut c_int,
) -> OfxStatus {
    call::suite("paramGetKeyIndex", || {
        status(param("paramGetKeyIndex", handle).and_then(|param| {
            let times = param.key_times();
            let index = match direction {
                0 => times.iter().position(|key| *key == time),
                d if d > 0 => times.iter().position(|key| *key > time),
                _ => times.iter().rposition(|key| *key < time),
            };
            let index =
                index.and_then(|index| c_int::try_from(index).ok()).ok_or(kOfxStatFailed)?;
            // SAFETY: `out` comes from the plug-in as the suite states.
            Ok(unsafe { give("paramGetKeyIndex", out, index) })
        }))
    })
}

unsafe extern "C" fn delete_key(handle: OfxParamHandle, time: OfxTime) -> OfxStatus {
    call::suite("paramDeleteKey", || {
        call::needs_settable_params("paramDeleteKey");
        let deleted = param("paramDeleteKey", handle).map(|param| param.delete_key(time));
        status(deleted.map(|found| if found { kOfxStatOK } else { kOfxStatErrBadIndex }))
    })
}

unsafe extern "C" fn delete_all_keys(handle: OfxParamHandle) -> OfxStatus {
    call::suite("paramDeleteAllKeys", || {
        call::needs_settable_params("paramDeleteAllKeys");
        status(param("paramDeleteAllKeys", handle).map(|param| {
            param.delete_keys();
            kOfxStatOK
        }))
    })
}

unsafe extern "C" fn copy(
    to: OfxParamHandle,
    from: OfxParamHandle,
    _offset: OfxTime,
    _range: *const OfxRangeD,
) -> OfxStatus {
    call::suite("paramCopy", || {
        call::needs_settable_params("paramCopy");
        status(param("paramCopy", to).and_then(|to| {
            let from = param("paramCopy", from)?;
            if to.kind != from.kind {
                return Err(kOfxStatErrValue);
            }
            to.set(from.value_at(0.0));
            Ok(kOfxStatOK)
        }))
    })
}

unsafe extern "C" fn edit_begin(handle: OfxParamSetHandle, _label: *const c_char) -> OfxStatus {
    call::suite("paramEditBegin", || {
        call::needs_settable_params("paramEditBegin");
        status(set("paramEditBegin", handle).map(|_| kOfxStatOK))
    })
}

unsafe extern "C" fn edit_end(handle: OfxParamSetHandle) -> OfxStatus {
    call::suite("paramEditEnd", || {
        call::needs_settable_params("paramEditEnd");
        status(set("paramEditEnd", handle).map(|_| kOfxStatOK))
    })
}

/// The values that the shim read from its variadic arguments.
#[repr(C)]
#[derive(Clone, Copy)]
union Argument {
    as_int: c_int,
    as_double: c_double,
    as_pointer: *const c_void,
}

/// For the shim: how the parameter's components are passed, and how many there are.
#[unsafe(no_mangle)]
extern "C" fn ofx_host_param_slots(handle: *mut c_void, count: &mut c_int) -> c_int {
    let param = registry::behind::<Param, _>(handle);
    *count = param.as_ref().map_or(0, |param| c_int::try_from(param.kind.count()).unwrap_or(0));
    param.map_or(Slot::None, |param| param.kind.slot()) as c_int
}

/// The plug-in's addresses for results, none of which is null.
///
/// # Safety
/// `out` is an array of `count` addresses.
unsafe fn addresses<'a, T>(
    function: &str,
    out: *const *mut T,
    count: c_int,
) -> Result<&'a [*mut T], OfxStatus> {
    let count = usize::try_from(count).unwrap_or(0).min(4);
    // SAFETY: as the caller states.
    let out = unsafe { std::slice::from_raw_parts(out, count) };
    if out.iter().any(|address| address.is_null()) {
        return Err(call::null(function, "result address"));
    }
    Ok(out)
}

/// For the shim: reads the value into `count` addresses.
#[unsafe(no_mangle)]
unsafe extern "C" fn ofx_host_param_get(
    handle: *mut c_void,
    timed: c_int,
    time: f64,
    out: *const *mut c_void,
    count: c_int,
) -> OfxStatus {
    let function = if timed == 0 { "paramGetValue" } else { "paramGetValueAtTime" };
    call::suite(function, || {
        status(param(function, handle.cast()).and_then(|param| {
            if !param.kind.has_value() || param.is_untold() {
                return Err(kOfxStatErrUnsupported);
            }
            // SAFETY: the shim passes an array of `count` addresses.
            let out = unsafe { addresses(function, out, count) }?;
            let scope = call::scope();
            let now = scope.and_then(|scope| scope.time).unwrap_or(0.0);
            let value = param.value_at(if timed == 0 { now } else { time });
            match value {
                Value::None => return Err(kOfxStatErrUnsupported),
                Value::Ints(values) => {
                    for (out, value) in out.iter().zip(values) {
                        // SAFETY: for this type the plug-in passes addresses of ints, none of them NULL.
                        unsafe { out.cast::<c_int>().write(chaos::int(c"").unwrap_or(value)) };
                    }
                }
                Value::Doubles(values) => {
                    for (out, value) in out.iter().zip(values) {
                        // SAFETY: for this type the plug-in passes addresses of doubles, none of them NULL.
                        unsafe { out.cast::<f64>().write(chaos::double().unwrap_or(value)) };
                    }
                }
                // SAFETY: for this type the plug-in passes the address of a text pointer, not NULL.
                Value::Text(text) => unsafe {
                    out[0].cast::<*const c_char>().write(param.give_text(text))
                },
                // SAFETY: for this type the plug-in passes the address of an OfxBytes, not NULL.
                Value::Bytes(bytes) => unsafe {
                    out[0].cast::<OfxBytes>().write(param.give_bytes(bytes))
                },
            }
            Ok(kOfxStatOK)
        }))
    })
}

/// For the shim: sets the value, or the key at `time`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ofx_host_param_set(
    handle: *mut c_void,
    timed: c_int,
    time: f64,
    arguments: *const Argument,
    count: c_int,
) -> OfxStatus {
    let function = if timed == 0 { "paramSetValue" } else { "paramSetValueAtTime" };
    call::suite(function, || {
        call::needs_settable_params(function);
        status(param(function, handle.cast()).and_then(|param| {
            let count = usize::try_from(count).unwrap_or(0).min(4);
            // SAFETY: the shim passes an array of `count` arguments.
            let arguments = unsafe { std::slice::from_raw_parts(arguments, count) };
            let value = match param.kind.slot() {
                Slot::None => return Err(kOfxStatErrUnsupported),
                // SAFETY: the shim read ints for this type.
                Slot::Int => Value::Ints(arguments.iter().map(|a| unsafe { a.as_int }).collect()),
                Slot::Double => {
                    // SAFETY: the shim read doubles for this type.
                    let values = arguments.iter().map(|a| unsafe { a.as_double });
                    Value::Doubles(values.collect())
                }
                Slot::Pointer => {
                    // SAFETY: the shim read one pointer for this type.
                    let pointer = unsafe { arguments[0].as_pointer };
                    if pointer.is_null() {
                        return Err(call::null(function, "value"));
                    }
                    if param.kind == ParamType::Bytes {
                        // SAFETY: not NULL, and for this type the plug-in passes the address of an OfxBytes.
                        let bytes = unsafe { pointer.cast::<OfxBytes>().read() };
                        if bytes.data.is_null() && bytes.length > 0 {
                            return Err(call::null(function, "data of the bytes"));
                        }
                        let bytes = match bytes.length {
                            0 => &[],
                            // SAFETY: `data` is not NULL and has `length` bytes as the suite states.
                            length => unsafe { std::slice::from_raw_parts(bytes.data, length) },
                        };
                        Value::Bytes(bytes.to_vec())
                    } else {
                        // SAFETY: not NULL, and for this type the plug-in passes NUL-terminated text.
                        Value::Text(unsafe { CStr::from_ptr(pointer.cast()) }.to_owned())
                    }
                }
            };
            if timed == 0 {
                param.set(value)
            } else {
                param.set_key(time, value)
            }
            Ok(kOfxStatOK)
        }))
    })
}

/// For the shim: the integral of a number over time, or its derivative if `from` equals `to`.
#[unsafe(no_mangle)]
unsafe extern "C" fn ofx_host_param_slope(
    handle: *mut c_void,
    from: f64,
    to: f64,
    out: *const *mut f64,
    count: c_int,
) -> OfxStatus {
    let function = "paramGetDerivative or paramGetIntegral";
    call::suite(function, || {
        status(param(function, handle.cast()).and_then(|param| {
            if param.kind.slot() != Slot::Double || param.is_untold() {
                return Err(kOfxStatErrUnsupported);
            }
            // SAFETY: the shim passes an array of `count` addresses.
            let out = unsafe { addresses(function, out, count) }?;
            let values = if from == to { param.derivative(from) } else { param.integral(from, to) };
            for (out, value) in out.iter().zip(values) {
                // SAFETY: the plug-in passes addresses of doubles, none of them NULL.
                unsafe { out.write(value) };
            }
            Ok(kOfxStatOK)
        }))
    })
}
