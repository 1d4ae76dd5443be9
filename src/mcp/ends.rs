//! The process's own stdin and stdout as asynchronous ends: non-blocking where they are pipes or sockets.
//! No framing here, and no terminal or file is ever put into non-blocking mode.
use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

pub type Source = Box<dyn AsyncRead + Send + Unpin>;
pub type Target = Box<dyn AsyncWrite + Send + Unpin>;

/// stdin and stdout. Needs a tokio runtime with io.
pub fn open() -> Result<(Source, Target)> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    // Both modes are noted before either changes: the two may be one and the same socket.
    let (in_flags, out_flags) = (Flags::keep(stdin.as_fd()), Flags::keep(stdout.as_fd()));
    Ok((source(stdin.as_fd(), in_flags)?, target(stdout.as_fd(), out_flags)?))
}

fn source(fd: BorrowedFd<'_>, flags: Result<Flags>) -> Result<Source> {
    let kind = kind(fd);
    if kind == FileType::Fifo {
        return Ok(match reopened(fd, false) {
            Some(own) => Box::new(pipe::Receiver::from_owned_fd(own)?),
            None => {
                let shared = fd.try_clone_to_owned()?;
                Box::new(Flagged { end: pipe::Receiver::from_owned_fd(shared)?, _flags: flags? })
            }
        });
    }
    if kind == FileType::Socket {
        return Ok(Box::new(Flagged { end: socket(fd)?, _flags: flags? }));
    }
    Ok(Box::new(tokio::io::stdin()))
}

fn target(fd: BorrowedFd<'_>, flags: Result<Flags>) -> Result<Target> {
    let kind = kind(fd);
    if kind == FileType::Fifo {
        return Ok(match reopened(fd, true) {
            Some(own) => Box::new(pipe::Sender::from_owned_fd(own)?),
            None => {
                let shared = fd.try_clone_to_owned()?;
                Box::new(Flagged { end: pipe::Sender::from_owned_fd(shared)?, _flags: flags? })
            }
        });
    }
    if kind == FileType::Socket {
        return Ok(Box::new(Flagged { end: socket(fd)?, _flags: flags? }));
    }
    Ok(Box::new(tokio::io::stdout()))
}

fn kind(fd: BorrowedFd<'_>) -> FileType {
    fstat(fd).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}

/// A pipe end of our own, where the system opens one for us: whoever shares the given one keeps it blocking.
fn reopened(fd: BorrowedFd<'_>, write: bool) -> Option<OwnedFd> {
    // Elsewhere `/dev/fd` gives a duplicate, which shares its mode with the original.
    if !cfg!(target_os = "linux") {
        return None;
    }
    let path = format!("/dev/fd/{}", fd.as_raw_fd());
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).ok()?;
    let file: File = OpenOptions::new().read(!write).write(write).custom_flags(nonblock).open(path).ok()?;
    (kind(file.as_fd()) == FileType::Fifo).then(|| file.into())
}

fn socket(fd: BorrowedFd<'_>) -> Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(fd.try_clone_to_owned()?);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// The mode of an end that others may share, put back when we are done with it.
struct Flags {
    fd: OwnedFd,
    flags: OFlags,
}

impl Flags {
    fn keep(fd: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self { fd: fd.try_clone_to_owned()?, flags: fcntl_getfl(fd)? })
    }
}

impl Drop for Flags {
    fn drop(&mut self) {
        // The process is ending; there is nobody left to tell.
        let _ = fcntl_setfl(&self.fd, self.flags);
    }
}

struct Flagged<E> {
    end: E,
    _flags: Flags,
}

impl<E: AsyncRead + Unpin> AsyncRead for Flagged<E> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.end).poll_read(cx, buf)
    }
}

impl<E: AsyncWrite + Unpin> AsyncWrite for Flagged<E> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.end).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}
