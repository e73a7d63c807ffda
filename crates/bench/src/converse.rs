//! Rooms of two over gRPC: each client has one `Converse` stream, by default on a connection of its own.
//!
//! A room is a conversation of a customer, known by its key. Somebody of the staff speaks in it with commands, the customer
//! has it open and hears. Both prove who they are with a token of an issuer that Parlor trusts.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use anyhow::{Context as _, Result, anyhow, bail};
use parlor_api::v1::{
    ConversationRef, ConverseRequest, ConverseResponse, CreateConversationRequest, SendMessageRequest,
    WatchConversationRequest, chat_service_client::ChatServiceClient, conversation_ref::Name,
    converse_answer::Answer, converse_request::Command, converse_response::Body, event::Payload,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use crate::{
    process::Process,
    script::{Person, Role, person::Range, support::Support},
    stamp::Stamp,
    tally::Tally,
    target::Url,
    world::a_run,
};

/// Commands of one client that its connection has not taken yet. More than wait at any rate a server keeps up with.
const COMMANDS_WAITING: usize = 64;

/// A server that is spoken to over `Converse`.
pub struct Converse {
    pub url: Url,
    pub server: Option<Process>,
    pub admins: Range,
    pub customers: Range,
    /// The secret that signs everybody's token.
    pub secret: String,
    /// How many clients share a connection.
    pub clients_per_connection: usize,
    run: u16,
    /// The connection that has room for a further client, and for how many.
    open: RefCell<Option<(Channel, usize)>>,
}

type Chat = ChatServiceClient<InterceptedService<Channel, Bearer>>;

/// The token that every call carries.
#[derive(Clone)]
pub struct Bearer(pub MetadataValue<Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Who speaks in a room.
pub struct Speaker {
    commands: Commands,
    conversation: ConversationRef,
    held: Cell<u64>,
}

/// The commands of one stream, numbered.
struct Commands {
    sender: mpsc::Sender<ConverseRequest>,
    number: Cell<u64>,
}

impl Converse {
    #[must_use]
    pub fn new(url: Url, server: Option<Process>, people: &Support, clients_per_connection: usize) -> Self {
        Self {
            url,
            server,
            admins: people.admins,
            customers: people.customers,
            secret: people.secret.clone().unwrap_or_default(),
            clients_per_connection,
            run: a_run(),
            open: RefCell::default(),
        }
    }

    /// Brings both clients of a room in: its speaker, and an ear that counts what is heard and ends with its stream.
    pub async fn enter(
        &self,
        tally: &Rc<Tally>,
        room: u16,
        ears: &mut JoinSet<anyhow::Error>,
    ) -> Result<Speaker> {
        let key = format!("bench-converse-{:04x}-{room:08}", self.run);
        let conversation = ConversationRef { name: Some(Name::Key(key.clone())) };
        let nth = usize::from(room);
        let mut customer = self.client(Role::Customer, self.customers.nth(nth)).await?;
        let create = CreateConversationRequest { key, ..CreateConversationRequest::default() };
        customer.create_conversation(create).await.context("CreateConversation")?;

        let (commands, mut events) = converse(customer).await?;
        let watch =
            WatchConversationRequest { conversation: Some(conversation.clone()), after_sequence: None };
        commands.say(Command::Open(watch)).await?;
        until_open(&mut events).await?;
        let heard = tally.clone();
        // The hearer has no more to say, but who says that it is done is done.
        ears.spawn_local(async move {
            let _commands = commands;
            loop {
                match hear(&mut events).await {
                    Ok(Some(stamp)) => heard.heard(nth, stamp),
                    Ok(None) => {}
                    Err(error) => return error.context("a hearer's stream ended"),
                }
            }
        });

        let (commands, mut answers) = converse(self.client(Role::Staff, self.admins.nth(nth)).await?).await?;
        ears.spawn_local(async move {
            loop {
                if let Err(error) = hear(&mut answers).await {
                    return error.context("a speaker's stream ended");
                }
            }
        });
        Ok(Speaker { commands, conversation, held: Cell::new(0) })
    }

    /// A client who is this person.
    async fn client(&self, role: Role, number: u64) -> Result<Chat> {
        let token = Support::token(&self.secret, &Person { role, number });
        let bearer = format!("Bearer {token}").parse().context("the token is none")?;
        Ok(ChatServiceClient::with_interceptor(self.channel().await?, Bearer(bearer)))
    }

    /// A connection with room for one more.
    async fn channel(&self) -> Result<Channel> {
        let open = self.open.borrow_mut().take();
        let (channel, rooms) = match open {
            Some((channel, rooms)) => (channel, rooms),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{}", self.url.authority))?;
                (endpoint.connect().await.context("cannot connect")?, self.clients_per_connection)
            }
        };
        if rooms > 1 {
            *self.open.borrow_mut() = Some((channel.clone(), rooms - 1));
        }
        Ok(channel)
    }
}

impl Speaker {
    pub async fn say(&self, text: String) -> Result<()> {
        if self.commands.sender.capacity() == 0 {
            self.held.set(self.held.get() + 1);
        }
        let conversation = Some(self.conversation.clone());
        let send = SendMessageRequest { conversation, text, ..SendMessageRequest::default() };
        self.commands.say(Command::Send(send)).await
    }

    /// How often its connection took nothing more at once.
    pub fn held(&self) -> u64 {
        self.held.get()
    }
}

impl Commands {
    async fn say(&self, command: Command) -> Result<()> {
        let number = self.number.get() + 1;
        self.number.set(number);
        let request = ConverseRequest { number, command: Some(command) };
        self.sender.send(request).await.map_err(|_closed| anyhow!("a stream takes no more commands"))
    }
}

async fn converse(mut client: Chat) -> Result<(Commands, Streaming<ConverseResponse>)> {
    let (sender, commands) = mpsc::channel(COMMANDS_WAITING);
    let events = client.converse(ReceiverStream::new(commands)).await.context("Converse")?.into_inner();
    Ok((Commands { sender, number: Cell::new(0) }, events))
}

async fn until_open(events: &mut Streaming<ConverseResponse>) -> Result<()> {
    match body(events).await? {
        Body::Answer(answer) if matches!(answer.answer, Some(Answer::Opened(_))) => Ok(()),
        other => bail!("instead of opening, the stream says {other:?}"),
    }
}

/// The next thing on a stream; with its stamp if it is a message of ours.
async fn hear(events: &mut Streaming<ConverseResponse>) -> Result<Option<Stamp>> {
    Ok(match body(events).await? {
        Body::Event(event) => match event.payload {
            Some(Payload::MessageSent(sent)) => {
                sent.message.and_then(|message| Stamp::find(message.text.as_bytes()))
            }
            _ => None,
        },
        Body::Answer(_) => None,
        Body::Failure(failure) => bail!("a command failed: {failure:?}"),
    })
}

async fn body(events: &mut Streaming<ConverseResponse>) -> Result<Body> {
    let response = events.message().await.context("the stream broke")?.context("the server ended it")?;
    response.body.context("a response says nothing")
}
