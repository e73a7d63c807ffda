"""Native gRPC as a stranger speaks it: grpcio, and no generated code.

Everything is learnt from the running server by reflection: the services, the messages, their fields. Then unary calls,
errors with their reasons, health, and both bidirectional streams.

    python native.py --address 127.0.0.1:8080 --tenant demo --vars '{"customer": {"token": …}, "admin": {"token": …}}'

Prints one line for each thing that held and leaves with 1 at the first that did not.
"""

import argparse
import json
import queue
import sys
import traceback
import uuid

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# No call of these takes longer on a machine under load; a missing answer never comes.
TIMEOUT_S = 15

SERVICES = {
    "parlor.v1.BillingService",
    "parlor.v1.ChatService",
    "parlor.v1.DirectoryService",
    "parlor.v1.PresenceService",
    "parlor.v1.SessionService",
    "parlor.v1.TokenService",
}


def ours(services):
    """Those of the contract: what a stranger may call, and nothing that only gateways may."""
    return {service for service in services if service.startswith("parlor.")}


class Server:
    """The services of a server, by what it says of itself."""

    def __init__(self, channel, tenant):
        self.channel = channel
        self.tenant = tenant
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def message(self, name, **fields):
        """A message of ours, by name."""
        descriptor = self.pool.FindMessageTypeByName(f"parlor.v1.{name}")
        return message_factory.GetMessageClass(descriptor)(**fields)

    def method(self, name, token=None):
        """A method as a function, for example "ChatService/SendMessage"."""
        service, _, method = name.partition("/")
        descriptor = self.pool.FindServiceByName(f"parlor.v1.{service}").methods_by_name[method]
        kind = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, True): self.channel.stream_stream,
        }[(descriptor.client_streaming, descriptor.server_streaming)]
        answer = message_factory.GetMessageClass(descriptor.output_type)
        call = kind(
            f"/parlor.v1.{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        metadata = [("parlor-tenant", self.tenant)]
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        return lambda request: call(request, metadata=metadata, timeout=TIMEOUT_S)


class Commands:
    """The upward half of a bidirectional stream."""

    def __init__(self):
        self._waiting = queue.Queue(maxsize=100)

    def send(self, command):
        self._waiting.put(command, timeout=TIMEOUT_S)

    def end(self):
        self._waiting.put(None, timeout=TIMEOUT_S)

    def __iter__(self):
        return self

    def __next__(self):
        command = self._waiting.get(timeout=4 * TIMEOUT_S)
        if command is None:
            raise StopIteration
        return command


def reason(error):
    """The reason of an error: the first field of its google.rpc.ErrorInfo."""
    status = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    assert status, f"{error.code()} has no details"
    # google.rpc.Status, ErrorInfo and the names in them are read by their wire form: they are not in our descriptors.
    for detail in fields(status).get(3, []):
        any_fields = fields(detail)
        if any_fields[1][0].endswith(b"google.rpc.ErrorInfo"):
            info = fields(any_fields[2][0])
            assert info[2] == [b"parlor"], info
            return info[1][0].decode()
    raise AssertionError("the error has no ErrorInfo")


def fields(message):
    """The length-delimited fields of a message, by number."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            varint()
        elif tag & 7 == 2:
            length = varint()
            found.setdefault(tag >> 3, []).append(message[at : at + length])
            at += length
        else:
            raise AssertionError(f"no wire type {tag & 7} here")
    return found


def refused(call, request, code, expected):
    try:
        answer = call(request)
        if isinstance(answer, grpc.Call) and hasattr(answer, "__next__"):
            next(answer)
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        assert reason(error) == expected, reason(error)
        return
    raise AssertionError("the call succeeded")


class Story:
    """What is tried, in this order; each method is one thing that holds."""

    def __init__(self, server, people):
        self.server = server
        self.customer = people["customer"]["token"]
        self.admin = people["admin"]["token"]
        self.key = f"native-{uuid.uuid4()}"
        self.ref = {"key": self.key}

    def send(self, text, token=None, **more):
        request = self.server.message("SendMessageRequest", conversation=self.ref, text=text, **more)
        return self.server.method("ChatService/SendMessage", token or self.customer)(request)

    def reflection_v1alpha_lists_the_services(self):
        assert ours(self.server.database.get_services()) == SERVICES

    def reflection_v1_says_the_same(self):
        # The package speaks v1alpha only; v1 has the same messages under another service name.
        ask = self.server.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(ask(iter([request]), timeout=TIMEOUT_S))
        assert ours(service.name for service in answer.list_services_response.service) == SERVICES

    def health_is_serving(self):
        health = health_pb2_grpc.HealthStub(self.server.channel)
        for service in ["", "parlor.v1.ChatService"]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, f"{service}: {answer}"
        try:
            health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError("an unknown service is healthy")

    def a_conversation_is_created_and_written_to(self):
        request = self.server.message("CreateConversationRequest", key=self.key, kind="native", waiting=True)
        created = self.server.method("ChatService/CreateConversation", self.customer)(request)
        assert created.created and created.conversation.key == self.key
        sent = self.send(" hello ")
        assert sent.message.text == " hello " and sent.message.number > 0, sent
        request = self.server.message("ListMessagesRequest", conversation=self.ref)
        page = self.server.method("ChatService/ListMessages", self.admin)(request)
        assert [message.text for message in page.messages] == [" hello "], page

    def errors_carry_their_code_and_reason(self):
        method, message = self.server.method, self.server.message
        get = message("GetConversationRequest", conversation={"key": f"native-{uuid.uuid4()}"})
        code = grpc.StatusCode
        refused(method("ChatService/GetConversation", self.customer), get, code.NOT_FOUND, "CONVERSATION_NOT_FOUND")
        refused(lambda text: self.send(text), "", code.INVALID_ARGUMENT, "FIELD_INVALID")
        refused(lambda text: self.send(text), "x" * 4001, code.INVALID_ARGUMENT, "FIELD_INVALID")
        self.send("x" * 4000)
        everybody = message("ListConversationsRequest")
        refused(method("ChatService/ListConversations"), everybody, code.UNAUTHENTICATED, "CREDENTIAL_MISSING")
        refused(method("ChatService/ListConversations", "a.b.c"), everybody, code.UNAUTHENTICATED, "CREDENTIAL_INVALID")
        inspect = message("InspectTokenRequest", token="x")
        refused(method("TokenService/InspectToken", self.customer), inspect, code.PERMISSION_DENIED, "ROLE_REQUIRED")

    def what_gateways_call_is_not_here(self):
        link = self.server.channel.stream_stream("/parlor.v1.EdgeService/Link")
        try:
            next(link(iter([b""]), timeout=TIMEOUT_S))
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED), error
        else:
            raise AssertionError("a stranger may link")

    def converse_answers_by_number_and_brings_events_in_order(self):
        request = lambda number, **command: self.server.message("ConverseRequest", number=number, **command)
        up = Commands()
        down = self.server.method("ChatService/Converse", self.customer)(up)
        up.send(request(1, open={"conversation": self.ref, "after_sequence": 0}))
        up.send(request(2, send={"conversation": self.ref, "text": "over the stream"}))
        up.send(request(3, send={"conversation": self.ref, "text": ""}))
        answered, failed, sequences = [], {}, []
        while len(answered) + len(failed) < 3 or not sequences or texts[-1] != "over the stream":
            body = next(down)
            kind = body.WhichOneof("body")
            if kind == "answer":
                answered.append(body.answer.number)
            elif kind == "failure":
                failed[body.failure.number] = body.failure.failure.code
            elif body.event.sequence > 0:
                sequences.append(body.event.sequence)
                texts = [body.event.message_sent.message.text]
        assert answered == [1, 2], answered
        assert failed == {3: grpc.StatusCode.INVALID_ARGUMENT.value[0]}, failed
        assert sequences == list(range(1, len(sequences) + 1)), sequences
        up.send(request(4, close={"conversation": self.ref}))
        assert next(down).answer.closed.conversation_id
        up.end()
        assert list(down) == [], "the stream ends when its commands do"

    def attend_is_being_online(self):
        request = lambda number, **command: self.server.message("AttendRequest", number=number, **command)
        up = Commands()
        down = self.server.method("PresenceService/Attend", self.customer)(up)
        up.send(request(1, attach={"linger": {"seconds": 0}}))
        answer = next(down).answer
        assert answer.number == 1 and answer.presence.reachable, answer
        assert answer.lease.seconds > 0, "a lease to renew within"
        up.send(request(2, heartbeat={}))
        assert next(down).answer.number == 2
        busy = self.server.pool.FindEnumTypeByName("parlor.v1.Availability").values_by_name["AVAILABILITY_BUSY"].number
        up.send(request(3, set_availability={"availability": busy}))
        assert next(down).answer.presence.availability == busy
        user_id = answer.presence.person.user_id
        get = self.server.message("GetPresenceRequest", user_id=user_id)
        assert self.server.method("PresenceService/GetPresence", self.admin)(get).presence.reachable

        watching = self.server.method("PresenceService/WatchPresence", self.admin)(
            self.server.message("WatchPresenceRequest")
        )
        snapshot = next(watching).event.presence_snapshot
        assert user_id in [presence.person.user_id for presence in snapshot.presences], snapshot
        up.end()
        assert list(down) == [], "the stream ends when its commands do"
        while True:
            changed = next(watching).event.presence_changed
            if changed.presence.person.user_id == user_id or changed.person.user_id == user_id:
                if not changed.presence.reachable:
                    break
        watching.cancel()

    def play(self):
        steps = [name for name in vars(Story) if not name.startswith("_") and name not in ("send", "play")]
        print(f"TAP version 13\n1..{len(steps)}")
        for number, name in enumerate(steps, start=1):
            title = f"{number} - {name.replace('_', ' ')}"
            try:
                getattr(self, name)()
            except Exception:
                report = "".join(f"  {line}\n" for line in traceback.format_exc().splitlines())
                print(f"not ok {title}\n  ---\n{report}  ...", flush=True)
                return 1
            print(f"ok {title}", flush=True)
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True, help="host:port of the public listener, without TLS")
    parser.add_argument("--tenant", required=True, help="the tenant's slug")
    parser.add_argument("--vars", required=True, help="people and their tokens, as JSON")
    arguments = parser.parse_args()
    with grpc.insecure_channel(arguments.address) as channel:
        return Story(Server(channel, arguments.tenant), json.loads(arguments.vars)).play()


if __name__ == "__main__":
    sys.exit(main())
