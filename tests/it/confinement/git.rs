//! Git in a confined command where its folder does not simply lie in the work tree: linked work trees, a part of a larger
//! repository, files of the home folder.

use super::{Stage, can, users};

#[test]
fn a_linked_work_tree_commits_and_keeps_the_hooks_of_the_main_one_closed() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    assert_eq!(stage.plain("git worktree add -q ../linked").code, 0);
    let mut bounds = stage.bounds.clone();
    bounds.root = stage.base.join("linked");
    let in_it = |command: &str| stage.confined_by(&format!("cd '{}' && {command}", bounds.root.display()), &bounds);
    let said = in_it("echo n > src/n && git add src && git commit -qm linked");
    assert_eq!(said.code, 0, "{}", said.err);
    assert_ne!(in_it("echo x > ../work/.git/hooks/pre-commit").code, 0);
    assert_ne!(in_it("git config core.fsmonitor x").code, 0);
    assert_ne!(in_it("echo x > .git").code, 0);
    assert_ne!(in_it("echo x > ../work/src/a.txt").code, 0);
}

#[test]
fn a_work_tree_within_a_larger_repository_commits_and_leaves_the_rest_as_it_is() {
    if !can() {
        return;
    }
    for uid in users() {
        let mut stage = Stage::new(uid);
        let moved = "mkdir ../whole && mv .git ../whole && cp -r . ../whole/part";
        let said = stage.shell(uid, &format!("{moved} && cd ../whole && git add -A && git commit -qm whole"));
        assert_eq!(said.code, 0, "{}", said.err);
        stage.bounds.root = stage.base.join("whole/part");
        for (command, goes) in [
            ("echo n > src/n && git add src && git commit -qm part && git status --short", true),
            ("git checkout -qb side && git stash list", true),
            ("echo x > ../file", false),
            ("echo x > ../.git/hooks/pre-commit", false),
            ("git config core.fsmonitor x", false),
        ] {
            let said = stage.confined(&format!("cd '{}' && {command}", stage.bounds.root.display()));
            assert_eq!(said.code == 0, goes, "{command} as {uid:?}: {} {}", said.out, said.err);
        }
        assert_eq!(stage.shell(uid, "git -C ../whole log --format=%s -1").out, "part\n");
    }
}

#[test]
fn a_submodule_that_is_there_commits_and_its_hooks_stay_closed() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    let made = "git init -q ../lib && cd ../lib && git commit -q --allow-empty -m one && cd - \
                && git -c protocol.file.allow=always submodule --quiet add ../lib src/lib \
                && cd src/lib && git config user.email a@b.c && git config user.name n";
    let said = stage.plain(&format!(
        "export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=a@b.c GIT_COMMITTER_NAME=n \
                                     GIT_COMMITTER_EMAIL=a@b.c; {made}"
    ));
    assert_eq!(said.code, 0, "{}", said.err);
    for (command, goes) in [
        ("cd src/lib && echo n > n && git add n && git commit -qm inner && git checkout -qb side", true),
        ("git add src/lib && git commit -qm outer", true),
        ("cd src/lib && git config core.fsmonitor x", false),
        ("echo x > .git/modules/src/lib/hooks/pre-commit", false),
        ("mkdir .git/modules/other", false),
    ] {
        let said = stage.confined(command);
        assert_eq!(said.code == 0, goes, "{command}: {} {}", said.out, said.err);
    }
}

#[test]
fn a_work_tree_that_a_command_linked_can_be_taken_away_again_and_no_other() {
    if !can() {
        return;
    }
    let stage = Stage::new(None);
    assert_eq!(stage.plain("git worktree add -q ../outside/linked").code, 0);
    for (command, goes) in [
        ("git worktree add -q src/beside", true),
        ("git -C src/beside commit -q --allow-empty -m beside", true),
        ("git worktree remove src/beside && git branch -qd beside; git worktree list | grep -c beside", false),
        ("test -e .git/worktrees/beside", false),
        ("echo x > .git/worktrees/linked/commondir", false),
    ] {
        let said = stage.confined(command);
        assert_eq!(said.code == 0, goes, "{command}: {} {}", said.out, said.err);
    }
}

#[test]
fn files_of_the_home_folder_kept_in_git_stay_out_of_reach() {
    if !can() {
        return;
    }
    let mut stage = Stage::new(None);
    assert_eq!(stage.plain("cd ../home && mv ../work/.git . && cp -r ../work part && git add -A").code, 0);
    stage.bounds.root = stage.base.join("home/part");
    assert_eq!(stage.confined("cd ~/part && echo n > src/n").code, 0);
    assert_ne!(stage.confined("cd ~/part && git add src").code, 0);
}
