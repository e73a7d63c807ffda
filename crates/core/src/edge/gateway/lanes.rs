//! Commands of one connection, one after another: a connection has a lane while one of its commands is under way, and those
//! that come meanwhile wait in it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parlor_api::v1::LinkRequest;

/// The lanes of all connections that have a command under way.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<Arc<str>, VecDeque<LinkRequest>>,
    waiting: usize,
}

impl Lanes {
    /// Commands that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a command behind those of its connection; gives it back if it is the first, and so under way now.
    pub fn enter(&mut self, connection: &Arc<str>, request: LinkRequest) -> Option<LinkRequest> {
        let Some(lane) = self.lanes.get_mut(connection) else {
            self.lanes.insert(Arc::clone(connection), VecDeque::new());
            return Some(request);
        };
        lane.push_back(request);
        self.waiting += 1;
        None
    }

    /// The command under way is done: gives the next, which is under way now.
    pub fn next(&mut self, connection: &str) -> Option<LinkRequest> {
        let next = self.lanes.get_mut(connection)?.pop_front();
        if next.is_some() {
            self.waiting -= 1;
        } else {
            self.lanes.remove(connection);
        }
        next
    }

    /// Forgets what waits. What is under way stays so.
    pub fn forget_waiting(&mut self) {
        self.lanes.values_mut().for_each(VecDeque::clear);
        self.waiting = 0;
    }
}
