//! A safe interface to OpenFX: suites, properties, parameters, clips, images, messages, and the one
//! guarded entry point for a host.
//!
//! Raw handles and pointers stay inside this module. What it hands out borrows from the current
//! action, so nothing that belongs to the host can be kept longer. This module knows nothing about
//! in-betweening; the effect knows nothing about C.

mod call;
mod clip;
mod entry;
mod geometry;
mod host;
mod image;
mod message;
mod own_binary;
mod params;
mod pixels;
mod progress;
mod props;
mod status;

pub(crate) use clip::Clip;
pub(crate) use entry::{Action, Changed, EffectRef, RenderArgs, main_entry, set_host};
pub(crate) use geometry::{Rect, Region};
pub(crate) use image::Image;
pub(crate) use message::{
    clear_message, forget_dialog, forget_messages, show_message, show_warning,
};
pub(crate) use own_binary::own_folder;
pub(crate) use params::{ParamKind, ParamSet};
pub(crate) use pixels::{Components, Depth};
pub(crate) use progress::Progress;
pub(crate) use props::{IfKnown, Props, c_text};
pub(crate) use status::{Error, Reply, Result};

use std::ffi::CStr;

use openfx::sys::image_effect_v1::image_effect::*;

/// A context that this plug-in can be used in.
/// <https://openfx.readthedocs.io/en/main/Reference/ofxImageEffectContexts.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// One input clip.
    Filter,
    /// Any number of input clips.
    General,
    /// From one clip to another.
    Transition,
}

impl Context {
    /// Every context in the order in which it is declared, because some hosts use only the first.
    pub(crate) const ALL: [Self; 3] = [Self::Filter, Self::General, Self::Transition];

    /// The name that hosts use.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::Filter => kOfxImageEffectContextFilter,
            Self::General => kOfxImageEffectContextGeneral,
            Self::Transition => kOfxImageEffectContextTransition,
        }
    }

    /// The context of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.name().to_str() == Ok(name))
    }
}
