//! Work that a server does beside its calls, once a second until it is dropped. What the work is, is not here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Engine;

const EVERY: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(100);

pub struct EachSecond {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl EachSecond {
    /// It ends as well when nobody else holds the engine any more.
    pub fn start(name: &str, engine: &Arc<Engine>, mut work: impl FnMut(&Engine) + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, engine) = (Arc::clone(&stop), Arc::downgrade(engine));
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut waited = Duration::ZERO;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(STEP);
                waited += STEP;
                if waited < EVERY {
                    continue;
                }
                waited = Duration::ZERO;
                let Some(engine) = engine.upgrade() else { return };
                work(&engine);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for EachSecond {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
