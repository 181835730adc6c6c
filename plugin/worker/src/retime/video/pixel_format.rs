//! Pixel formats of ffmpeg: what each can hold, and the best one for a purpose.

use std::collections::HashMap;

use serde_json::Value;

use super::ffmpeg;
use crate::failure::Result;

/// What a pixel format can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct PixelFormat {
    /// Bits of the deepest component.
    pub(super) bits: u32,
    /// Subsampling of chroma across and down, as powers of two.
    pub(super) chroma: (u32, u32),
    pub(super) alpha: bool,
    pub(super) rgb: bool,
    pub(super) grey: bool,
    /// A palette, single bits, or pictures in the memory of a graphics card.
    special: bool,
    big_endian: bool,
    float: bool,
}

/// All formats that the installed ffmpeg knows.
pub(super) struct PixelFormats(HashMap<String, PixelFormat>);

impl PixelFormats {
    pub(super) fn of_ffmpeg() -> Result<Self> {
        let told = ffmpeg::run(ffmpeg::probe_command().arg("-show_pixel_formats"))?;
        Ok(Self::read(&serde_json::from_slice(&told.stdout).unwrap_or_default()))
    }

    fn read(told: &Value) -> Self {
        let formats = told["pixel_formats"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = formats.iter().filter_map(|format| {
            let name = format["name"].as_str()?;
            let flag = |name: &str| format["flags"][name] == 1;
            let number = |name: &str| format[name].as_u64().map(|n| n as u32);
            let depths = format["components"].as_array()?.iter();
            let bits = depths.filter_map(|one| one["bit_depth"].as_u64()).max().unwrap_or(8) as u32;
            let components = number("nb_components")?;
            let samples = PixelFormat {
                // A palette names colours of eight bits.
                bits: if flag("palette") { 8 } else { bits },
                chroma: (
                    number("log2_chroma_w").unwrap_or(0),
                    number("log2_chroma_h").unwrap_or(0),
                ),
                alpha: flag("alpha"),
                rgb: flag("rgb") || flag("palette"),
                grey: components <= 2 && !flag("palette"),
                special: flag("palette") || flag("bitstream") || flag("hwaccel"),
                big_endian: flag("big_endian"),
                float: name.contains("f16") || name.contains("f32"),
            };
            Some((name.to_owned(), samples))
        });
        Self(named.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<PixelFormat> {
        self.0.get(name).copied()
    }

    /// The format among `offered` that loses the least of `wanted` and takes the least space;
    /// `None` if none is known.
    pub(super) fn best(
        &self,
        offered: &[String],
        wanted: PixelFormat,
    ) -> Option<(String, PixelFormat)> {
        let known =
            offered.iter().enumerate().filter_map(|(at, name)| Some((at, name, self.get(name)?)));
        known
            .filter(|(_, _, has)| {
                let plain = !has.special && !has.big_endian && !has.float;
                plain && (!has.grey || wanted.grey)
            })
            .min_by_key(|(at, name, has)| {
                let missing = |wanted: u32, has: u32| wanted.saturating_sub(has);
                // Full range is set by a tag; the old formats with it in their name are avoided.
                let old = name.starts_with("yuvj");
                (
                    wanted.alpha && !has.alpha,
                    missing(has.chroma.0, wanted.chroma.0) + missing(has.chroma.1, wanted.chroma.1),
                    missing(wanted.bits, has.bits),
                    has.rgb != wanted.rgb,
                    old,
                    has.alpha && !wanted.alpha,
                    missing(wanted.chroma.0, has.chroma.0) + missing(wanted.chroma.1, has.chroma.1),
                    missing(has.bits, wanted.bits),
                    *at,
                )
            })
            .map(|(_, name, has)| (name.clone(), has))
    }
}

impl PixelFormat {
    /// A format with these properties.
    pub(super) fn of(bits: u32, chroma: (u32, u32), alpha: bool, rgb: bool) -> Self {
        Self {
            bits,
            chroma,
            alpha,
            rgb,
            grey: false,
            special: false,
            big_endian: false,
            float: false,
        }
    }

    /// What the other format cannot hold of this one, in words; empty if nothing is lost.
    pub(super) fn lost_in(self, other: Self) -> Vec<String> {
        let mut lost = Vec::new();
        if self.alpha && !other.alpha {
            lost.push("the transparency".into());
        }
        if other.bits < self.bits {
            lost.push(format!("{} of {} bits of each sample", self.bits - other.bits, self.bits));
        }
        if other.chroma.0 > self.chroma.0 || other.chroma.1 > self.chroma.1 {
            lost.push(format!(
                "the finer colour ({} becomes {})",
                subsampling(self.chroma),
                subsampling(other.chroma)
            ));
        }
        lost
    }
}

fn subsampling(chroma: (u32, u32)) -> &'static str {
    match chroma {
        (0, 0) => "4:4:4",
        (1, 0) => "4:2:2",
        (1, 1) => "4:2:0",
        (0, 1) => "4:4:0",
        _ => "4:1:1",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in super::super) fn table() -> PixelFormats {
        let format = |name: &str, bits: u32, chroma: (u32, u32), flags: &[&str]| {
            let components = if name.contains('a') && flags.contains(&"alpha") { 4 } else { 3 };
            let flags: serde_json::Map<String, Value> =
                flags.iter().map(|flag| ((*flag).into(), json!(1))).collect();
            json!({
                "name": name, "nb_components": components,
                "log2_chroma_w": chroma.0, "log2_chroma_h": chroma.1, "flags": flags,
                "components": vec![json!({ "bit_depth": bits }); components],
            })
        };
        PixelFormats::read(&json!({ "pixel_formats": [
            format("yuv420p", 8, (1, 1), &[]),
            format("yuvj420p", 8, (1, 1), &[]),
            format("nv12", 8, (1, 1), &[]),
            format("yuv422p", 8, (1, 0), &[]),
            format("yuv444p", 8, (0, 0), &[]),
            format("yuv420p10le", 10, (1, 1), &[]),
            format("yuv422p10le", 10, (1, 0), &[]),
            format("yuv444p10le", 10, (0, 0), &[]),
            format("yuva420p", 8, (1, 1), &["alpha"]),
            format("yuva444p10le", 10, (0, 0), &["alpha"]),
            format("yuva444p12le", 12, (0, 0), &["alpha"]),
            format("gbrap", 8, (0, 0), &["alpha", "rgb"]),
            format("rgb24", 8, (0, 0), &["rgb"]),
            format("rgba64be", 16, (0, 0), &["alpha", "rgb", "big_endian"]),
            format("pal8", 8, (0, 0), &["alpha", "palette"]),
            format("gbrpf32le", 32, (0, 0), &["rgb"]),
        ] }))
    }

    fn best(offered: &[&str], like: &str) -> String {
        let table = table();
        let offered: Vec<String> = offered.iter().map(|name| (*name).into()).collect();
        table.best(&offered, table.get(like).unwrap()).unwrap().0
    }

    #[test]
    fn the_format_of_the_source_or_the_next_that_holds_it() {
        let x264 = [
            "yuv420p",
            "yuvj420p",
            "yuv422p",
            "yuv444p",
            "nv12",
            "yuv420p10le",
            "yuv422p10le",
            "yuv444p10le",
        ];
        for same in ["yuv420p", "yuv422p", "yuv420p10le", "yuv444p10le"] {
            assert_eq!(best(&x264, same), same);
        }
        assert_eq!(best(&["yuv420p", "yuv420p10le"], "yuv420p10le"), "yuv420p10le");
        assert_eq!(best(&["yuv422p10le", "yuv444p10le", "yuva444p10le"], "yuv420p"), "yuv422p10le");
        assert_eq!(best(&["yuv422p10le", "yuv444p10le", "yuva444p10le"], "gbrap"), "yuva444p10le");
        assert_eq!(best(&x264, "rgb24"), "yuv444p");
        assert_eq!(best(&["yuvj420p"], "yuv420p"), "yuvj420p");
    }

    #[test]
    fn what_is_lost_is_named() {
        let table = table();
        let get = |name: &str| table.get(name).unwrap();
        assert!(get("yuv420p").lost_in(get("yuv444p10le")).is_empty());
        let lost = get("yuva444p10le").lost_in(get("yuv420p"));
        assert_eq!(lost.len(), 3, "{lost:?}");
        assert!(lost[1].contains("2 of 10 bits") && lost[2].contains("4:2:0"), "{lost:?}");
    }
}
