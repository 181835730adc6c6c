//! Writes EXR files like the key's: with the same channels, sample types, compression, attributes
//! and windows.

use std::io::Cursor;

use exr::meta::BlockDescription;
use exr::meta::header::Header;
use exr::prelude::{
    AnyChannel, AnyChannels, AttributeValue, Compression, Encoding, FlatSamples, Image,
    ImageAttributes, IntegerBounds, Layer, LayerAttributes, LineOrder, MetaData, Text, Vec2,
    WritableImage, attribute, f16,
};
use inbetween_core::Frame;
use inbetween_core::picture::{ExrChannels, exr_channels};

use super::form::{Depth, Form};

/// How an EXR file is written.
#[derive(Clone, Debug)]
pub(super) struct Exr {
    image: ImageAttributes,
    layer: LayerAttributes,
    encoding: Encoding,
    channels: Option<ExrChannels>,
    /// Channels of the key that do not belong to its picture. Drawn frames do not have them.
    pub(super) left_out: Vec<String>,
}

impl Default for Exr {
    fn default() -> Self {
        Self {
            image: ImageAttributes::new(IntegerBounds::from_dimensions((1, 1))),
            layer: LayerAttributes::default(),
            encoding: Encoding {
                compression: Compression::ZIP16,
                blocks: exr::image::Blocks::ScanLines,
                line_order: LineOrder::Increasing,
            },
            channels: None,
            left_out: Vec::new(),
        }
    }
}

impl Exr {
    /// The way in which this file was written.
    pub(super) fn of(file: &[u8]) -> Option<Self> {
        let about = MetaData::read_from_buffered(Cursor::new(file), false).ok()?;
        let channels = exr_channels(&about).ok()?;
        let all = about.headers.iter().flat_map(|header| &header.channels.list);
        let shown: Vec<&Text> = channels.colour.iter().chain(&channels.alpha).collect();
        let left_out = all.map(|channel| &channel.name).filter(|name| !shown.contains(name));
        let left_out = left_out.map(ToString::to_string).collect();
        let header: &Header = about.headers.get(channels.part)?;
        let (mut image, mut layer) =
            (header.shared_attributes.clone(), header.own_attributes.clone());
        // These attributes belong to one particular frame, or to channels that are not drawn.
        image.time_code = None;
        image.other.retain(is_of_the_picture);
        layer.other.retain(is_of_the_picture);
        let blocks = match header.blocks {
            BlockDescription::ScanLines => exr::image::Blocks::ScanLines,
            BlockDescription::Tiles(tiles) => exr::image::Blocks::Tiles(tiles.tile_size),
        };
        let encoding =
            Encoding { compression: header.compression, blocks, line_order: header.line_order };
        Some(Self { image, layer, encoding, channels: Some(channels), left_out })
    }

    /// The contents of an EXR file with this frame, whose values are linear.
    pub(super) fn encode(&self, frame: &Frame, form: Form) -> Result<Vec<u8>, String> {
        let size = Vec2(frame.width(), frame.height());
        let plane = |channel: usize| {
            let values = frame.pixels().iter().map(|pixel| pixel[channel]);
            if form.depth == Depth::Half {
                FlatSamples::F16(values.map(f16::from_f32).collect())
            } else {
                FlatSamples::F32(values.collect())
            }
        };
        let names = self.names(form);
        let places: &[usize] = if form.colour { &[0, 1, 2] } else { &[1] };
        let alpha = form.alpha.then_some(3);
        let channels = places.iter().copied().chain(alpha).zip(names);
        let channels = channels.map(|(place, name)| AnyChannel::new(name, plane(place))).collect();
        let mut image = self.image.clone();
        image.display_window.size = size;
        let mut layer = self.layer.clone();
        layer.layer_position = image.display_window.position;
        let layer = Layer::new(size, layer, self.encoding, AnyChannels::sort(channels));
        let mut file = Cursor::new(Vec::new());
        Image::new(image, layer).write().to_buffered(&mut file).map_err(|err| err.to_string())?;
        Ok(file.into_inner())
    }

    /// The names of the channels, colour first.
    fn names(&self, form: Form) -> Vec<Text> {
        let usual: &[&str] = if form.colour { &["R", "G", "B"] } else { &["Y"] };
        let known = self.channels.as_ref().filter(|known| known.colour.len() == usual.len());
        let (mut names, alpha) = match known {
            Some(known) => (known.colour.clone(), known.alpha.clone()),
            None => (usual.iter().copied().map(Text::from).collect(), None),
        };
        if form.alpha {
            let beside = names[0].to_string();
            let alpha = alpha.unwrap_or_else(|| match beside.rsplit_once('.') {
                Some((layer, _)) => Text::from(format!("{layer}.A").as_str()),
                None => Text::from("A"),
            });
            names.push(alpha);
        }
        names
    }
}

fn is_of_the_picture(name: &Text, value: &mut AttributeValue) -> bool {
    let name = name.to_string();
    let of_one_frame = ["imageCounter", "capDate"].contains(&name.as_str())
        || matches!(value, AttributeValue::Preview(_) | attribute::AttributeValue::TimeCode(_));
    !of_one_frame && !name.starts_with("cryptomatte/")
}
