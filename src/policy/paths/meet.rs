//! Whether two patterns of paths can mean the same file, and whether the one was chosen for it. Used only to refuse.

use super::pattern::{Atom, Part};

/// Longer names are taken to meet.
const ATOMS_MAX: usize = 256;

/// Whether some path fits both, where the last name of the rule is met by a name of the glob that picks it out. A rule about
/// a folder is about all below it. Both from the root.
pub fn picks_out(glob: &[Part], rule: &[Part], fold: bool) -> bool {
    let Some(last) = rule.iter().rposition(|part| matches!(part, Part::Name(_))) else { return false };
    // Which starts of the rule the names so far can have used up.
    let mut open = vec![false; rule.len() + 1];
    mark(&mut open, 0, rule);
    for part in glob {
        let mut next = vec![false; rule.len() + 1];
        for (at, wanted) in rule.iter().enumerate() {
            if !open.get(at).copied().unwrap_or_default() {
                continue;
            }
            match (part, wanted) {
                (_, Part::Deep) => mark(&mut next, at, rule),
                // Any names at all, but for the one that decides.
                (Part::Deep, Part::Name(_)) => (at..=last).for_each(|at| mark(&mut next, at, rule)),
                (Part::Name(glob), Part::Name(name)) => {
                    if names_meet(glob, name, fold) && (at < last || is_chosen(glob, name)) {
                        mark(&mut next, at + 1, rule);
                    }
                }
            }
        }
        if next.get(last + 1).copied().unwrap_or_default() {
            return true;
        }
        open = next;
    }
    false
}

fn mark(open: &mut [bool], at: usize, rule: &[Part]) {
    let mut at = at;
    loop {
        open.get_mut(at).into_iter().for_each(|place| *place = true);
        if rule.get(at) != Some(&Part::Deep) {
            return;
        }
        at += 1;
    }
}

/// `*`, `*.*` and `*.ts` are chosen for kinds of files, not for one; where the rule is about that kind, they are chosen.
fn is_chosen(glob: &[Atom], rule: &[Atom]) -> bool {
    let letters = |atom: &Atom| match atom {
        Atom::Is(letter) => letter.is_alphanumeric(),
        Atom::Of { not, .. } => !not,
        Atom::One | Atom::Any => false,
    };
    let Some((Atom::Any, rest)) = glob.split_first() else { return true };
    if !rest.iter().any(letters) {
        return false;
    }
    let is_a_kind = rest.first() == Some(&Atom::Is('.')) && !rest.contains(&Atom::Any);
    // `*.env` fits `.env` too, with nothing before the dot.
    !is_a_kind || rule.first() == Some(&Atom::Any) || names_meet(rest, rule, true)
}

/// Is there a name that both fit?
fn names_meet(one: &[Atom], other: &[Atom], fold: bool) -> bool {
    if one.len() > ATOMS_MAX || other.len() > ATOMS_MAX {
        return true;
    }
    let width = other.len() + 1;
    let mut seen = vec![false; (one.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((a, b)) = open.pop() {
        let place = seen.get_mut(a * width + b);
        if place.is_none_or(|seen| std::mem::replace(seen, true)) {
            continue;
        }
        match (one.get(a), other.get(b)) {
            (None, None) => return true,
            (Some(Atom::Any), wanted) => {
                open.push((a + 1, b));
                open.extend(wanted.map(|_| (a, b + 1)));
            }
            (wanted, Some(Atom::Any)) => {
                open.push((a, b + 1));
                open.extend(wanted.map(|_| (a + 1, b)));
            }
            (Some(first), Some(second)) if letters_meet(first, second, fold) => open.push((a + 1, b + 1)),
            _ => {}
        }
    }
    false
}

fn letters_meet(one: &Atom, other: &Atom, fold: bool) -> bool {
    match (one, other) {
        (Atom::Is(letter), any) | (any, Atom::Is(letter)) => any.fits(*letter, fold),
        // Two sets of letters are taken to share one.
        _ => true,
    }
}
