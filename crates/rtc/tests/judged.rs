//! What is wrong with a token is named, all of it; and nothing that a stranger sends does any harm.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use parlor_rtc::{App, MAX_TOKEN_BYTES, Problem, Role, Token, Wanted, agora006, agora007, livekit, turn};
use proptest::prelude::*;

const NOW: u32 = 1_700_000_000;
const APP: App<'_> =
    App { id: "970CA35de60c44645bbae8a215061b33", certificate: "5CFd2fd1755d40ecb72977518be15d3b" };
const KEY: livekit::Key<'_> = livekit::Key { name: "APIkey42", secret: "a secret of livekit's" };

fn wanted() -> Wanted<'static> {
    Wanted { channel: Some("room"), uid: Some("ann"), now: i64::from(NOW), leeway: 5 }
}

fn old() -> agora006::Pass<'static> {
    let ends = NOW + agora006::LIFE_SECONDS;
    let (role, privileges_end) = (Role::Publisher, NOW + 600);
    agora006::Pass { channel: "room", uid: "ann", role, salt: 7, ends, privileges_end }
}

fn new() -> agora007::Pass<'static> {
    let role = Role::Publisher;
    let (issued, salt, lives, privileges_live, rtm_user) = (NOW, 7, 600, 300, None);
    agora007::Pass { channel: "room", uid: "ann", role, issued, salt, lives, privileges_live, rtm_user }
}

fn pass() -> livekit::Pass<'static> {
    let (begins, ends) = (i64::from(NOW), i64::from(NOW) + 600);
    livekit::Pass { room: "room", identity: "ann", name: "", role: Role::Subscriber, begins, ends }
}

fn judge006(pass: &agora006::Pass<'_>, app: App<'_>, wanted: Wanted<'_>) -> Vec<Problem> {
    agora006::parse(&agora006::mint(APP, pass).unwrap()).unwrap().check(app, &wanted)
}

fn judge007(pass: &agora007::Pass<'_>, app: App<'_>, wanted: Wanted<'_>) -> Vec<Problem> {
    agora007::parse(&agora007::mint(APP, pass).unwrap()).unwrap().check(app, &wanted)
}

fn judge_livekit(pass: &livekit::Pass<'_>, key: livekit::Key<'_>, wanted: Wanted<'_>) -> Vec<Problem> {
    livekit::parse(&livekit::mint(key, pass).unwrap()).unwrap().check(KEY, &wanted)
}

const OTHER_APP: App<'_> = App { id: "00000000000000000000000000000000", ..APP };
const OTHER_CERTIFICATE: App<'_> = App { certificate: "00000000000000000000000000000000", ..APP };

fn later(seconds: i64) -> Wanted<'static> {
    Wanted { now: i64::from(NOW) + seconds, ..wanted() }
}

#[test]
fn a_good_006_has_no_problem_and_each_other_is_named() {
    assert_eq!(judge006(&old(), APP, wanted()), []);
    assert_eq!(judge006(&old(), OTHER_APP, wanted()), [Problem::OtherApp]);
    assert_eq!(judge006(&old(), OTHER_CERTIFICATE, wanted()), [Problem::BadSignature]);
    let to = |channel, uid| Wanted { channel, uid, ..wanted() };
    assert_eq!(judge006(&old(), APP, to(Some("hall"), Some("ann"))), [Problem::OtherChannel]);
    assert_eq!(judge006(&old(), APP, to(Some("room"), Some("bob"))), [Problem::OtherUid]);
    assert_eq!(judge006(&old(), APP, to(Some("room"), None)), [Problem::NamesNeeded]);
    let ended =
        |ago| vec![Problem::Expired("the right to join", ago), Problem::Expired("the right to publish", ago)];
    assert_eq!(judge006(&old(), APP, later(604)), []);
    assert_eq!(judge006(&old(), APP, later(605)), ended(5));
    assert_eq!(judge006(&old(), APP, later(-5)), []);
    assert_eq!(judge006(&old(), APP, later(-6)), [Problem::Ahead(6)]);
    let day = i64::from(agora006::LIFE_SECONDS) + 5;
    assert!(judge006(&old(), APP, later(day)).contains(&Problem::Expired("the token", 5)));
}

