//! What an artist sets: every parameter as described to the host ([`rows`]), and the values of an
//! instance, read and interpreted ([`choices`]). Nothing here deals with times, keys or actions.

pub(crate) mod choices;
mod colourspace;
pub(crate) mod pins;
pub(crate) mod reader;
pub(crate) mod retime;
pub(crate) mod rows;
pub(crate) mod tooncrafter;
