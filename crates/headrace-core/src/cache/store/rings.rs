//! Doubly linked lists of numbers, in one vector: no allocation for a node, and a node leaves its list without knowing which.
//!
//! Each list is a ring around an anchor, itself a node that stays; so neither an end nor an empty list is a special case.
//! A node is in one ring at most; alone, it is a ring of itself.

/// The links of all nodes, by number.
#[derive(Debug, Default)]
pub(super) struct Rings(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

impl Rings {
    /// Nodes from 0 to `count`, each alone.
    pub(super) fn new(count: u32) -> Self {
        let mut rings = Self::default();
        rings.grow(count);
        rings
    }

    /// Puts `node`, which is alone or new, behind `anchor`.
    pub(super) fn insert(&mut self, anchor: u32, node: u32) {
        self.grow(node + 1);
        let after = self.0[anchor as usize].after;
        self.0[node as usize] = Link { before: anchor, after };
        self.0[after as usize].before = node;
        self.0[anchor as usize].after = node;
    }

    /// Makes `node`, which is alone or new, an anchor.
    pub(super) fn anchor(&mut self, node: u32) {
        self.grow(node + 1);
    }

    /// Leaves `node` alone.
    pub(super) fn remove(&mut self, node: u32) {
        let Link { before, after } = self.0[node as usize];
        self.0[before as usize].after = after;
        self.0[after as usize].before = before;
        self.0[node as usize] = Link {
            before: node,
            after: node,
        };
    }

    /// The one that has been in the ring of `anchor` for longest.
    pub(super) fn oldest(&self, anchor: u32) -> Option<u32> {
        let node = self.0[anchor as usize].before;
        (node != anchor).then_some(node)
    }

    fn grow(&mut self, count: u32) {
        for node in self.0.len() as u32..count {
            self.0.push(Link {
                before: node,
                after: node,
            });
        }
    }
}
