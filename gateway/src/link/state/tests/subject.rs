//! A kind of subject that only this file knows: the link brings its events like any other's.

use super::*;

const VISIT: u32 = 77;

#[test]
fn a_subject_of_any_kind_is_heard_in_order_and_recovered_after_a_cut() {
    let mut bench = Bench::new();
    let outbox = bench.connection("one");
    let visit = v1::TopicSubject { kind: VISIT, id: "the visit".to_owned() };
    let number = bench.subscribe("one", Name::Subject(visit.clone()));
    let begun = |number: u64, topic: u64, position: u64| {
        let connection = "one".to_owned();
        Body::Subscribed(v1::LinkSubscribed { number, connection, topic, position, ..Default::default() })
    };
    bench.say(begun(number, 7, 0));
    bench.event(7, 1);
    assert_eq!(heard(&outbox), ["answer", "event 1 hello"]);

    bench.state.lost();
    bench.welcome(false);
    for (number, asked) in bench.asked() {
        match asked {
            Asked::Attach(attach) => bench.attached(number, &attach.connection),
            Asked::Subscribe(again) => {
                assert_eq!(again.topic.unwrap().name, Some(Name::Subject(visit.clone())));
                bench.say(begun(number, 1, 4));
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(bench.answer_fetch(4).after, 1);
    bench.event(1, 6);
    bench.event(1, 5);
    assert_eq!(heard(&outbox), events(2..=6));
    bench.answer_fetch(6);
    assert_eq!(heard(&outbox), Vec::<String>::new(), "nothing twice");
}
