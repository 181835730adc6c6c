//! Finds the channels of an EXR file that make up its picture, and reads them.

use std::collections::BTreeMap;
use std::io::Cursor;

use exr::prelude::{
    MetaData, ReadChannels, ReadLayers, ReadSpecificChannel, SampleType, Text, Vec2, read,
};
use image::{DynamicImage, ImageBuffer};

/// Names that programs give to the layer with the finished picture, in order of preference.
const WHOLE_PICTURES: [&str; 7] = ["combined", "beauty", "rgba", "rgb", "main", "color", "c"];

/// Most channels that a message lists.
const LISTED: usize = 12;

/// The channels of an EXR file that are its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExrChannels {
    /// The part of the file that they are in.
    pub part: usize,
    /// Red, green and blue, or luminance alone.
    pub colour: Vec<Text>,
    /// Coverage, if the file has it.
    pub alpha: Option<Text>,
}

/// Channels whose names differ only in the last word.
#[derive(Default)]
struct Layer {
    by_word: BTreeMap<String, Text>,
}

impl Layer {
    fn get(&self, words: [&str; 2]) -> Option<Text> {
        words.iter().find_map(|word| self.by_word.get(*word)).cloned()
    }

    fn colour(&self) -> Option<Vec<Text>> {
        [["r", "red"], ["g", "green"], ["b", "blue"]]
            .into_iter()
            .map(|words| self.get(words))
            .collect()
    }

    fn luminance(&self) -> Option<Vec<Text>> {
        // Y is not a picture if it stands beside colour differences (then it is only half of one)
        // or beside X or Z (then it is part of a direction).
        let alone = ["ry", "by", "x", "z"].iter().all(|word| !self.by_word.contains_key(*word));
        self.get(["y", "luminance"]).filter(|_| alone).map(|name| vec![name])
    }
}

/// The channels that make up the picture: R, G and B, with A if there is one. If the file has these
/// only in layers, they come from its only layer, or from the one whose name says that it is the
/// whole picture. Otherwise the luminance Y is used.
///
/// # Errors
/// A message that lists the file's channels and says which are needed.
pub fn exr_channels(about: &MetaData) -> Result<ExrChannels, String> {
    let mut layers: BTreeMap<(usize, String), Layer> = BTreeMap::new();
    let mut all = Vec::new();
    for (part, header) in about.headers.iter().enumerate().filter(|(_, header)| !header.deep) {
        for channel in &header.channels.list {
            let name = channel.name.to_string();
            let (layer, word) = name.rsplit_once('.').unwrap_or(("", &name));
            let layer = layers.entry((part, layer.to_owned())).or_default();
            layer.by_word.insert(word.to_lowercase(), channel.name.clone());
            all.push(name.clone());
        }
    }
    if all.is_empty() && about.headers.iter().any(|header| header.deep) {
        return Err("it holds deep data only; flatten it first".into());
    }
    let candidates = |of: fn(&Layer) -> Option<Vec<Text>>| -> Vec<_> {
        layers
            .iter()
            .filter_map(|(key, layer)| of(layer).map(|colour| (key, layer, colour)))
            .collect()
    };
    let mut found = candidates(Layer::colour);
    if found.is_empty() {
        found = candidates(Layer::luminance);
    }
    let rank = |(part, layer): &(usize, String)| {
        let own = about.headers[*part].own_attributes.layer_name.as_ref();
        let name =
            if layer.is_empty() { own.map(ToString::to_string) } else { Some(layer.clone()) };
        let word = name.map(|name| name.rsplit('.').next().unwrap_or_default().to_lowercase());
        let known = |word: String| WHOLE_PICTURES.iter().position(|known| *known == word);
        (!layer.is_empty(), word.and_then(known).unwrap_or(WHOLE_PICTURES.len()), *part)
    };
    found.sort_by_key(|(key, ..)| rank(key));
    let unclear = found.len() > 1
        && found.first().is_some_and(|(key, ..)| {
            let (named, known, _) = rank(key);
            named && known == WHOLE_PICTURES.len()
        });
    match found.into_iter().next() {
        Some(((part, _), layer, colour)) if !unclear => {
            Ok(ExrChannels { part: *part, colour, alpha: layer.get(["a", "alpha"]) })
        }
        Some(_) => Err(format!(
            "it holds several layers and none is called Combined, beauty or rgba ({}); save one with the channels R, G and B",
            listed(&all)
        )),
        None => {
            Err(format!("it holds the channels {}; R, G and B, or Y, are needed", listed(&all)))
        }
    }
}

