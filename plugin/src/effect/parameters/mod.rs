//! What an artist sets: every parameter as the host is told of it ([`rows`]), and the parameters of an instance
//! read and made sense of ([`choices`]). Nothing here knows of times, keys or actions.

pub(crate) mod choices;
mod colourspace;
pub(crate) mod pins;
pub(crate) mod reader;
pub(crate) mod retime;
pub(crate) mod rows;
pub(crate) mod tooncrafter;
