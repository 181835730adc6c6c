//! Fields: two half pictures in one frame, from the same moment of a film or from two moments.

use inbetween_core::exposure::Signature;
use inbetween_core::retime::Rate;
use inbetween_core::{Encoding, Frame};
use serde::{Deserialize, Serialize};

/// Number of combed pixels in a block of 16 x 16 from which a frame counts as combed; grain causes
/// a few.
pub(super) const COMBED: i64 = 28;

/// What is done with the fields of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Fields {
    /// Nothing: frames are pictures.
    #[default]
    Progressive,
    /// Each field is joined with the neighbouring field of the same picture.
    FieldMatched { top_first: bool },
    /// Each field becomes a picture of its own.
    Bobbed { top_first: bool },
}

impl Fields {
    /// The rate of the pictures in a video with this rate.
    pub(in super::super) fn rate(self, video: Rate) -> Rate {
        match self {
            Self::Bobbed { .. } => video.times(2).unwrap_or(video),
            _ => video,
        }
    }

    /// The signature of a picture made in this way.
    pub(in super::super) fn signature(self, frame: &Frame, encoding: Encoding) -> Signature {
        match self {
            Self::Bobbed { .. } => Signature::of_field(frame, encoding),
            _ => Signature::of(frame, encoding),
        }
    }

    /// Filters of ffmpeg, each followed by a comma.
    pub(super) fn filters(self) -> String {
        let order = |top_first: bool| if top_first { "tff" } else { "bff" };
        match self {
            Self::Progressive => String::new(),
            // Fields without a partner are interpolated.
            Self::FieldMatched { top_first } => format!(
                "fieldmatch=order={order}:mode=pcn:combmatch=full:combpel={COMBED}:cthresh=10,\
                 bwdif=mode=send_frame:parity={order}:deint=interlaced,",
                order = order(top_first)
            ),
            Self::Bobbed { top_first } => {
                format!("bwdif=mode=send_field:parity={}:deint=all,", order(top_first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_fields_are_twice_as_many() {
        let rate: Rate = "29.97".parse().unwrap();
        assert_eq!(Fields::Bobbed { top_first: true }.rate(rate), "59.94".parse().unwrap());
        assert_eq!(Fields::FieldMatched { top_first: true }.rate(rate), rate);
    }
}
