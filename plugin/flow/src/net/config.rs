//! What a weight file says about its network: its sizes and its start flow.

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use inbetween_core::Error;

/// Source of the decoder's first flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Dense inverse search alone: fast, small motion.
    Dis,
    /// Several classical hypotheses, of which the best is chosen at each place.
    Hypotheses,
    /// The network's own matcher.
    Matcher,
}

/// The network's sizes; the JSON text under `config` in the weight file's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// `tweennet`
    pub architecture: String,
    /// Names these weights; part of the engine's version.
    pub version: String,
    /// Channels of the encoder at 1/2, 1/4 and 1/8 of the guide.
    pub channels: [usize; 3],
    /// Hidden channels of the decoder at 1/8, 1/4 and 1/2.
    pub hidden: [usize; 3],
    /// Number of pairs of self- and cross-attention in the matcher.
    pub attention: usize,
    /// The start that suits these weights.
    pub start: Start,
}

impl Config {
    /// Reads the configuration of a weight file.
    ///
    /// # Errors
    /// [`Error::Engine`] when it is missing, unreadable or for another network.
    pub fn read(weights: &[u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(weights).map_err(|e| bad(e.to_string()))?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|map| map.get("config"))
            .ok_or_else(|| bad("its metadata has no entry `config`".into()))?;
        let config: Self = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if config.architecture != "tweennet" {
            return Err(bad(format!("it holds a `{}`, not a `tweennet`", config.architecture)));
        }
        let sizes = config.channels.iter().chain(&config.hidden);
        // The position code uses groups of four values.
        if sizes.clone().any(|&n| n == 0 || n > 4096) || !config.channels[2].is_multiple_of(4) {
            return Err(bad("its channel counts make no network".into()));
        }
        Ok(config)
    }
}

/// A weight file that cannot be used.
pub(crate) fn bad(reason: String) -> Error {
    Error::Engine { engine: "Flow", reason: format!("the weight file cannot be used: {reason}") }
}
