//! What is left of root's rights in a confined command: files as before, and nothing that reaches around the bounds.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

use crate::sandbox::Rung;

/// The kernel knows fewer; the rest answer that they are not there.
const CAPABILITIES_MAX: u32 = 64;

pub fn drop(rung: Rung, writes_anywhere: bool) -> io::Result<()> {
    let kept = match rung {
        // Installing packages takes other users, and that is the work here.
        Rung::Full if writes_anywhere => {
            CapabilitySet::DAC_OVERRIDE
                | CapabilitySet::CHOWN
                | CapabilitySet::FOWNER
                | CapabilitySet::FSETID
                | CapabilitySet::SETUID
                | CapabilitySet::SETGID
                | CapabilitySet::KILL
                | CapabilitySet::NET_BIND_SERVICE
        }
        // Everything outside is read-only, for changes of owners and modes as well.
        Rung::Full => {
            CapabilitySet::DAC_OVERRIDE | CapabilitySet::CHOWN | CapabilitySet::FOWNER | CapabilitySet::FSETID
        }
        Rung::Writes | Rung::None => CapabilitySet::DAC_OVERRIDE,
    };
    for bit in 0..CAPABILITIES_MAX {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break,
            // A root without the right to do so has lost these already, as in containers; what it has is cut below.
            Err(rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let has = rustix::thread::capabilities(None)?;
    let kept = CapabilitySets {
        effective: kept & has.permitted,
        permitted: kept & has.permitted,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, kept)?;
    let _ = rustix::thread::clear_ambient_capability_set();
    Ok(())
}
