//! EXR and TIFF files of every form, used as keys.

use std::io::Cursor;
use std::path::Path;

use exr::prelude::{
    AnyChannel, AnyChannels, AttributeValue, Compression, Encoding, FlatSamples, Image, Layer,
    LayerAttributes, MetaData, SampleType, Text, WritableImage, f16,
};

use crate::common::Workspace;
use crate::{HEIGHT, WIDTH, ball, well, write};

pub(crate) fn sample_types(file: &Path) -> Vec<SampleType> {
    let about = MetaData::read_from_file(file, false).unwrap();
    about.headers[0].channels.list.iter().map(|channel| channel.sample_type).collect()
}

/// An EXR file of the ball with these channels, of which either the first three or the first are
/// its colours.
pub(crate) fn exr_file(channels: &[&str], at: f32, half: bool) -> Vec<u8> {
    let picture = ball(at).into_rgba32f();
    let plane = |n: usize| picture.pixels().map(|pixel| pixel.0[n % 4]).collect::<Vec<f32>>();
    let sample = |n: usize| {
        if half {
            FlatSamples::F16(plane(n).into_iter().map(f16::from_f32).collect())
        } else {
            FlatSamples::F32(plane(n))
        }
    };
    let list = channels.iter().enumerate().map(|(n, name)| AnyChannel::new(*name, sample(n)));
    let mut attributes = LayerAttributes::named("view");
    attributes.owner = Some(Text::from("the studio"));
    attributes.other.insert(Text::from("shot"), AttributeValue::Text(Text::from("sc010")));
    let encoding = Encoding { compression: Compression::PIZ, ..Encoding::default() };
    let size = (WIDTH as usize, HEIGHT as usize);
    let layer = Layer::new(size, attributes, encoding, AnyChannels::sort(list.collect()));
    let mut image = Image::from_layer(layer);
    image.attributes.pixel_aspect = 2.0;
    image.attributes.chromaticities = Some(exr::meta::attribute::Chromaticities {
        red: exr::math::Vec2(0.713, 0.293),
        green: exr::math::Vec2(0.165, 0.83),
        blue: exr::math::Vec2(0.128, 0.044),
        white: exr::math::Vec2(0.32168, 0.33767),
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write().to_buffered(&mut bytes).unwrap();
    bytes.into_inner()
}

#[test]
fn exr_keeps_halves_names_compression_and_attributes() {
    let space = Workspace::new();
    let channels = [
        "ViewLayer.Combined.R",
        "ViewLayer.Combined.G",
        "ViewLayer.Combined.B",
        "ViewLayer.Combined.A",
    ];
    for half in [true, false] {
        write(&space, "a.exr", exr_file(&channels, 0.0, half));
        write(&space, "b.exr", exr_file(&channels, 2.0, half));
        let out = format!("half_{half}");
        well(&space, &["render", "a.exr", "b.exr", "--out", &out, "--in-betweens", "1"]);
        let key = MetaData::read_from_file(space.path("a.exr"), false).unwrap().headers[0].clone();
        let drawn =
            MetaData::read_from_file(&space.files(&out)[1], false).unwrap().headers[0].clone();
        assert_eq!(drawn.channels, key.channels);
        assert_eq!(drawn.compression, Compression::PIZ);
        assert_eq!(drawn.shared_attributes, key.shared_attributes);
        assert_eq!(drawn.own_attributes, key.own_attributes);
        assert_eq!(drawn.layer_size, key.layer_size);
    }
}

#[test]
fn exr_of_named_layers_and_of_luminance_is_read() {
    let space = Workspace::new();
    for (case, channels) in [
        ("one layer", &["beauty.R", "beauty.G", "beauty.B"][..]),
        (
            "a whole picture among passes",
            &[
                "v.Combined.R",
                "v.Combined.G",
                "v.Combined.B",
                "v.Combined.A",
                "v.DiffCol.R",
                "v.DiffCol.G",
                "v.DiffCol.B",
                "v.Depth.Z",
            ],
        ),
        ("luminance", &["Y"]),
        ("luminance and coverage", &["Y", "A"]),
    ] {
        write(&space, "a.exr", exr_file(channels, 0.0, true));
        write(&space, "b.exr", exr_file(channels, 2.0, true));
        let done = well(&space, &["render", "a.exr", "b.exr", "--out", case, "--in-betweens", "1"]);
        assert_eq!(done.err.contains("v.Depth.Z"), channels.len() > 4, "{case}: {}", done.err);
        let drawn = MetaData::read_from_file(&space.files(case)[1], false).unwrap();
        let mut names: Vec<String> =
            drawn.headers[0].channels.list.iter().map(|channel| channel.name.to_string()).collect();
        let mut wanted: Vec<&str> = channels.iter().copied().take(4).collect();
        names.sort();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{case}");
    }
    let said = |channels: &[&str]| {
        write(&space, "a.exr", exr_file(channels, 0.0, true));
        let done = space.run(&["render", "a.exr", "a.exr", "--out", "o"]);
        assert_eq!(done.code, 3, "{}", done.err);
        assert!(!done.err.contains("damaged"), "{}", done.err);
        done.err
    };
    assert!(
        said(&["diff.R", "diff.G", "diff.B", "spec.R", "spec.G", "spec.B"])
            .contains("several layers")
    );
    assert!(said(&["N.X", "N.Y", "N.Z"]).contains("N.X, N.Y, N.Z"));
}