fn listed(all: &[String]) -> String {
    let shown = all.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.len() > LISTED { format!("{shown} and {} more", all.len() - LISTED) } else { shown }
}

/// What is known of a file before its pixels are read.
pub(super) struct Header {
    pub(super) channels: ExrChannels,
    /// Size of the display window.
    pub(super) size: (usize, usize),
    /// Position of the data within it.
    offset: Vec2<i32>,
    /// Whether every sample of the picture is a half float.
    pub(super) half: bool,
}

impl Header {
    pub(super) fn read(bytes: impl std::io::Read) -> Result<Self, String> {
        let about = MetaData::read_from_buffered(std::io::BufReader::new(bytes), false)
            .map_err(|err| reason(&err))?;
        let channels = exr_channels(&about)?;
        let header = &about.headers[channels.part];
        let window = header.shared_attributes.display_window;
        let is_half = |name: &Text| {
            let channel = header.channels.list.iter().find(|channel| channel.name == *name);
            channel.is_some_and(|channel| channel.sample_type == SampleType::F16)
        };
        Ok(Self {
            half: channels.colour.iter().chain(&channels.alpha).all(is_half),
            size: (window.size.width(), window.size.height()),
            offset: header.own_attributes.layer_position - window.position,
            channels,
        })
    }

    /// The picture within the display window, empty where the file has no data.
    pub(super) fn picture(&self, bytes: &[u8]) -> Result<DynamicImage, String> {
        let (width, height) = self.size;
        let offset = self.offset;
        let has_alpha = self.channels.alpha.is_some();
        let empty = [0.0, 0.0, 0.0, if has_alpha { 0.0 } else { 1.0 }];
        let create = move || vec![empty; width * height];
        let put = move |pixels: &mut Vec<[f32; 4]>, at: Vec2<usize>, pixel: [f32; 4]| {
            let place = |at: usize, by: i32, side: usize| {
                let place = usize::try_from(at as i64 + i64::from(by)).ok()?;
                (place < side).then_some(place)
            };
            if let (Some(x), Some(y)) =
                (place(at.x(), offset.x(), width), place(at.y(), offset.y(), height))
            {
                pixels[y * width + x] = pixel;
            }
        };
        let file = Cursor::new(bytes);
        let flat = read().no_deep_data().largest_resolution_level().specific_channels();
        // If the file has no alpha, this requests a name that no channel has.
        let alpha = self.channels.alpha.clone().unwrap_or_else(|| Text::from("\u{1}"));
        let pixels = match &self.channels.colour[..] {
            [red, green, blue] => {
                flat.required(red.clone())
                    .required(green.clone())
                    .required(blue.clone())
                    .optional(alpha, 1.0_f32)
                    .collect_pixels(
                        move |_, _| create(),
                        move |pixels, at, (r, g, b, a): (f32, f32, f32, f32)| {
                            put(pixels, at, [r, g, b, a]);
                        },
                    )
                    .first_valid_layer()
                    .all_attributes()
                    .from_buffered(file)
                    .map_err(|err| reason(&err))?
                    .layer_data
                    .channel_data
                    .pixels
            }
            [luminance] => {
                flat.required(luminance.clone())
                    .optional(alpha, 1.0_f32)
                    .collect_pixels(
                        move |_, _| create(),
                        move |pixels, at, (y, a): (f32, f32)| put(pixels, at, [y, y, y, a]),
                    )
                    .first_valid_layer()
                    .all_attributes()
                    .from_buffered(file)
                    .map_err(|err| reason(&err))?
                    .layer_data
                    .channel_data
                    .pixels
            }
            _ => return Err("its channels make no picture".into()),
        };
        let size = (width as u32, height as u32);
        let image = if has_alpha {
            let samples = pixels.into_flattened();
            ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgba32F)
        } else {
            let samples = pixels.into_iter().flat_map(|[r, g, b, _]| [r, g, b]).collect();
            ImageBuffer::from_raw(size.0, size.1, samples).map(DynamicImage::ImageRgb32F)
        };
        image.ok_or_else(|| "the file is damaged".into())
    }
}

fn reason(err: &exr::error::Error) -> String {
    match err {
        exr::error::Error::NotSupported(what) => format!("its kind is not supported ({what})"),
        exr::error::Error::Io(err) if err.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file is truncated".into()
        }
        other => format!("the file is damaged ({other})"),
    }
}
