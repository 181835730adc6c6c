//! A worker with a small model in its own folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use inbetween_core::cache::{CacheConfig, DiskConfig};
use inbetween_core::remote::endpoint::Endpoint;
use inbetween_core::remote::{RemoteConfig, RemoteEngine, tooncrafter_version};
use inbetween_core::settings::{DeviceChoice, ToonCrafterSettings, WeightRef};
use inbetween_core::{
    Control, Drawn, Engine, EngineKind, Error, Frame, Job, Quality, Settings, fingerprint,
};
use inbetween_flow::FlowEngine;
use inbetween_tooncrafter::weights::layout::{self, ModelConfig};
use inbetween_tooncrafter::weights::{Element, write_random};
use tempfile::TempDir;

/// A separate worker with a small model.
pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        bench.write_model(1);
        bench
    }

    /// Writes the weight file, replacing an existing one.
    pub(crate) fn write_model(&self, seed: u64) {
        let (beside, model) = (self.path("new.safetensors"), layout::model(&ModelConfig::tiny()));
        write_random(&beside, &model, Element::F16, seed, &mut |_, _| {}).unwrap();
        std::fs::rename(beside, self.path("m.safetensors")).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self, cache: CacheConfig) -> RemoteConfig {
        let version = tooncrafter_version(FlowEngine::new().unwrap().version());
        let mut config = RemoteConfig::new(cache, version);
        config.executable = Some(env!("CARGO_BIN_EXE_inbetween").into());
        config.endpoint = Endpoint::at(&self.path("s"));
        config.log_dir = self.path("log");
        config.idle = Some(Duration::from_secs(60));
        config
    }

    pub(crate) fn engine(&self, cache: CacheConfig) -> Arc<RemoteEngine> {
        Arc::new(RemoteEngine::new(self.config(cache)))
    }

    pub(crate) fn disk(&self) -> CacheConfig {
        let dir = self.path("cache");
        CacheConfig { memory_bytes: 0, disk: Some(DiskConfig { dir, limit_bytes: 1 << 30 }) }
    }

    pub(crate) fn job(&self, position: f64) -> Job {
        let path = self.path("m.safetensors");
        let fingerprint = fingerprint::of_file(&path).unwrap();
        let mut tooncrafter = ToonCrafterSettings::new(WeightRef { path, fingerprint });
        (tooncrafter.steps, tooncrafter.guidance) = (1, 1.0);
        tooncrafter.device = DeviceChoice::Cpu;
        let settings = Settings {
            engine: EngineKind::ToonCrafter,
            quality: Quality::Draft,
            tooncrafter: Some(Box::new(tooncrafter)),
            ..Settings::default()
        };
        let key = |left: usize| {
            let pixel = |at: usize| {
                if (left..left + 20).contains(&(at % 64)) { [0.8, 0.2, 0.2, 1.0] } else { [1.0; 4] }
            };
            Arc::new(Frame::from_pixels(64, 64, (0..64 * 64).map(pixel).collect()).unwrap())
        };
        Job::between(key(8), key(30), position, settings)
    }

    pub(crate) fn draw(&self, engine: &RemoteEngine, position: f64) -> Result<Drawn, Error> {
        engine.draw(&self.job(position), &Control::default())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.engine(CacheConfig::in_memory(0)).stop();
    }
}
