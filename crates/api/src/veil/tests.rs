//! What each kind of viewer sees.

use super::*;

fn person(user_id: &str, display_name: &str) -> v1::Person {
    v1::Person {
        user_id: user_id.to_owned(),
        number: 7,
        display_name: display_name.to_owned(),
        username: "signs-in".to_owned(),
        email: "a@x.test".to_owned(),
        avatar_url: "https://x.test/a.png".to_owned(),
        subject: "64b0".to_owned(),
    }
}

fn seen(viewer: &Viewer, mut person: v1::Person) -> v1::Person {
    person.veil(viewer);
    person
}

#[test]
fn somebody_elses_sign_in_is_nobodys_business() {
    let staff = person("s", "Sam");
    assert_eq!(seen(&Viewer::staff(), staff.clone()), staff);
    assert_eq!(seen(&Viewer::customer("s"), staff.clone()), staff, "what is one's own stays");
    for viewer in [Viewer::customer("a"), Viewer::anybody()] {
        let shown = v1::Person {
            username: String::new(),
            email: String::new(),
            subject: String::new(),
            ..staff.clone()
        };
        assert_eq!(seen(&viewer, staff.clone()), shown);
        assert_eq!(seen(&viewer, person("s", "signs-in")).display_name, "", "it is the username");
    }
    let guest = v1::Person { display_name: "Ann".to_owned(), ..v1::Person::default() };
    assert_eq!(seen(&Viewer::anybody(), guest.clone()), guest);
}

#[test]
fn what_was_cleared_and_what_is_for_staff_is_not_shown() {
    let message = v1::Message { sequence: 3, ..v1::Message::default() };
    let event = |audience: v1::Audience, cleared_sequence| v1::Event {
        audience: audience.into(),
        origin_connection: "c".to_owned(),
        conversation: Some(v1::Conversation {
            tags: vec!["label".to_owned()],
            cleared_sequence,
            last_message: Some(message.clone()),
            ..v1::Conversation::default()
        }),
        payload: Some(Payload::MessageSent(v1::MessageSent { message: Some(message.clone()) })),
        ..v1::Event::default()
    };
    let (all, staff) = (v1::Audience::Participants, v1::Audience::Staff);
    for (audience, cleared, shown) in [(all, 0, true), (all, 2, true), (all, 3, false), (staff, 0, false)] {
        let mut told = event(audience, cleared);
        assert_eq!(told.veil(&Viewer::anybody()), shown, "{audience:?} {cleared}");
        let conversation = told.conversation.unwrap();
        assert!(conversation.tags.is_empty());
        assert_eq!(conversation.last_message.is_some(), cleared < 3);
        let mut told = event(audience, cleared);
        assert!(told.veil(&Viewer::staff()));
        assert_eq!(told, v1::Event { origin_connection: String::new(), ..event(audience, cleared) });
    }
}

#[test]
fn a_change_of_labels_is_not_named() {
    let fields = vec!["status".to_owned(), "tags".to_owned()];
    let changed = v1::ConversationChanged { fields, ..v1::ConversationChanged::default() };
    let mut payload = Payload::ConversationChanged(changed);
    assert!(payload.veil(&Viewer::anybody()));
    let Payload::ConversationChanged(changed) = payload else { unreachable!() };
    assert_eq!(changed.fields, ["status"]);
}

#[test]
fn who_chooses_to_be_off_leaves_for_customers() {
    let presence = |roles: &[v1::Role], availability: v1::Availability| v1::Presence {
        person: Some(person("s", "Sam")),
        reachable: true,
        availability: availability.into(),
        connections: 2,
        roles: roles.iter().map(|role| (*role).into()).collect(),
        ..v1::Presence::default()
    };
    let mut changed = v1::PresenceChanged {
        presence: Some(presence(&[v1::Role::Staff], v1::Availability::Off)),
        person: Some(person("s", "Sam")),
        ..v1::PresenceChanged::default()
    };
    assert!(changed.veil(&Viewer::customer("a")));
    assert!(changed.person.unwrap().username.is_empty());
    let shown = changed.presence.unwrap();
    assert_eq!((shown.reachable, shown.connections), (false, 0));
    assert!(shown.person.unwrap().username.is_empty());
    let customer = presence(&[v1::Role::Customer], v1::Availability::Available);
    assert!(!Viewer::customer("a").sees(&customer), "customers do not see each other");
    assert!(Viewer::customer("s").sees(&customer) && Viewer::staff().sees(&customer));
}
