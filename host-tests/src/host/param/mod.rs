//! Parameters: their types, values, and keys over time.

mod describe;
mod kind;
mod set;

use std::{
    ffi::{CStr, CString, c_int},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

pub use kind::ParamType;
pub(crate) use kind::Slot;
pub use set::ParamSet;

use crate::{
    host::props::{PropertySet, Values, c_text},
    host::registry::Handle,
    host::sys::*,
};

/// Value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Groups, pages, buttons.
    None,
    /// Integer, Boolean, Choice and similar.
    Ints(Vec<c_int>),
    /// Double, colours.
    Doubles(Vec<f64>),
    /// String, Custom, StrChoice.
    Text(CString),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// Interpolates from `self` to `other`; only real numbers change, all others are held.
    fn towards(&self, other: &Self, part: f64) -> Self {
        match (self, other) {
            (Self::Doubles(a), Self::Doubles(b)) if a.len() == b.len() => {
                Self::Doubles(a.iter().zip(b).map(|(a, b)| a + (b - a) * part).collect())
            }
            _ => self.clone(),
        }
    }
}

struct ParamState {
    value: Value,
    /// Sorted by time.
    keys: Vec<(f64, Value)>,
    /// Texts that were handed out. Their addresses stay valid for the parameter's life.
    given: Vec<CString>,
    /// Bytes handed out, for the same reason.
    given_bytes: Vec<Box<[u8]>>,
}

/// A parameter of a descriptor or of an instance.
pub struct Param {
    handle: Handle,
    /// Its id.
    pub name: String,
    /// Its type.
    pub kind: ParamType,
    /// Its properties.
    pub props: Arc<PropertySet>,
    state: Mutex<ParamState>,
    /// The host does not return the value.
    untold: AtomicBool,
}

