//! Stories that nobody made up: see `story.rs`. The fuzzers tell more of them.

use proptest::{collection::vec, prelude::*};

use crate::story;

/// Bytes that are steps more often than not.
fn steps() -> impl Strategy<Value = Vec<u8>> {
    let step = prop_oneof![
        Just(vec![0]),
        vec(any::<u8>(), 1..8),
        (1..5_u8, any::<u8>(), any::<u8>(), 0..14_u8)
            .prop_map(|(step, who, length, packet)| vec![step, who, length, packet])
    ];
    vec(step, 0..60).prop_map(|steps| [vec![0, 0], steps.concat()].concat())
}

proptest! {
    #[test]
    fn no_story_of_polling_clients_holds_more_than_its_limits_or_stays(bytes in steps()) {
        story::polling(&bytes);
    }

    #[test]
    fn no_story_of_frames_holds_more_than_its_limits(bytes in vec(any::<u8>(), 0..400)) {
        story::frames(&bytes);
    }
}
