//! Conversations over gRPC: messages are sent by unary calls and heard on watch streams.
//!
//! One person of the staff does it all, so one access token is enough: it creates the conversations, watches each, and
//! writes to them.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use parlor_api::v1::{
    ConversationRef, CreateConversationRequest, SendMessageRequest, WatchConversationRequest,
    chat_service_client::ChatServiceClient, conversation_ref::Name, event::Payload,
};
use tokio::task::JoinSet;
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use crate::{
    converse::Bearer,
    histogram::Histogram,
    outcome::{Outcome, Spending, Unit},
    pace::Pace,
    process::Process,
    scenario::{said_all, settled},
    stamp::Stamp,
    tally::Tally,
    target::Url,
    world::a_run,
};

/// Connections over which streams and calls are spread: one alone would be limited to a hundred streams or so.
const CHANNELS: usize = 8;

/// Conversations over gRPC: calls that send, streams that hear
#[derive(Clone, Debug, Args)]
pub struct Grpc {
    /// How many conversations, each watched once
    #[arg(long, default_value_t = 200)]
    pub conversations: usize,
    /// Messages a second, over all of them
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// Length of a message's text
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// The access token of somebody of the staff (`parlor token mint`)
    #[arg(long, env = "PARLOR_BENCH_TOKEN", hide_env_values = true)]
    pub token: String,
}

type Chat = ChatServiceClient<InterceptedService<Channel, Bearer>>;

/// One conversation, and the client that writes to it.
struct Talk {
    chat: Chat,
    room: u16,
    conversation: ConversationRef,
}

impl Grpc {
    pub async fn run(&self, url: &Url, server: Option<Process>) -> Result<Outcome> {
        let run = a_run();
        let tally = Rc::new(Tally::new(run));
        let mut channels = Vec::new();
        for _ in 0..CHANNELS.min(self.conversations) {
            channels.push(self.connect(url).await?);
        }
        let (mut ears, mut talks) = (JoinSet::new(), Vec::new());
        for (nth, chat) in channels.iter().cycle().take(self.conversations).enumerate() {
            let key = format!("bench-grpc-{run:04x}-{nth:08}");
            let talk = self.open(chat.clone(), key, &tally, nth, &mut ears).await?;
            talks.push(Rc::new(talk));
        }
        let answers = Rc::new(std::cell::RefCell::new(Histogram::default()));
        let spending = Spending::from_now(server)?;
        let begun = Instant::now();
        tokio::select! {
            said = said_all(self.talk(&tally, &talks, &answers)) => said?,
            Some(ended) = ears.join_next() => return Err(ended?),
        }
        settled(&tally, tally.sent()).await;
        let (spent, took, said) = (spending.so_far()?, begun.elapsed(), tally.sent());
        let mut outcome = Outcome::default();
        outcome.add("messages", said as f64, Unit::Count);
        outcome.add("messages per second", said as f64 / took.as_secs_f64(), Unit::PerSecond);
        outcome.add_cost(spent, said, "messages per CPU second");
        let answered = answers.borrow();
        outcome.add("answered p50", answered.quantile(0.5).as_secs_f64() * 1e3, Unit::Millis);
        outcome.add("answered p99", answered.quantile(0.99).as_secs_f64() * 1e3, Unit::Millis);
        outcome.add_latency(&tally.latency());
        outcome.add_faults(tally.faults());
        Ok(outcome)
    }

    async fn connect(&self, url: &Url) -> Result<Chat> {
        let channel = Endpoint::from_shared(format!("http://{}", url.authority))?.connect().await?;
        let bearer = format!("Bearer {}", self.token).parse().context("the token is none")?;
        Ok(ChatServiceClient::with_interceptor(channel, Bearer(bearer)))
    }

    /// Creates a conversation and watches it from its beginning.
    async fn open(
        &self,
        mut chat: Chat,
        key: String,
        tally: &Rc<Tally>,
        nth: usize,
        ears: &mut JoinSet<anyhow::Error>,
    ) -> Result<Talk> {
        let request = CreateConversationRequest { key: key.clone(), ..CreateConversationRequest::default() };
        chat.create_conversation(request).await.context("CreateConversation")?;
        let conversation = ConversationRef { name: Some(Name::Key(key)) };
        let watch =
            WatchConversationRequest { conversation: Some(conversation.clone()), after_sequence: Some(0) };
        let mut events = chat.watch_conversation(watch).await.context("WatchConversation")?.into_inner();
        let room = tally.add_room(1);
        let heard = tally.clone();
        ears.spawn_local(async move {
            loop {
                let event = match events.message().await {
                    Ok(Some(told)) => told.event,
                    Ok(None) => return anyhow!("a watch ended"),
                    Err(status) => return anyhow!("a watch ended: {status}"),
                };
                if let Some(Payload::MessageSent(sent)) = event.and_then(|event| event.payload)
                    && let Some(stamp) = sent.message.and_then(|message| Stamp::find(message.text.as_bytes()))
                {
                    heard.heard(nth, stamp);
                }
            }
        });
        Ok(Talk { chat, room, conversation })
    }

    /// Each conversation has its messages one after another, so that their order is known.
    fn talk(
        &self,
        tally: &Rc<Tally>,
        talks: &[Rc<Talk>],
        answers: &Rc<std::cell::RefCell<Histogram>>,
    ) -> JoinSet<Result<()>> {
        let mut speakers = JoinSet::new();
        let pace = Pace::per_second(self.rate / talks.len() as f64);
        let count = pace.count(Duration::from_secs_f64(self.seconds));
        for (nth, talk) in talks.iter().cloned().enumerate() {
            let (tally, answers, bytes) = (tally.clone(), answers.clone(), self.bytes);
            let pace = pace.later(nth as f64 / talks.len() as f64);
            speakers.spawn_local(async move {
                let mut chat = talk.chat.clone();
                for nth in 0..count {
                    let intended = pace.wait(nth).await.into_std();
                    let request = SendMessageRequest {
                        conversation: Some(talk.conversation.clone()),
                        text: tally.stamp(talk.room, intended).text(bytes),
                        ..SendMessageRequest::default()
                    };
                    chat.send_message(request).await.context("SendMessage")?;
                    answers.borrow_mut().record(intended.elapsed().as_micros() as u64);
                }
                Ok(())
            });
        }
        speakers
    }
}
