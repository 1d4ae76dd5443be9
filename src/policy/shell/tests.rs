//! Tables of texts and what is read from them.

use super::read;

#[test]
fn plain_commands_are_listed() {
    let script = read("git status && rm -rf 'a b' | tee x > y");
    assert_eq!(script.opaque, None);
    assert_eq!(script.commands.len(), 3);
}
