//! The raw OpenFX declarations in one namespace, with checks that their layout matches the C
//! headers.

use std::ffi::CStr;

pub use openfx::sys::{
    generic::{core::*, property::*},
    image_effect_v1::{
        colour::*, draw_suite::*, gpu_render::*, image_effect::*, interact::*, key_syms::*,
        memory::*, message::*, multi_thread::*, old::*, param::*, parametric_param::*, progress::*,
        time_line::*,
    },
};

/// A name of the API as text.
pub(crate) fn ascii(name: &'static CStr) -> &'static str {
    name.to_str().expect("names of the API are ASCII")
}

/// Size of a suite, which consists of `count` function pointers.
const fn functions(count: usize) -> usize {
    count * size_of::<usize>()
}

const _: () = {
    assert!(size_of::<OfxHost>() == functions(2));
    assert!(size_of::<OfxPropertySuiteV1>() == functions(18));
    assert!(size_of::<OfxImageEffectSuiteV1>() == functions(13));
    assert!(size_of::<OfxParameterSuiteV1>() == functions(18));
    assert!(size_of::<OfxMemorySuiteV1>() == functions(2));
    assert!(size_of::<OfxMultiThreadSuiteV1>() == functions(9));
    assert!(size_of::<OfxMessageSuiteV1>() == functions(1));
    assert!(size_of::<OfxMessageSuiteV2>() == functions(3));
    assert!(size_of::<OfxProgressSuiteV1>() == functions(3));
    assert!(size_of::<OfxProgressSuiteV2>() == functions(3));
    assert!(size_of::<OfxTimeLineSuiteV1>() == functions(3));
    assert!(size_of::<OfxRectI>() == 16 && size_of::<OfxRectD>() == 32);
};
