//! Converts prompts to token ids, as in the training of the text tower (OpenCLIP 2.22).
//!
//! Text is cleaned as in the original: repairs, HTML entities, white space, lower case. Two repairs
//! are left out: decoding text that was stored in the wrong character set ("Ã©" for "é"), and HTML
//! entities without their semicolon.

use std::borrow::Cow;
use std::sync::OnceLock;

use instant_clip_tokenizer::Tokenizer as BytePairs;
use unicode_normalization::UnicodeNormalization;

/// Number of token ids of each prompt.
pub const CONTEXT_LENGTH: usize = 77;

/// The id that begins every prompt.
pub const START: u32 = 49_406;

/// The id that ends every prompt.
pub const END: u32 = 49_407;

/// Most characters of a prompt that are processed. The 75 ids that fit are used up long before; the
/// limit keeps a pasted book from taking minutes.
const MAX_CHARS: usize = 4096;

/// The ids of `text`: start, at most 75 ids, end, then zeros.
///
/// Any text is accepted; what does not fit is cut off at the end.
///
/// Published as [`tokenize`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/tokenizer.py#L159).
pub fn tokenize(text: &str) -> [u32; CONTEXT_LENGTH] {
    static BYTE_PAIRS: OnceLock<BytePairs> = OnceLock::new();
    let mut body = Vec::new();
    BYTE_PAIRS.get_or_init(BytePairs::new).encode(&clean(text), &mut body);

    let mut ids = [0; CONTEXT_LENGTH];
    ids[0] = START;
    let body = &body[..body.len().min(CONTEXT_LENGTH - 2)];
    for (id, token) in ids[1..].iter_mut().zip(body) {
        *id = u32::from(token.to_u16());
    }
    ids[1 + body.len()] = END;
    ids
}

/// The text before it is split into tokens: repaired, with entities replaced, one space between
/// words, in lower case.
///
/// Published as [`basic_clean`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/tokenizer.py#L60),
/// [`whitespace_clean`](https://github.com/mlfoundations/open_clip/blob/1f0b5bb6db6b60896e122c7fa20e1c12ce03af1d/src/open_clip/tokenizer.py#L66).
pub fn clean(text: &str) -> String {
    let start = match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    };
    let repaired = repair(start);
    let once = html_escape::decode_html_entities(&repaired);
    let twice = html_escape::decode_html_entities(&once);
    twice.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The repairs of the `ftfy` library (version 6.3) in its order, repeated until nothing changes.
fn repair(text: &str) -> String {
    // An angle bracket means that the text may itself be HTML, so entities are kept.
    let entities = !text.contains('<');
    let mut text = text.to_owned();
    loop {
        let unescaped = if entities {
            html_escape::decode_html_entities(&text)
        } else {
            Cow::Borrowed(text.as_str())
        };
        let simpler: String = unescaped.chars().flat_map(simplify).collect();
        let fixed: String =
            without_terminal_escapes(&simpler).chars().filter(|&c| !is_junk(c)).nfc().collect();
        if fixed == text {
            return text;
        }
        text = fixed;
    }
}

/// Replaces a character by a simpler one or a short text.
fn simplify(c: char) -> impl Iterator<Item = char> {
    /// Bytes 0x80 to 0x9f in Windows-1252; five of them are undefined.
    const WINDOWS_1252: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '•', '–', '—', '˜',
        '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let c = match c {
        '\u{80}'..='\u{9f}' => WINDOWS_1252[c as usize - 0x80],
        _ => c,
    };
    let text: Cow<'static, str> = match c {
        // Ligatures and digraphs.
        'Ĳ' => "IJ".into(),
        'ĳ' => "ij".into(),
        'ŉ' => "'n".into(),
        'Ǳ' => "DZ".into(),
        'ǲ' => "Dz".into(),
        'ǳ' => "dz".into(),
        'Ǆ' => "DŽ".into(),
        'ǅ' => "Dž".into(),
        'ǆ' => "dž".into(),
        'Ǉ' => "LJ".into(),
        'ǈ' => "Lj".into(),
        'ǉ' => "lj".into(),
        'Ǌ' => "NJ".into(),
        'ǋ' => "Nj".into(),
        'ǌ' => "nj".into(),
        'ﬀ' => "ff".into(),
        'ﬁ' => "fi".into(),
        'ﬂ' => "fl".into(),
        'ﬃ' => "ffi".into(),
        'ﬄ' => "ffl".into(),
        'ﬅ' => "ſt".into(),
        'ﬆ' => "st".into(),
        // Full-width and half-width forms.
        '\u{3000}' => " ".into(),
        '\u{ff01}'..='\u{ffef}' => std::iter::once(c).nfkc().collect::<String>().into(),
        // Curly quotes.
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => "'".into(),
        '\u{201c}'..='\u{201f}' => "\"".into(),
        // Line breaks; a pair of them is one space in the end anyway.
        '\r' | '\u{2028}' | '\u{2029}' => "\n".into(),
        _ => return Either::One(std::iter::once(c)),
    };
    Either::Text(text.chars().collect::<Vec<_>>().into_iter())
}

/// An iterator of one of two kinds.
enum Either<A, B> {
    One(A),
    Text(B),
}

impl<A: Iterator<Item = char>, B: Iterator<Item = char>> Iterator for Either<A, B> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::One(one) => one.next(),
            Self::Text(text) => text.next(),
        }
    }
}

/// Removes terminal colour codes: escape, `[`, digits and semicolons, one letter.
fn without_terminal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let tail = escape[2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        if tail.starts_with(|c: char| c.is_ascii_alphabetic()) {
            rest = &tail[1..];
        } else {
            out.push_str(&escape[..2]);
            rest = &escape[2..];
        }
    }
    out.push_str(rest);
    out
}

/// Control characters that do not belong in text.
fn is_junk(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_what_a_paste_brings_along() {
        assert_eq!(clean("\u{feff}A\u{0} \u{1b}[31mRED\u{1b}[0m hat\u{1b}[2;"), "a red hat[2;");
        assert_eq!(clean("it\u{92}s \u{93}x\u{94}"), "it's \"x\"");
        assert_eq!(clean("&amp;lt;b&gt;"), "<b>");
        assert_eq!(clean("<i> &amp;amp;amp;"), "<i> &amp;");
    }

    #[test]
    fn any_length_fits() {
        for text in ["", "a", &"word ".repeat(75), &"word ".repeat(76), &"x".repeat(1_000_000)] {
            let ids = tokenize(text);
            assert_eq!(ids[0], START);
            assert_eq!(ids.iter().filter(|&&id| id == END).count(), 1);
        }
    }
}
