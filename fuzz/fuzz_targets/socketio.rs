//! Packets of a client: whatever comes is understood or refused, and what is understood is JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlor_socketio::packet::{Assembler, decode};

/// As many as the default allows.
const MAX_ATTACHMENTS: usize = 10;

fuzz_target!(|bytes: &[u8]| {
    let text = bytes.to_vec().into();
    let Ok(packet) = decode(&text, MAX_ATTACHMENTS) else { return };
    assert!(packet.namespace.starts_with('/') && packet.attachments <= MAX_ATTACHMENTS);
    let mut assembler = Assembler::new(&packet);
    while !assembler.is_complete() {
        assembler.push(text.clone()).expect("it is awaited");
    }
    assert!(assembler.push(text.clone()).is_err());
    let Ok(event) = assembler.finish() else { return };
    let elements: Vec<_> = event.elements().collect();
    if elements.is_empty() {
        return;
    }
    // The elements, put together again, are the same event.
    let again = parlor_socketio::Event::parse(format!("[{}]", elements.join(","))).expect("elements are JSON");
    assert_eq!(again.elements().collect::<Vec<_>>(), elements);
    assert_eq!(again.name(), event.name());
});
