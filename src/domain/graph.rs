//! The order that dependencies impose: cycles, and waves of what can run together.

/// A cycle as the nodes on it, first again at the end. `edges[n]` are the nodes that `n` waits for.
pub fn cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        // The path with, for each node on it, how many of its edges were followed. No recursion: graphs come from outside.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((node, followed)) = path.last_mut() {
            let node = *node;
            if marks.get(node) == Some(&Mark::Done) {
                path.pop();
                continue;
            }
            if let Some(mark) = marks.get_mut(node) {
                *mark = Mark::OnPath;
            }
            let next = edges.get(node).and_then(|targets| targets.get(*followed)).copied();
            *followed += 1;
            match next {
                None => {
                    if let Some(mark) = marks.get_mut(node) {
                        *mark = Mark::Done;
                    }
                    path.pop();
                }
                Some(target) if marks.get(target) == Some(&Mark::OnPath) => {
                    let from = path.iter().position(|(known, _)| *known == target).unwrap_or(0);
                    let mut found: Vec<usize> = path.iter().skip(from).map(|(known, _)| *known).collect();
                    found.push(target);
                    return Some(found);
                }
                Some(target) => path.push((target, 0)),
            }
        }
    }
    None
}

/// For each node the wave it can run in, from 1: one later than the last of what it waits for. Nodes on a cycle get 0.
pub fn waves(edges: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (node, targets) in edges.iter().enumerate() {
        for target in targets {
            if let Some(list) = followers.get_mut(*target) {
                list.push(node);
            }
        }
    }
    let mut waves = vec![0; edges.len()];
    let mut ready: Vec<usize> =
        open.iter().enumerate().filter(|(_, count)| **count == 0).map(|(node, _)| node).collect();
    let mut wave = 1;
    while !ready.is_empty() {
        let mut next = Vec::new();
        for node in ready {
            if let Some(slot) = waves.get_mut(node) {
                *slot = wave;
            }
            for follower in followers.get(node).into_iter().flatten() {
                if let Some(count) = open.get_mut(*follower) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        next.push(*follower);
                    }
                }
            }
        }
        ready = next;
        wave += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diamond_has_three_waves_and_no_cycle() {
        let edges = vec![vec![], vec![0], vec![0], vec![1, 2]];
        assert_eq!(cycle(&edges), None);
        assert_eq!(waves(&edges), [1, 2, 2, 3]);
    }

    #[test]
    fn a_cycle_is_named_in_order() {
        let edges = vec![vec![], vec![2], vec![3], vec![1]];
        assert_eq!(cycle(&edges), Some(vec![1, 2, 3, 1]));
        assert_eq!(cycle(&[vec![0]]), Some(vec![0, 0]));
    }

    proptest! {
        #[test]
        fn a_graph_has_a_cycle_exactly_when_some_node_has_no_wave(
            edges in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..3), 12)
        ) {
            prop_assert_eq!(cycle(&edges).is_some(), waves(&edges).contains(&0));
        }
    }
}
