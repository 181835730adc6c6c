//! Types of parameters.

use std::ffi::CStr;

use crate::host::sys::*;

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the standard, OfxParamType…")]
pub enum ParamType {
    Integer,
    Double,
    Boolean,
    Choice,
    StrChoice,
    Rgba,
    Rgb,
    Double2D,
    Integer2D,
    Double3D,
    Integer3D,
    String,
    Custom,
    Bytes,
    Group,
    Page,
    PushButton,
    Parametric,
}

/// How the variadic functions pass one component; the numbers match those in the C shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Slot {
    None = 0,
    Int = 1,
    Double = 2,
    Pointer = 3,
}

const TYPES: &[(ParamType, &CStr, Slot, usize)] = &[
    (ParamType::Integer, kOfxParamTypeInteger, Slot::Int, 1),
    (ParamType::Double, kOfxParamTypeDouble, Slot::Double, 1),
    (ParamType::Boolean, kOfxParamTypeBoolean, Slot::Int, 1),
    (ParamType::Choice, kOfxParamTypeChoice, Slot::Int, 1),
    (ParamType::StrChoice, kOfxParamTypeStrChoice, Slot::Pointer, 1),
    (ParamType::Rgba, kOfxParamTypeRGBA, Slot::Double, 4),
    (ParamType::Rgb, kOfxParamTypeRGB, Slot::Double, 3),
    (ParamType::Double2D, kOfxParamTypeDouble2D, Slot::Double, 2),
    (ParamType::Integer2D, kOfxParamTypeInteger2D, Slot::Int, 2),
    (ParamType::Double3D, kOfxParamTypeDouble3D, Slot::Double, 3),
    (ParamType::Integer3D, kOfxParamTypeInteger3D, Slot::Int, 3),
    (ParamType::String, kOfxParamTypeString, Slot::Pointer, 1),
    (ParamType::Custom, kOfxParamTypeCustom, Slot::Pointer, 1),
    (ParamType::Bytes, kOfxParamTypeBytes, Slot::Pointer, 1),
    (ParamType::Group, kOfxParamTypeGroup, Slot::None, 0),
    (ParamType::Page, kOfxParamTypePage, Slot::None, 0),
    (ParamType::PushButton, kOfxParamTypePushButton, Slot::None, 0),
    (ParamType::Parametric, kOfxParamTypeParametric, Slot::None, 0),
];

impl ParamType {
    fn row(self) -> &'static (ParamType, &'static CStr, Slot, usize) {
        TYPES.iter().find(|row| row.0 == self).expect("every type has its row")
    }

    /// The type of that name.
    pub fn from_name(name: &CStr) -> Option<Self> {
        TYPES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Name in the API.
    pub fn name(self) -> &'static CStr {
        self.row().1
    }

    /// Short name for reports: `Double2D`.
    pub fn short_name(self) -> String {
        self.name().to_string_lossy().trim_start_matches("OfxParamType").to_owned()
    }

    pub(crate) fn slot(self) -> Slot {
        self.row().2
    }

    /// Number of values; 0 for groups, pages and buttons.
    pub fn count(self) -> usize {
        self.row().3
    }

    /// Whether it is a number with a range.
    pub fn is_number(self) -> bool {
        use ParamType::*;
        matches!(self, Integer | Double | Double2D | Double3D | Integer2D | Integer3D)
    }

    /// True if the parameter holds a value.
    pub fn has_value(self) -> bool {
        self.count() > 0
    }
}
