//! The host itself: the functions that a plug-in calls ([`suites`]), the objects behind its handles, and the calls to
//! the plug-in ([`plugin`], [`instance`]).

mod behaviour;
pub mod binary;
pub mod buffer;
mod call;
pub(crate) mod chaos;
pub mod clip;
pub mod effect;
mod image_memory;
pub(crate) mod images;
pub mod instance;
pub mod journal;
pub mod known;
mod object;
pub mod param;
pub mod pixels;
pub mod plugin;
pub mod profile;
pub mod props;
mod registry;
pub mod status;
mod suites;
pub mod sys;

pub use behaviour::{Behaviour, MissingImage};
pub use object::Host;
