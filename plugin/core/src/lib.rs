//! The domain of AI In-between, independent of any host and any network library.
//!
//! A host's pixels become [`Frame`]s, a render becomes a [`Request`], and an [`Engine`] turns the
//! matching [`Job`] into the frame between two keys. Nothing here depends on OpenFX or on tensors.
//!
//! # The path of one frame
//!
//! 1. [`timing`] says what is shown at a time: a key itself, or a position between the keys that
//!    follows from the timing chart and the exposure.
//! 2. [`pixel_hash`] names the keys by their content without copying them, and [`picture`] reads
//!    those that come from files. Together with the [`Settings`] this makes the [`Request`], which
//!    is plain data.
//! 3. [`queue::Queue::cached`] looks for the finished drawing in the [`cache`], first in memory, then
//!    on disk.
//! 4. Only on a miss are frames made from the keys' pixels and submitted as a [`Job`]. The render call
//!    polls its ticket and keeps talking to its host meanwhile. Equal jobs share one run.
//! 5. The engine draws on the queue's thread. The drawing goes to everyone who waits for it, to the
//!    memory cache, and to the disk, where the user's other processes find it, today or tomorrow.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use inbetween_core::cache::{Cache, CacheConfig};
//! use inbetween_core::queue::{Priority, Queue};
//! use inbetween_core::timing::{Chart, Exposure, SpanPosition, Timing};
//! use inbetween_core::{Control, Drawn, Engine, EngineKind, Error, Frame, Job, Settings};
//!
//! /// Shows the first key for the whole span.
//! struct Hold;
//!
//! impl Engine for Hold {
//!     fn kind(&self) -> EngineKind {
//!         EngineKind::Flow
//!     }
//!     fn version(&self) -> &str {
//!         "hold 1"
//!     }
//!     fn draw(&self, job: &Job, control: &Control) -> Result<Drawn, Error> {
//!         control.check()?;
//!         Ok(Drawn { frame: (*job.first).clone(), confidence: 0.0, cut: false, remarks: Default::default() })
//!     }
//! }
//!
//! let queue = Queue::new(vec![Arc::new(Hold)], Cache::new(CacheConfig::in_memory(1 << 20)));
//! let first = Arc::new(Frame::transparent(64, 48)?);
//! let last = Arc::new(Frame::transparent(64, 48)?);
//!
//! let timing = Timing::new(1.0, 9.0, Chart::EaseIn, Exposure::Twos)?;
//! let SpanPosition::Between { position } = timing.at(5.0)? else { unreachable!("5 lies between 1 and 9") };
//! let job = Job::between(first, last, position, Settings::default());
//! let request = job.request.clone();
//! assert!(queue.cached(&request, (64, 48)).is_none());
//!
//! let ticket = queue.submit(job, Priority::Final);
//! let drawn = loop {
//!     match ticket.wait_for(Duration::from_millis(20)) {
//!         Some(outcome) => break outcome.expect("this engine always draws"),
//!         // Here a render call asks its host whether to go on, and calls `ticket.cancel()` if not.
//!         None => println!("{:.0} %", 100.0 * ticket.progress()),
//!     }
//! };
//! assert_eq!(queue.cached(&request, (64, 48)), Some(drawn));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Invariants
//!
//! - Times are in frames; positions run from 0 (first key) to 1 (last key).
//! - Frames are 32-bit float RGBA, premultiplied, top row first, finite. [`colour`] converts
//!   between display-referred and linear values without clipping either.
//! - Nothing is started, opened or created before it is needed: no thread before the first
//!   submission, no directory before the first finished drawing.
//! - A drawing never depends on what was drawn before it, nor on the number of threads.
//! - Bad input gives an [`Error`] that names it. A cache that cannot be used only costs time.
//!
//! # Environment variables
//!
//! | variable             | meaning | default |
//! |----------------------|---------|---------|
//! | `INBETWEEN_CACHE_DIR` | directory of the disk cache | the platform's cache directory |
//! | `INBETWEEN_CACHE_MB`  | size of the disk cache in MiB, 0 for none | 4096 |
//! | `INBETWEEN_MEMORY_MB` | memory for drawings, key pictures, signatures of frames and analyses of pairs together in MiB, 0 for none | 512 |
//! | `INBETWEEN_WORKER`    | the executable `inbetween` that the worker runs | the one beside the plug-in, then `PATH` |
//! | `INBETWEEN_SOCKET_DIR` | directory of the worker's socket and lock | the user's runtime directory |
//! | `INBETWEEN_LOG_DIR`   | directory of the worker's log | the platform's log directory |

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod bilinear;
pub mod budget;
pub mod cache;
pub mod colour;
pub mod engine;
pub mod error;
pub mod exposure;
pub mod files;
pub mod fingerprint;
pub mod frame;
pub mod hash;
pub mod picture;
pub mod pins;
pub mod pixel_hash;
pub mod process_memo;
pub mod program;
pub mod queue;
pub mod remote;
pub mod retime;
pub mod settings;
pub mod sketch;
pub mod threads;
pub mod timing;

pub use bilinear::Bilinear;
pub use colour::Encoding;
pub use engine::{
    Control, Drawn, Engine, EngineInfo, Job, Neighbour, Remarks, Request, SketchRef, Unsure,
};
pub use error::Error;
pub use frame::Frame;
pub use hash::ContentHash;
pub use pins::{Pin, WayPoint};
pub use pixel_hash::PixelHasher;
pub use settings::{EngineKind, Output, Quality, Settings};
