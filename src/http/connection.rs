//! What lies between a socket and the requests on it: reads and writes that tell the `Pace`, bodies that do, and a look at
//! each head for what the parser would let pass.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pace::Pace;

/// A socket, or TLS over one.
pub struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    /// The head so far, where it did not come in one piece.
    head: Vec<u8>,
    head_max: usize,
}

impl<S> Paced<S> {
    pub fn new(stream: S, pace: Arc<Pace>, head_max: usize) -> Self {
        Self { stream, pace, head: Vec::new(), head_max }
    }

    /// A head with both `Content-Length` and `Transfer-Encoding` may be read in two ways, and the parser takes away what
    /// tells of it. The guard refuses it.
    fn look_at_head(&mut self, piece: &[u8]) {
        let joined;
        let head = if self.head.is_empty() {
            piece
        } else {
            self.head.extend_from_slice(piece);
            joined = std::mem::take(&mut self.head);
            &joined
        };
        let Some(end) = memmem::find(head, b"\r\n\r\n") else {
            // The parser ends a head that is longer.
            if head.len() <= self.head_max {
                self.head = head.to_vec();
            }
            return;
        };
        if says_two_lengths(head.get(..end).unwrap_or(head)) {
            self.pace.two_lengths();
        }
    }
}

fn says_two_lengths(head: &[u8]) -> bool {
    let has = |name: &[u8]| {
        head.split(|byte| *byte == b'\n').any(|line| {
            let field = line.split(|byte| *byte == b':').next().unwrap_or(line);
            field.len() < line.len() && field.eq_ignore_ascii_case(name)
        })
    };
    has(b"transfer-encoding") && has(b"content-length")
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(piece) = buf.filled().get(before..).filter(|piece| !piece.is_empty())
            && this.pace.read()
        {
            this.look_at_head(piece);
        }
        polled
    }
}

impl<S> Paced<S> {
    fn noted<T>(&self, polled: Poll<T>) -> Poll<T> {
        match &polled {
            Poll::Ready(_) => self.pace.written(),
            Poll::Pending => self.pace.stalls(),
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.noted(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        // A flush with nothing to flush says nothing of the peer.
        if polled.is_pending() { this.noted(polled) } else { polled }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.noted(polled)
    }
}

/// The body of a request, which must keep coming.
pub struct Coming {
    body: Incoming,
    pace: Arc<Pace>,
}

impl Coming {
    pub fn new(body: Incoming, pace: &Arc<Pace>) -> Self {
        Self { body, pace: Arc::clone(pace) }
    }
}

impl http_body::Body for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => self.pace.waits_for_body(),
            Poll::Ready(Some(Ok(_))) => self.pace.body_piece(),
            Poll::Ready(_) => self.pace.body_ends(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.pace.body_ends();
    }
}

/// The body of an answer; with its end the connection is idle again.
pub struct Leaving {
    body: Body,
    pace: Arc<Pace>,
}

impl Leaving {
    pub fn new(body: Body, pace: &Arc<Pace>) -> Self {
        Self { body, pace: Arc::clone(pace) }
    }
}

impl http_body::Body for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.pace.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_says_its_length_in_two_ways_is_seen_whatever_its_order_case_and_spacing() {
        let table: [(&str, bool); 6] = [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", true),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH:5", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked", false),
            ("POST / HTTP/1.1\r\nContent-Length: 5", false),
            ("POST /?content-length:transfer-encoding: HTTP/1.1\r\nContent-Length: 5", false),
            ("POST / HTTP/1.1\r\nX: transfer-encoding: chunked\r\nContent-Length: 5", false),
        ];
        for (head, expected) in table {
            assert_eq!(says_two_lengths(head.as_bytes()), expected, "{head}");
        }
    }
}
