//! Many connections of one run, and the tasks that hear what they are told.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use tokio::task::JoinSet;

use crate::{
    histogram::Histogram,
    member::{Ended, Member, Opening},
    script::{Memory, Person},
};

/// Connections that come in at a time: enough to keep a server busy, few enough for any backlog.
pub const AT_A_TIME: usize = 64;

/// Connections that are in. Dropping it ends them.
pub struct Crowd {
    pub members: Vec<Rc<Member>>,
    /// How long each took to come in.
    pub joins: Histogram,
    /// The ears: they end with their connection.
    ears: JoinSet<Ended>,
}

impl Crowd {
    /// Brings in as many as there are people, numbering them from `first`; all of them hear from then on.
    pub async fn gather(opening: &Opening, first: usize, people: Vec<Person>) -> Result<Self> {
        let (members, joins) = bring_in(opening, first, people).await?;
        let members: Vec<Rc<Member>> = members.into_iter().map(Rc::new).collect();
        let mut ears = JoinSet::new();
        for member in &members {
            let member = Rc::clone(member);
            ears.spawn_local(async move { member.listen().await });
        }
        Ok(Self { members, joins, ears })
    }

    /// How many connections have ended, and why one of them did.
    pub fn ended(&mut self) -> Option<(usize, Ended)> {
        let mut ended = None;
        while let Some(how) = self.ears.try_join_next() {
            let how = how.unwrap_or_else(|error| Ended::Broken(error.to_string()));
            let (count, first) = ended.unwrap_or((0, how));
            ended = Some((count + 1, first));
        }
        ended
    }

    /// Stays as it is for this long, unless a connection ends.
    pub async fn stay(&mut self, duration: Duration) -> Result<()> {
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            Some(ended) = self.ears.join_next() => {
                Err(anyhow!("a connection ended: {}", ended.context("a task of the generator broke")?))
            }
        }
    }
}

/// Brings in as many as there are people, numbered from `first`, and tells how long each took. They hear nothing until
/// somebody listens.
pub async fn bring_in(
    opening: &Opening,
    first: usize,
    people: Vec<Person>,
) -> Result<(Vec<Member>, Histogram)> {
    let shared = Rc::new(Gathering { people, first, ..Gathering::default() });
    let mut doors = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (opening, shared) = (opening.clone(), shared.clone());
        doors.spawn_local(async move { shared.let_in(&opening).await });
    }
    while let Some(door) = doors.join_next().await {
        door.context("a task of the generator broke")??;
    }
    let mut members = shared.members.take();
    members.sort_by_key(|member| member.index);
    Ok((members, shared.joins.take()))
}

/// What the doors share while a crowd comes in.
#[derive(Default)]
struct Gathering {
    people: Vec<Person>,
    first: usize,
    next: Cell<usize>,
    members: RefCell<Vec<Member>>,
    joins: RefCell<Histogram>,
}

impl Gathering {
    async fn let_in(&self, opening: &Opening) -> Result<()> {
        while let Some(person) = self.people.get(self.next.get()) {
            let nth = self.next.replace(self.next.get() + 1);
            let begun = Instant::now();
            let joined = Member::join(opening, self.first + nth, *person, Memory::default()).await;
            let member = joined.with_context(|| format!("connection {nth} could not come in"))?;
            self.joins.borrow_mut().record(begun.elapsed().as_micros() as u64);
            self.members.borrow_mut().push(member);
        }
        Ok(())
    }
}
