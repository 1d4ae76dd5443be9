//! Calls of the kernel that would go around the other bounds, refused by seccomp: `EPERM`.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::domain::workflow::Sockets;
use crate::sandbox::{Bounds, Rung, Why};

#[cfg(target_arch = "x86_64")]
const NUMBERS: (i64, i64) = (41, 16);
#[cfg(not(target_arch = "x86_64"))]
const NUMBERS: (i64, i64) = (198, 29);
const SOCKET: i64 = NUMBERS.0;
const IOCTL: i64 = NUMBERS.1;
/// Its rings open files and sockets without the calls that are looked at here.
const IO_URING_SETUP: i64 = 425;
/// Types into a terminal as if a person did.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
/// Families that no network namespace holds: the machine's host, and Bluetooth.
const BEYOND: [u64; 2] = [40, 31];

pub fn refuse(bounds: &Bounds, rung: Rung) -> Result<(), Why> {
    let failed = |error: &dyn std::fmt::Display| Why::Step("calls of the kernel cannot be refused", error.to_string());
    let program = program(bounds, rung).map_err(|error| failed(&error))?;
    apply_filter(&program).map_err(|error| failed(&error))
}

fn program(bounds: &Bounds, rung: Rung) -> Result<BpfProgram, BackendError> {
    let mut families = Vec::new();
    if bounds.sockets == Sockets::None {
        families.push(UNIX);
    }
    if !bounds.network {
        families.extend(BEYOND);
        // Without a network namespace the whole of it is closed, the loopback too.
        if rung != Rung::Full {
            families.extend([INET, INET6]);
        }
    }
    let mut rules = BTreeMap::from([
        (IO_URING_SETUP, Vec::new()),
        (IOCTL, vec![argument_is(1, TIOCSTI)?, argument_is(1, TIOCLINUX)?]),
    ]);
    if !families.is_empty() {
        rules.insert(SOCKET, families.iter().map(|family| argument_is(0, *family)).collect::<Result<_, _>>()?);
    }
    let refused = SeccompAction::Errno(u32::try_from(rustix::io::Errno::PERM.raw_os_error()).unwrap_or(1));
    SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?.try_into()
}

fn argument_is(index: u8, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?])
}