impl Param {
    /// From now on the host refuses to return the value, like hosts that lack a type of parameter.
    pub fn keep_untold(&self) {
        self.untold.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_untold(&self) -> bool {
        self.untold.load(Ordering::SeqCst)
    }

    fn new(name: String, kind: ParamType, props: Arc<PropertySet>) -> Arc<Self> {
        let value = default_of(kind, &props);
        let state =
            ParamState { value, keys: Vec::new(), given: Vec::new(), given_bytes: Vec::new() };
        let param = Arc::new(Self {
            handle: Handle::reserve(),
            name,
            kind,
            props,
            state: Mutex::new(state),
            untold: AtomicBool::new(false),
        });
        param.handle.publish(&param);
        param
    }

    pub(crate) fn raw(&self) -> OfxParamHandle {
        self.handle.raw()
    }

    /// The value at a time. Without keys it is the same at all times.
    pub fn value_at(&self, time: f64) -> Value {
        let state = self.state.lock();
        let after = state.keys.partition_point(|(at, _)| *at <= time);
        match (after.checked_sub(1).and_then(|at| state.keys.get(at)), state.keys.get(after)) {
            (Some((t0, a)), Some((t1, b))) => a.towards(b, (time - t0) / (t1 - t0)),
            (Some((_, value)), None) | (None, Some((_, value))) => value.clone(),
            (None, None) => state.value.clone(),
        }
    }

    fn doubles_at(&self, time: f64) -> Vec<f64> {
        match self.value_at(time) {
            Value::Doubles(values) => values,
            _ => Vec::new(),
        }
    }

    /// How fast the numbers change at a time, in units per frame.
    pub(crate) fn derivative(&self, time: f64) -> Vec<f64> {
        const STEP: f64 = 1e-3;
        let (before, after) = (self.doubles_at(time - STEP), self.doubles_at(time + STEP));
        before.iter().zip(&after).map(|(a, b)| (b - a) / (2.0 * STEP)).collect()
    }

    /// The integral of the numbers over time. It is exact, since values are linear between keys.
    pub(crate) fn integral(&self, from: f64, to: f64) -> Vec<f64> {
        let (low, high) = (from.min(to), from.max(to));
        let mut times = vec![low];
        times.extend(self.key_times().into_iter().filter(|time| low < *time && *time < high));
        times.push(high);
        let mut sum = vec![0.0; self.kind.count()];
        for pair in times.windows(2) {
            let (a, b) = (self.doubles_at(pair[0]), self.doubles_at(pair[1]));
            for (sum, (a, b)) in sum.iter_mut().zip(a.iter().zip(&b)) {
                *sum += 0.5 * (a + b) * (pair[1] - pair[0]) * (to - from).signum();
            }
        }
        sum
    }

    /// Gives the parameter a single value for all times.
    pub fn set(&self, value: Value) {
        let mut state = self.state.lock();
        state.keys.clear();
        state.value = value;
        drop(state);
        self.props.put(kOfxParamPropIsAnimating, Values::Int(vec![0]));
    }

    /// Sets a key.
    pub fn set_key(&self, time: f64, value: Value) {
        let mut state = self.state.lock();
        let at = state.keys.partition_point(|(key, _)| *key < time);
        match state.keys.get_mut(at) {
            Some(key) if key.0 == time => key.1 = value,
            _ => state.keys.insert(at, (time, value)),
        }
        drop(state);
        self.props.put(kOfxParamPropIsAnimating, Values::Int(vec![1]));
    }

    /// Times of the keys.
    pub(crate) fn key_times(&self) -> Vec<f64> {
        self.state.lock().keys.iter().map(|(time, _)| *time).collect()
    }

    /// Removes the key at `time`; false if there is none.
    pub(crate) fn delete_key(&self, time: f64) -> bool {
        let mut state = self.state.lock();
        let before = state.keys.len();
        state.keys.retain(|(at, _)| *at != time);
        let found = state.keys.len() < before;
        let animating = c_int::from(!state.keys.is_empty());
        drop(state);
        self.props.put(kOfxParamPropIsAnimating, Values::Int(vec![animating]));
        found
    }

    /// Removes all keys; the value of the first one remains.
    pub(crate) fn delete_keys(&self) {
        let first = self.state.lock().keys.first().map(|(_, value)| value.clone());
        if let Some(value) = first {
            self.set(value);
        }
    }

    /// Keeps a text for the plug-in to read, and returns its address.
    pub(crate) fn give_text(&self, text: CString) -> *const std::ffi::c_char {
        let mut state = self.state.lock();
        let index = match state.given.iter().position(|given| *given == text) {
            Some(index) => index,
            None => {
                state.given.push(text);
                state.given.len() - 1
            }
        };
        state.given[index].as_ptr()
    }

    /// Keeps bytes for the plug-in to read.
    pub(crate) fn give_bytes(&self, bytes: Vec<u8>) -> OfxBytes {
        let mut state = self.state.lock();
        state.given_bytes.push(bytes.into_boxed_slice());
        let bytes = state.given_bytes.last().expect("one was just pushed");
        OfxBytes { data: bytes.as_ptr(), length: bytes.len() }
    }

    /// Labels of the options of a choice.
    pub fn options(&self) -> Vec<String> {
        self.props.texts(kOfxParamPropChoiceOption)
    }

    /// Parses `text` as a value of this parameter: a choice by index, label or stable string; a
    /// boolean as 0, 1, true, false, on or off; several numbers separated by commas.
    ///
    /// # Errors
    /// A sentence, when the text is not a valid value of this parameter.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let numbers = || -> Result<Vec<f64>, String> {
            let parts: Result<Vec<f64>, _> =
                text.split(',').map(|part| part.trim().parse()).collect();
            let parts =
                parts.map_err(|_| format!("\"{text}\" is not {} number(s)", self.kind.count()))?;
            if parts.len() == self.kind.count() {
                Ok(parts)
            } else {
                Err(format!(
                    "{} wants {} number(s), not {}",
                    self.name,
                    self.kind.count(),
                    parts.len()
                ))
            }
        };
        match self.kind {
            ParamType::Boolean => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "on" | "yes" => Ok(Value::Ints(vec![1])),
                "0" | "false" | "off" | "no" => Ok(Value::Ints(vec![0])),
                _ => Err(format!("{} is a switch: use true or false, not \"{text}\"", self.name)),
            },
            ParamType::Choice => {
                let options = self.options();
                let same = |option: &String| option.eq_ignore_ascii_case(text);
                let by_string = || self.props.texts(kOfxParamPropChoiceEnum).iter().position(same);
                let by_index = || text.parse::<usize>().ok().filter(|index| *index < options.len());
                let index = options.iter().position(same).or_else(by_string).or_else(by_index);
                let index = index.and_then(|index| c_int::try_from(index).ok());
                index.map(|index| Value::Ints(vec![index])).ok_or_else(|| {
                    format!("{} has no option \"{text}\"; it has {}", self.name, options.join(", "))
                })
            }
            ParamType::String | ParamType::Custom => Ok(Value::Text(c_text(text))),
            ParamType::StrChoice => {
                let known = self.props.texts(kOfxParamPropChoiceEnum);
                let by_label = self.options().iter().position(|o| o.eq_ignore_ascii_case(text));
                let value = by_label.and_then(|at| known.get(at).cloned());
                match value.or_else(|| known.iter().find(|k| *k == text).cloned()) {
                    Some(value) => Ok(Value::Text(c_text(&value))),
                    None => Err(format!(
                        "{} has no option \"{text}\"; it has {}",
                        self.name,
                        known.join(", ")
                    )),
                }
            }
            ParamType::Bytes => Ok(Value::Bytes(text.as_bytes().to_vec())),
            kind if kind.slot() == Slot::Int => {
                let numbers = numbers()?;
                let whole = |n: &f64| {
                    n.fract() == 0.0 && (f64::from(c_int::MIN)..=f64::from(c_int::MAX)).contains(n)
                };
                if !numbers.iter().all(whole) {
                    return Err(format!("{} wants whole numbers, not \"{text}\"", self.name));
                }
                Ok(Value::Ints(numbers.into_iter().map(|n| n as c_int).collect()))
            }
            kind if kind.slot() == Slot::Double => Ok(Value::Doubles(numbers()?)),
            kind => Err(format!("{} is a {} and holds no value", self.name, kind.short_name())),
        }
    }

    /// Checks a value against the parameter's range.
    ///
    /// # Errors
    /// A sentence, when the value is outside the parameter's range.
    pub fn check_range(&self, value: &Value) -> Result<(), String> {
        let values: Vec<f64> = match value {
            Value::Ints(v) if self.kind.is_number() => v.iter().copied().map(f64::from).collect(),
            Value::Doubles(v) => v.clone(),
            _ => return Ok(()),
        };
        let (low, high) =
            (self.props.numbers(kOfxParamPropMin), self.props.numbers(kOfxParamPropMax));
        for (at, value) in values.iter().enumerate() {
            let (low, high) = (low.get(at).or(low.first()), high.get(at).or(high.first()));
            if low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high) {
                let (low, high) = (low.unwrap_or(&f64::MIN), high.unwrap_or(&f64::MAX));
                return Err(format!("{} = {value} is outside of {low}..={high}", self.name));
            }
        }
        Ok(())
    }
}

