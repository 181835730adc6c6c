//! The command line of `render`.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    host::clip::Format,
    host::effect::short,
    host::pixels::{Components, Depth},
    host::plugin::Plugin,
    pictures::picture::Reading,
};

/// Frames over a plug-in.
#[derive(Args, Clone, Debug)]
pub struct RenderArgs {
    /// The plug-in: an .ofx file, a bundle, or a folder with one
    #[arg(long)]
    pub plugin: PathBuf,
    /// Identifier of the effect, where the file has several
    #[arg(long)]
    pub id: Option<String>,
    /// Context: general, filter, transition …; by default the first that host and plug-in share
    #[arg(long)]
    pub context: Option<String>,
    /// Pictures of a clip: NAME=FILE, or NAME=FILES with the frame number as %04d or ####
    #[arg(long = "clip", value_name = "NAME=PATH")]
    pub clip: Vec<String>,
    /// A parameter: ID=VALUE for all frames, ID@FRAME=VALUE for a key; choices by index, label or stable string.
    /// Without one, the parameter Transition runs from 0 to 1
    #[arg(long = "set", value_name = "ID=VALUE")]
    pub set: Vec<String>,
    /// Frames: 5, or 1-9
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    pub frames: Frames,
    /// Distance of frames; 0.5 renders between them too
    #[arg(long, default_value_t = 1.0)]
    pub step: f64,
    /// Size of the project; pictures of other sizes are scaled to it
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Sample type to ask for
    #[arg(long, value_enum, default_value_t = Depth::Float)]
    pub depth: Depth,
    /// Components to ask for
    #[arg(long, value_enum, default_value_t = Components::Rgba)]
    pub components: Components,
    /// Clips are premultiplied; pictures of integer files are multiplied on reading and divided on writing
    #[arg(long)]
    pub premult: bool,
    /// Integer files are decoded from sRGB to linear light, and encoded on writing
    #[arg(long)]
    pub linear: bool,
    /// Host to imitate: natron, nuke, resolve, fusion, mlt, bare
    #[arg(long, default_value = "natron")]
    pub profile: String,
    /// Render scale; 0.5 renders frames of half the width and height
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Files to write, with the frame number as %04d or ####: .png, .exr, .tif or .jpg
    #[arg(long, value_name = "PATTERN")]
    pub out: Option<String>,
    /// Writes all frames, between the pictures of the first two clips, on one labelled picture
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Writes the frames as an animated GIF that runs to and fro
    #[arg(long, value_name = "FILE.gif")]
    pub preview: Option<PathBuf>,
    /// Frames per second of the project and of the preview
    #[arg(long, default_value_t = 12.0)]
    pub fps: f64,
    /// Frames rendered at once; fewer where the plug-in's stated thread safety asks for it
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// A range of frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frames {
    first: f64,
    last: f64,
}

impl FromStr for Frames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no range of frames; use 5 or 1-9");
        // A hyphen at the start is a sign, not a range.
        let split = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at);
        let (first, last) = match split {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, text),
        };
        let first: f64 = first.trim().parse().map_err(|_| wrong())?;
        let last: f64 = last.trim().parse().map_err(|_| wrong())?;
        if first.is_finite() && last.is_finite() && first <= last {
            Ok(Self { first, last })
        } else {
            Err(wrong())
        }
    }
}

impl Frames {
    /// The times to render.
    pub fn times(&self, step: f64) -> Result<Vec<f64>> {
        if !(step.is_finite() && step > 0.0) {
            bail!("--step must be above 0, not {step}");
        }
        let count = ((self.last - self.first) / step + 1e-9).floor() as usize + 1;
        if count > 1_000_000 {
            bail!("{count} frames are more than this host renders at once");
        }
        Ok((0..count).map(|at| self.first + at as f64 * step).collect())
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('x')
            .and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
        match parsed {
            Some((width, height))
                if width > 0 && height > 0 && width <= 1 << 16 && height <= 1 << 16 =>
            {
                Ok(Self { width, height })
            }
            _ => Err(format!("\"{text}\" is no size; use 1920x1080")),
        }
    }
}

impl RenderArgs {
    /// Name and path of each `--clip`.
    pub(crate) fn clips(&self) -> Result<Vec<(String, String)>> {
        let split = |text: &String| {
            let (name, path) =
                text.split_once('=').with_context(|| format!("--clip {text}: use NAME=PATH"))?;
            Ok((name.to_owned(), path.to_owned()))
        };
        self.clip.iter().map(split).collect()
    }

    /// Id, time of the key, and text of each `--set`.
    pub(crate) fn settings(&self) -> Result<Vec<(String, Option<f64>, String)>> {
        let split = |text: &String| {
            let (name, value) =
                text.split_once('=').with_context(|| format!("--set {text}: use ID=VALUE"))?;
            let (id, time) = match name.split_once('@') {
                Some((id, time)) => {
                    let time = time
                        .parse()
                        .with_context(|| format!("--set {text}: use ID@FRAME=VALUE"))?;
                    (id, Some(time))
                }
                None => (name, None),
            };
            Ok((id.to_owned(), time, value.to_owned()))
        };
        self.set.iter().map(split).collect()
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading { linear: self.linear, premultiplied: self.premult }
    }

    pub(crate) fn format(&self) -> Format {
        Format {
            depth: self.depth,
            components: self.components,
            premult: super::premult(self.premult),
        }
    }

    /// The full name of the context.
    pub(crate) fn context_of(&self, plugin: &Plugin) -> Result<String> {
        if !(self.scale.is_finite() && self.scale > 0.0 && self.scale <= 16.0) {
            bail!("--scale must be above 0 and at most 16, not {}", self.scale);
        }
        let contexts = plugin.contexts();
        let found = match &self.context {
            Some(wanted) => {
                contexts.iter().find(|context| short(context).eq_ignore_ascii_case(wanted))
            }
            None => contexts.first(),
        };
        found.cloned().with_context(|| {
            let known: Vec<_> =
                contexts.iter().map(|context| short(context).to_lowercase()).collect();
            format!("{} can be used under {} as: {}", plugin.id(), self.profile, known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_frames_are_understood() {
        let times = |text: &str, step| text.parse::<Frames>().unwrap().times(step).unwrap();
        assert_eq!(times("5", 1.0), [5.0]);
        assert_eq!(times("1-4", 1.0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(times("-2-0", 1.0), [-2.0, -1.0, 0.0]);
        assert_eq!(times("0-1", 0.25), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert!("4-1".parse::<Frames>().is_err());
        assert!("a".parse::<Frames>().is_err());
        assert!("1-4".parse::<Frames>().unwrap().times(0.0).is_err());
    }

    #[test]
    fn sizes_are_understood() {
        assert_eq!("64x48".parse(), Ok(Size { width: 64, height: 48 }));
        assert!("64".parse::<Size>().is_err());
        assert!("0x5".parse::<Size>().is_err());
    }
}
