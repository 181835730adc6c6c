//! Files of recorded tensors: `NAME.safetensors`, or the same in compressed form as
//! `NAME.safetensors.gz`.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use candle_core::{Device, Result, Tensor};

/// The bytes of the file at `path`, or of its compressed version.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.exists() {
        return std::fs::read(path);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(name)?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All tensors of a file.
#[allow(dead_code, reason = "some tests want the bytes only")]
pub fn load(path: &Path, device: &Device) -> Result<HashMap<String, Tensor>> {
    let bytes = read(path).map_err(candle_core::Error::wrap)?;
    candle_core::safetensors::load_buffer(&bytes, device)
}
