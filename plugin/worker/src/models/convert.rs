//! `models convert`: converts any accepted file to `.safetensors` in half precision.

use inbetween_tooncrafter::weights::{NamedFile, convert};
use serde_json::json;

use super::{bytes, print_json};
use crate::cli::Convert;
use crate::failure::Result;
use crate::progress;
use crate::stdio::outln;

pub(crate) fn run(arguments: &Convert) -> Result<()> {
    let file = NamedFile::open(&arguments.input)?;
    let bar = progress::of_bytes("converting");
    let written = convert(
        &file,
        &arguments.output,
        arguments.precision.into(),
        &mut progress::reporter(&bar),
    )?;
    bar.finish_and_clear();
    let output = arguments.output.display().to_string();
    if arguments.json {
        print_json(&json!({
            "file": output,
            "tensors": written.tensors,
            "bytes": written.bytes,
            "blake3": written.digest,
        }));
    } else {
        let size = bytes(written.bytes as usize);
        outln!("{output}: {} tensors, {size}, digest {}", written.tensors, written.digest);
    }
    Ok(())
}
