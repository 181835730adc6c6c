//! Everything about a pair of keys that does not depend on the position.

use std::sync::OnceLock;

use inbetween_core::{Control, Error, Job};

use crate::cells::{before_ground, to_cells};
use crate::cut::{found_share, is_cut};
use crate::grain;
use crate::guide::guides;
use crate::layers::Layers;
use crate::map::Map;
use crate::mask::Rest;
use crate::net::config::{Start, bad};
use crate::net::{Features, TweenNet};
use crate::pair::KeyPair;
use crate::stage::Stage;
use crate::start::estimate;

/// The analysis of a pair of keys.
pub(crate) struct Analysis {
    /// The keys show different scenes; nothing else was computed.
    pub(crate) cut: bool,
    /// Share of the picture that was found in both keys, 0..=1.
    pub(crate) confidence: f32,
    /// Size of the part of the guides that shows the frame: rows, columns.
    pub(crate) shape: (usize, usize),
    /// The pair as the network sees it, and as moving pieces; `None` for different scenes.
    pub(crate) pair: Option<(KeyPair, Layers)>,
    /// The share of the in-between in the middle that is in doubt, once it was asked for.
    pub(crate) doubt: OnceLock<f32>,
}

impl Analysis {
    /// Analyses the keys of `job`. If they are `joined`, they count as one scene whatever they
    /// show. Also returns the size of the result in bytes.
    pub(crate) fn of(
        job: &Job,
        net: &TweenNet,
        start: Start,
        joined: bool,
        control: &Control,
    ) -> Result<(Self, usize), Error> {
        let settings = &job.request.settings;
        let stage = Stage::begin("guides");
        let g = guides(&job.first, &job.last, settings.encoding, settings.quality);
        stage.end();
        control.check()?;
        control.report(0.05);
        let guides = g.pictures;
        let small = [guides[0].pool(2), guides[1].pool(2)];
        let shape = (g.height, g.width);
        let stage = Stage::begin("layers");
        let mut layers = Layers::of(&guides, shape, &[], None);
        stage.end();
        control.check()?;
        control.report(0.2);
        let stage = Stage::begin("start flow");
        let (pair, halves) = ([&guides[0], &guides[1]], [&small[0], &small[1]]);
        let flows = estimate(pair, halves, start, layers.ground_flow(), control)?;
        stage.end();
        control.check()?;
        control.report(0.4);
        let found = [found_share(&flows.confidence[0]), found_share(&flows.confidence[1])];
        let confidence = 0.5 * (found[0] + found[1]);
        if !joined && is_cut([&small[0], &small[1]], confidence) {
            let doubt = OnceLock::new();
            let cut = Self { cut: true, confidence, shape, pair: None, doubt };
            return Ok((cut, size_of::<Self>()));
        }
        let stage = Stage::begin("encoder");
        let features = [net.encode(&guides[0]), net.encode(&guides[1])];
        stage.end();
        control.check()?;
        control.report(0.5);
        let mut matched = match start {
            Start::Matcher => {
                net.matched(&features[0], &features[1]).map_err(|e| bad(e.to_string()))?
            }
            Start::Dis | Start::Hypotheses => to_cells(&flows),
        };
        control.check()?;
        let trust = matched.confidence.clone();
        before_ground(&mut matched);
        let rest = Rest::of(&guides, &flows.fades, g.grain);
        let flows = flows.flow;
        let maps = guides
            .iter()
            .chain(&small)
            .chain(&matched.flow)
            .chain(&matched.confidence)
            .chain(&trust)
            .chain(&flows);
        let bytes = maps.map(Map::byte_len).sum::<usize>()
            + features.iter().map(Features::byte_len).sum::<usize>();
        let bytes = bytes + rest.byte_len();
        let full_grain = grain::of_frames(&job.first, &job.last);
        let pair = KeyPair {
            guides,
            small,
            features,
            matched,
            trust,
            flows,
            grain: g.grain,
            full_grain,
            rest,
            light: g.light,
            middle: OnceLock::new(),
        };
        layers.compare(&pair.guides, &pair.flows, || pair.middle(net));
        let middle = 5 * size_of::<f32>() * pair.guides[0].area();
        let bytes = bytes + middle + layers.byte_len();
        let pair = Some((pair, layers));
        let doubt = OnceLock::new();
        Ok((Self { cut: false, confidence, shape, pair, doubt }, bytes))
    }
}
