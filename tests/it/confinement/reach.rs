//! What a confined command must not reach though it is the user's own: hidden files that something left running works
//! on.

use std::process::{Child, Command, Stdio};

use super::{Stage, can, users};

/// A program outside the bounds, ended with the test.
struct Outside(Child);

impl Outside {
    fn begin(uid: Option<u32>, text: &str) -> Self {
        let uid = uid.unwrap_or_else(|| rustix::process::getuid().as_raw()).to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "bash", "-c", text]).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nothing_left_in_the_folder_for_temporary_files_takes_a_mask_away() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        assert_eq!(stage.confined("cat .env").out, "", "hidden to begin with");
        let temp = stage.base.join("tmp");
        // What a call before could leave behind; the files that masks are made of once lay there.
        let perl = "exec perl -e 'while (1) { unlink glob(\".nothing*\") }'";
        let _left = Outside::begin(uid, &format!("cd '{}' && {perl}", temp.display()));
        for turn in 0..20 {
            let said = stage.confined("cat .env; ls -A $TMPDIR | grep nothing");
            assert!(said.code != 125 && said.out.is_empty(), "turn {turn} as {uid:?}: {} {}", said.out, said.err);
        }
    }
}

#[test]
fn the_root_and_what_lies_over_it_are_as_before() {
    if !can() {
        return;
    }
    for uid in users() {
        let stage = Stage::new(uid);
        let said = stage.confined("ls -d /../usr && [ / -ef /.. ] && grep -c ' / / .*tmpfs' /proc/self/mountinfo");
        assert_eq!(said.out, "/../usr\n0\n", "as {uid:?}: {}", said.err);
        assert_ne!(stage.confined("echo x > .env").code, 0, "an empty file that could be filled");
    }
}
