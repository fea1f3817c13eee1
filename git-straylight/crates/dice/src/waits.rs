//! Who waits for whom, kept free of cycles.
//!
//! Running tasks are kept in a topological order: whoever waits comes before
//! what it waits for. A task that is started because another needs it comes
//! last, so the usual wait costs nothing. Only a wait that runs against the
//! order needs a search, and that search stays between the two tasks' places;
//! it either finds the cycle or repairs the order (the algorithm of Pearce and
//! Kelly, 2006).

use rustc_hash::FxHashMap;

/// One run of one key. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Task(pub(crate) u64);

#[derive(Debug)]
struct Member {
    place: u64,
    waits_for: Vec<Task>,
    waited_for_by: Vec<Task>,
}

/// The graph of waits. A task that has ended may still be named in an edge;
/// such an edge means nothing.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    members: FxHashMap<Task, Member>,
    next_place: u64,
}

#[derive(Clone, Copy)]
enum Direction {
    Down,
    Up,
}

impl Waits {
    /// Adds a task that waits for nothing.
    pub(crate) fn start(&mut self, task: Task) {
        self.next_place += 1;
        let member = Member {
            place: self.next_place,
            waits_for: Vec::new(),
            waited_for_by: Vec::new(),
        };
        self.members.insert(task, member);
    }

    /// Forgets a task that has ended.
    pub(crate) fn end(&mut self, task: Task) {
        self.members.remove(&task);
    }

    /// Records that `from` waits for `to`.
    ///
    /// If that would close a cycle nothing is recorded, and the members are
    /// returned: `from`, `to`, and what leads back.
    pub(crate) fn wait(&mut self, from: Task, to: Task) -> Result<(), Vec<Task>> {
        if from == to {
            return Err(vec![from]);
        }
        let (Some(upper), Some(lower)) = (self.place(from), self.place(to)) else {
            return Ok(());
        };
        if upper > lower {
            let below = self.reach(to, Direction::Down, |place| place <= upper);
            if below.contains_key(&from) {
                return Err(path_back(&below, from, to));
            }
            let above = self.reach(from, Direction::Up, |place| place >= lower);
            self.reorder(above.into_keys().collect(), below.into_keys().collect());
        }
        self.edges(from, |member| member.waits_for.push(to));
        self.edges(to, |member| member.waited_for_by.push(from));
        Ok(())
    }

    /// Records that `from` no longer waits for `to`.
    pub(crate) fn give_up(&mut self, from: Task, to: Task) {
        self.edges(from, |member| remove_one(&mut member.waits_for, to));
        self.edges(to, |member| remove_one(&mut member.waited_for_by, from));
    }

    fn edges(&mut self, task: Task, change: impl FnOnce(&mut Member)) {
        if let Some(member) = self.members.get_mut(&task) {
            change(member);
        }
    }

    fn place(&self, task: Task) -> Option<u64> {
        Some(self.members.get(&task)?.place)
    }

    /// Returns every task that can be reached within the wanted places, each
    /// with the one it was reached from.
    fn reach(
        &self,
        start: Task,
        direction: Direction,
        wanted: impl Fn(u64) -> bool,
    ) -> FxHashMap<Task, Task> {
        let mut reached = FxHashMap::default();
        reached.insert(start, start);
        let mut pending = vec![start];
        while let Some(task) = pending.pop() {
            let Some(member) = self.members.get(&task) else {
                continue;
            };
            let next = match direction {
                Direction::Down => &member.waits_for,
                Direction::Up => &member.waited_for_by,
            };
            for &neighbour in next {
                if self.place(neighbour).is_some_and(&wanted) && !reached.contains_key(&neighbour) {
                    reached.insert(neighbour, task);
                    pending.push(neighbour);
                }
            }
        }
        reached
    }

    /// Shares out the places of both sets again: `above` first, then `below`,
    /// each in the order it had.
    fn reorder(&mut self, mut above: Vec<Task>, mut below: Vec<Task>) {
        above.sort_unstable_by_key(|task| self.place(*task));
        below.sort_unstable_by_key(|task| self.place(*task));
        above.append(&mut below);
        let mut places: Vec<u64> = above.iter().filter_map(|task| self.place(*task)).collect();
        places.sort_unstable();
        for (task, place) in above.into_iter().zip(places) {
            self.edges(task, |member| member.place = place);
        }
    }
}

fn remove_one(tasks: &mut Vec<Task>, task: Task) {
    if let Some(index) = tasks.iter().position(|other| *other == task) {
        tasks.swap_remove(index);
    }
}

/// Returns `from`, `to`, and the way from `to` that leads back to `from`.
fn path_back(reached_from: &FxHashMap<Task, Task>, from: Task, to: Task) -> Vec<Task> {
    let mut path = Vec::new();
    let mut task = from;
    while task != to {
        task = reached_from[&task];
        path.push(task);
    }
    path.push(from);
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether `to` reaches `from` over `edges`.
    fn naive_cycle(edges: &[(u64, u64)], from: u64, to: u64) -> bool {
        let mut seen = vec![to];
        let mut index = 0;
        while index < seen.len() {
            let at = seen[index];
            let next = edges.iter().filter(|edge| edge.0 == at);
            for &(_, next) in next {
                if !seen.contains(&next) {
                    seen.push(next);
                }
            }
            index += 1;
        }
        seen.contains(&from)
    }

    proptest! {
        #[test]
        fn finds_exactly_the_cycles(wanted in prop::collection::vec((0..12_u64, 0..12_u64, any::<bool>()), 0..80)) {
            let mut waits = Waits::default();
            for task in 0..12 {
                waits.start(Task(task));
            }
            let mut edges = Vec::new();
            for (from, to, remove) in wanted {
                if let Some(index) = edges.iter().position(|edge| *edge == (from, to)).filter(|_| remove) {
                    edges.swap_remove(index);
                    waits.give_up(Task(from), Task(to));
                    continue;
                }
                match waits.wait(Task(from), Task(to)) {
                    Ok(()) => {
                        prop_assert!(!naive_cycle(&edges, from, to));
                        edges.push((from, to));
                    }
                    Err(path) => {
                        prop_assert!(naive_cycle(&edges, from, to));
                        prop_assert_eq!(path[0], Task(from));
                        prop_assert_eq!(path.get(1).copied().unwrap_or(Task(from)), Task(to));
                        edges.push((from, to));
                        for (index, task) in path.iter().enumerate() {
                            let next = path[(index + 1) % path.len()];
                            prop_assert!(edges.contains(&(task.0, next.0)));
                        }
                        edges.pop();
                    }
                }
            }
        }
    }

    #[test]
    fn a_task_that_ended_closes_no_cycle() {
        let mut waits = Waits::default();
        waits.start(Task(1));
        waits.start(Task(2));
        waits.wait(Task(1), Task(2)).unwrap();
        assert_eq!(waits.wait(Task(2), Task(1)), Err(vec![Task(2), Task(1)]));
        waits.end(Task(1));
        waits.start(Task(3));
        waits.wait(Task(2), Task(3)).unwrap();
        assert_eq!(waits.wait(Task(3), Task(2)), Err(vec![Task(3), Task(2)]));
    }
}
