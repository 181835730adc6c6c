//! HDR metadata of a video.

use serde_json::Value;

/// Static HDR metadata, and the kinds of dynamic metadata present.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HdrMetadata {
    mastering: Option<Mastering>,
    /// Maximum content light level and maximum frame-average light level, in candela per square metre.
    content: Option<(u64, u64)>,
    /// Names of dynamic metadata, which differs from picture to picture and cannot be made for in-betweens.
    pub(super) dynamic: Vec<&'static str>,
}

/// The mastering display.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mastering {
    /// Chromaticities (x, y) of green, blue, red and white.
    points: [(f64, f64); 4],
    /// Maximum and minimum luminance, in candela per square metre.
    range: (f64, f64),
}

impl HdrMetadata {
    /// Reads it from ffprobe's output about a stream and its first frames.
    pub(super) fn read(told: &Value, stream: &Value) -> Self {
        let frames = told["frames"].as_array().into_iter().flatten();
        let sides = std::iter::once(stream)
            .chain(frames)
            .filter_map(|place| place["side_data_list"].as_array());
        let mut hdr = Self::default();
        for side in sides.flatten() {
            let kind = side["side_data_type"].as_str().unwrap_or_default();
            if kind.starts_with("Mastering display") {
                hdr.mastering = hdr.mastering.or_else(|| Mastering::read(side));
            } else if kind.starts_with("Content light") {
                let content = side["max_content"].as_u64().zip(side["max_average"].as_u64());
                hdr.content = hdr.content.or(content);
            }
            let dynamic = [
                ("DOVI", "Dolby Vision"),
                ("Dolby Vision", "Dolby Vision"),
                ("SMPTE2094", "HDR10+"),
            ];
            if let Some((_, name)) = dynamic.iter().find(|(part, _)| kind.contains(part))
                && !hdr.dynamic.contains(name)
            {
                hdr.dynamic.push(*name);
            }
        }
        hdr
    }

    pub(super) fn is_present(&self) -> bool {
        self.mastering.is_some() || self.content.is_some()
    }

    /// The option and values with which an encoder writes it; `None` for encoders that cannot.
    pub(super) fn arguments(&self, encoder: &str) -> Option<(&'static str, Vec<String>)> {
        // Units of chromaticities and luminance in that option.
        let (option, names, steps) = match encoder {
            "libx265" => {
                ("-x265-params", ["master-display", "max-cll"], Some((50_000.0, 10_000.0)))
            }
            "libx264" => ("-x264-params", ["mastering-display", "cll"], Some((50_000.0, 10_000.0))),
            "libsvtav1" => ("-svtav1-params", ["mastering-display", "content-light"], None),
            _ => return None,
        };
        let mastering =
            self.mastering.map(|mastering| format!("{}={}", names[0], mastering.text(steps)));
        let content = self.content.map(|(most, mean)| format!("{}={most},{mean}", names[1]));
        Some((option, mastering.into_iter().chain(content).collect()))
    }
}

impl Mastering {
    fn read(side: &Value) -> Option<Self> {
        let number = |name: &str| {
            let (above, below) = side[name].as_str()?.split_once('/')?;
            let (above, below): (f64, f64) = (above.parse().ok()?, below.parse().ok()?);
            (below > 0.0).then_some(above / below)
        };
        let point =
            |name: &str| Some((number(&format!("{name}_x"))?, number(&format!("{name}_y"))?));
        Some(Self {
            points: [point("green")?, point("blue")?, point("red")?, point("white_point")?],
            range: (number("max_luminance")?, number("min_luminance")?),
        })
    }

    fn text(&self, steps: Option<(f64, f64)>) -> String {
        let number = |value: f64, step: fn((f64, f64)) -> f64| match steps {
            Some(steps) => format!("{:.0}", value * step(steps)),
            None => format!("{value:.4}"),
        };
        let pair = |(x, y): (f64, f64), step| format!("({},{})", number(x, step), number(y, step));
        let points = ["G", "B", "R", "WP"].iter().zip(self.points);
        let points: String =
            points.map(|(name, at)| format!("{name}{}", pair(at, |steps| steps.0))).collect();
        format!("{points}L{}", pair(self.range, |steps| steps.1))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_display_is_told_in_each_encoders_units() {
        let side = json!([{
            "side_data_type": "Mastering display metadata",
            "red_x": "34000/50000", "red_y": "16000/50000", "green_x": "13250/50000", "green_y": "34500/50000",
            "blue_x": "7500/50000", "blue_y": "3000/50000", "white_point_x": "15635/50000",
            "white_point_y": "16450/50000", "min_luminance": "50/10000", "max_luminance": "10000000/10000",
        }, { "side_data_type": "Content light level metadata", "max_content": 1000, "max_average": 400 }]);
        let told = json!({ "frames": [{ "side_data_list": side }] });
        let hdr = HdrMetadata::read(&told, &json!({}));
        let (option, parts) = hdr.arguments("libx265").unwrap();
        assert_eq!((option, parts[1].as_str()), ("-x265-params", "max-cll=1000,400"));
        assert_eq!(
            parts[0],
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        );
        let (_, parts) = hdr.arguments("libsvtav1").unwrap();
        assert!(parts[0].ends_with("WP(0.3127,0.3290)L(1000.0000,0.0050)"), "{}", parts[0]);
        assert!(hdr.arguments("libvpx-vp9").is_none() && hdr.is_present());
    }
}
