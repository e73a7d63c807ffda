//! A bus that drops, duplicates and reorders on purpose, and never tells of a gap: what a hub must survive.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{Bus, Error, Subscription, memory::Memory};

/// Misbehaves in a way that its seed decides.
#[derive(Debug)]
pub struct Lossy {
    inner: Memory,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Fate {
    random: u64,
    /// Kept back, to come after something that was published later.
    late: Option<(String, Bytes)>,
}

impl Lossy {
    /// The same seed and the same publications meet the same fate.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { inner: Memory::default(), fate: Mutex::new(Fate { random: seed, late: None }) }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Bus for Lossy {
    fn publish(&self, topic: &str, message: Bytes) {
        let mut fate = self.fate();
        match fate.draw() % 8 {
            0 | 1 => {}
            2 => {
                self.inner.publish(topic, message.clone());
                self.inner.publish(topic, message);
            }
            3 | 4 => {
                let earlier = fate.late.replace((topic.to_owned(), message));
                if let Some((topic, message)) = earlier {
                    self.inner.publish(&topic, message);
                }
            }
            _ => {
                self.inner.publish(topic, message);
                if let Some((topic, message)) = fate.late.take() {
                    self.inner.publish(&topic, message);
                }
            }
        }
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, Error> {
        self.inner.subscribe(topic).await
    }

    fn heard_topics(&self) -> usize {
        self.inner.heard_topics()
    }
}

impl Fate {
    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
