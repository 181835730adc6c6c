//! Copies the metadata of a PNG file, chunk by chunk.

/// The file's signature, followed by the head: length, type, 13 bytes, checksum.
const SIGNATURE: usize = 8;
const HEAD_ENDS: usize = SIGNATURE + 25;

/// Chunks that describe colours, sizes or orientation, or hold the artist's own words. All others
/// belong to the pixels of one file (palette, transparent colour, histogram) or to the time of
/// writing.
const KEPT_CHUNKS: [&[u8; 4]; 12] = [
    b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt",
    b"zTXt", b"iTXt",
];

/// The kept chunks of a file, unchanged, including their checksums.
pub(super) fn metadata(file: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for chunk in chunks(file) {
        if KEPT_CHUNKS.iter().any(|kind| chunk[4..8] == kind[..]) {
            kept.extend_from_slice(chunk);
        }
    }
    kept
}

/// These chunks without the colour profile, for pixels that it does not apply to.
pub(super) fn without_profile(metadata: &[u8]) -> Vec<u8> {
    let all = chunks_of(metadata);
    all.into_iter().filter(|chunk| chunk[4..8] != *b"iCCP").flatten().copied().collect()
}

/// The file with these chunks inserted after its head.
pub(super) fn with(mut file: Vec<u8>, metadata: &[u8]) -> Vec<u8> {
    if file.len() > HEAD_ENDS {
        file.splice(HEAD_ENDS..HEAD_ENDS, metadata.iter().copied());
    }
    file
}

fn chunks(file: &[u8]) -> Vec<&[u8]> {
    chunks_of(file.get(HEAD_ENDS..).unwrap_or_default())
}

fn chunks_of(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((chunk, after)) =
            length.checked_add(12).and_then(|length| rest.split_at_checked(length))
        else {
            break;
        };
        all.push(chunk);
        rest = after;
    }
    all
}
