//! An OpenFX host for batch renders and for checking how a plug-in behaves in the hosts of this
//! world.
//!
//! A plug-in is seen only through the C symbols that it exports. The host has its own typed
//! property sets ([`host::props`]), issues numbers instead of addresses as handles, puts guard
//! bytes around all pixels ([`host::buffer`]), and records every broken rule ([`host::journal`]).
//! What it reports and does is data: see [`host::profile`].
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use host_tests::host::{Host, plugin::Plugin, profile::Profile};
//! let host = Host::new(Profile::find("natron").unwrap());
//! let plugin = Plugin::open("out/AIInbetween.ofx.bundle".as_ref(), None, &host)?;
//! plugin.start()?;
//! println!("{} has the contexts {:?}", plugin.id(), plugin.contexts());
//! # Ok(())
//! # }
//! ```

#![allow(non_upper_case_globals, reason = "patterns name the constants of the C headers")]

pub mod checks;
pub mod commands;
pub mod host;
pub mod pictures;