/// The value in the descriptor's default property.
pub(crate) fn default_of(kind: ParamType, props: &PropertySet) -> Value {
    let values = props.values(kOfxParamPropDefault);
    let count = kind.count();
    match (kind.slot(), values) {
        (Slot::None, _) => Value::None,
        (Slot::Int, Some(Values::Int(mut v))) => {
            v.resize(count, 0);
            Value::Ints(v)
        }
        (Slot::Int, _) => Value::Ints(vec![0; count]),
        (Slot::Double, Some(Values::Double(mut v))) => {
            v.resize(count, 0.0);
            Value::Doubles(v)
        }
        (Slot::Double, _) => Value::Doubles(vec![0.0; count]),
        (Slot::Pointer, _) if kind == ParamType::Bytes => Value::Bytes(Vec::new()),
        (Slot::Pointer, Some(Values::Text(v))) => {
            Value::Text(v.into_iter().next().unwrap_or_default())
        }
        (Slot::Pointer, _) => Value::Text(CString::default()),
    }
}

/// Converts a default that is given as a fraction of the project to the coordinates of values.
pub(crate) fn in_project(props: &PropertySet, value: Value, size: (usize, usize)) -> Value {
    let is = |name, wanted: &[&CStr]| {
        let value = props.text(name).unwrap_or_default();
        wanted.iter().any(|wanted| wanted.to_bytes() == value.as_bytes())
    };
    let of_y = is(kOfxParamPropDoubleType, &[kOfxParamDoubleTypeY, kOfxParamDoubleTypeYAbsolute]);
    let of_place = of_y
        || is(
            kOfxParamPropDoubleType,
            &[
                kOfxParamDoubleTypeX,
                kOfxParamDoubleTypeXAbsolute,
                kOfxParamDoubleTypeXY,
                kOfxParamDoubleTypeXYAbsolute,
            ],
        );
    match value {
        Value::Doubles(mut values)
            if of_place
                && is(kOfxParamPropDefaultCoordinateSystem, &[kOfxParamCoordinatesNormalised]) =>
        {
            for (at, value) in values.iter_mut().enumerate().take(2) {
                *value *= if at == 1 || of_y { size.1 } else { size.0 } as f64;
            }
            Value::Doubles(values)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::journal::Journal;

    #[test]
    fn numbers_are_summed_up_from_key_to_key() {
        let params = ParamSet::describing(&Journal::new(), &[]);
        let speed = params.define(ParamType::Double, "speed").unwrap();
        speed.set(Value::Doubles(vec![2.0]));
        assert_eq!(speed.integral(1.0, 4.0), [6.0]);
        assert_eq!(speed.derivative(1.0), [0.0]);
        for (time, value) in [(0.0, 0.0), (2.0, 4.0), (4.0, 4.0)] {
            speed.set_key(time, Value::Doubles(vec![value]));
        }
        assert_eq!(speed.integral(0.0, 4.0), [12.0]);
        assert_eq!(speed.integral(4.0, 0.0), [-12.0]);
        assert!((speed.derivative(1.0)[0] - 2.0).abs() < 1e-9);
    }

    #[test]
    fn defaults_in_parts_of_the_project_become_places_in_it() {
        let params = ParamSet::describing(&Journal::new(), &[]);
        let corner = params.define(ParamType::Double2D, "corner").unwrap();
        let text = |value: &CStr| Values::Text(vec![value.to_owned()]);
        corner.props.put(kOfxParamPropDoubleType, text(kOfxParamDoubleTypeXYAbsolute));
        corner.props.put(kOfxParamPropDefault, Values::Double(vec![0.25, 0.5]));
        let default = |size| {
            let corner = params.instantiate(size).find("corner").unwrap();
            corner.value_at(0.0)
        };
        assert_eq!(default((64, 48)), Value::Doubles(vec![0.25, 0.5]));
        let system = text(kOfxParamCoordinatesNormalised);
        corner.props.put(kOfxParamPropDefaultCoordinateSystem, system);
        assert_eq!(default((64, 48)), Value::Doubles(vec![16.0, 24.0]));
    }
}
