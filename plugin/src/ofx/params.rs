//! Parameters: defined during description, read at a time, enabled and disabled.
//! <https://openfx.readthedocs.io/en/main/Reference/ofxParameter.html>

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use openfx::sys::image_effect_v1::image_effect::OfxImageEffectHandle;
use openfx::sys::image_effect_v1::param::*;

use super::entry::EffectRef;
use super::host::{Host, call};
use super::props::{Props, c_text};
use super::status::{Result, check};
use crate::hosts::Quirks;

/// The kinds of parameter that every host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamKind {
    /// A number.
    Double,
    /// Two numbers: a place.
    Double2D,
    /// A whole number.
    Integer,
    /// A switch.
    Boolean,
    /// One option from a list.
    Choice,
    /// A text or a file path.
    String,
    /// A button. It holds no value.
    PushButton,
    /// A heading with parameters below it.
    Group,
}

impl ParamKind {
    fn name(self) -> &'static CStr {
        match self {
            Self::Double => kOfxParamTypeDouble,
            Self::Double2D => kOfxParamTypeDouble2D,
            Self::Integer => kOfxParamTypeInteger,
            Self::Boolean => kOfxParamTypeBoolean,
            Self::Choice => kOfxParamTypeChoice,
            Self::String => kOfxParamTypeString,
            Self::PushButton => kOfxParamTypePushButton,
            Self::Group => kOfxParamTypeGroup,
        }
    }
}

/// The parameters of a descriptor or an instance.
#[derive(Clone, Copy)]
pub(crate) struct ParamSet<'a> {
    host: &'a Host,
    handle: OfxParamSetHandle,
}

impl<'a> EffectRef<'a> {
    /// This effect's parameters.
    pub(crate) fn params(&'a self) -> Result<ParamSet<'a>> {
        let mut handle = ptr::null_mut();
        let effect: OfxImageEffectHandle = self.raw();
        let status = call!(self.host().effect, getParamSet(effect, &mut handle))?;
        check(status, || "getParamSet".into())?;
        Ok(ParamSet { host: self.host(), handle })
    }
}

impl<'a> ParamSet<'a> {
    /// What the host does differently.
    pub(crate) fn quirks(&self) -> Quirks {
        self.host.quirks()
    }

    /// Defines a parameter and returns its properties.
    pub(crate) fn define(&self, kind: ParamKind, id: &CStr) -> Result<Props<'a>> {
        let mut props = ptr::null_mut();
        let (kind, name) = (kind.name().as_ptr(), id.as_ptr());
        let status = call!(self.host.param, paramDefine(self.handle, kind, name, &mut props))?;
        check(status, || format!("paramDefine({id:?})"))?;
        Ok(self.host.wrap(props))
    }

    fn find(&self, id: &CStr) -> Result<(OfxParamHandle, Props<'a>)> {
        let (mut handle, mut props) = (ptr::null_mut(), ptr::null_mut());
        let suite = &self.host.param;
        let status =
            call!(suite, paramGetHandle(self.handle, id.as_ptr(), &mut handle, &mut props))?;
        check(status, || format!("paramGetHandle({id:?})"))?;
        Ok((handle, self.host.wrap(props)))
    }

    /// A number at `time`.
    pub(crate) fn double(&self, id: &CStr, time: f64) -> Result<f64> {
        let (handle, _) = self.find(id)?;
        let mut value = 0.0_f64;
        let pointer: *mut f64 = &mut value;
        let status = call!(self.host.param, paramGetValueAtTime(handle, time, pointer))?;
        check(status, || format!("paramGetValueAtTime({id:?})"))?;
        Ok(value)
    }

    /// Two numbers at `time`.
    pub(crate) fn point(&self, id: &CStr, time: f64) -> Result<[f64; 2]> {
        let (handle, _) = self.find(id)?;
        let (mut x, mut y) = (0.0_f64, 0.0_f64);
        let (to_x, to_y): (*mut f64, *mut f64) = (&mut x, &mut y);
        let status = call!(self.host.param, paramGetValueAtTime(handle, time, to_x, to_y))?;
        check(status, || format!("paramGetValueAtTime({id:?})"))?;
        Ok([x, y])
    }

    /// A whole number, or the index of a choice, at `time`.
    pub(crate) fn integer(&self, id: &CStr, time: f64) -> Result<c_int> {
        let (handle, _) = self.find(id)?;
        let mut value: c_int = 0;
        let pointer: *mut c_int = &mut value;
        let status = call!(self.host.param, paramGetValueAtTime(handle, time, pointer))?;
        check(status, || format!("paramGetValueAtTime({id:?})"))?;
        Ok(value)
    }

    /// The state of a switch at `time`.
    pub(crate) fn switch(&self, id: &CStr, time: f64) -> Result<bool> {
        Ok(self.integer(id, time)? != 0)
    }

    /// A text at `time`; empty if the host has none.
    pub(crate) fn string(&self, id: &CStr, time: f64) -> Result<String> {
        let (handle, _) = self.find(id)?;
        let mut value: *mut c_char = ptr::null_mut();
        let pointer: *mut *mut c_char = &mut value;
        let status = call!(self.host.param, paramGetValueAtTime(handle, time, pointer))?;
        check(status, || format!("paramGetValueAtTime({id:?})"))?;
        if value.is_null() {
            return Ok(String::new());
        }
        // SAFETY: the host returned OK, so this is its NUL-terminated text, valid until the next
        // call (ofxParam.h, paramGetValue); it is copied immediately.
        Ok(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
    }

    /// Sets a whole number. Hosts allow that only in the actions CreateInstance and
    /// InstanceChanged.
    pub(crate) fn set_integer(&self, id: &CStr, value: c_int) -> Result<()> {
        let (handle, _) = self.find(id)?;
        let status = call!(self.host.param, paramSetValue(handle, value))?;
        check(status, || format!("paramSetValue({id:?})"))
    }

    /// Sets a number, like [`ParamSet::set_integer`].
    pub(crate) fn set_double(&self, id: &CStr, value: f64) -> Result<()> {
        let (handle, _) = self.find(id)?;
        let status = call!(self.host.param, paramSetValue(handle, value))?;
        check(status, || format!("paramSetValue({id:?})"))
    }

    /// Sets two numbers, like [`ParamSet::set_integer`].
    pub(crate) fn set_point(&self, id: &CStr, [x, y]: [f64; 2]) -> Result<()> {
        let (handle, _) = self.find(id)?;
        let status = call!(self.host.param, paramSetValue(handle, x, y))?;
        check(status, || format!("paramSetValue({id:?})"))
    }

    /// Sets a text, like [`ParamSet::set_integer`]. Anything after a NUL is dropped.
    pub(crate) fn set_string(&self, id: &CStr, value: &str) -> Result<()> {
        let (handle, _) = self.find(id)?;
        let text = c_text(value);
        let status = call!(self.host.param, paramSetValue(handle, text.as_ptr()))?;
        check(status, || format!("paramSetValue({id:?})"))
    }

    /// Hides or shows a parameter. Nuke never shows one that was hidden in its description.
    pub(crate) fn set_secret(&self, id: &CStr, secret: bool) -> Result<()> {
        let (_, props) = self.find(id)?;
        props.set_ints(kOfxParamPropSecret, &[c_int::from(secret)])
    }

    /// Greys out a parameter, or enables it.
    pub(crate) fn set_enabled(&self, id: &CStr, enabled: bool) -> Result<()> {
        let (_, props) = self.find(id)?;
        props.set_ints(kOfxParamPropEnabled, &[c_int::from(enabled)])
    }
}