#[test]
fn a_good_007_has_no_problem_and_each_other_is_named() {
    assert_eq!(judge007(&new(), APP, wanted()), []);
    assert_eq!(judge007(&new(), OTHER_APP, wanted()), [Problem::OtherApp]);
    assert_eq!(judge007(&new(), OTHER_CERTIFICATE, wanted()), [Problem::BadSignature]);
    let other = Wanted { channel: Some("hall"), uid: Some("bob"), ..wanted() };
    assert_eq!(judge007(&new(), APP, other), [Problem::OtherChannel, Problem::OtherUid]);
    assert_eq!(judge007(&new(), APP, Wanted { channel: None, uid: None, ..wanted() }), []);
    assert_eq!(judge007(&new(), APP, later(304)), []);
    let ended = [Problem::Expired("the right to join", 5), Problem::Expired("the right to publish", 5)];
    assert_eq!(judge007(&new(), APP, later(305)), ended);
    assert_eq!(judge007(&new(), APP, later(605))[0], Problem::Expired("the token", 5));
    assert_eq!(judge007(&new(), APP, later(-6)), [Problem::Ahead(6)]);
    let with_rtm = agora007::Pass { rtm_user: Some("ann"), privileges_live: 0, ..new() };
    assert_eq!(judge007(&with_rtm, APP, later(604)), [], "its privileges end with it");
}

#[test]
fn a_good_livekit_token_has_no_problem_and_each_other_is_named() {
    assert_eq!(judge_livekit(&pass(), KEY, wanted()), []);
    let (named, secret) = (livekit::Key { name: "other", ..KEY }, livekit::Key { secret: "other", ..KEY });
    assert_eq!(judge_livekit(&pass(), named, wanted()), [Problem::OtherApp]);
    assert_eq!(judge_livekit(&pass(), secret, wanted()), [Problem::BadSignature]);
    let other = Wanted { channel: Some("hall"), uid: Some("bob"), ..wanted() };
    assert_eq!(judge_livekit(&pass(), KEY, other), [Problem::OtherChannel, Problem::OtherUid]);
    assert_eq!(judge_livekit(&pass(), KEY, later(604)), []);
    assert_eq!(judge_livekit(&pass(), KEY, later(605)), [Problem::Expired("the token", 5)]);
    assert_eq!(judge_livekit(&pass(), KEY, later(-6)), [Problem::Ahead(6)]);
}

#[test]
fn a_good_relay_pair_has_no_problem_and_each_other_is_named() {
    let pair = turn::mint("north", "ann", i64::from(NOW) + 600).unwrap();
    let judge = |secret, wanted: Wanted<'_>| turn::check(&pair.username, &pair.password, secret, &wanted);
    assert_eq!(judge("north", wanted()), []);
    assert_eq!(judge("south", wanted()), [Problem::BadSignature]);
    assert_eq!(judge("north", Wanted { uid: Some("bob"), ..wanted() }), [Problem::OtherUid]);
    assert_eq!(judge("north", later(605)), [Problem::Expired("the username", 5)]);
    let malformed = Problem::Malformed("the username does not begin with when it ends");
    assert_eq!(turn::check("ann", "x", "north", &wanted()), [malformed]);
}

#[test]
fn names_fit_at_their_limit_and_not_one_over() {
    let (longest, over) = ("c".repeat(63), "c".repeat(64));
    let (uid, uid_over) = ("u".repeat(255), "u".repeat(256));
    agora006::mint(APP, &agora006::Pass { channel: &longest, uid: &uid, ..old() }).unwrap();
    agora007::mint(APP, &agora007::Pass { channel: &longest, uid: &uid, ..new() }).unwrap();
    for channel in ["", &over] {
        agora006::mint(APP, &agora006::Pass { channel, ..old() }).unwrap_err();
        agora007::mint(APP, &agora007::Pass { channel, ..new() }).unwrap_err();
    }
    agora006::mint(APP, &agora006::Pass { uid: &uid_over, ..old() }).unwrap_err();
    agora007::mint(APP, &agora007::Pass { uid: &uid_over, ..new() }).unwrap_err();
    agora007::mint(APP, &agora007::Pass { rtm_user: Some(""), ..new() }).unwrap_err();
    agora006::mint(App { certificate: "short", ..APP }, &old()).unwrap_err();
    let (room, room_over) = ("r".repeat(256), "r".repeat(257));
    livekit::mint(KEY, &livekit::Pass { room: &room, identity: &room, name: &room, ..pass() }).unwrap();
    for pass in [
        livekit::Pass { room: &room_over, ..pass() },
        livekit::Pass { identity: &room_over, ..pass() },
        livekit::Pass { identity: "", ..pass() },
        livekit::Pass { name: &room_over, ..pass() },
    ] {
        livekit::mint(KEY, &pass).unwrap_err();
    }
    turn::mint("north", &"u".repeat(492), i64::MIN).unwrap();
    turn::mint("north", &"u".repeat(493), 0).unwrap_err();
}

