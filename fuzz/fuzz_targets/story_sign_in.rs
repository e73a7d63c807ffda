//! Who tries to sign in, over time: bounded tables, bounded guessing, nobody locked out of where they were, no panic. What a
//! story is stands beside the table, whose tests tell some of them too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlor_core::token::story_of_sign_ins;

fuzz_target!(|bytes: &[u8]| story_of_sign_ins(bytes));
