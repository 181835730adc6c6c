//! Compares the network with results of PyTorch for the same weights.
//!
//! `tests/fixtures/tweennet.safetensors` holds two 32 x 48 pictures, a start flow, and the
//! reference implementation's results.

use candle_core::{Device, Tensor};

use super::config::Config;
use super::*;

static WEIGHTS: &[u8] = include_bytes!("../../../../resources/flow/flow.safetensors");
static GOLDEN: &[u8] = include_bytes!("../../tests/fixtures/tweennet.safetensors");

struct Golden(std::collections::HashMap<String, Tensor>);

impl Golden {
    fn read() -> Self {
        Self(candle_core::safetensors::load_buffer(GOLDEN, &Device::Cpu).unwrap())
    }

    fn map(&self, name: &str) -> Map {
        let (c, h, w) = self.0[name].dims3().unwrap();
        Map { c, h, w, v: self.0[name].flatten_all().unwrap().to_vec1().unwrap() }
    }

    fn assert_close(&self, name: &str, found: &Map, tolerance: f32) {
        let wanted = self.map(name);
        assert_eq!((wanted.c, wanted.h, wanted.w), (found.c, found.h, found.w), "{name}: size");
        let worst = (0..wanted.v.len())
            .max_by(|&a, &b| {
                let off = |i: usize| (wanted.v[i] - found.v[i]).abs();
                off(a).total_cmp(&off(b))
            })
            .unwrap();
        let off = (wanted.v[worst] - found.v[worst]).abs();
        assert!(off <= tolerance, "{name}: off by {off} at {worst}, more than {tolerance}");
    }
}

fn net() -> TweenNet {
    TweenNet::new(&Config::read(WEIGHTS).unwrap(), WEIGHTS).unwrap()
}

#[test]
fn encoder_matches_pytorch() {
    let golden = Golden::read();
    let features = net().encode(&golden.map("first"));
    golden.assert_close("e3", &features.levels[2], 1e-4);
}

#[test]
fn decoder_matches_pytorch_from_a_given_flow() {
    let (golden, net) = (Golden::read(), net());
    let keys = [golden.map("first"), golden.map("last")];
    let features = [net.encode(&keys[0]), net.encode(&keys[1])];
    let small = [keys[0].pool(2), keys[1].pool(2)];
    let flow = [golden.map("init01"), golden.map("init10")];
    let confidence = [0, 1].map(|k| {
        let back = warp(&flow[1 - k], &flow[k], 0);
        let n = flow[k].area();
        let v = (0..n)
            .map(|i| (-(flow[k].v[i] + back.v[i]).hypot(flow[k].v[n + i] + back.v[n + i])).exp());
        Map { c: 1, h: flow[k].h, w: flow[k].w, v: v.collect() }
    });
    let matched = Matched { flow, confidence };
    for (name, t) in [("half", 0.5), ("third", 0.3)] {
        let found = net.decode([&features[0], &features[1]], [&small[0], &small[1]], &matched, t);
        golden.assert_close(name, &found, 2e-3);
    }
}

#[test]
fn matcher_matches_pytorch() {
    let (golden, net) = (Golden::read(), net());
    let keys = [golden.map("first"), golden.map("last")];
    let features = [net.encode(&keys[0]), net.encode(&keys[1])];
    let matched = net.matched(&features[0], &features[1]).unwrap();
    golden.assert_close("match_flow", &Map::stack(&[&matched.flow[0], &matched.flow[1]]), 1e-3);
    let confidence = Map::stack(&[&matched.confidence[0], &matched.confidence[1]]);
    golden.assert_close("match_conf", &confidence, 1e-4);
    let small = [keys[0].pool(2), keys[1].pool(2)];
    let found = net.decode([&features[0], &features[1]], [&small[0], &small[1]], &matched, 0.4);
    golden.assert_close("matched", &found, 2e-3);
}

#[test]
fn weights_without_configuration_are_refused() {
    let err = Config::read(GOLDEN).unwrap_err();
    assert!(err.to_string().contains("config"), "{err}");
    assert!(Config::read(b"no weights").is_err());
}
