//! A command that can only have its phase's effects, by the kernel's means. What a phase may do is not decided here.

mod bounds;
mod build;
mod denied;
mod explain;
#[cfg(target_os = "linux")]
mod linux;
mod pattern;
mod plan;
mod probe;
mod shell;
mod sockets;
mod ticket;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use bounds::{Bounds, Rung};
pub use build::folders as build_folders;
pub use explain::{explain, is_at_a_mount};
pub use plan::Home;
pub use probe::{probe, try_here};
pub use shell::run;
pub use ticket::{Blank, Taken, Ticket, TicketError, TicketId, rewritten, sweep, sweep_notes, temp_folder};

/// A variable of every confined command, so that what runs in it can say why it meets a bound.
pub const MARK: &str = "PHASEGATE_CONFINED";
/// The exit code of a command that was not begun, as `env` and `timeout` have it.
pub const NOT_BEGUN: u8 = 125;

/// What holds from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub rung: Rung,
    pub temp: PathBuf,
    /// Grants that were not given and things that were not hidden, each with its cause.
    pub left_out: Vec<String>,
}

/// Why a command was not begun.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    #[error(
        "this machine can hold `{}` of a confined command, and the phase needs `{}`; a person lowers `sandbox: {{ confine: … }}` of the phase, or allows the command without confinement; `phasegate doctor` says what is missing",
        has.word(),
        needs.word()
    )]
    TooLittle { needs: Rung, has: Rung },
    #[error("{0} `{path}`: {1}; `phasegate doctor` looks at the whole set-up", path = .2.display())]
    Place(&'static str, io::Error, PathBuf),
    #[error("{0}: {1}; `phasegate doctor` looks at the whole set-up")]
    Step(&'static str, String),
}

impl Why {
    fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Place(what, error, path)
    }

    fn step(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Step(what, error.to_string())
    }
}

/// Puts this process, which must have one thread, under the bounds for good.
pub fn confine(bounds: &Bounds, cwd: &Path, variables: &[(OsString, OsString)]) -> Result<Applied, Why> {
    #[cfg(target_os = "linux")]
    return linux::confine(bounds, cwd, variables);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = variables;
        if bounds.needs > Rung::None {
            return Err(Why::TooLittle { needs: bounds.needs, has: Rung::None });
        }
        std::fs::create_dir_all(&bounds.temp).map_err(Why::of("the folder for temporary files", &bounds.temp))?;
        std::env::set_current_dir(cwd).map_err(Why::of("the folder of the command", cwd))?;
        Ok(Applied { rung: Rung::None, temp: bounds.temp.clone(), left_out: Vec::new() })
    }
}