#[test]
fn what_unpacks_to_more_than_a_token_is_refused() {
    let packed = |bytes: usize| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; bytes]).unwrap();
        format!("007{}", STANDARD.encode(encoder.finish().unwrap()))
    };
    let bomb = packed(4 * 1024 * 1024);
    assert!(bomb.len() < MAX_TOKEN_BYTES, "{}", bomb.len());
    assert_eq!(agora007::parse(&bomb), Err(Problem::TooLong));
    assert_eq!(agora007::parse(&packed(agora007::MAX_CONTENT_BYTES + 1)), Err(Problem::TooLong));
    assert_ne!(agora007::parse(&packed(agora007::MAX_CONTENT_BYTES)), Err(Problem::TooLong));
    let long = format!("007{}", "A".repeat(MAX_TOKEN_BYTES));
    assert_eq!(agora007::parse(&long), Err(Problem::TooLong));
}

fn judge_anything(text: &str) {
    if let Some((_, Ok(token))) = Token::parse(text) {
        let _ = (token.app().len(), token.ends(), token.json().to_string().len());
        for wanted in [wanted(), Wanted { now: i64::MIN, ..wanted() }, Wanted { now: i64::MAX, ..wanted() }] {
            let problems = match &token {
                Token::Agora006(token) => token.check(APP, &wanted),
                Token::Agora007(token) => token.check(APP, &wanted),
                Token::LiveKit(token) => token.check(KEY, &wanted),
            };
            assert!(!problems.is_empty(), "nobody signed {text}");
        }
    }
    let _ = turn::check(text, text, "north", &wanted());
}

fn packed(content: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    format!("007{}", STANDARD.encode(encoder.finish().unwrap()))
}

proptest! {
    #[test]
    fn any_text_is_judged_without_harm(text in ".{0,200}", version in "(006|007|)") {
        judge_anything(&format!("{version}{text}"));
    }

    #[test]
    fn any_content_is_judged_without_harm(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        judge_anything(&packed(&content));
        judge_anything(&format!("006{}{}", APP.id, STANDARD.encode(&content)));
        // Behind a signature and the head of a token, where services are read.
        let mut behind = vec![0; 34];
        behind[0] = 32;
        behind.extend([32, 0]);
        behind.extend(APP.id.as_bytes());
        behind.extend(&content);
        judge_anything(&packed(&behind));
    }

    #[test]
    fn a_changed_byte_is_noticed(at in any::<proptest::sample::Index>(), flip in 1u8..) {
        for token in [agora006::mint(APP, &old()).unwrap(), livekit::mint(KEY, &pass()).unwrap()] {
            let mut bytes = token.clone().into_bytes();
            let index = at.index(bytes.len());
            bytes[index] ^= flip & 0x7f;
            if let Ok(changed) = String::from_utf8(bytes)
                && changed != token
            {
                judge_anything(&changed);
            }
        }
    }

    #[test]
    fn what_is_made_is_good_and_says_what_it_was_made_of(
        channel in "[ -~]{1,63}", uid in "\\PC{0,40}", publishes: bool, salt: u32,
    ) {
        let role = if publishes { Role::Publisher } else { Role::Subscriber };
        let wanted = Wanted { channel: Some(&channel), uid: Some(&uid), ..wanted() };
        let old = agora006::Pass { channel: &channel, uid: &uid, role, salt, ..old() };
        prop_assert_eq!(judge006(&old, APP, wanted), []);
        let new = agora007::Pass { channel: &channel, uid: &uid, role, salt, ..new() };
        prop_assert_eq!(judge007(&new, APP, wanted), []);
    }
}
