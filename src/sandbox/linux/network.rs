//! The loopback of a network namespace, brought up, so that a test can talk to its own server.

use std::io;

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};

const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const IFF_UP: u32 = 1;
/// Always the first interface of a namespace.
const LOOPBACK: u32 = 1;

pub fn loopback_up() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    // Protocol 0 of netlink is the one for interfaces.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let mut message = Vec::with_capacity(32);
    message.extend(32u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    // Sequence and port; family and kind; then the interface, what to set, and which bits of it.
    message.extend([0; 12]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0u8; 64];
    rustix::io::read(&socket, &mut answer)?;
    // An acknowledgement is an error message whose code is 0.
    let code = answer.get(16..20).and_then(|code| code.try_into().ok()).map_or(-1, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
}
